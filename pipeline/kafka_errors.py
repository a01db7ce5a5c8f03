"""What is told when brokers do not answer or a topic is not there, for every command alike."""

from __future__ import annotations

import concurrent.futures
import difflib
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from confluent_kafka import KafkaException

BOOTSTRAP_FLAG = "--kafka_bootstrap_servers"
_CONNECT_TIMEOUT_SECONDS = 5.0
_NEAR_NAMES = 3
_SHOWN_NAMES = 5


def require_broker(bootstrap_servers: str) -> None:
    """Fails at once when none of the addresses takes a TCP connection.

    Kafka clients would go on trying until their timeout, and not say why.

    Args:
      bootstrap_servers: `host:port[,host:port]`.

    Raises:
      ServiceError: nothing listens at any of the addresses.
      UsageError: an address is not host:port.
    """
    addresses = [_split_address(address) for address in bootstrap_servers.split(",")]
    with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
        reasons = list(pool.map(_refusal, addresses))
    if None not in reasons:
        raise no_broker_error(bootstrap_servers, str(reasons[0]))


def no_broker_error(bootstrap_servers: str, reason: str) -> ServiceError:
    """The error for addresses at which no broker answers."""
    return ServiceError(
        f"{BOOTSTRAP_FLAG}: no broker answers ({reason}), got {bootstrap_servers!r}. "
        "Check that Kafka runs there; error-windows kafka start starts one on this machine."
    )


def refused_setting_error(error: KafkaException, flag: str = "--consumer_property") -> UsageError:
    """The error for settings that a Kafka client does not accept."""
    return UsageError(
        flag, f"not accepted by the client ({error.args[0].str()})", fix="Correct the setting."
    )


def no_such_topic_error(flag: str, topic: str, existing: Iterable[str]) -> UsageError:
    """The error for a topic that is not there; names near ones, else some that are."""
    visible = sorted(name for name in existing if not name.startswith("__"))
    near = [repr(name) for name in difflib.get_close_matches(topic, visible, n=_NEAR_NAMES)]
    if near:
        choices = " or ".join(filter(None, [", ".join(near[:-1]), near[-1]]))
        hint = f"Did you mean {choices}?"
    elif visible:
        more = ", and more" if len(visible) > _SHOWN_NAMES else ""
        hint = f"The brokers have: {', '.join(visible[:_SHOWN_NAMES])}{more}."
    else:
        hint = "The brokers have no topics yet."
    return UsageError(flag, "no such topic", got=topic, fix=hint)


def _split_address(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            BOOTSTRAP_FLAG, "not an address", got=address, fix="Give host:port, port 1 to 65535."
        )
    return host.strip("[]"), int(port)


def _refusal(address: tuple[str, int]) -> str | None:
    try:
        socket.create_connection(address, _CONNECT_TIMEOUT_SECONDS).close()
    except TimeoutError:
        return f"no connection within {_CONNECT_TIMEOUT_SECONDS:.0f} s"
    except socket.gaierror:
        return "unknown host"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
