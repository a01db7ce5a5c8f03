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


class Record(NamedTuple):
    """A Kafka record of our own making; see `KafkaRecord`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] | None = None
