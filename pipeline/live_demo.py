"""The input of a live demo: lines of the present, at a steady rate."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Iterator

from pipeline.background import in_background
from pipeline.errors import ErrorWindowsError
from pipeline.local.demo_lines import demo_lines
from pipeline.local.produce import Record, produce_records

TOPIC = "demo-logs"
PARTITIONS = 2
# Waiting for every single line would cost more than the lines.
_GRAIN_SECONDS = 0.02
_DELIVERY_TIMEOUT_SECONDS = 3600.0
_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def demo_producer(bootstrap_servers: str, topic: str, rate: int) -> Iterator[None]:
    """Produces `rate` demo lines a second, each at about its event time, until left."""
    stopped = threading.Event()

    def lines() -> Iterator[Record]:
        for seed in itertools.count(1):
            second_ms = int(time.time() * 1000)
            ahead = demo_lines(rate, seed=seed, end_time_ms=second_ms + 1000, span_seconds=1)
            for number, (timestamp_ms, line) in enumerate(ahead):
                ahead_seconds = timestamp_ms / 1000 - time.time()
                if ahead_seconds > _GRAIN_SECONDS and stopped.wait(ahead_seconds):
                    return
                yield Record(value=line, timestamp_ms=timestamp_ms, partition=number % PARTITIONS)
            if stopped.wait(max(0.0, second_ms / 1000 + 1 - time.time())):
                return

    def produce() -> None:
        try:
            produce_records(
                bootstrap_servers,
                topic,
                lines(),
                delivery_timeout_seconds=_DELIVERY_TIMEOUT_SECONDS,
            )
        except ErrorWindowsError:
            _LOG.exception("the demo producer ended")

    with in_background(produce, stopped, name="demo-producer"):
        yield
