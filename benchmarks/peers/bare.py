"""Plain loops over a consumer, the ceiling for Python: `bare.py consume|loop|loops`.

`consume` only reads, and tells the number of records as the count of window 0. `loop` counts in a
dict of panes, `loops` does so with a process for every partition.
"""

from __future__ import annotations

import collections
import multiprocessing
import sys

from confluent_kafka import Consumer, TopicPartition

from benchmarks.peers.protocol import WORD, Settings, read_settings, tell, tell_panes

Panes = collections.Counter[tuple[int, str]]

# Larger batches cost more than they bring: Python's garbage collector walks all of them.
_BATCH = 500


def consume(settings: Settings) -> None:
    """Reads all records."""
    count = 0
    consumer, ended = _consumer(settings, range(settings.partitions)), 0
    while ended < settings.partitions:
        for message in consumer.consume(_BATCH, 1.0):
            if message.error() is not None:
                ended += 1
            else:
                count += 1
    tell(0, count)


def loop(settings: Settings) -> None:
    """Counts in this process."""
    tell_panes(settings, _count((settings, range(settings.partitions))))


def loops(settings: Settings) -> None:
    """Counts with a process per partition."""
    tasks = [(settings, range(one, one + 1)) for one in range(settings.partitions)]
    total: Panes = collections.Counter()
    with multiprocessing.get_context("spawn").Pool(settings.partitions) as pool:
        for panes in pool.map(_count, tasks):
            total.update(panes)
    tell_panes(settings, total)


def _count(task: tuple[Settings, range]) -> Panes:
    settings, partitions = task
    slide_ms, keyed = settings.slide_ms, settings.keyed
    consumer, ended = _consumer(settings, partitions), 0
    panes: Panes = collections.Counter()
    while ended < len(partitions):
        for message in consumer.consume(_BATCH, 1.0):
            if message.error() is not None:
                ended += 1
            elif WORD in message.value():
                key = message.key().decode() if keyed else ""
                panes[message.timestamp()[1] // slide_ms, key] += 1
    consumer.close()
    return panes


def _consumer(settings: Settings, partitions: range) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.servers,
            "group.id": "bare",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.min.bytes": 1_000_000,
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 500_000,
            "queued.max.messages.kbytes": 262_144,
        }
    )
    consumer.assign([TopicPartition(settings.topic, one, 0) for one in partitions])
    return consumer


if __name__ == "__main__":
    {"consume": consume, "loop": loop, "loops": loops}[sys.argv[1]](read_settings())
