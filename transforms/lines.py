"""From Kafka records to lines."""

from collections.abc import Iterable

import apache_beam as beam

from transforms import metrics

Record = tuple[bytes | None, bytes | None]


class TakeLines(beam.PTransform):
    """Takes the value of every record; the timestamp stays.

    Input: PCollection[tuple[bytes | None, bytes | None]], key and value of Kafka records.
    Output: PCollection[bytes]. A tombstone (a record without a value) holds no line; it is
    counted by `error_windows:tombstones` and gives no output. An empty value is a line.
    """

    def expand(self, records: beam.PCollection[Record]) -> beam.PCollection[bytes]:
        """Applies the transform."""
        return records | beam.ParDo(_TakeLineFn())


class _TakeLineFn(beam.DoFn):
    def __init__(self) -> None:
        self._tombstones = metrics.counter(metrics.TOMBSTONES)

    def process(self, element: Record) -> Iterable[bytes]:
        value = element[1]
        if value is None:
            self._tombstones.inc()
            return ()
        return (value,)
