"""Kafka as a source in Python alone: a splittable DoFn over partitions that gives batches.

A partition is an element, and the offsets that are still to be read are its restriction
(https://s.apache.org/splittable-do-fn). So the runner keeps the position, together with the counts
that were made of the records before it, and nothing else decides where reading goes on: each
record is counted exactly once, whatever is killed. Offsets are committed to Kafka for people to
look at only.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from pipeline.end_offsets import EndOffsets
from pipeline.errors import ServiceError
from pipeline.kafka_secrets import worker_properties
from pipeline.new_partitions import WatchPartitions
from pipeline.offset_ranges import OffsetRange
from pipeline.partition_reader import ExpiredOffsetError, MessageBatch, PartitionReader
from pipeline.portions import CreateSpread
from pipeline.restrictions import NO_END, EndlessProvider, WatermarkProvider
from transforms.batches import RecordBatch
from transforms.beam_time import timestamp_of
from transforms.clock import wall_clock_ms

# Later than the moment by which steps find out whether there is a watermark at all
# (`transforms.event_timers`): there is one, it is far back, and the clock does not decide. So no
# line of a partition of which nothing has been read yet comes too late.
_LONG_AGO = Timestamp(1)
_READ_SECONDS = 0.1
# When all partitions of a worker, which are read one after the other, have had a call of so long
# together, the runner can take a checkpoint and make progress known. A call itself is no shorter
# than the other: it costs the runner some milliseconds, and Flink's runner of Beam 2.70 a kilobyte
# for ever.
_ROUND_SECONDS = 0.2
_SHORTEST_CALL_SECONDS = 0.02
# While much is left to be read nobody waits for the newest result, and what is counted of more
# lines at a time is less: series of keys are handed on once for each pane and call.
_CATCH_UP_FACTOR = 6
_CATCH_UP_RECORDS = 100_000
# Where nothing is there, it comes back after so long: whole seconds are all that Flink understands.
_IDLE_PAUSE = Duration(1)
# There is more; when none comes for so long, something is wrong.
_STALL_SECONDS = 60.0
# Lines reach Kafka a moment after the time that they bear.
_IDLE_DELAY_MS = 500
_LOG = logging.getLogger(__name__)


class ReadKafkaBatches(beam.PTransform):
    """Reads the records of the given offset ranges, several partitions at the same time.

    Output: PCollection of `transforms.batches.Batch`. With an end: every offset of a range that
    holds a record is read once, and the job fails when some have expired. Without (`live`):
    what has expired is left out, told in the log and, as a hole, in the ledger; the watermark of a
    partition is the highest timestamp read, and the clock where all has been read. Partitions that
    the topics get later are found and read from their beginning.

    Args:
      properties: the Java consumer's settings without secrets, `bootstrap.servers` among them.
      ranges: what to read; empty ranges are left out. `stop` does not count in a live read.
      properties_path: a .properties file of more settings, read on the worker; the place for
        secrets.
      live: whether to go on at the end.
      on_time_delay_ms: of the windows, see `whole_seconds`.
      spread: share the ranges out among tasks (`pipeline.portions`).
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        ranges: Sequence[OffsetRange],
        *,
        properties_path: str | None = None,
        live: bool = False,
        on_time_delay_ms: int = 0,
        spread: bool = False,
    ) -> None:
        super().__init__()
        self._create = CreateSpread if spread else beam.Create
        self._ranges = [
            offsets._replace(stop=NO_END) if live else offsets
            for offsets in ranges
            if live or offsets.size > 0
        ]
        self._watch: beam.PTransform | None = None
        if live:
            known: dict[str, int] = {}
            for one in ranges:
                known[one.topic] = max(known.get(one.topic, 0), one.partition + 1)
            self._watch = WatchPartitions(properties, known, properties_path)
        connection = _Connection(dict(properties), properties_path, max(1, len(self._ranges)))
        self._fn: beam.DoFn = (
            _TailFn(connection, on_time_delay_ms) if live else _ReadRangeFn(connection)
        )

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        partitions = begin | "Partitions" >> self._create(self._ranges).with_output_types(
            OffsetRange
        )
        if self._watch is not None:
            new = begin | "NewPartitions" >> self._watch
            partitions = (partitions, new) | "AllPartitions" >> beam.Flatten()
        return partitions | "ReadBatches" >> beam.ParDo(self._fn).with_output_types(RecordBatch)

    def display_data(self) -> dict[str, Any]:
        """Topics and partitions, for the runner's job page."""
        return {
            "topics": ",".join(sorted({offsets.topic for offsets in self._ranges})),
            "partitions": len(self._ranges),
        }


class _Connection:
    """How readers connect, and those of this process that wait for their next call."""

    def __init__(
        self, properties: dict[str, str], properties_path: str | None, readers: int
    ) -> None:
        self._properties = properties
        self._properties_path = properties_path
        self._readers = readers
        self.call_seconds = max(_ROUND_SECONDS / readers, _SHORTEST_CALL_SECONDS)
        self._waiting: dict[tuple[str, int], PartitionReader] = {}
        self._ends: EndOffsets | None = None
        # A group of the user's shows in Kafka's own tools how far the job is.
        self.commits = "group.id" in properties

    def __reduce__(self) -> tuple[Any, ...]:
        return _Connection, (self._properties, self._properties_path, self._readers)

    @contextlib.contextmanager
    def reader(self, topic: str, partition: int, offset: int) -> Iterator[PartitionReader]:
        """A reader at an offset: the one that read the offset before, else a new one.

        What it had fetched ahead makes going on cheap. One that raised is not used again.
        """
        reader = self._waiting.pop((topic, partition), None)
        if reader is not None and not reader.is_at(offset):
            reader.close()
            reader = None
        if reader is None:
            properties = worker_properties(self._properties, self._properties_path)
            if self._ends is None:
                self._ends = EndOffsets(properties)
            reader = PartitionReader(
                properties, topic, partition, offset, readers=self._readers, ends=self._ends
            )
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        other = self._waiting.pop((topic, partition), None)
        if other is not None:
            other.close()
        self._waiting[topic, partition] = reader

    def close(self) -> None:
        """Ends all connections."""
        for reader in self._waiting.values():
            reader.close()
        self._waiting = {}
        self._ends = None


# How Beam is told what a DoFn wants to be given.
_RESTRICTION = beam.DoFn.RestrictionParam(EndlessProvider())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(WatermarkProvider(_LONG_AGO))


class _ReadFn(beam.DoFn):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def teardown(self) -> None:
        """Ends all connections."""
        self._connection.close()


class _ReadRangeFn(_ReadFn):
    """Reads to the end of a range."""

    def process(
        self,
        element: OffsetRange,
        tracker: Any = _RESTRICTION,
    ) -> Iterator[TimestampedValue]:
        """Reads until the range, or what a split has left of it, is done."""
        place = (element.topic, element.partition)
        with self._connection.reader(*place, tracker.current_restriction().start) as reader:
            last_ms = time.monotonic()
            while True:
                batch = reader.read(_READ_SECONDS)
                if batch is not None:
                    last_ms = time.monotonic()
                    mine = claim(batch, tracker)
                    if mine is not None:
                        yield _stamped(mine)
                    if mine is not batch:
                        break
                stop = tracker.current_restriction().stop
                if reader.next_offset >= stop:
                    # Also where the last offsets hold no records.
                    if batch is None or batch.offsets[-1] < stop - 1:
                        tracker.try_claim(stop)
                    break
                if time.monotonic() - last_ms > _STALL_SECONDS:
                    why = f" ({reader.trouble})" if reader.trouble else ""
                    raise ServiceError(
                        f"cannot read {place[0]}[{place[1]}]: nothing came for "
                        f"{_STALL_SECONDS:.0f} s{why}, next is offset {reader.next_offset} "
                        f"of {stop}. Check the brokers."
                    )


class _TailFn(_ReadFn):
    """Reads on and on."""

    def __init__(self, connection: _Connection, on_time_delay_ms: int) -> None:
        super().__init__(connection)
        self._delay_ms = on_time_delay_ms

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: OffsetRange,
        # In front: Beam gives it by its place and the next two by name.
        finalizer: Any = beam.DoFn.BundleFinalizerParam,
        tracker: Any = _RESTRICTION,
        estimator: Any = _WATERMARK,
    ) -> Iterator[TimestampedValue]:
        """Reads for a moment and gives back to the runner."""
        start = tracker.current_restriction().start
        call_seconds = self._connection.call_seconds
        with self._connection.reader(element.topic, element.partition, start) as reader:
            started = time.monotonic()
            while True:
                try:
                    batch = reader.read(min(_READ_SECONDS, call_seconds))
                except ExpiredOffsetError as error:
                    _LOG.error("%s", error)
                    reader.skip_expired()
                    continue
                if batch is not None:
                    mine = claim(batch, tracker)
                    if mine is None:
                        return
                    yield _stamped(mine)
                    self._advance(estimator, reached_ms(mine, wall_clock_ms()))
                    if mine is not batch:
                        return
                else:
                    end = reader.look_for_end()
                    if end is not None and reader.caught_up_ms:
                        self._advance(estimator, reader.caught_up_ms - _IDLE_DELAY_MS)
                    elif reader.stuck_seconds > _STALL_SECONDS:
                        _tell_stuck(reader, end)
                        reader.reconnect()
                seconds = time.monotonic() - started
                if batch is None or (
                    seconds > call_seconds
                    and (
                        seconds > call_seconds * _CATCH_UP_FACTOR
                        or reader.known_to_wait() <= _CATCH_UP_RECORDS
                    )
                ):
                    if self._connection.commits:
                        finalizer.register(reader.commit_read)
                    # Others may have much to read: an idle partition does not keep them waiting.
                    # One that has had lines is only between two of them.
                    is_idle = reader.caught_up_ms and reader.next_offset == start
                    tracker.defer_remainder(_IDLE_PAUSE if is_idle else Duration())
                    return

    def _advance(self, estimator: Any, time_ms: int | None) -> None:
        """Moves the watermark on; it never goes back."""
        if time_ms is None:
            return
        moment = timestamp_of(whole_seconds(time_ms, self._delay_ms))
        if moment > estimator.current_watermark():
            estimator.set_watermark(moment)


def _tell_stuck(reader: PartitionReader, end: int | None) -> None:
    """Says that a live read does not get on; no window ends meanwhile."""
    _LOG.warning(
        "%s[%d]: nothing came for %.0f s, next is offset %d, %s%s. It connects anew. "
        "No window is told until it gets on: check the brokers.",
        *(reader.topic, reader.partition, reader.stuck_seconds, reader.next_offset),
        "no broker says where it ends" if end is None else f"it ends at {end}",
        f" ({reader.trouble})" if reader.trouble else "",
    )


def claim(batch: MessageBatch, tracker: Any) -> MessageBatch | None:
    """The part of a batch that is the reader's; None if nothing is, as after a split."""
    if tracker.try_claim(batch.offsets[-1]):
        return batch
    return batch.until(tracker.current_restriction().stop)


def reached_ms(batch: MessageBatch, now_ms: int) -> int | None:
    """How far records take the watermark: to the highest timestamp that is not ahead of the clock.

    A forged one in the future must not make all others late, and what comes later relies on a
    watermark that is never ahead of the clock (docs/architecture.md, "Too late, exactly").
    """
    if batch.latest_ms <= now_ms:
        return batch.latest_ms
    return max((time_ms for time_ms in batch.timestamps_ms if time_ms <= now_ms), default=None)


def whole_seconds(time_ms: int, on_time_delay_ms: int) -> int:
    """A watermark of whole seconds that is past the same due moments as this one, in milliseconds.

    Flink's runner of Beam 2.70 cuts off the milliseconds of the watermark that a splittable DoFn
    gives back (`StateAndTimerBundleCheckpointHandler`), which would make most windows come up to a
    second late. Windows, and panes, are due `on_time_delay_ms` after full seconds, and a timer
    fires when the watermark is past it. So seconds that are rounded up from just behind there on
    say the same, to the millisecond, although they are up to a second ahead.
    """
    return (time_ms + 999 - on_time_delay_ms % 1000) // 1000 * 1000


def _stamped(batch: MessageBatch) -> TimestampedValue:
    return TimestampedValue(batch, timestamp_of(batch.latest_ms))
