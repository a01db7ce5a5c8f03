"""Where partitions end, asked beside the connections that read them.

A broker answers the requests of a connection one after the other, and a reader's own has a fetch
under way that waits for lines: an answer there takes up to `fetch.max.wait.ms`, and as often as
there are idle partitions.
"""

from __future__ import annotations

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from pipeline.kafka_client import Remember, admin_client
from pipeline.kafka_properties import KafkaProperties

_TIMEOUT_SECONDS = 1.0


class EndOffsets:
    """Knows where partitions end; one connection for all of them, made when it is needed."""

    def __init__(self, properties: KafkaProperties) -> None:
        """Takes the Java consumer's settings, `bootstrap.servers` among them."""
        self._properties = properties
        self._admin: AdminClient | None = None
        sees_all = properties.get("isolation.level") == "read_uncommitted"
        self._isolation = (
            IsolationLevel.READ_UNCOMMITTED if sees_all else IsolationLevel.READ_COMMITTED
        )

    def ask(self, topic: str, partition: int) -> int | None:
        """The offset of the next record that will be written; None if no broker answers."""
        place = TopicPartition(topic, partition)
        try:
            if self._admin is None:
                self._admin = admin_client(self._properties, Remember())
            try:
                return self._ask(self._admin, place)
            except KafkaException as error:
                if error.args[0].code() != KafkaError._NOENT:
                    raise
                # A partition that is newer than what the client knows of the topic.
                self._admin.list_topics(topic, timeout=_TIMEOUT_SECONDS)
                return self._ask(self._admin, place)
        except KafkaException:
            return None

    def _ask(self, admin: AdminClient, place: TopicPartition) -> int:
        asked = admin.list_offsets(
            {place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
            isolation_level=self._isolation,
            request_timeout=_TIMEOUT_SECONDS,
        )
        end: int = asked[place].result().offset
        return end
