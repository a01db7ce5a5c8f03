"""Puts single records into batches, so that what comes after works on many in one call."""

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

from transforms.batches import RecordBatch, batch_of
from transforms.beam_time import timestamp_of
from transforms.records import KafkaRecord

# Enough that what a batch costs is little for each of its records, and little in memory.
MAX_BATCH_RECORDS = 1_000
MAX_BATCH_BYTES = 4_000_000


class BatchRecords(beam.PTransform):
    """Puts the records of each partition into batches.

    Input: PCollection of Kafka records (`transforms.records.KafkaRecord`).

    Output: PCollection[RecordBatch] in the global window. Emitted when `MAX_BATCH_RECORDS` or
    `MAX_BATCH_BYTES` of a partition are there, and when a bundle ends.
    """

    def expand(self, records: beam.PCollection) -> beam.PCollection[RecordBatch]:
        """Applies the transform."""
        return records | "Batch" >> beam.ParDo(BatchRecordsFn())


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(RecordBatch)
class BatchRecordsFn(beam.DoFn):
    """See `BatchRecords`."""

    def start_bundle(self) -> None:
        """Begins with nothing."""
        self._open: dict[tuple[str, int], _Open] = {}
        self._last = _Open("", -1)

    def process(self, element: KafkaRecord) -> Iterable[RecordBatch]:
        """Takes in one record."""
        of_place = self._last
        if element.partition != of_place.partition or element.topic != of_place.topic:
            of_place = self._of(element.topic, element.partition)
        records = of_place.records
        records.append(element)
        of_place.bytes_left -= len(element.value or b"")
        if len(records) < MAX_BATCH_RECORDS and of_place.bytes_left > 0:
            return ()
        of_place.records, of_place.bytes_left = [], MAX_BATCH_BYTES
        return (batch_of(records),)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Emits what is left."""
        for of_place in self._open.values():
            if of_place.records:
                batch = batch_of(of_place.records)
                stamp = timestamp_of(max(batch.timestamps_ms))
                yield WindowedValue(batch, stamp, (window.GlobalWindow(),))
        self._open = {}

    def _of(self, topic: str, partition: int) -> "_Open":
        of_place = self._open.get((topic, partition))
        if of_place is None:
            of_place = self._open[topic, partition] = _Open(topic, partition)
        self._last = of_place
        return of_place


class _Open:
    """The batch of a partition that is being filled."""

    __slots__ = ("bytes_left", "partition", "records", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.records: list[KafkaRecord] = []
        self.bytes_left = MAX_BATCH_BYTES
