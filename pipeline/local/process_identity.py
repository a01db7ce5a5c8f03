"""Which process a pid file means: number and start, so that a recycled pid is never killed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import select
import sys
import time

from pipeline.errors import ServiceError
from pipeline.local import guard

_POLL_SECONDS = 0.05


@dataclasses.dataclass(frozen=True)
class ProcessIdentity:
    """A process, told from later ones with the same number by `guard.process_start_id`."""

    pid: int
    start_id: str

    @staticmethod
    def read(pid_path: pathlib.Path) -> ProcessIdentity | None:
        """What a pid file says; None if there is none.

        Raises:
          ServiceError: it is no pid file, or cannot be read.
        """
        try:
            content = json.loads(pid_path.read_text(encoding="ascii"))
            return ProcessIdentity(int(content["pid"]), str(content["start_id"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"pid file: not readable ({error}), got {str(pid_path)!r}. "
                "Remove it if the service it belongs to does not run."
            ) from None

    def lives(self) -> bool:
        """Whether this very process is alive."""
        return guard.process_start_id(self.pid) == self.start_id

    def wait(self, timeout_seconds: float) -> bool:
        """Waits for the end of the process; False if it still lives then."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(self.pid)
                try:
                    if self.lives():
                        poll = select.poll()
                        poll.register(descriptor, select.POLLIN)
                        poll.poll(timeout_seconds * 1000)
                    return not self.lives()
                finally:
                    os.close(descriptor)
        deadline = time.monotonic() + timeout_seconds
        while self.lives() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return not self.lives()
