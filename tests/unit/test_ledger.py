"""The ledger of a partition: every record in one place, every offset accounted for."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.ledger import LedgerRow, PartitionLedger, Tally
from transforms.offsets import OffsetSpan, SpanTally, decided

COUNTED, FILTERED_OUT, BAD, TOO_LATE, OVERSIZED, PENDING = range(6)


def span(*records: tuple[int, int, int]) -> OffsetSpan:
    """What a bundle of (offset, event time in seconds, outcome) gives."""
    tally = SpanTally()
    for offset, seconds, outcome in records:
        tally.read([offset])
        tally.add_one(offset, seconds * 1000, outcome)
    return tally.to_span()


def whole(ledger: PartitionLedger) -> LedgerRow:
    """The row of the partition."""
    return list(ledger.rows("errors", "logs", 0))[-1]


def test_minutes_add_up_to_the_partition() -> None:
    """Two bundles, two minutes of event time; rows of minutes come before that of all."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((5, 10, COUNTED), (6, 70, FILTERED_OUT), (7, 20, BAD)))
    ledger.add(span((8, 71, OVERSIZED), (9, 11, COUNTED)))

    rows = list(ledger.rows("errors", "logs", 0))

    assert [
        LedgerRow("errors", "logs", 0, 0, Tally(counted=2, bad=1), 5, 9),
        LedgerRow("errors", "logs", 0, 60_000, Tally(filtered_out=1, oversized=1), 6, 8),
        LedgerRow("errors", "logs", 0, None, Tally(2, 1, 1, 0, 1), 5, 9),
    ] == rows
    assert rows[-1].balanced


def test_a_forged_time_takes_no_row_away() -> None:
    """A record of 2100 has a row of its own, and the minutes of the present keep theirs."""
    ledger = PartitionLedger(keep_minutes=60)
    forged = 4_102_444_800
    ledger.add(span((5, forged, BAD), (6, 70, COUNTED)))
    ledger.add(span((7, 10, FILTERED_OUT), (8, forged, BAD)))

    rows = list(ledger.rows("errors", "logs", 0))

    expected = [(0, 1), (60_000, 1), (forged * 1000, 2), (None, 4)]
    assert expected == [(row.minute_ms, row.tally.read) for row in rows]


def test_many_forged_times_take_no_room_without_end() -> None:
    """Those that are furthest ahead have no rows; that of the partition counts them."""
    ledger = PartitionLedger(keep_minutes=3)
    ledger.add(span((0, 60, COUNTED)))
    for number in range(1, 100):
        ledger.add(span((number, 6_000 - 60 * number, BAD)))

    rows = list(ledger.rows("errors", "logs", 0))

    assert [60_000, 120_000, 180_000, 240_000, None] == [row.minute_ms for row in rows]
    assert 100 == rows[-1].tally.read


def test_only_rows_that_changed_are_told_again() -> None:
    """With all that they hold by then, so that the newest replaces the one before."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((5, 10, COUNTED), (6, 70, COUNTED)))
    list(ledger.rows("errors", "logs", 0))
    ledger.add(span((7, 71, COUNTED)))

    rows = list(ledger.rows("errors", "logs", 0))

    assert [(60_000, 2), (None, 3)] == [(row.minute_ms, row.tally.counted) for row in rows]


def test_a_hole_in_the_offsets_is_missing_until_it_is_filled() -> None:
    """Expired or compacted records, or markers; a part that comes later takes it away."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((0, 1, COUNTED), (4, 1, COUNTED)))
    assert (3, ((1, 3),), True) == (whole(ledger).missing, whole(ledger).holes, True)
    assert whole(ledger).balanced

    ledger.add(span((2, 1, COUNTED)))

    assert (2, ((1, 1), (3, 3))) == (whole(ledger).missing, whole(ledger).holes)
    assert whole(ledger).balanced


def test_an_offset_that_comes_twice_is_an_error() -> None:
    """No runner may do that to the state; if one does, it is told."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((0, 1, COUNTED), (1, 1, COUNTED)))
    ledger.add(span((1, 1, COUNTED), (2, 1, COUNTED)))

    assert (1, False) == (whole(ledger).repeated, whole(ledger).balanced)


def test_a_part_before_the_first_offset_extends_the_partition() -> None:
    """A bounded read may be split, and its later part be done first."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((10, 1, COUNTED)))
    ledger.add(span((5, 1, COUNTED), (6, 1, COUNTED)))

    row = whole(ledger)

    assert (5, 10, 3, ((7, 9),), 0) == (
        row.first_offset,
        row.last_offset,
        row.missing,
        row.holes,
        row.repeated,
    )
    assert row.balanced


def test_pending_records_are_decided_later() -> None:
    """They balance as pending before, and as counted or too late after."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((0, 1, COUNTED), (1, 2, PENDING), (2, 3, PENDING)))
    before = whole(ledger)
    ledger.add(decided([(1, 2_000, True), (2, 3_000, False)]))
    after = whole(ledger)

    assert (1, 2, True) == (before.tally.read, before.pending, before.balanced)
    assert (Tally(counted=2, too_late=1), 0, True) == (after.tally, after.pending, after.balanced)


def test_minutes_older_than_those_kept_count_in_the_whole_only() -> None:
    """Forged times must not open rows without end."""
    ledger = PartitionLedger(keep_minutes=2)
    ledger.add(span((0, 0, COUNTED), (1, 600, COUNTED), (2, 60, COUNTED), (3, 540, COUNTED)))

    rows = list(ledger.rows("errors", "logs", 0))

    assert [(540_000, 1), (600_000, 1), (None, 4)] == [
        (row.minute_ms, row.tally.counted) for row in rows
    ]


def test_the_state_survives_a_checkpoint() -> None:
    """Plain values in, the same ledger out."""
    ledger = PartitionLedger(keep_minutes=60)
    ledger.add(span((0, 1, COUNTED), (4, 90, PENDING)))

    restored = PartitionLedger.from_state(ledger.to_state(), 60)

    assert list(ledger.rows("errors", "logs", 0)) == list(restored.rows("errors", "logs", 0))


def test_a_row_is_one_json_object() -> None:
    """The public form; a row of a minute has no word on offsets that are missing."""
    row = LedgerRow("errors", "logs", 3, 60_000, Tally(1, 2, 3, 4, 5), 7, 30)

    assert {
        "id": "errors/logs/3/1970-01-01T00:01:00Z",
        "job": "errors",
        "topic": "logs",
        "partition": 3,
        "minute": "1970-01-01T00:01:00Z",
        "first_offset": 7,
        "last_offset": 30,
        "read": 15,
        "counted": 1,
        "filtered_out": 2,
        "bad": 3,
        "too_late": 4,
        "oversized": 5,
    } == json.loads(row.to_json())


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    gaps=st.lists(st.integers(0, 3), min_size=20, max_size=20),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=200)
def test_whatever_order_parts_come_in_the_partition_balances(
    lengths: list[int], gaps: list[int], seed: int
) -> None:
    """Every offset is a record or missing, none is repeated."""
    offset, spans, records = 0, [], set()
    for length, gap in zip(lengths, gaps, strict=False):
        spans.append(span(*((offset + step, 1, COUNTED) for step in range(length))))
        records |= set(range(offset, offset + length))
        offset += length + gap
    random.Random(seed).shuffle(spans)
    ledger = PartitionLedger(keep_minutes=60)
    for one in spans:
        ledger.add(one)

    row = whole(ledger)
    missing = set(range(min(records), max(records) + 1)) - records

    assert (len(records), len(missing), 0) == (row.tally.read, row.missing, row.repeated)
    assert missing == {offset for low, high in row.holes for offset in range(low, high + 1)}
    assert row.balanced
