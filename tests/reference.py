"""The job again in plain Python: what tests and benchmarks compare results with.

Nothing here is shared with the job: every window looks at every line, times are computed
with `datetime`, and the words of a line are found by splitting it.
"""

from __future__ import annotations

import datetime
import re
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

Record = tuple[int, bytes | None]
"""Kafka timestamp in milliseconds and value; None is a tombstone."""


def has_word_error(line: bytes) -> bool:
    """Whether ERROR stands in the line as a word of ASCII letters, digits and underscores."""
    return b"ERROR" in re.split(rb"[^A-Za-z0-9_]+", line)


def reference_results(
    records: Iterable[Record],
    *,
    window_seconds: int = 30,
    slide_seconds: int = 10,
    is_error: Callable[[bytes], bool] = has_word_error,
    key_of: Callable[[bytes], str] | None = None,
    job: str = "errors",
    max_silence_seconds: int = 86_400,
    series_idle_seconds: int = 3_600,
    until_ms: int | None = None,
) -> list[dict[str, Any]]:
    """The results of a bounded read of `records`, as parsed JSON objects, by window end and key.

    The total is filled from its first window to its last, or to `until_ms`, as a live job goes on;
    the series of a key until it has been idle for so long or the total ends.
    """
    window_ms, slide_ms = window_seconds * 1000, slide_seconds * 1000
    lines = [(time, value) for time, value in records if value is not None]
    # Series to window end to [error lines, lines].
    tally: dict[str | None, dict[int, list[int]]] = {}
    for time, value in lines:
        # The first grid point after the line, then as long as the window still reaches back to it.
        end = (time // slide_ms + 1) * slide_ms
        while end - window_ms <= time:
            for key in (None,) if key_of is None else (None, key_of(value)):
                numbers = tally.setdefault(key, {}).setdefault(end, [0, 0])
                numbers[0] += is_error(value)
                numbers[1] += 1
            end += slide_ms
    if not tally:
        return []
    last = max(tally[None]) if until_ms is None else until_ms
    results: list[dict[str, Any]] = []
    for key, ends in tally.items():
        idle_ms = 1000 * (max_silence_seconds if key is None else series_idle_seconds)
        most = idle_ms // slide_ms
        for end in sorted(ends):
            results.append(_result(job, key, end, window_ms, *ends[end]))
            # Zeros until the next window with a line, so many at most.
            for silent in range(1, most + 1):
                at = end + silent * slide_ms
                if at in ends or at > last:
                    break
                results.append(_result(job, key, at, window_ms, 0, 0))
    return sorted(results, key=lambda one: (one["window_end"], one["key"] or ""))


def reference_backfill(
    records: Iterable[Record], from_ms: int, to_ms: int, **options: Any
) -> list[dict[str, Any]]:
    """What a live job settles on that reads all of `records`: windows that lie in [from, to)."""
    return [
        one
        for one in reference_results(records, until_ms=to_ms, **options)
        if _rfc3339(from_ms) <= one["window_start"] and one["window_end"] <= _rfc3339(to_ms)
    ]


def _result(
    job: str, key: str | None, end: int, window_ms: int, errors: int, lines: int
) -> dict[str, Any]:
    why_zero = "no_errors" if lines else "no_input"
    name = "*" if key is None else urllib.parse.quote(key, safe="")
    return {
        "id": f"{job}/{name}/{_rfc3339(end)}",
        "job": job,
        "key": key,
        "window_start": _rfc3339(end - window_ms),
        "window_end": _rfc3339(end),
        "count": errors,
        "revision": 0,
        "final": True,
        "silence": None if errors else why_zero,
    }


def _rfc3339(time_ms: int) -> str:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    moment = epoch + datetime.timedelta(milliseconds=time_ms)
    text = moment.isoformat(timespec="milliseconds" if time_ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")
