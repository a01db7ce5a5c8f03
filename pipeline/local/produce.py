"""Writes records to a Kafka topic: each exactly once, in order, and with every failure told."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.errors import ServiceError
from pipeline.local.kafka_settings import MAX_RECORD_BYTES

DELIVERY_TIMEOUT_SECONDS = 120.0
_POLL_EVERY_RECORDS = 1000
_POLL_SECONDS = 0.5
_INTERRUPTED_FLUSH_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Record:
    """One record to write.

    Attributes:
      value: None is a tombstone; empty bytes are a value.
      key: decides the partition, as in the Java client, unless `partition` does.
      timestamp_ms: event time in epoch milliseconds, above 0; None for the time of writing.
      headers: names and values.
      partition: None for the key's, or any.
    """

    value: bytes | None
    key: bytes | None = None
    timestamp_ms: int | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int | None = None

    def __post_init__(self) -> None:
        if self.timestamp_ms is not None and self.timestamp_ms <= 0:
            # The client takes 0 for "now".
            raise ValueError(f"timestamp_ms must be above 0, got {self.timestamp_ms}")


@dataclasses.dataclass
class ProduceSummary:
    """What became of the records so far.

    Attributes:
      delivered: acknowledged by the broker.
      failed: refused, or not acknowledged in time.
      value_bytes: in the values of the delivered ones.
    """

    delivered: int = 0
    failed: int = 0
    value_bytes: int = 0


def produce_records(
    bootstrap_servers: str,
    topic: str,
    records: Iterable[Record],
    *,
    records_per_second: float | None = None,
    delivery_timeout_seconds: float = DELIVERY_TIMEOUT_SECONDS,
    summary: ProduceSummary | None = None,
) -> ProduceSummary:
    """Writes all records and returns when each of them is acknowledged.

    The first failure ends it: later records are not read any more. So does Ctrl-C, after the
    records read until then have been sent.

    Args:
      bootstrap_servers: addresses, `host:port[,host:port]`.
      topic: an existing topic.
      records: read as they can be sent; it may wait, and need not end.
      records_per_second: at most so many; None for as many as the broker takes.
      delivery_timeout_seconds: how long a record may wait for a broker that is away.
      summary: filled as the records go, so that it can be shown after an interruption too.

    Raises:
      ServiceError: a record was not delivered.
    """
    result = ProduceSummary() if summary is None else summary
    deliveries = _Deliveries(topic, result)
    try:
        producer = Producer(_settings(bootstrap_servers, delivery_timeout_seconds), logger=_LOG)
    except KafkaException as error:
        raise ServiceError(f"producer: {error.args[0].str()}, got {bootstrap_servers!r}.") from None
    pace = _Pace(records_per_second)
    flush_seconds = math.inf
    try:
        _send(producer, deliveries, records, pace)
    except KeyboardInterrupt:
        flush_seconds = _INTERRUPTED_FLUSH_SECONDS
        raise
    finally:
        # Whatever ended the reading: what was read is sent.
        try:
            _flush(producer, flush_seconds)
        finally:
            # Left only after Ctrl-C while the broker is away: given up, counted as failed.
            producer.purge()
            producer.flush(_POLL_SECONDS)
    deliveries.require_none_failed()
    return result


def _send(
    producer: Producer, deliveries: _Deliveries, records: Iterable[Record], pace: _Pace
) -> None:
    for number, record in enumerate(records):
        pace.wait(producer, number)
        if number % _POLL_EVERY_RECORDS == 0:
            producer.poll(0)
        deliveries.send(producer, record)
        if deliveries.any_failed():
            return


def _flush(producer: Producer, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while len(producer) > 0 and time.monotonic() < deadline:
        # In small steps: the client's C code does not notice Ctrl-C.
        producer.flush(_POLL_SECONDS)


class _Deliveries:
    """Sends records and hears what became of them."""

    def __init__(self, topic: str, summary: ProduceSummary) -> None:
        self._topic = topic
        self._summary = summary
        self._first_error: KafkaError | None = None

    def send(self, producer: Producer, record: Record) -> None:
        partition = -1 if record.partition is None else record.partition
        while not self.any_failed():
            try:
                producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    partition,
                    on_delivery=self._on_delivery,
                    timestamp=record.timestamp_ms or 0,
                    headers=list(record.headers) or None,
                )
                return
            except BufferError:
                # The queue is full: room comes with the next acknowledgements.
                producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                # Refused by the client itself: too large, mostly.
                self._fail(error.args[0])

    def any_failed(self) -> bool:
        return self._first_error is not None

    def require_none_failed(self) -> None:
        if self._first_error is None:
            return
        raise ServiceError(
            f"topic: records not delivered: {self._summary.failed} ({self._first_error.str()}), "
            f"got {self._topic!r}. Delivered before: {self._summary.delivered}; "
            "check the broker and the records."
        )

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._summary.delivered += 1
            self._summary.value_bytes += len(message)
        else:
            self._fail(error)

    def _fail(self, error: KafkaError) -> None:
        self._summary.failed += 1
        if self._first_error is None:
            self._first_error = error


class _Pace:
    def __init__(self, records_per_second: float | None) -> None:
        self._seconds_per_record = 0.0 if records_per_second is None else 1 / records_per_second
        self._start = time.monotonic()

    def wait(self, producer: Producer, number: int) -> None:
        """Waits until record `number` is due, hearing acknowledgements meanwhile."""
        due = self._start + number * self._seconds_per_record
        while (left := due - time.monotonic()) > 0:
            producer.poll(min(left, _POLL_SECONDS))


def _settings(bootstrap_servers: str, delivery_timeout_seconds: float) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "message.max.bytes": MAX_RECORD_BYTES,
        "message.timeout.ms": int(delivery_timeout_seconds * 1000),
        # A topic that is not there is told after this time; the default is 30 s.
        "topic.metadata.propagation.max.ms": 5000,
        # Keys land in the partitions where the Java client puts them.
        "partitioner": "murmur2_random",
        # Batches without a wait that a person would notice.
        "linger.ms": 5,
        # Connection trouble is told once, by the delivery error; not repeated on stderr.
        "log_level": 0,
    }
