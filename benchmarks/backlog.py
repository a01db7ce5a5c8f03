"""The lines that all systems count, and what the right counts are."""

from __future__ import annotations

import collections
import dataclasses
import random
import time
from collections.abc import Iterator

from confluent_kafka import Producer

from pipeline.local.kafka_broker import EmbeddedKafka

# Window end in ms and key (empty: all lines) to the number of error lines, where it is not 0.
Table = dict[tuple[int, str], int]

# A prime, so that every line comes to every partition.
_VARIANTS = 20_011
# The last record comes so long after the last window: windows may end by the records' time.
_END_MS = 30_000
_LAST_LINE = b"INFO end"
_FILLER = b" and the cache was warm"


@dataclasses.dataclass(frozen=True)
class Workload:
    """What is to be counted, and how."""

    lines: int = 3_000_000
    partitions: int = 2
    window_seconds: int = 30
    slide_seconds: int = 10
    keys: int = 0
    """So many values of the record's key are counted apart; 0: all lines together."""
    error_share: float = 0.2
    line_bytes: int = 90
    span_seconds: int = 1800
    in_turn: bool = False
    """Each partition holds a stretch of the time of its own, instead of all of it."""
    lateness_seconds: int = 3600
    """How much older than the newest a line may be and still count."""
    seed: int = 1


@dataclasses.dataclass(frozen=True)
class Backlog:
    """A filled topic."""

    servers: str
    topic: str
    workload: Workload
    records: int
    """All lines, and one at the end of every partition."""
    expected: Table


def fill(kafka: EmbeddedKafka, topic: str, workload: Workload) -> Backlog:
    """Creates a topic and writes the lines, and one to end all windows at each partition's end."""
    kafka.create_topic(topic, workload.partitions)
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "linger.ms": 50,
            "batch.num.messages": 20_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    # All of it lies in the past, so that no system can take a line for one of the future.
    end_ms = (workload.span_seconds + workload.window_seconds) * 1000 + _END_MS
    start_ms = time.time_ns() // 1_000_000 - end_ms - _END_MS
    start_ms -= start_ms % (workload.slide_seconds * 1000)
    panes: collections.Counter[tuple[int, str]] = collections.Counter()
    slide_ms = workload.slide_seconds * 1000
    for number, (partition, time_ms, key, line, is_error) in enumerate(
        _lines(workload, start_ms), start=1
    ):
        if is_error:
            panes[time_ms // slide_ms, key] += 1
        while True:
            try:
                producer.produce(topic, line, key or None, partition, timestamp=time_ms)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()
    for partition in range(workload.partitions):
        key = "key-0" if workload.keys else None
        producer.produce(topic, _LAST_LINE, key, partition, timestamp=start_ms + end_ms)
    producer.flush()
    size = workload.window_seconds // workload.slide_seconds
    return Backlog(
        kafka.bootstrap_servers,
        topic,
        workload,
        workload.lines + workload.partitions,
        windows_of(panes, size, slide_ms),
    )


def windows_of(panes: dict[tuple[int, str], int], size: int, slide_ms: int) -> Table:
    """Windows of `size` panes as sums of them; a pane is (start // slide, key)."""
    table: collections.Counter[tuple[int, str]] = collections.Counter()
    for (pane, key), count in panes.items():
        for end in range(pane + 1, pane + 1 + size):
            table[end * slide_ms, key] += count
    return dict(table)


def _lines(workload: Workload, start_ms: int) -> Iterator[tuple[int, int, str, bytes, bool]]:
    """Partition, time, key, line and whether it is an error line, in the order of production."""
    variants = make_variants(workload)
    span_ms, lines, partitions = workload.span_seconds * 1000, workload.lines, workload.partitions
    for number in range(lines):
        partition = number * partitions // lines if workload.in_turn else number % partitions
        yield (partition, start_ms + number * span_ms // lines, *variants[number % _VARIANTS])


def make_variants(workload: Workload) -> list[tuple[str, bytes, bool]]:
    """Key, line and whether it is an error line; the same ones for the same workload."""
    chance = random.Random(workload.seed)
    variants = []
    for number in range(_VARIANTS):
        is_error = chance.random() < workload.error_share
        key = f"key-{chance.randrange(workload.keys)}" if workload.keys else ""
        line = b"2025-11-24 16:00:00,%03d %s [main] com.example.checkout.Service - request %06d" % (
            number % 1000,
            b"ERROR" if is_error else b"INFO",
            number,
        )
        line += b" took %d ms" % chance.randrange(1, 2000)
        missing = workload.line_bytes - len(line)
        variants.append(
            (key, line + (_FILLER * (missing // len(_FILLER) + 1))[: max(0, missing)], is_error)
        )
    return variants
