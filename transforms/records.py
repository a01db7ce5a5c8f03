"""A Kafka record as the transforms see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class KafkaRecord(Protocol):
    """What a source gives: any object with these attributes, read only.

    `ReadFromKafka(with_metadata=True)` gives rows that have them.

    Attributes:
      topic, partition, offset: where the record stands.
      timestamp: Kafka's, milliseconds since the epoch.
      key, value: as they are in Kafka; a record without a value is a tombstone.
      headers: objects with `key` (str) and `value` (bytes or None); None where there are none.
    """

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Any: ...  # noqa: D102


class Header(NamedTuple):
    """One header of a record."""

    key: str
    value: bytes | None


def qualified_topic(cluster: str, topic: str) -> str:
    """How a topic is called in labels, the ledger and dead letters.

    `cluster/topic` where the cluster has a name; no topic of Kafka's holds a slash.
    """
    return f"{cluster}/{topic}" if cluster else topic


def cluster_and_topic(qualified: str) -> tuple[str, str]:
    """The parts of a `qualified_topic`; the cluster is empty where it has no name."""
    cluster, _, topic = qualified.rpartition("/")
    return cluster, topic


class Record(NamedTuple):
    """A Kafka record of our own making; see `KafkaRecord`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] | None = None


def headers_of(headers: Sequence[Any]) -> list[Header] | None:
    """Headers of any class as ours; None where there are none."""
    return [Header(header.key, header.value) for header in headers] or None
