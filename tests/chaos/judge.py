"""Compares the settled table with the reference model over what was produced."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

from tests.chaos.results import ResultFollower, end_ms
from tests.chaos.waiting import wait_until
from tests.reference import Record, reference_results

# More than any window can wait for: the next on-time result brings the amendments.
SETTLE_SECONDS = 120.0
# What is counted twice may show later only.
LATER_WINDOWS = 3
_POLL_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a comparison found.

    Attributes:
      windows: compared.
      settle_seconds: until the table was equal, from the start of the comparison.
      differences: each in one line; none means exact.
    """

    windows: int
    settle_seconds: float
    differences: tuple[str, ...]


def judge(
    follower: ResultFollower,
    truth: Iterable[Record],
    *,
    window_seconds: int,
    slide_seconds: int,
    settle_seconds: float = SETTLE_SECONDS,
) -> Verdict:
    """Waits until every window is exact, then for `LATER_WINDOWS` more, and compares again.

    Args:
      follower: of the results.
      truth: all lines that were produced; production has ended.
      window_seconds: of the job.
      slide_seconds: of the job.
      settle_seconds: how long to wait for the job to catch up.
    """
    expected = reference_results(truth, window_seconds=window_seconds, slide_seconds=slide_seconds)
    start = time.monotonic()
    while found := differences(expected, follower.settled()):
        if time.monotonic() > start + settle_seconds:
            return Verdict(len(expected), time.monotonic() - start, tuple(found))
        time.sleep(_POLL_SECONDS)
    settled_after = time.monotonic() - start
    later_ms = max(follower.newest_on_time_ms, end_ms(expected[-1]))
    later_ms += LATER_WINDOWS * slide_seconds * 1000
    wait_until(
        lambda: follower.newest_on_time_ms >= later_ms,
        what=f"{LATER_WINDOWS} windows after the last line",
        timeout_seconds=settle_seconds,
    )
    found = differences(expected, follower.settled())
    return Verdict(len(expected), settled_after, tuple(found))


def judge_so_far(
    follower: ResultFollower,
    records: Iterable[Record],
    *,
    until_ms: int,
    window_seconds: int,
    slide_seconds: int,
    settle_seconds: float = SETTLE_SECONDS,
) -> Verdict:
    """Compares the windows that ended before a moment, while production goes on.

    Args:
      follower: of the results.
      records: lines that were produced, among them all that are older than `until_ms`.
      until_ms: later windows do not count, in milliseconds since the epoch.
      window_seconds: of the job.
      slide_seconds: of the job.
      settle_seconds: how long to wait for the job to catch up.
    """
    expected = [
        one
        for one in reference_results(
            records, window_seconds=window_seconds, slide_seconds=slide_seconds
        )
        if end_ms(one) <= until_ms
    ]
    start = time.monotonic()
    while True:
        settled = [one for one in follower.settled() if end_ms(one) <= until_ms]
        found = differences(expected, settled)
        seconds = time.monotonic() - start
        if not found or seconds > settle_seconds:
            return Verdict(len(expected), seconds, tuple(found))
        time.sleep(_POLL_SECONDS)


def differences(expected: list[dict[str, Any]], settled: list[dict[str, Any]]) -> list[str]:
    """How the table differs from what it should be, one line for each window.

    Windows that no line fell in must say so, wherever they are.
    """
    kept = {one["id"]: one for one in settled}
    found = []
    for one in expected:
        got = kept.pop(one["id"], None)
        wanted = _seen(one)
        if got is None:
            found.append(f"{one['id']}: no result, expected {wanted}")
        elif _seen(got) != wanted:
            found.append(f"{one['id']}: {_seen(got)}, expected {wanted}")
    for one in kept.values():
        if _seen(one) != (0, "no_input"):
            found.append(f"{one['id']}: {_seen(one)}, where no line was")
    return found


def _seen(result: dict[str, Any]) -> tuple[int, str | None]:
    return result["count"], result["silence"]
