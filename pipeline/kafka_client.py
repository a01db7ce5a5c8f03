"""What every command needs that talks to Kafka beside the job: errors, topics, reading."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_errors import (
    BOOTSTRAP_FLAG,
    no_such_topic_error,
    refused_setting_error,
    require_broker,
)
from pipeline.kafka_properties import KafkaProperties

REQUEST_TIMEOUT_SECONDS = 15.0
# As much as a producer can: whether a record is too large is for the brokers to say.
MAX_MESSAGE_BYTES = 1_000_000_000
_IDLE_SECONDS = 0.5
_REFUSAL_FIX = "Choose another topic, or have it made with access for you."
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


class Remember:
    """Hears why a client does not get through, which its timeouts do not say."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self, error: KafkaError) -> None:
        """Remembers the reason; what only says that there are no brokers is none."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.reason = error.str()


@contextlib.contextmanager
def answers(
    properties: KafkaProperties, flag: str, topic: str, *, fix: str = _REFUSAL_FIX
) -> Iterator[Remember]:
    """Turns what brokers and client raise within the block into errors of one line.

    Args:
      properties: the Java client's settings, `bootstrap.servers` among them.
      flag: what a refusal speaks of.
      topic: what the block asks about.
      fix: what to do about a refusal.

    Raises:
      ServiceError: no broker answers, or one answers with an error.
      UsageError: the brokers refuse what is asked, or a setting cannot be used.
    """
    remember = Remember()
    try:
        yield remember
    except KafkaException as error:
        cause: KafkaError = error.args[0]
        if cause.code() == KafkaError._INVALID_ARG:
            raise refused_setting_error(error) from None
        if cause.code() in _REFUSALS:
            reason = cause.str().rstrip(".")
            raise UsageError(
                flag,
                f"the brokers refuse ({reason})",
                got=f"kafka:{topic}",
                fix=fix,
            ) from None
        raise ServiceError(
            f"{BOOTSTRAP_FLAG}: no usable answer about topic {topic!r} "
            f"({remember.reason or cause.str()}), got {properties['bootstrap.servers']!r}. "
            "Check the brokers, security.protocol and the login."
        ) from None


def make_topic(admin: AdminClient, topic: str, settings: Mapping[str, str]) -> bool:
    """Makes a topic of one partition.

    Args:
      admin: a client.
      topic: its name.
      settings: the topic's own, such as `cleanup.policy`.

    Returns:
      Whether it was made; False if it is there already, also if somebody else was faster.

    Raises:
      KafkaException: the brokers do not answer, or refuse.
    """
    if topic in admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics:
        return False
    wanted = NewTopic(topic, num_partitions=1, replication_factor=-1, config=dict(settings))
    try:
        admin.create_topics([wanted], request_timeout=REQUEST_TIMEOUT_SECONDS)[topic].result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True


def topic_settings(admin: AdminClient, topic: str) -> dict[str, str] | None:
    """The topic's settings, or None if they may not be looked into; raises KafkaException."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    futures = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        return {name: entry.value for name, entry in futures[resource].result().items()}
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise
        return None


def admin_client(properties: KafkaProperties, remember: Remember) -> AdminClient:
    """A client for topics; raises KafkaException for a setting that it does not accept."""
    return AdminClient(client_settings(properties, remember), logger=_LOG)


def client_settings(properties: KafkaProperties, remember: Remember) -> dict[str, Any]:
    """Librdkafka's settings of a client that tells its troubles to `remember` only."""
    # librdkafka repeats a failing connection on stderr; one line of ours is enough.
    return {**properties.to_librdkafka(), "error_cb": remember, "log_level": 0}


def follow_topic(
    topic: str, properties: KafkaProperties, stop: threading.Event, *, flag: str = "--from"
) -> Generator[Message | None, None, None]:
    """Yields the committed records of a topic from its beginning, until `stop` is set.

    A None comes when all that was there at the start has been read, and after that whenever
    nothing came for half a second. No offset is committed.

    Args:
      topic: is not made by asking.
      properties: the Java client's settings, `bootstrap.servers` among them.
      stop: is looked at between records.
      flag: names the topic in errors.

    Raises:
      ServiceError: no broker answers, or the topic cannot be read.
      UsageError: there is no such topic, or a setting cannot be used.
    """
    require_broker(properties["bootstrap.servers"])
    with answers(properties, flag, topic) as remember:
        consumer = Consumer(consumer_settings(properties, remember), logger=_LOG)
        with contextlib.closing(consumer):
            unread = _assign(consumer, topic, flag)
            caught_up = False
            while not stop.is_set():
                if not unread and not caught_up:
                    caught_up = True
                    yield None
                message = consumer.poll(_IDLE_SECONDS)
                if message is None:
                    if caught_up:
                        yield None
                    continue
                error = message.error()
                if error is None:
                    yield message
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                partition = message.partition() or 0
                # The last offsets may hold no records: compacted, or ends of transactions.
                if error is not None or (message.offset() or 0) + 1 >= unread.get(partition, 0):
                    unread.pop(partition, None)


def read_topic(
    topic: str, properties: KafkaProperties, *, flag: str = "--from"
) -> Iterator[Message]:
    """Yields the committed records of a topic up to its end at the start; as `follow_topic`."""
    with contextlib.closing(follow_topic(topic, properties, threading.Event(), flag=flag)) as all_:
        for message in all_:
            if message is None:
                return
            yield message


def _assign(consumer: Consumer, topic: str, flag: str) -> dict[int, int]:
    """Begins at the beginning; returns the end offset of partitions that hold records."""
    topics = consumer.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
    if topic not in topics or not topics[topic].partitions:
        raise no_such_topic_error(flag, topic, topics)
    unread = {}
    beginnings = []
    for partition in sorted(topics[topic].partitions):
        first, end = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=REQUEST_TIMEOUT_SECONDS
        )
        beginnings.append(TopicPartition(topic, partition, first))
        if end > first:
            unread[partition] = end
    consumer.assign(beginnings)
    return unread


def consumer_settings(properties: KafkaProperties, remember: Remember) -> dict[str, Any]:
    """Settings of a client that reads committed records of partitions it is given, for itself."""
    return {
        **client_settings(properties, remember),
        # Needed, but never sent: partitions are assigned here, and no offset is committed.
        "group.id": "error-windows",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
    }
