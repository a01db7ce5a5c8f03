"""Records as Java encodes them: hand-made bytes, and all that a record may be, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.batches import RecordBatch, record_at
from transforms.encoded_records import EncodingError, decode_batches, encode_record
from transforms.records import Header, Record

_FIELD = st.none() | st.binary(max_size=300)
_HEADERS = st.none() | st.lists(st.builds(Header, st.text(max_size=3), _FIELD))


@st.composite
def topics(draw: st.DrawFn) -> list[Record]:
    """Records with offsets that go up, mostly alike, as in a topic; some are not."""
    names = draw(st.sampled_from([["logs"], ["logs", "more"], ["l" * 127], ["l" * 128, "l" * 249]]))
    odd = draw(st.booleans())
    first = draw(st.sampled_from([0, 120, 16_380, 2**40]))
    records = []
    for number in range(draw(st.integers(1, 40))):
        is_odd = odd and draw(st.integers(0, 9)) == 0
        records.append(
            Record(
                draw(st.sampled_from(names)),
                draw(st.sampled_from([0, 1, 127, 128, 5_000])),
                first + number,
                draw(st.sampled_from([-1, 0, 127, 2**62]))
                if is_odd
                else 1_795_341_605_000 + number,
                draw(_FIELD) if is_odd else None,
                draw(_FIELD) if is_odd else b"x" * draw(st.sampled_from([0, 1, 90, 127, 128, 300])),
                (draw(_HEADERS) or None) if is_odd else None,
            )
        )
    return records


def decoded(batches: list[RecordBatch]) -> list[Record]:
    """All records of the batches by offset."""
    found = [record_at(batch, index) for batch in batches for index in range(len(batch.offsets))]
    return sorted(found, key=lambda record: record.offset)


def test_a_record_byte_by_byte() -> None:
    """By hand from KafkaRecordCoder.java and the coders it names."""
    by_hand = (
        *(b"\x02t8", b"\x03", b"\xac\x02", b"\xe8\x07", b"\x00"),
        *(b"\x00\x00\x00\x01", b"\x01h\x01\x02vv"),
        *(b"\x01\x01k", b"\x01\x03ERR"),
    )
    record = Record("t8", 3, 300, 1_000, b"k", b"ERR", [Header("h", b"vv")])

    assert [record] == decoded(decode_batches([b"".join(by_hand)]))
    assert b"".join(by_hand) == encode_record(record)


def test_neither_key_nor_value_nor_time() -> None:
    """A tombstone; a time below zero is ten bytes long."""
    encoded = b"\x01t\x00\x05" + b"\xff" * 9 + b"\x01" + b"\x01" + b"\x00" * 4 + b"\x00\x00"

    assert [Record("t", 0, 5, -1, None, None)] == decoded(decode_batches([encoded]))


def test_no_record_has_a_time() -> None:
    """As topics of before Kafka 0.10 give them; all numbers are ten bytes long then."""
    records = [Record("t", 0, offset, -1, None, b"line") for offset in range(5)]

    assert records == decoded(decode_batches([encode_record(record) for record in records]))


@given(topics(), st.randoms())
def test_records_come_back_as_they_were(records: list[Record], chance: object) -> None:
    """In one batch for each partition, in the order of the offsets, however they came."""
    encoded = [encode_record(record) for record in records]
    chance.shuffle(encoded)  # type: ignore[attr-defined]

    batches = decode_batches(encoded)

    assert records == decoded(batches)
    places = {(record.topic, record.partition) for record in records}
    assert places == {(batch.topic, batch.partition) for batch in batches}
    assert len(places) == len(batches)
    for batch in batches:
        assert sorted(batch.offsets) == list(batch.offsets)


@given(topics(), st.data())
def test_bytes_that_are_no_record_are_refused(records: list[Record], data: st.DataObject) -> None:
    """One that is cut short, or too long, among good ones."""
    encoded = [encode_record(record) for record in records]
    index = data.draw(st.integers(0, len(encoded) - 1))
    if data.draw(st.booleans()):
        encoded[index] += b"x"
    else:
        encoded[index] = encoded[index][: data.draw(st.integers(0, len(encoded[index]) - 1))]

    with pytest.raises(EncodingError):
        decode_batches(encoded)
