"""The Kafka topic that dead letters are kept in: makes it."""

from __future__ import annotations

from pipeline.errors import UsageError
from pipeline.kafka_client import admin_client, answers, make_topic, topic_settings
from pipeline.kafka_errors import require_broker
from pipeline.kafka_properties import KafkaProperties

# As much as a broker takes from a socket unless told otherwise (socket.request.max.bytes): a
# dead letter is larger than its record, which may be as large as its own topic allows.
_MAX_MESSAGE_BYTES = 100 * 1024 * 1024


def ensure_dead_letter_topic(
    topic: str, properties: KafkaProperties, *, flag: str = "--dead_letter"
) -> str | None:
    """Makes the topic if it is missing: one partition, not compacted, for large records.

    How long dead letters are kept is the brokers' `log.retention.*`, as for any topic.

    Args:
      topic: its name.
      properties: the Java client's settings, `bootstrap.servers` among them.
      flag: what complaints speak of.

    Returns:
      A note for the user when the topic may not be looked into, else None.

    Raises:
      ServiceError: no broker answers, or one answers with an error.
      UsageError: the topic is compacted, which would lose dead letters; or the brokers do not
        let it be made, or a setting cannot be used.
    """
    require_broker(properties["bootstrap.servers"])
    with answers(properties, flag, topic) as remember:
        admin = admin_client(properties, remember)
        wanted = {"cleanup.policy": "delete", "max.message.bytes": str(_MAX_MESSAGE_BYTES)}
        if make_topic(admin, topic, wanted):
            return None
        settings = topic_settings(admin, topic)
    if settings is None:
        return f"topic {topic} may not be looked into, so whether it is compacted is not known"
    if "compact" in settings["cleanup.policy"]:
        raise UsageError(
            flag,
            "the topic is compacted, so that of dead letters with one key only the last would stay",
            got=f"kafka:{topic}",
            fix="Choose another topic, or set its cleanup.policy=delete.",
        )
    return None
