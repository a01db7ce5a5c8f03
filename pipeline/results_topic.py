"""The Kafka topic that results are kept in: makes it, and reads it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_errors import BOOTSTRAP_FLAG, no_such_topic_error, require_broker
from pipeline.kafka_properties import KafkaProperties
from pipeline.result_table import parse_result

_REQUEST_TIMEOUT_SECONDS = 15.0
_IDLE_SECONDS = 0.5
_COMPACT = "compact"
# The broker answers, and the answer is that this topic cannot be made.
_REFUSALS = (
    KafkaError.INVALID_CONFIG,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.POLICY_VIOLATION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_EXCEPTION,
)
_LOG = logging.getLogger(__name__)


def ensure_results_topic(
    topic: str, properties: KafkaProperties, *, flag: str = "--output"
) -> str | None:
    """Makes the topic if it is missing: one partition, compacted, so that ids keep their last.

    Args:
      topic: its name.
      properties: the Java client's settings, `bootstrap.servers` among them.
      flag: what complaints speak of.

    Returns:
      A note for the user when the topic exists and is not compacted, else None.

    Raises:
      ServiceError: no broker answers, or one answers with an error.
      UsageError: the brokers do not let the topic be made, or a setting cannot be used.
    """
    require_broker(properties["bootstrap.servers"])
    with _answers(properties, flag, topic) as remember:
        admin = AdminClient(_settings(properties, remember), logger=_LOG)
        existing = admin.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS).topics
        if topic not in existing and _create(admin, topic):
            return None
        return _note_of_policy(admin, topic)


class TopicResults:
    """Reads the results in a topic, from its beginning; no offset is committed.

    Attributes:
      name: what messages call it.
      bad_lines: records so far that are no results.
    """

    def __init__(self, topic: str, properties: KafkaProperties) -> None:
        self.name = f"kafka:{topic}"
        self.bad_lines = 0
        self._topic = topic
        self._properties = properties

    def read_all(self) -> Iterator[dict[str, Any]]:
        """Yields all results up to what is the end at the start.

        Raises:
          ServiceError: no broker answers, or the topic cannot be read.
          UsageError: there is no such topic, or a setting cannot be used.
        """
        for result in self.follow(threading.Event()):
            if result is None:
                return
            yield result

    def follow(self, stop: threading.Event) -> Iterator[dict[str, Any] | None]:
        """Yields results until `stop` is set; errors as in `read_all`.

        A None comes when all that was there at the start has been read, and after that whenever
        nothing came for half a second.
        """
        require_broker(self._properties["bootstrap.servers"])
        with _answers(self._properties, "--from", self._topic) as remember:
            consumer = Consumer(_consumer_settings(self._properties, remember), logger=_LOG)
            with contextlib.closing(consumer):
                unread = self._assign(consumer)
                caught_up = False
                while not stop.is_set():
                    if not unread and not caught_up:
                        caught_up = True
                        yield None
                    message = consumer.poll(_IDLE_SECONDS)
                    if message is not None:
                        yield from self._results(message, unread)
                    elif caught_up:
                        yield None

    def _assign(self, consumer: Consumer) -> dict[int, int]:
        """Begins at the beginning; returns the end offset of partitions that hold records."""
        topics = consumer.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS).topics
        if self._topic not in topics or not topics[self._topic].partitions:
            raise no_such_topic_error("--from", self._topic, topics)
        unread = {}
        beginnings = []
        for partition in sorted(topics[self._topic].partitions):
            first, end = consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=_REQUEST_TIMEOUT_SECONDS
            )
            beginnings.append(TopicPartition(self._topic, partition, first))
            if end > first:
                unread[partition] = end
        consumer.assign(beginnings)
        return unread

    def _results(self, message: Message, unread: dict[int, int]) -> Iterator[dict[str, Any]]:
        partition, error = message.partition() or 0, message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # The last offsets may hold no records: compacted, or ends of transactions.
            unread.pop(partition, None)
            return
        value = message.value()
        result = None if value is None else parse_result(value)
        if result is not None:
            yield result
        elif value is not None:
            self.bad_lines += 1
        if (message.offset() or 0) + 1 >= unread.get(partition, 0):
            unread.pop(partition, None)


class _Remember:
    """Hears why a client does not get through, which its timeouts do not say."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.reason = error.str()


@contextlib.contextmanager
def _answers(properties: KafkaProperties, flag: str, topic: str) -> Iterator[_Remember]:
    """Turns what brokers and client raise within the block into errors of one line."""
    remember = _Remember()
    try:
        yield remember
    except KafkaException as error:
        cause: KafkaError = error.args[0]
        if cause.code() == KafkaError._INVALID_ARG:
            raise UsageError(
                "--consumer_property",
                f"not accepted by the client ({cause.str()})",
                fix="Correct the setting.",
            ) from None
        if cause.code() in _REFUSALS:
            reason = cause.str().rstrip(".")
            raise UsageError(
                flag,
                f"the brokers refuse ({reason})",
                got=f"kafka:{topic}",
                fix="Choose another topic, or have it made with cleanup.policy=compact "
                "and access for you.",
            ) from None
        raise ServiceError(
            f"{BOOTSTRAP_FLAG}: no usable answer about topic {topic!r} "
            f"({remember.reason or cause.str()}), got {properties['bootstrap.servers']!r}. "
            "Check the brokers, security.protocol and the login."
        ) from None


def _create(admin: AdminClient, topic: str) -> bool:
    """Whether it was made; False if somebody else was faster."""
    wanted = NewTopic(
        topic, num_partitions=1, replication_factor=-1, config={"cleanup.policy": _COMPACT}
    )
    try:
        admin.create_topics([wanted], request_timeout=_REQUEST_TIMEOUT_SECONDS)[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def _note_of_policy(admin: AdminClient, topic: str) -> str | None:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    futures = admin.describe_configs([resource], request_timeout=_REQUEST_TIMEOUT_SECONDS)
    try:
        policy = futures[resource].result()["cleanup.policy"].value
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        return f"topic {topic} may not be looked into, so whether it is compacted is not known"
    if _COMPACT in policy.split(","):
        return None
    return (
        f"topic {topic} is not compacted (cleanup.policy={policy}): "
        "it keeps every revision, and may delete results for their age"
    )


def _settings(properties: KafkaProperties, remember: _Remember) -> dict[str, Any]:
    # librdkafka repeats a failing connection on stderr; one line of ours is enough.
    return {**properties.to_librdkafka(), "error_cb": remember, "log_level": 0}


def _consumer_settings(properties: KafkaProperties, remember: _Remember) -> dict[str, Any]:
    return {
        **_settings(properties, remember),
        # Needed, but never sent: partitions are assigned here, and no offset is committed.
        "group.id": "error-windows-results",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
    }
