"""Puts single records into batches, so that what comes after works on many in one call."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

from transforms.batches import RecordBatch, batches_of
from transforms.beam_time import timestamp_of
from transforms.encoded_records import decode_batches

# Enough that what a batch costs is little for each of its records, also where they are shared
# among partitions, and little in memory.
MAX_RECORDS = 4_000
MAX_BYTES = 4_000_000


class BatchRecords(beam.PTransform):
    """Puts the records of each partition into batches.

    Input: PCollection of Kafka records (`transforms.records.KafkaRecord`); if `encoded`,
    PCollection[bytes], records as Beam's Java connector encodes them
    (`transforms.encoded_records`).

    Output: PCollection[RecordBatch] in the global window. Emitted when `MAX_RECORDS` or
    `MAX_BYTES` are there, and when a bundle ends.
    """

    def __init__(self, *, encoded: bool = False) -> None:
        super().__init__()
        self._fn = BatchEncodedFn() if encoded else BatchRecordsFn()

    def expand(self, records: beam.PCollection) -> beam.PCollection[RecordBatch]:
        """Applies the transform."""
        return records | "Batch" >> beam.ParDo(self._fn)


@beam.typehints.with_input_types(Any)
@beam.typehints.with_output_types(RecordBatch)
class BatchRecordsFn(beam.DoFn):
    """Of records that are objects; see `BatchRecords`."""

    _to_batches: Callable[[Sequence[Any]], list[RecordBatch]] = staticmethod(batches_of)

    def start_bundle(self) -> None:
        """Begins with nothing."""
        self._records: list[Any] = []
        self._bytes_left = MAX_BYTES

    def process(self, element: Any) -> Iterable[RecordBatch]:
        """Takes in one record."""
        return self._add(element, len(element.value or b""))

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Emits what is left."""
        for batch in self._take():
            stamp = timestamp_of(max(batch.timestamps_ms))
            yield WindowedValue(batch, stamp, (window.GlobalWindow(),))

    def _add(self, record: Any, size: int) -> Iterable[RecordBatch]:
        records = self._records
        records.append(record)
        self._bytes_left -= size
        if len(records) < MAX_RECORDS and self._bytes_left > 0:
            return ()
        return self._take()

    def _take(self) -> list[RecordBatch]:
        records, self._records, self._bytes_left = self._records, [], MAX_BYTES
        return self._to_batches(records)


@beam.typehints.with_input_types(bytes)
@beam.typehints.with_output_types(RecordBatch)
class BatchEncodedFn(BatchRecordsFn):
    """Of records that are still encoded; see `BatchRecords`."""

    _to_batches = staticmethod(decode_batches)

    def process(self, element: bytes) -> Iterable[RecordBatch]:
        """Takes in one record."""
        return self._add(element, len(element))
