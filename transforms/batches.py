"""Records of one partition, column by column, so that a whole batch is judged in one call."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from transforms.records import KafkaRecord, Record, headers_of, qualified_topic


class Batch(Protocol):
    """Records of one partition in ascending order of their offsets; at least one.

    Attributes:
      topic, partition: where they stand.
      offsets: of each, ascending, no two alike.
      timestamps_ms: Kafka's, milliseconds since the epoch.
      values: the lines; a record without a value is a tombstone.
      keys: as they are in Kafka.
      headers: of each, objects with `key` (str) and `value` (bytes or None).
    """

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offsets(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def timestamps_ms(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def values(self) -> Sequence[bytes | None]: ...  # noqa: D102
    @property
    def keys(self) -> Sequence[bytes | None]: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[Sequence[Any]]: ...  # noqa: D102


class RecordBatch(NamedTuple):
    """A `Batch` of our own making."""

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    headers: Sequence[Sequence[Any]]


def batches_of(records: Sequence[KafkaRecord]) -> list[RecordBatch]:
    """The records, a batch for every partition."""
    places: dict[tuple[str, int], list[KafkaRecord]] = {}
    for record in records:
        places.setdefault((record.topic, record.partition), []).append(record)
    return [batch_of(of_place) for of_place in places.values()]


def batch_of(records: Sequence[KafkaRecord]) -> RecordBatch:
    """A batch of records of one partition, in any order."""
    batch = RecordBatch(
        records[0].topic,
        records[0].partition,
        [record.offset for record in records],
        [record.timestamp for record in records],
        [record.value for record in records],
        [record.key for record in records],
        [record.headers or () for record in records],
    )
    return in_order(batch)


def in_order(batch: RecordBatch) -> RecordBatch:
    """The batch in ascending order of its offsets, where a read that was split gave another."""
    offsets = batch.offsets
    if all(map(operator.lt, offsets, offsets[1:])):
        return batch
    order = sorted(range(len(offsets)), key=offsets.__getitem__)
    return RecordBatch(
        batch.topic,
        batch.partition,
        [offsets[index] for index in order],
        [batch.timestamps_ms[index] for index in order],
        [batch.values[index] for index in order],
        [batch.keys[index] for index in order],
        [batch.headers[index] for index in order],
    )


def record_at(batch: Batch, index: int, cluster: str = "") -> Record:
    """All of one record of a batch, its topic qualified by the cluster."""
    return Record(
        qualified_topic(cluster, batch.topic),
        batch.partition,
        batch.offsets[index],
        batch.timestamps_ms[index],
        batch.keys[index],
        batch.values[index],
        headers_of(batch.headers[index]),
    )
