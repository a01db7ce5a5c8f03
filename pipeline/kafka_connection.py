"""Asks the brokers what must be known before the job: topics, partitions, offsets."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from pipeline.config import JobConfig, KafkaConfig
from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_errors import (
    BOOTSTRAP_FLAG,
    no_such_topic_error,
    refused_setting_error,
    require_broker,
)

_REQUEST_TIMEOUT_SECONDS = 15.0
# Kafka's own topics, such as __consumer_offsets.
_INTERNAL_PREFIX = "__"
_LOG = logging.getLogger(__name__)


class KafkaConnection:
    """A librdkafka admin client with the job's own settings.

    Raises (every method):
      ServiceError: no broker answers, or one answers with an error.
      UsageError: a topic does not exist, or a setting cannot be used.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._last_error = ""
        require_broker(config.bootstrap_servers)
        settings: dict[str, Any] = {
            **config.properties.to_librdkafka(),
            "error_cb": self._remember,
            # librdkafka repeats a failing connection on stderr; one line of ours is enough.
            "log_level": 0,
        }
        try:
            self._admin = AdminClient(settings, logger=_LOG)
        except KafkaException as error:
            raise refused_setting_error(error) from None

    def partitions(self) -> dict[str, list[int]]:
        """Partition numbers of every input topic; fails for a topic that does not exist.

        Topics that match the pattern come after those that are named, by name.
        """
        try:
            metadata = self._admin.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self._no_answer(error) from None
        partitions = {}
        for topic in (*self._config.topics, *self._matching(metadata.topics)):
            found = metadata.topics.get(topic)
            if found is None or not found.partitions:
                raise no_such_topic_error("--input_topic", topic, metadata.topics)
            partitions[topic] = sorted(found.partitions)
        return partitions

    def _matching(self, topics: Iterable[str]) -> list[str]:
        pattern = self._config.topic_pattern
        if pattern is None:
            return []
        found = [
            topic
            for topic in sorted(topics)
            if re.fullmatch(pattern, topic) and not topic.startswith(_INTERNAL_PREFIX)
        ]
        if not found and not self._config.topics:
            raise UsageError(
                "--input_topic_pattern",
                "no topic matches",
                got=pattern,
                fix="It must match the whole name of a topic.",
            )
        return [topic for topic in found if topic not in self._config.topics]

    def earliest_offsets(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """The first offset of each partition, in the order given."""
        return self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def latest_offsets(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """The offset after the last record of each partition, in the order given.

        The last record is the last that a consumer with the job's `isolation.level` may read.
        """
        return self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def offsets_at(self, partitions: Sequence[TopicPartition], time_ms: int) -> list[int | None]:
        """The first offset of each partition whose record is as late as a time, or later.

        None where there is none. By Kafka's timestamps, in the order given.
        """
        spec = OffsetSpec.for_timestamp(max(time_ms, 0))
        return [offset if offset >= 0 else None for offset in self._offsets(partitions, spec)]

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        committed = self._config.properties.get("isolation.level") == "read_committed"
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        futures = self._admin.list_offsets(
            dict.fromkeys(partitions, spec),
            isolation_level=level,
            request_timeout=_REQUEST_TIMEOUT_SECONDS,
        )
        try:
            found = {
                (partition.topic, partition.partition): future.result().offset
                for partition, future in futures.items()
            }
        except KafkaException as error:
            raise self._no_answer(error) from None
        return [found[partition.topic, partition.partition] for partition in partitions]

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error.str()

    def _no_answer(self, error: KafkaException) -> ServiceError:
        self._admin.poll(0)
        reason = self._last_error or error.args[0].str()
        return ServiceError(
            f"{BOOTSTRAP_FLAG}: no usable answer from the brokers ({reason}), "
            f"got {self._config.bootstrap_servers!r}. "
            "Check the address, security.protocol and the login."
        )


def with_topics(config: JobConfig) -> JobConfig:
    """The configuration with every topic that is there by name, and the pattern resolved.

    Raises:
      ServiceError: no broker answers.
      UsageError: a topic does not exist, or none matches the pattern.
    """
    clusters = tuple(
        dataclasses.replace(
            cluster, topics=tuple(KafkaConnection(cluster).partitions()), topic_pattern=None
        )
        for cluster in config.clusters
    )
    return dataclasses.replace(config, clusters=clusters)
