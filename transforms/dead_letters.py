"""Dead letters: records that could not be used, kept with where they came from and why."""

from __future__ import annotations

from typing import NamedTuple

from transforms.records import Record

# Why a record could not be used. Public: in dead letters, the ledger and counters.
NO_VALUE = "no_value"
"""A tombstone: the record holds no line."""
TIMESTAMP = "timestamp"
"""Its event time is outside of the bounds on skew."""
TOO_LATE = "too_late"
"""It was to be counted, and a window that it falls in was final already."""
OVERSIZED = "oversized"
"""Its value is longer than `--max_line_bytes`."""
REASONS = (NO_VALUE, TIMESTAMP, TOO_LATE, OVERSIZED)


class DeadLetter(NamedTuple):
    """A record that could not be used.

    Attributes:
      record: all of it, its bytes untouched.
      reason: one of `REASONS`.
      detail: a sentence for a person, with the numbers that decided.
    """

    record: Record
    reason: str
    detail: str
