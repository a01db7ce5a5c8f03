"""Kafka records as Beam's Java connector encodes them, decoded many at a time.

The encoding is that of `KafkaRecordCoder` (KafkaRecordCoder.java of Beam 2.70): topic, partition,
offset, timestamp, kind of timestamp, headers, key and value, one after the other. Numbers are
varints; texts and bytes have their length in front, as a varint; headers have their number in
front, in four bytes; values of headers, key and value have a byte in front that says whether they
are there.

Of records of one partition most bytes stand at the same places, so they are read as columns of a
table, and only what does not fit the table is read record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transforms.batches import RecordBatch, in_order
from transforms.records import Header, Record

# Behind offset and timestamp: kind of timestamp, and the number of headers.
_KIND_BYTES = 1
_NO_HEADERS = b"\0\0\0\0"
# Whether key and value are there, and two bytes of the value's length.
_NO_KEY = b"\0\1"
_ONE_BYTE_LENGTHS = 1 << 7
_NO_HEADER_LIST: Sequence[Any] = ()


class EncodingError(ValueError):
    """Bytes are not a record as this module knows it."""


def decode_batches(records: Sequence[bytes]) -> list[RecordBatch]:
    """The records, a batch for every partition, each in the order of its offsets.

    Raises:
      EncodingError: at least one is no record.
    """
    return [_decode(place, of_place) for place, of_place in _by_place(records).items()]


def encode_record(record: Record) -> bytes:
    """A record as Java encodes it."""
    topic = record.topic.encode()
    parts = [
        _varint(len(topic)),
        topic,
        _varint(record.partition),
        _varint(record.offset),
        _varint(record.timestamp),
        _varint(0),
        len(record.headers or ()).to_bytes(4, "big"),
    ]
    for header in record.headers or ():
        key = header.key.encode()
        parts += [_varint(len(key)), key, *_nullable(header.value)]
    return b"".join([*parts, *_nullable(record.key), *_nullable(record.value)])


def _nullable(field: bytes | None) -> list[bytes]:
    return [b"\0"] if field is None else [b"\1", _varint(len(field)), field]


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _by_place(records: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """Records by the bytes of their topic and partition."""
    places: dict[bytes, list[bytes]] = {}
    try:
        for record in records:
            # A topic of up to 127 bytes and a partition up to 127: a byte for each number.
            place = record[: record[0] + 2]
            found = places.get(place)
            if found is None:
                found = places[place] = []
            found.append(record)
    except IndexError:
        raise EncodingError("a record is empty") from None
    if all(place[0] < _ONE_BYTE_LENGTHS > place[-1] for place in places):
        return places
    places = {}
    for record in records:
        cursor = _Cursor(record)
        cursor.sized()
        cursor.varint()
        places.setdefault(record[: cursor.at], []).append(record)
    return places


def _decode(place: bytes, records: list[bytes]) -> RecordBatch:
    cursor = _Cursor(place)
    topic, partition = cursor.sized().decode(), cursor.varint()
    batch = _decode_table(topic, partition, len(place), records)
    if batch is None:
        batch = _decode_one_by_one(topic, partition, len(place), records)
    return in_order(batch)


def _decode_table(
    topic: str, partition: int, start: int, records: list[bytes]
) -> RecordBatch | None:
    """Records without headers, of whose numbers each has as many bytes as in the first record.

    None if there are others among them.
    """
    first = _Cursor(records[0], start)
    first.varint()
    after_offset = first.at - start
    first.varint()
    after_timestamp = first.at - start
    after_headers = after_timestamp + _KIND_BYTES + len(_NO_HEADERS)
    # Flags of key and value and two bytes more.
    width = after_headers + len(_NO_KEY) + 2
    lengths = np.fromiter(map(len, records), np.int64, len(records))
    if lengths.min() < start + width:
        return None
    stop = start + width
    heads = np.frombuffer(b"".join([record[start:stop] for record in records]), np.uint8)
    table = heads.reshape(len(records), width)
    more = table[:, :after_timestamp] > 127
    ends = [after_offset - 1, after_timestamp - 1]
    if more[:, ends].any() or not np.delete(more, ends, axis=1).all():
        return None
    if table[:, after_timestamp].max() > 127 or table[:, after_timestamp + 1 : after_headers].any():
        return None
    offsets = _numbers(table[:, :after_offset]).tolist()
    timestamps_ms = _numbers(table[:, after_offset:after_timestamp]).tolist()
    at = start + after_headers
    values = _keyless_values(table[:, after_headers:], lengths - at, records, at)
    nothing = [_NO_HEADER_LIST] * len(records)
    if values is not None:
        keys: list[Any] = [None] * len(records)
        return RecordBatch(topic, partition, offsets, timestamps_ms, values, keys, nothing)
    tails = [_Cursor(record, at).key_and_value() for record in records]
    return RecordBatch(
        topic,
        partition,
        offsets,
        timestamps_ms,
        [value for _, value in tails],
        [key for key, _ in tails],
        nothing,
    )


def _numbers(columns: Any) -> Any:
    """Varints of one length each, seven bits to a column, the lowest first."""
    numbers = np.zeros(len(columns), np.int64)
    for place in range(columns.shape[1]):
        numbers |= (columns[:, place].astype(np.int64) & 127) << 7 * place
    return numbers


def _keyless_values(
    table: Any, sizes: Any, records: list[bytes], at: int
) -> list[bytes | None] | None:
    """The values of records that have no key but a value each of up to 16 kB; None for others."""
    if table[:, 0].any() or table[:, 1].min() != 1 or table[:, 1].max() != 1:
        return None
    is_short = sizes - 3 < _ONE_BYTE_LENGTHS
    low, high = table[:, 2].astype(np.int64), table[:, 3].astype(np.int64)
    long_fits = (low > 127) & (high < 128) & ((low & 127 | high << 7) == sizes - 4)
    if not np.where(is_short, low == sizes - 3, long_fits).all():
        return None
    short_at, long_at = at + 3, at + 4
    return [
        record[short_at:] if short else record[long_at:]
        for record, short in zip(records, is_short.tolist(), strict=True)
    ]


def _decode_one_by_one(topic: str, partition: int, start: int, records: list[bytes]) -> RecordBatch:
    rows = []
    for record in records:
        cursor = _Cursor(record, start)
        offset, timestamp_ms = cursor.varint(), cursor.varint()
        cursor.varint()
        headers = cursor.headers()
        key, value = cursor.key_and_value()
        rows.append((offset, timestamp_ms, value, key, headers))
    return RecordBatch(topic, partition, *(list(column) for column in zip(*rows, strict=True)))


class _Cursor:
    """Reads the parts of a record one after the other."""

    __slots__ = ("_record", "at")

    def __init__(self, record: bytes, at: int = 0) -> None:
        self._record = record
        self.at = at

    def varint(self) -> int:
        """A number; below zero as Java's long is."""
        number = shift = 0
        try:
            while True:
                byte = self._record[self.at]
                self.at += 1
                number |= (byte & 127) << shift
                if byte < 128:
                    return number - (1 << 64) if number >> 63 else number
                shift += 7
        except IndexError:
            raise EncodingError("a record ends within a number") from None

    def sized(self) -> bytes:
        """Bytes that have their number in front."""
        size = self.varint()
        start = self.at
        self.at += size
        if size < 0 or self.at > len(self._record):
            raise EncodingError("a record ends before its text does")
        return self._record[start : self.at]

    def headers(self) -> Sequence[Header]:
        """Headers that have their number in front."""
        count = int.from_bytes(self._record[self.at : self.at + 4], "big")
        self.at += 4
        # One after the other: a name is no value.
        return [Header(self.sized().decode(), self._nullable()) for _ in range(count)]

    def key_and_value(self) -> tuple[bytes | None, bytes | None]:
        """The last two parts, behind which nothing may be.

        Raises:
          EncodingError: something is.
        """
        key, value = self._nullable(), self._nullable()
        if self.at != len(self._record):
            raise EncodingError("a record goes on behind its value")
        return key, value

    def _nullable(self) -> bytes | None:
        if self.at >= len(self._record):
            raise EncodingError("a record ends before its key and its value")
        is_there = self._record[self.at]
        self.at += 1
        if is_there > 1:
            raise EncodingError("a record has something else in the place of its key or its value")
        return self.sized() if is_there else None
