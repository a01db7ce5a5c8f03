"""Records put into batches, by partition and in order."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.utils.windowed_value import WindowedValue
from hypothesis import given
from hypothesis import strategies as st

from transforms.batch_records import MAX_BYTES, MAX_RECORDS, BatchEncodedFn, BatchRecordsFn
from transforms.batches import RecordBatch, batch_of, record_at
from transforms.encoded_records import encode_record
from transforms.records import Header, Record


def record(offset: int, partition: int = 0, value: bytes | None = b"x") -> Record:
    """A record, its timestamp told by its offset."""
    return Record("logs", partition, offset, 1_000 + offset, b"k", value, [Header("a", None)])


def batches(records: list[Record], *, encoded: bool = False) -> list[RecordBatch]:
    """What a bundle of records gives."""
    batch = BatchEncodedFn() if encoded else BatchRecordsFn()
    batch.start_bundle()
    given = [encode_record(one) for one in records] if encoded else records
    found: list[Any] = [each for one in given for each in batch.process(one)]
    found += batch.finish_bundle()
    return [each.value if isinstance(each, WindowedValue) else each for each in found]


@given(st.booleans(), st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=30))
def test_nothing_is_lost_on_the_way(encoded: bool, places: list[tuple[int, bool]]) -> None:
    """Every record is in a batch of its partition, in order, with all that it had."""
    records = [
        record(offset, partition, b"x" if has_value else None)
        for offset, (partition, has_value) in enumerate(places)
    ]

    found = batches(records, encoded=encoded)

    assert records == sorted(
        (record_at(batch, index) for batch in found for index in range(len(batch.offsets))),
        key=lambda one: one.offset,
    )
    assert len({one.partition for one in records}) == len(found)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_batch_is_full_of_records_or_of_bytes(encoded: bool) -> None:
    """Neither many small records nor few large ones fill the memory."""
    small = batches([record(offset) for offset in range(2 * MAX_RECORDS + 1)], encoded=encoded)
    large_ones = [record(offset, value=b"x" * (MAX_BYTES // 2)) for offset in range(5)]
    large = batches(large_ones, encoded=encoded)

    assert [MAX_RECORDS, MAX_RECORDS, 1] == [len(batch.offsets) for batch in small]
    assert [2, 2, 1] == [len(batch.offsets) for batch in large]


def test_records_out_of_order_are_put_in_order() -> None:
    """A read that was split may give a later part first."""
    batch = batch_of([record(5), record(6), record(2)])

    assert [2, 5, 6] == list(batch.offsets)
    assert [1_002, 1_005, 1_006] == list(batch.timestamps_ms)
