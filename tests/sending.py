"""Fills topics with kafka-python, a client that the job does not use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kafka import KafkaProducer

from pipeline.local.kafka_broker import EmbeddedKafka


class Sent(NamedTuple):
    """One record of a topic."""

    timestamp_ms: int
    value: bytes | None
    partition: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def send(kafka: EmbeddedKafka, topic: str, records: Iterable[Sent]) -> None:
    """Writes the records and waits until the broker has them."""
    producer = KafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, max_request_size=5_000_000, linger_ms=20
    )
    futures = [
        producer.send(
            topic,
            value=record.value,
            key=record.key,
            headers=list(record.headers),
            partition=record.partition,
            timestamp_ms=record.timestamp_ms,
        )
        for record in records
    ]
    producer.flush()
    producer.close()
    for future in futures:
        future.get(timeout=0)
