"""Looks at the timestamps of single records, somewhere in a topic."""

from __future__ import annotations

import logging
import time
import types
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from pipeline.config import KafkaConfig
from pipeline.errors import ServiceError
from pipeline.kafka_client import REQUEST_TIMEOUT_SECONDS, Remember, consumer_settings
from pipeline.kafka_errors import refused_setting_error

BLOCK_RECORDS = 200
_POLL_SECONDS = 0.5
_LOG = logging.getLogger(__name__)


class RecordTimesReader:
    """Reads a few records from an offset on; a context manager.

    Nothing is committed. It connects when it is first asked.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self._kafka = kafka
        self._remember = Remember()
        self._consumer: Consumer | None = None

    def of_records(self, partition: TopicPartition, offset: int) -> list[int]:
        """Timestamps of the records from an offset on, `BLOCK_RECORDS` of them if there are.

        Raises:
          ServiceError: they cannot be read.
          UsageError: a setting cannot be used.
        """
        consumer = self._connected()
        consumer.assign([TopicPartition(partition.topic, partition.partition, offset)])
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        found: list[int] = []
        while time.monotonic() < deadline:
            for message in consumer.consume(BLOCK_RECORDS - len(found), _POLL_SECONDS):
                error = message.error()
                if error is None:
                    found.append(message.timestamp()[1])
                elif error.code() == KafkaError._PARTITION_EOF:
                    return found
                elif not error.retriable():
                    raise self._unreadable(partition, offset, error.str())
            if len(found) == BLOCK_RECORDS:
                return found
        raise self._unreadable(partition, offset, self._remember.reason or "no answer in time")

    def _unreadable(self, partition: TopicPartition, offset: int, reason: str) -> ServiceError:
        return ServiceError(
            f"cannot read {partition.topic}[{partition.partition}] at offset {offset}: "
            f"{reason.rstrip('.')}."
        )

    def _connected(self) -> Consumer:
        if self._consumer is None:
            try:
                self._consumer = Consumer(self._settings(), logger=_LOG)
            except KafkaException as error:
                raise refused_setting_error(error) from None
        return self._consumer

    def _settings(self) -> dict[str, Any]:
        properties = self._kafka.properties
        settings = consumer_settings(properties, self._remember)
        # No part of `to_librdkafka`, but it decides which records there are for the job.
        level = properties.get("isolation.level", settings["isolation.level"])
        # A few records are wanted, not all that follow.
        few = {"queued.min.messages": BLOCK_RECORDS, "max.partition.fetch.bytes": 1_048_576}
        return {**settings, **few, "isolation.level": level}

    def __enter__(self) -> RecordTimesReader:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if self._consumer is not None:
            self._consumer.close()
