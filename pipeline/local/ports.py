"""TCP ports on the loopback address for services of this machine."""

from __future__ import annotations

import contextlib
import random
import socket

from pipeline.errors import ServiceError

LOOPBACK = "127.0.0.1"
LOOPBACK_HOSTS = ("localhost", LOOPBACK, "::1")
"""What names this machine to itself."""
# Below the ports that Linux (32768 up) and macOS (49152 up) give to outgoing connections: a
# service that is down for a moment must not find its port taken by a client, least of all
# by one that tries to reach it (a connection to one's own port succeeds).
_PORTS = range(20_000, 32_768)
_ATTEMPTS = 200


def free_port() -> int:
    """A port nothing listens on now. Raises ServiceError if none is found."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports nothing listens on now.

    Raises:
      ServiceError: so many could not be found.
    """
    found: list[int] = []
    # The system's randomness: workers forked from one process must not all pick the same.
    for port in random.SystemRandom().sample(_PORTS, _ATTEMPTS):
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    if len(found) < count:
        raise ServiceError(
            f"ports: no free ones on {LOOPBACK}, got {len(found)} of {count}. "
            "Stop some local services."
        )
    return found


def is_free(port: int) -> bool:
    """Whether a service could listen on this loopback port now.

    Raises:
      PermissionError: this user may not use the port (below 1024, mostly).
    """
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # As servers do: connections that were closed a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except PermissionError:
            raise
        except OSError:
            return False
    return True
