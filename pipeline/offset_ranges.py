"""Which records a bounded read takes: a range of offsets per partition, fixed before the job.

Beam's own `max_num_records` divides its number evenly among partitions, so a topic whose
partitions differ in size is cut short in one and waited for in another; its
`max_read_time` holds every partition for the whole time. Ranges are exact for any topic,
also while producers go on, and make a job end by itself.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import TopicPartition

from pipeline.backfill import ReadTimes, find_offsets
from pipeline.config import KafkaConfig, ReadLimits
from pipeline.kafka_connection import KafkaConnection
from pipeline.record_times import RecordTimesReader

_POLL_SECONDS = 0.2
_UNLIMITED = sys.maxsize


class OffsetRange(NamedTuple):
    """The records of one partition from `start` (inclusive) to `stop` (exclusive)."""

    topic: str
    partition: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Offsets in the range; a compacted topic holds fewer records."""
        return self.stop - self.start


def find_ranges(
    connection: KafkaConnection,
    kafka: KafkaConfig,
    limits: ReadLimits,
    *,
    times: ReadTimes | None = None,
    show_progress: Callable[[str], None],
) -> list[OffsetRange]:
    """Decides what a bounded job reads, in the order of topics and partitions.

    From the beginning of every partition (from its end with `auto.offset.reset=latest`)
    to the end found now. With `max_read_time_seconds` it first waits so long for records
    to arrive; with `max_num_records` it waits until so many are there and takes no more
    than that, evenly from the partitions. With `times` it reads what a backfill needs, and tells
    on stderr what of that is gone.

    Args:
      connection: to the brokers of `kafka`.
      kafka: topics and settings.
      limits: as the flags say.
      times: of a backfill; None: it is none.
      show_progress: called with a short text several times a second while waiting.

    Raises:
      ServiceError: a broker does not answer.
      UsageError: a topic does not exist.
    """
    partitions = [
        TopicPartition(topic, number)
        for topic, numbers in connection.partitions().items()
        for number in numbers
    ]
    if times is not None:
        with RecordTimesReader(kafka) as records:
            starts, stops, notes = find_offsets(connection, records, partitions, times)
        for note in notes:
            print(note, file=sys.stderr)
        return [
            OffsetRange(partition.topic, partition.partition, start, stop)
            for partition, start, stop in zip(partitions, starts, stops, strict=True)
        ]
    at_end = kafka.properties.get("auto.offset.reset") == "latest"
    starts = (
        connection.latest_offsets(partitions) if at_end else connection.earliest_offsets(partitions)
    )
    wanted = limits.max_num_records or _UNLIMITED
    stops = _wait_for_stops(connection, partitions, starts, limits, show_progress)
    sizes = take_evenly([stop - start for start, stop in zip(starts, stops, strict=True)], wanted)
    return [
        OffsetRange(partition.topic, partition.partition, start, start + size)
        for partition, start, size in zip(partitions, starts, sizes, strict=True)
    ]


def take_evenly(available: list[int], wanted: int) -> list[int]:
    """How many records to take of each partition: `wanted` in all, or all there are.

    The smallest partitions are taken whole, the others give equal shares (the first of
    them one more where it does not come out even).
    """
    taken = [0] * len(available)
    left = min(wanted, sum(available))
    by_size = sorted(range(len(available)), key=lambda index: (available[index], -index))
    for position, index in enumerate(by_size):
        share = left // (len(by_size) - position)
        taken[index] = min(available[index], share)
        left -= taken[index]
    return taken


def _wait_for_stops(
    connection: KafkaConnection,
    partitions: list[TopicPartition],
    starts: list[int],
    limits: ReadLimits,
    show_progress: Callable[[str], None],
) -> list[int]:
    deadline = time.monotonic() + (limits.max_read_time_seconds or 0)
    waits = limits.max_num_records is not None or limits.max_read_time_seconds is not None
    while True:
        stops = connection.latest_offsets(partitions)
        there = sum(stops) - sum(starts)
        remaining = deadline - time.monotonic()
        enough = limits.max_num_records is not None and there >= limits.max_num_records
        timed_out = limits.max_read_time_seconds is not None and remaining <= 0
        if not waits or enough or timed_out:
            return stops
        aim = f" of {limits.max_num_records:,}" if limits.max_num_records else ""
        clock = f", {remaining:.0f} s left" if limits.max_read_time_seconds else ""
        show_progress(f"waiting for records: {there:,}{aim} are there{clock}")
        # Waiting for records to arrive is what was asked for; the brokers have no call that blocks.
        time.sleep(_POLL_SECONDS)
