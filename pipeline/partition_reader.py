"""Reads one partition of a topic with librdkafka, in batches, from an offset on.

What of Kafka's behaviour a reader must not hide is told here: offsets that have expired, a
partition that ends before the offset, and whether nothing came because nothing is there or
because no broker answers.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.end_offsets import EndOffsets
from pipeline.errors import ServiceError
from pipeline.kafka_client import Remember, client_settings
from pipeline.kafka_errors import refused_setting_error
from pipeline.kafka_properties import KafkaProperties
from transforms.batches import RecordBatch
from transforms.clock import wall_clock_ms
from transforms.records import Header

# Fewer cost more calls; what was read of more does not stay in a small cache of the processor until
# it is counted. Measured, see docs/readers.md.
_MESSAGES_PER_CALL = 1_000
# Librdkafka asks a broker for the next records as soon as fewer than these wait here ...
_QUEUED_MESSAGES = 200_000
# ... and stops at so much memory, for all partitions of a process together.
_QUEUED_KILOBYTES = 131_072
_MIN_QUEUED_KILOBYTES = 8_192
# A broker waits for so many bytes, and no longer than this, so that lines at a low rate do not
# cost a request each.
_FETCH_MIN_BYTES = 200_000
_FETCH_WAIT_MS = 100
# With a full queue it looks again after this; its default of a second lets the queue run dry.
_FULL_QUEUE_MS = 5

# Settings of how a consumer fetches, by the Java client's names.
_FETCHING = {
    "check.crcs": "check.crcs",
    "client.rack": "client.rack",
    "fetch.max.bytes": "fetch.max.bytes",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "fetch.min.bytes": "fetch.min.bytes",
    "group.id": "group.id",
    "isolation.level": "isolation.level",
    "max.partition.fetch.bytes": "max.partition.fetch.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
}
_LOG = logging.getLogger(__name__)


class ExpiredOffsetError(ServiceError):
    """Records are gone that were to be read."""


class MessageBatch:
    """A `transforms.batches.Batch` of librdkafka's messages.

    Keys and headers are fetched only where they are asked for, and once: whoever asks for those of
    one record asks for many. A pickle of it is a `RecordBatch`.

    Attributes:
      latest_ms: the highest timestamp.
    """

    def __init__(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        self.topic = topic
        self.partition = partition
        first, last = _offset(messages[0]), _offset(messages[-1])
        self.offsets: Sequence[int] = range(first, last + 1)
        if len(self.offsets) != len(messages):
            self.offsets = [_offset(message) for message in messages]
        self.timestamps_ms = [time_ms for _, time_ms in map(Message.timestamp, messages)]
        self.latest_ms = max(self.timestamps_ms)
        self.values: Sequence[bytes | None] = [message.value() for message in messages]
        self._messages = messages

    @functools.cached_property
    def keys(self) -> Sequence[bytes | None]:
        """As they are in Kafka."""
        return [message.key() for message in self._messages]

    @functools.cached_property
    def headers(self) -> Sequence[Sequence[Header]]:
        """Of each record."""
        return [
            [Header(*header) for header in message.headers() or ()] for message in self._messages
        ]

    def until(self, stop: int) -> MessageBatch | None:
        """The records before an offset; None if there are none."""
        if self.offsets[-1] < stop:
            return self
        messages = [message for message in self._messages if _offset(message) < stop]
        return MessageBatch(self.topic, self.partition, messages) if messages else None

    def __reduce__(self) -> tuple[type[RecordBatch], tuple[Any, ...]]:
        return RecordBatch, (
            self.topic,
            self.partition,
            self.offsets,
            self.timestamps_ms,
            self.values,
            self.keys,
            self.headers,
        )


class PartitionReader:
    """Reads one partition from an offset on.

    Attributes:
      next_offset: where the next record is looked for.
      caught_up_ms: when it was last known, milliseconds since the epoch, that the partition held
        no record at `next_offset` or after; 0 if never, or if there may be some.
    """

    def __init__(
        self,
        properties: KafkaProperties,
        topic: str,
        partition: int,
        offset: int,
        *,
        readers: int,
        ends: EndOffsets,
    ) -> None:
        """Connects; nothing is waited for.

        Args:
          properties: the Java consumer's settings, `bootstrap.servers` among them.
          topic: is not made by asking.
          partition: of the topic.
          offset: of the first record that is wanted.
          readers: how many there are in this process, who share the memory.
          ends: asks where the partition ends.

        Raises:
          UsageError: a setting cannot be used.
        """
        self.topic = topic
        self.partition = partition
        self.next_offset = offset
        self.caught_up_ms = 0
        self._ends = ends
        self._remember = Remember()
        self._settings = reader_settings(properties, self._remember, readers)
        self._after_offset = offset
        self._stuck_since: float | None = None
        self._connect()

    @property
    def trouble(self) -> str:
        """What the connection last complained about."""
        return self._remember.reason

    @property
    def stuck_seconds(self) -> float:
        """For how long there is more, or no broker says that there is not, and nothing comes."""
        return 0.0 if self._stuck_since is None else time.monotonic() - self._stuck_since

    def close(self) -> None:
        """Ends the connection."""
        self._consumer.close()

    def reconnect(self) -> None:
        """Reads on where it is, with a new connection."""
        self.close()
        self._connect()

    def read(self, timeout_seconds: float) -> MessageBatch | None:
        """The next records; None if none came in time.

        Raises:
          ExpiredOffsetError: the record at `next_offset` is gone, and others with it.
          ServiceError: the partition cannot be read.
        """
        good = self._consumer.consume(_MESSAGES_PER_CALL, timeout_seconds)
        if any(map(Message.error, good)):
            good = self._without_errors(good)
        if not good:
            return None
        batch = MessageBatch(self.topic, self.partition, good)
        self._after_offset = batch.offsets[-1] + 1
        self.next_offset = max(self.next_offset, self._after_offset)
        self.caught_up_ms = 0
        self._stuck_since = None
        return batch

    def _without_errors(self, messages: Sequence[Message]) -> list[Message]:
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                # The last offsets may hold no records: markers of transactions.
                self.next_offset = max(self.next_offset, _offset(message))
            else:
                self._fail(error)
        return good

    def look_for_end(self) -> int | None:
        """Asks for the end of the partition, and notes if all before it has been read.

        Returns:
          The offset of the next record that will be written; None if no broker answers.
        """
        asked_ms = wall_clock_ms()
        end = self._ends.ask(self.topic, self.partition)
        if end is not None:
            self.caught_up_ms = asked_ms if self.next_offset >= end else 0
        if end is not None and self.caught_up_ms:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = time.monotonic()
        return end

    def known_to_wait(self) -> int:
        """How many offsets of the partition are not read yet, as of the last answer of a broker."""
        _, end = self._consumer.get_watermark_offsets(self._place(), cached=True)
        return max(0, end - self.next_offset)

    def skip_expired(self) -> tuple[int, int]:
        """Goes on with the first record that there is; gives the offsets (first, last) left out.

        Raises:
          ServiceError: no broker answers.
        """
        first = self.next_offset
        self.next_offset = self._after_offset = self._bounds()[0]
        self._assign()
        return first, self.next_offset - 1

    def is_at(self, offset: int) -> bool:
        """Whether the next record read is the first one from an offset on."""
        return self._after_offset <= offset <= self.next_offset

    def commit_read(self) -> None:
        """Tells Kafka's own tools how far the reading is; nothing reads it back."""
        place = TopicPartition(self.topic, self.partition, self.next_offset)
        # Best effort: the reader may be closed, and brokers may be away.
        with contextlib.suppress(KafkaException, RuntimeError):
            self._consumer.commit(offsets=[place], asynchronous=True)

    def _connect(self) -> None:
        try:
            self._consumer = Consumer(self._settings, logger=_LOG)
        except KafkaException as error:
            raise refused_setting_error(error) from None
        self._stuck_since = None
        self._remember.reason = ""
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(self.topic, self.partition, self.next_offset)])

    def _place(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def _bounds(self) -> tuple[int, int]:
        try:
            return self._consumer.get_watermark_offsets(self._place(), timeout=60)
        except KafkaException as error:
            raise self._unreadable(error.args[0].str()) from None

    def _fail(self, error: KafkaError) -> None:
        if error.code() not in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            if error.retriable():
                return
            raise self._unreadable(error.str())
        first, end = self._bounds()
        if self.next_offset < first:
            raise ExpiredOffsetError(
                f"offsets {self.next_offset} to {first - 1} of {self.topic}[{self.partition}] "
                "have expired before they were read. Give the topic a longer retention."
            )
        raise self._unreadable(
            f"it ends at offset {end}, and {self.next_offset} was to be read: the topic was made "
            "anew, or the brokers have lost its end"
        )

    def _unreadable(self, reason: str) -> ServiceError:
        return ServiceError(f"cannot read {self.topic}[{self.partition}]: {reason.rstrip('.')}.")


def reader_settings(
    properties: KafkaProperties, remember: Remember, readers: int
) -> dict[str, Any]:
    """Librdkafka's settings of one of `readers` in a process."""
    queued = max(_QUEUED_KILOBYTES // readers, _MIN_QUEUED_KILOBYTES)
    return {
        # Needed, but not joined: partitions are assigned.
        "group.id": "error-windows",
        "isolation.level": "read_committed",
        "check.crcs": True,
        "fetch.min.bytes": _FETCH_MIN_BYTES,
        "fetch.wait.max.ms": _FETCH_WAIT_MS,
        "queued.min.messages": _QUEUED_MESSAGES,
        "queued.max.messages.kbytes": queued,
        "fetch.queue.backoff.ms": _FULL_QUEUE_MS,
        **_fetching(properties),
        **client_settings(properties, remember),
        # The position is the runner's to keep, and an offset that is gone must be told.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
    }


def _fetching(properties: Mapping[str, str]) -> dict[str, str]:
    return {ours: properties[java] for java, ours in _FETCHING.items() if java in properties}


def _offset(message: Message) -> int:
    offset = message.offset()
    if offset is None:
        raise ValueError("a message of a partition has no offset")
    return offset
