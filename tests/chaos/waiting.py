"""Waits for what real processes do: by looking again and again, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.1
_T = TypeVar("_T")


class NotInTimeError(AssertionError):
    """What was waited for did not come."""


def wait_until(
    look: Callable[[], _T | None],
    *,
    what: str,
    timeout_seconds: float,
    poll_seconds: float = POLL_SECONDS,
) -> _T:
    """Calls `look` until it returns something that counts as true, and returns that.

    Args:
      look: None, False and the like mean: not yet.
      what: is waited for, for the error.
      timeout_seconds: how long it may take.
      poll_seconds: between two looks.

    Raises:
      NotInTimeError: it did not come.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what}: not in {timeout_seconds:.0f} s")
        time.sleep(poll_seconds)


def now_ms() -> int:
    """Milliseconds since the epoch, as Kafka and Flink count them."""
    return time.time_ns() // 1_000_000
