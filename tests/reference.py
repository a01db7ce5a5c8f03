"""The job again in plain Python: what tests and benchmarks compare results with.

Nothing here is shared with the job: every window looks at every line, times are computed
with `datetime`, and the words of a line are found by splitting it.
"""

from __future__ import annotations

import datetime
import re
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
    job: str = "errors",
    max_silence_seconds: int = 86_400,
) -> list[dict[str, Any]]:
    """The results of a bounded read of `records`, as parsed JSON objects, by window end."""
    window_ms, slide_ms = window_seconds * 1000, slide_seconds * 1000
    lines = [(time, value) for time, value in records if value is not None]
    tally: dict[int, list[int]] = {}
    for time, value in lines:
        # The first grid point after the line, then as long as the window still reaches back to it.
        end = (time // slide_ms + 1) * slide_ms
        while end - window_ms <= time:
            errors_and_lines = tally.setdefault(end, [0, 0])
            errors_and_lines[0] += is_error(value)
            errors_and_lines[1] += 1
            end += slide_ms
    results: list[dict[str, Any]] = []
    previous = None
    for end in sorted(tally):
        if previous is not None:
            silent = list(range(previous + slide_ms, end, slide_ms))
            if len(silent) <= max_silence_seconds // slide_seconds:
                results += [_result(job, at, window_ms, 0, 0) for at in silent]
        results.append(_result(job, end, window_ms, *tally[end]))
        previous = end
    return results


def _result(job: str, end: int, window_ms: int, errors: int, lines: int) -> dict[str, Any]:
    why_zero = "no_errors" if lines else "no_input"
    return {
        "id": f"{job}/*/{_rfc3339(end)}",
        "job": job,
        "key": None,
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
