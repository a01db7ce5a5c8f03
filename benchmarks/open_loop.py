"""Produces lines at a steady rate, whatever becomes of them: a process of its own.

    python -m benchmarks.open_loop SERVERS TOPIC PARTITIONS RATE SECONDS

Writes a trickle of lines until it reads a line on stdin, then RATE lines a second for SECONDS, then
a trickle again until stdin is closed. The time of a line is the one at which it is due, also where
the producer is late. At its end it prints, as JSON, when the rate began and ended, how late it was
at most, and the error lines of every second.
"""

from __future__ import annotations

import collections
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Producer

from benchmarks.backlog import Workload, make_variants

_TRICKLE = 200
_TICK_SECONDS = 0.005


class OpenLoop:
    """The producer and what it has counted."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 5,
                "queue.buffering.max.messages": 2_000_000,
                "log_level": 0,
            }
        )
        self._topic, self._partitions = topic, partitions
        self._variants = make_variants(Workload())
        self._number = 0
        self.errors: collections.Counter[int] = collections.Counter()
        self.latest_seconds = 0.0

    def produce(self, rate: int, seconds: float, stop: threading.Event | None = None) -> None:
        """Produces at a rate for so long, or until it is to stop."""
        for due, count in self._ticks(rate, seconds):
            if stop is not None and stop.is_set():
                break
            time_ms = int(due * 1000)
            for _ in range(count):
                _, line, is_error = self._variants[self._number % len(self._variants)]
                partition = self._number % self._partitions
                self._send(line, partition, time_ms)
                self.errors[time_ms // 1000] += is_error
                self._number += 1
            self._producer.poll(0)

    def flush(self) -> None:
        """Waits until all is acknowledged."""
        self._producer.flush()

    def _send(self, line: bytes, partition: int, time_ms: int) -> None:
        while True:
            try:
                self._producer.produce(self._topic, line, partition=partition, timestamp=time_ms)
                return
            except BufferError:
                self._producer.poll(0.01)

    def _ticks(self, rate: int, seconds: float) -> Iterator[tuple[float, int]]:
        """When a few lines are due, and how many."""
        start, sent, tick = time.time(), 0, 0
        while tick * _TICK_SECONDS < seconds:
            tick += 1
            due = start + tick * _TICK_SECONDS
            late = time.time() - due
            if late < 0:
                time.sleep(-late)
            self.latest_seconds = max(self.latest_seconds, late)
            count = int(rate * tick * _TICK_SECONDS) - sent
            sent += count
            yield due, count


def main(arguments: Sequence[str]) -> None:
    """Produces until stdin is closed."""
    servers, topic, partitions, rate, seconds = arguments
    loop = OpenLoop(servers, topic, int(partitions))
    for phase in ("before", "rate", "after"):
        if phase == "rate":
            loop.latest_seconds = 0.0
            begun = time.time()
            loop.produce(int(rate), float(seconds))
            ended, latest = time.time(), loop.latest_seconds
            continue
        heard = threading.Event()
        threading.Thread(target=lambda e=heard: (sys.stdin.readline(), e.set())).start()
        loop.produce(_TRICKLE, 24 * 3600, heard)
    loop.flush()
    told = {"begun": begun, "ended": ended, "latest_seconds": round(latest, 3)}
    print(json.dumps({**told, "errors": loop.errors}))


if __name__ == "__main__":
    main(sys.argv[1:])
