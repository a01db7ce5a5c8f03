"""Dead letters: records that could not be used, kept with where they came from and why."""

from __future__ import annotations

from typing import NamedTuple

from transforms.records import Header, KafkaRecord, Record

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


def dead_letter(record: KafkaRecord, reason: str, detail: str, cluster: str = "") -> DeadLetter:
    """A dead letter of any kind of record object.

    Of a named cluster its topic is `cluster/topic`.
    """
    headers = [Header(header.key, header.value) for header in record.headers or ()]
    own = Record(
        f"{cluster}/{record.topic}" if cluster else record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        headers or None,
    )
    return DeadLetter(own, reason, detail)
