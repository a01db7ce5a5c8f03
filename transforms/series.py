"""Names of series inside the job: the total, and one per key."""

from __future__ import annotations

import zlib

TOTAL = "*"
"""Names the series of all lines."""

_OF_KEY = "="
# Enough for some workers to share, and few, because each costs: a runner is asked for the state of
# a group, and woken for it, not for that of a series.
_GROUPS = 8


def series_of_key(key: str) -> str:
    """The series of a key; never that of the total, whatever the key."""
    return _OF_KEY + key


def group_of_series(series: str) -> str:
    """The group of series that a series is kept with; the total is alone in its own."""
    return TOTAL if series == TOTAL else f"{_OF_KEY}{zlib.crc32(series.encode()) % _GROUPS}"


def key_of_series(series: str) -> str | None:
    """The key of a series; None for the total."""
    return None if series == TOTAL else series.removeprefix(_OF_KEY)
