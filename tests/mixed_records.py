"""Records of every kind, the same for the same seed, and what is to become of each of them.

JSON lines of three services in total disorder, with two silences, minutes in which nothing goes
wrong, and records that are no use: tombstones, forged times, lines that are too long.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from pipeline.dead_letter_json import dead_letter_to_json
from pipeline.dead_letter_source import DeadLetterSource
from tests.reference import reference_results
from tests.sending import Sent
from transforms.dead_letters import NO_VALUE, OVERSIZED, TIMESTAMP

PARTITIONS = 4
SECONDS = 900
"""Lines lie in so many seconds of event time."""
SILENCES = ((240, 360), (600, 720))
"""First and last second without a line."""
_WITHOUT_ERRORS = (780, 840)
_MINUTE_MS = 60_000
MAX_LINE_BYTES = 200
_FORGED_MS = {1: 4_102_444_800_000, 2: 86_400_000}  # 2100 and 1970
# Of so many records three are of no use by their kind, and two by their time.
_KINDS = 200
# So many that there are some for every partition.
_PLAIN_AT_FIRST = 50
TOPIC_SETTINGS = {"message.timestamp.after.max.ms": str(2**62)}
"""Brokers refuse times that are more than an hour ahead, unless they are told not to."""


def past_ms(now_ms: int) -> int:
    """A full minute from which on `mixed_records` ends two minutes ago."""
    return now_ms // _MINUTE_MS * _MINUTE_MS - SECONDS * 1000 - 2 * _MINUTE_MS


def dead_letter_lines(source: DeadLetterSource) -> list[str]:
    """Dead letters as runners are compared by, in one order.

    Without `detail`, which names the time of the clock that its own was compared with.
    """
    return sorted(dead_letter_to_json(one._replace(detail="")) for one in source.read_all())


def mixed_records(seed: int, count: int, *, start_ms: int) -> list[Sent]:
    """So many records of `SECONDS` seconds from `start_ms` on, in `PARTITIONS` partitions."""
    chance = random.Random(seed)
    records = []
    for number in range(count):
        seconds = chance.uniform(0, SECONDS)
        for begin, end in SILENCES:
            if begin <= seconds < end:
                seconds += end - begin
        # A ledger that knows nothing newer has a row for a minute of 1970.
        kind = chance.randrange(_KINDS) if number >= _PLAIN_AT_FIRST else _KINDS
        service, level = chance.choice(("cart", "pay", "web")), chance.choice(("error", "info"))
        if _WITHOUT_ERRORS[0] <= seconds < _WITHOUT_ERRORS[1]:
            level = "info"
        value: bytes | None = b'{"level":"%s","service":"%s","n":%d}' % (
            level.encode(),
            service.encode(),
            number,
        )
        timestamp_ms = start_ms + round(seconds * 1000)
        if kind == 0:
            value = None
        elif kind in _FORGED_MS:
            timestamp_ms = _FORGED_MS[kind]
        elif kind == 3:
            value = b'{"level":"error","pad":"%s"}' % (b"x" * 500)
        headers = (("n", b"%d" % number), ("empty", b"")) if kind < 4 else ()
        records.append(Sent(timestamp_ms, value, chance.randrange(PARTITIONS), b"k", headers))
    return records


def reason_of(record: Sent) -> str | None:
    """Why a record is a dead letter; None for one that is a line."""
    if record.value is None:
        return NO_VALUE
    if len(record.value) > MAX_LINE_BYTES:
        return OVERSIZED
    return TIMESTAMP if record.timestamp_ms in _FORGED_MS.values() else None


def is_error(line: bytes) -> bool:
    """Whether a line of these is an error line."""
    return b'"level":"error"' in line


def usable(records: Sequence[Sent]) -> list[tuple[int, bytes]]:
    """Timestamp and line of the records that are lines."""
    return [(one.timestamp_ms, one.value or b"") for one in records if reason_of(one) is None]


def expected_results(records: Sequence[Sent], **changes: Any) -> list[dict[str, Any]]:
    """The results of a bounded read, by the reference model; a series for every service."""
    return reference_results(
        usable(records),
        is_error=is_error,
        key_of=lambda line: str(json.loads(line)["service"]),
        **changes,
    )


def expected_ledger(records: Sequence[Sent]) -> dict[str, int]:
    """What the rows of all partitions add up to."""
    errors = sum(is_error(line) for _, line in usable(records))
    reasons = [reason_of(one) for one in records]
    return {
        "read": len(records),
        "counted": errors,
        "filtered_out": reasons.count(None) - errors,
        "bad": reasons.count(NO_VALUE) + reasons.count(TIMESTAMP),
        "too_late": 0,
        "oversized": reasons.count(OVERSIZED),
        "missing": 0,
        "repeated": 0,
    }
