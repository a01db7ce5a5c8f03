"""A log line and what a person reads in it."""

from __future__ import annotations

import datetime
from typing import NamedTuple

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001, all times here are UTC


def at(text: str) -> int:
    """Milliseconds since the epoch of `2024-05-01 10:00:00.123` in UTC."""
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // datetime.timedelta(milliseconds=1)


# When the lines are read: their Kafka timestamp.
REFERENCE_MS = at("2024-05-01 12:00:00.000")


class Sample(NamedTuple):
    """A line with its level, its time and some of its fields; None: it has none."""

    line: bytes
    level: str | None
    time_ms: int | None
    fields: dict[str, str | None]


def sample(
    line: str | bytes, level: str | None, time: str | None, /, **fields: str | None
) -> Sample:
    """A sample whose time is written as `at` reads it."""
    data = line.encode("utf-8") if isinstance(line, str) else line
    return Sample(data, level, None if time is None else at(time), fields)
