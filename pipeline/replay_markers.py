"""The topic beside a topic that holds which dead letters have been replayed into it."""

from __future__ import annotations

from confluent_kafka.admin import AdminClient

from pipeline.errors import UsageError
from pipeline.kafka_client import (
    REQUEST_TIMEOUT_SECONDS,
    admin_client,
    answers,
    make_topic,
    read_topic,
    topic_settings,
)
from pipeline.kafka_errors import require_broker
from pipeline.kafka_properties import KafkaProperties

TARGET_FLAG = "--to_topic"
_SUFFIX = ".replayed"
_COMPACT = "compact"


def markers_topic(target: str) -> str:
    """The topic that holds which dead letters have been replayed into `target`."""
    return target + _SUFFIX


def read_replayed(target: str, properties: KafkaProperties) -> set[str]:
    """Ids of the dead letters that have been replayed into `target`, as of now.

    Raises:
      ServiceError: no broker answers, or one answers with an error.
      UsageError: the topic of markers may not be read, or a setting cannot be used.
    """
    topic = markers_topic(target)
    require_broker(properties["bootstrap.servers"])
    with answers(properties, TARGET_FLAG, topic) as remember:
        admin = admin_client(properties, remember)
        if topic not in admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics:
            return set()
    replayed: set[str] = set()
    for message in read_topic(topic, properties, flag=TARGET_FLAG):
        id_ = (message.key() or b"").decode("utf-8", "replace")
        if message.value() is None:
            # A tombstone: somebody wants this one to be replayed again.
            replayed.discard(id_)
        else:
            replayed.add(id_)
    return replayed


def ensure_markers(admin: AdminClient, target: str) -> None:
    """Makes the topic of markers if it is missing: one partition, compacted.

    Raises:
      KafkaException: the brokers do not answer, or refuse.
      UsageError: the topic may lose markers.
    """
    topic = markers_topic(target)
    if make_topic(admin, topic, {"cleanup.policy": _COMPACT}):
        return
    settings = topic_settings(admin, topic)
    if settings is not None and settings["cleanup.policy"] != _COMPACT:
        raise UsageError(
            TARGET_FLAG,
            f"topic {topic} may forget what was replayed "
            f"(cleanup.policy={settings['cleanup.policy']})",
            got=target,
            fix=f"Set its cleanup.policy={_COMPACT}.",
        )
