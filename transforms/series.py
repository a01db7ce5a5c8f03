"""Names of series inside the job: the total, and one per key."""

from __future__ import annotations

TOTAL = "*"
"""Names the series of all lines."""

_OF_KEY = "="


def series_of_key(key: str) -> str:
    """The series of a key; never that of the total, whatever the key."""
    return _OF_KEY + key


def key_of_series(series: str) -> str | None:
    """The key of a series; None for the total."""
    return None if series == TOTAL else series.removeprefix(_OF_KEY)
