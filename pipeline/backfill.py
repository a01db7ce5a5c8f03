"""Which offsets a backfill reads, so that every line of its range of event time is among them.

Brokers know, for a time, the first record of a partition that is as late or later. All records
before it are earlier, so a read that begins there misses nothing. It ends differently: lines of
the range may stand behind records that are later. So the read goes on to the first record that is
later by as much as a live job waits for lines, and no further, however much the topic holds.

    event time        from                          to      to + lateness
    offsets      .......|------------------------------|----------------|.......
    read             |--|------------------------------|----------------|
                     for zeros                           for late lines
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from confluent_kafka import TopicPartition

from pipeline.config import JobConfig
from pipeline.kafka_connection import KafkaConnection
from pipeline.record_times import BLOCK_RECORDS
from transforms.classify import LINE_TIME
from transforms.clock import wall_clock_ms
from transforms.results import format_time

# So far back is looked first for a line that zeros may follow.
_FIRST_LOOK_MS = 60_000


@dataclasses.dataclass(frozen=True)
class ReadTimes:
    """What a backfill has to read, in milliseconds.

    Attributes:
      begin_ms: of the first line that is counted; None: the first there is.
      stop_ms: no line counts from here on; None: all do.
      silence_ms: zeros follow a line for so long at most.
      lead_ms: so much before the beginning is read in any case.
      ahead_ms: the time in a line may be so much later than that of its record.
      late_ms: a line may stand behind records that are so much later.
    """

    begin_ms: int | None
    stop_ms: int | None
    silence_ms: int
    lead_ms: int
    ahead_ms: int
    late_ms: int


class RecordTimes(Protocol):
    """Looks at single records (`pipeline.record_times`)."""

    def of_records(self, partition: TopicPartition, offset: int) -> list[int]:
        """Timestamps of the records from an offset on, `BLOCK_RECORDS` of them if there are."""
        ...


class Offsets(NamedTuple):
    """Of every partition, in the order given.

    Attributes:
      starts: the first that is read.
      stops: the first after it that is not.
      notes: what a person should know, a line each.
    """

    starts: list[int]
    stops: list[int]
    notes: list[str]


def read_times(config: JobConfig) -> ReadTimes | None:
    """What the job has to read; None if it is no backfill."""
    if not config.panes.is_bounded:
        return None
    timing, of_line = config.timing, config.rules.event_time == LINE_TIME
    future_ms = (config.rules.max_future_seconds or 0) * 1000
    # A live job waits so long, by a watermark that no record takes ahead of the clock.
    late_ms = timing.allowed_lateness_ms + timing.on_time_delay_ms + future_ms
    lead_ms = timing.series_idle_ms if config.grouped else 0
    return ReadTimes(
        begin_ms=config.panes.first_ms(config.grid),
        stop_ms=config.panes.stop_ms(config.grid),
        silence_ms=timing.max_silence_ms,
        # The line that zeros follow is older than its record.
        lead_ms=lead_ms + late_ms if of_line else lead_ms,
        ahead_ms=future_ms if of_line else 0,
        late_ms=late_ms,
    )


def find_offsets(
    connection: KafkaConnection,
    records: RecordTimes,
    partitions: Sequence[TopicPartition],
    times: ReadTimes,
) -> Offsets:
    """Decides where a backfill begins and ends to read each partition.

    Raises:
      ServiceError: a broker does not answer.
    """
    earliest = connection.earliest_offsets(partitions)
    ends = connection.latest_offsets(partitions)
    starts, first_ms, notes = earliest, 0, []
    if times.begin_ms is not None:
        counted = _at(connection, partitions, times.begin_ms, ends)
        notes += _gone(records, partitions, earliest, counted, times.begin_ms)
        lead_ms = times.lead_ms + _look_back(connection, partitions, times, counted, ends)
        first_ms = times.begin_ms - lead_ms - times.ahead_ms
        starts = _at(connection, partitions, first_ms, ends)
    stops = ends
    if times.stop_ms is not None:
        settled_ms = times.stop_ms + times.late_ms
        candidates = _at(connection, partitions, settled_ms, ends)
        stops = [
            first_settled(
                max(start, stop),
                end,
                wanted_ms=range(first_ms, times.stop_ms),
                settled_ms=settled_ms,
                times_at=partial(records.of_records, partition),
            )
            for partition, start, stop, end in zip(
                partitions, starts, candidates, ends, strict=True
            )
        ]
        if settled_ms > wall_clock_ms():
            notes.append(
                f"note: lines of the range may still come until {format_time(settled_ms)}, and a "
                "live job counts them too"
            )
    return Offsets(starts, stops, notes)


def first_settled(
    candidate: int,
    end: int,
    *,
    wanted_ms: range,
    settled_ms: int,
    times_at: Callable[[int], list[int]],
) -> int:
    """The offset from which on a partition holds no wanted line, as far as can be seen.

    One record that is late enough does not say so: with a forged time it stands among wanted lines.
    Those that follow it must be as late, most of them, and none may be wanted.

    Args:
      candidate: of the first record that is late enough.
      end: of the partition.
      wanted_ms: of the lines that are to be read, milliseconds since the epoch.
      settled_ms: which records are late enough.
      times_at: timestamps of some records from an offset on; none at the end.
    """

    def is_settled(offset: int) -> bool:
        found = sorted(times_at(offset))
        if any(time_ms in wanted_ms for time_ms in found):
            return False
        # The lower one of two in the middle: rather too much is read than too little.
        return not found or found[(len(found) - 1) // 2] >= settled_ms

    low, high, step = candidate, candidate, BLOCK_RECORDS
    while high < end and not is_settled(high):
        low, high = high, min(high + step, end)
        step *= 2
    while high - low > BLOCK_RECORDS:
        middle = (low + high) // 2
        if is_settled(middle):
            high = middle
        else:
            low = middle
    return high


def _at(
    connection: KafkaConnection,
    partitions: Sequence[TopicPartition],
    time_ms: int,
    ends: Sequence[int],
) -> list[int]:
    """The first offset of each partition whose record is as late as a time, or later."""
    found = connection.offsets_at(partitions, time_ms)
    return [
        end if offset is None else min(offset, end) for offset, end in zip(found, ends, strict=True)
    ]


def _look_back(
    connection: KafkaConnection,
    partitions: Sequence[TopicPartition],
    times: ReadTimes,
    counted: Sequence[int],
    ends: Sequence[int],
) -> int:
    """How far before the beginning there is a record, or the longest silence."""
    begin_ms, look_ms = times.begin_ms or 0, min(_FIRST_LOOK_MS, times.silence_ms)
    while look_ms < times.silence_ms:
        if list(counted) != _at(connection, partitions, begin_ms - look_ms, ends):
            break
        look_ms = min(2 * look_ms, times.silence_ms)
    return look_ms


def _gone(
    records: RecordTimes,
    partitions: Sequence[TopicPartition],
    earliest: Sequence[int],
    counted: Sequence[int],
    begin_ms: int,
) -> list[str]:
    """What of the range retention has taken."""
    begins = []
    for partition, first, begin in zip(partitions, earliest, counted, strict=True):
        if 0 < first == begin:
            found = records.of_records(partition, first)
            if found and found[0] > begin_ms:
                begins.append(found[0])
    if not begins:
        return []
    seconds = (max(begins) - begin_ms) / 1000
    return [
        f"note: {len(begins)} of {len(partitions)} partitions may no longer hold the beginning of "
        f"the range: their first record is up to {seconds:,.0f} s after --from_time "
        f"({format_time(max(begins))}). Windows before that count what is left"
    ]
