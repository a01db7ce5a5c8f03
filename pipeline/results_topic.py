"""The Kafka topic that results are kept in: makes it, and reads it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Message

from pipeline.kafka_client import admin_client, answers, follow_topic, make_topic, topic_settings
from pipeline.kafka_errors import require_broker
from pipeline.kafka_properties import KafkaProperties
from pipeline.result_table import parse_result

_COMPACT = "compact"
_REFUSAL_FIX = (
    "Choose another topic, or have it made with cleanup.policy=compact and access for you."
)


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
    with answers(properties, flag, topic, fix=_REFUSAL_FIX) as remember:
        admin = admin_client(properties, remember)
        if make_topic(admin, topic, {"cleanup.policy": _COMPACT}):
            return None
        settings = topic_settings(admin, topic)
    if settings is None:
        return f"topic {topic} may not be looked into, so whether it is compacted is not known"
    policy = settings["cleanup.policy"]
    if _COMPACT in policy.split(","):
        return None
    return (
        f"topic {topic} is not compacted (cleanup.policy={policy}): "
        "it keeps every revision, and may delete results for their age"
    )


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
        for message in follow_topic(self._topic, self._properties, stop):
            if message is None:
                yield None
            else:
                yield from self._results(message)

    def _results(self, message: Message) -> Iterator[dict[str, Any]]:
        value = message.value()
        result = None if value is None else parse_result(value)
        if result is not None:
            yield result
        elif value is not None:
            self.bad_lines += 1
