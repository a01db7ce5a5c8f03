"""Produces dead letters into a topic again, each of them once, whatever happens in between.

In one Kafka transaction go some hundred records and a marker for each: a record with the dead
letter's id as its key, in the compacted topic `<target>.replayed`. Whoever begins takes the
transactional id of the target, which ends an older replay into it and its open transaction, and
only then reads the markers: what has one is left out. A crash at any point leaves a batch all
there or, for readers with `isolation.level=read_committed`, not there at all.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from pipeline.dead_letter_json import dead_letter_id
from pipeline.errors import ServiceError
from pipeline.kafka_client import (
    MAX_MESSAGE_BYTES,
    REQUEST_TIMEOUT_SECONDS,
    Remember,
    admin_client,
    answers,
    client_settings,
)
from pipeline.kafka_errors import no_such_topic_error, require_broker
from pipeline.kafka_properties import KafkaProperties
from pipeline.replay_markers import TARGET_FLAG, ensure_markers, markers_topic, read_replayed
from transforms.clock import wall_clock_ms
from transforms.dead_letters import DeadLetter
from transforms.records import cluster_and_topic
from transforms.results import format_time

REPLAYED_HEADER = "error_windows.replayed"
BATCH = 500
_BATCH_BYTES = 16 * 1024 * 1024
_ID_PREFIX = "error-windows-replay-"
# Calls are made in slices, between which Ctrl-C is heard.
_SLICE_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0
# A replay that is killed holds back readers of committed records so long, or until the next.
_TRANSACTION_TIMEOUT_MS = 60_000
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
# What brokers have against a record; others that were sent with it fail with it.
_REFUSALS = (
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.INVALID_RECORD,
    KafkaError.MSG_SIZE_TOO_LARGE,
)
_LOG = logging.getLogger(__name__)
# librdkafka tells a fatal error whatever the level, and without a handler it were on stderr.
_LOG.addHandler(logging.NullHandler())


class Replay:
    """A replay into one topic; from its start on no other one gets anything into that topic.

    A context manager: its end commits what `add` was given, if the block ended well. All methods
    raise ServiceError if the brokers do not answer, refuse a record, or another replay into the
    topic has begun; what was committed before stays.

    Attributes:
      target: the topic.
      replayed: dead letters that are in it now and were not before.
      before: dead letters left out because they had been replayed before.
      without_time: dead letters left out because their time cannot be produced again.
    """

    def __init__(
        self,
        target: str,
        properties: KafkaProperties,
        *,
        new_timestamp: bool = False,
        batch: int = BATCH,
    ) -> None:
        """Takes over the topic.

        Args:
          target: exists.
          properties: the Java client's settings, `bootstrap.servers` among them.
          new_timestamp: records get the present time instead of their own.
          batch: dead letters of one transaction, at most.

        Raises:
          ServiceError: no broker answers, or one answers with an error.
          UsageError: there is no such topic, or its markers would not be kept.
        """
        self.target = target
        self.replayed = self.before = self.without_time = 0
        self._properties = properties
        self._new_timestamp = new_timestamp
        self._batch_size = batch
        self._batch: list[DeadLetter] = []
        self._bytes = 0
        self._remember = Remember()
        require_broker(properties["bootstrap.servers"])
        with self._told():
            self._partitions = self._prepare_topics()
        self._done = self._take_over()

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._commit()

    def add(self, letter: DeadLetter) -> None:
        """Produces the dead letter, unless it has been replayed before; with its batch."""
        id_ = dead_letter_id(letter)
        if id_ in self._done:
            self.before += 1
            return
        if letter.record.timestamp <= 0 and not self._new_timestamp:
            # For the client 0 means now, and brokers refuse what is below.
            self.without_time += 1
            return
        self._done.add(id_)
        self._batch.append(letter)
        self._bytes += len(letter.record.value or b"") + len(letter.record.key or b"")
        if len(self._batch) >= self._batch_size or self._bytes >= _BATCH_BYTES:
            self._commit()

    def _commit(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        if batch:
            self._send(batch)

    def _send(self, batch: list[DeadLetter]) -> None:
        """Produces dead letters in one transaction, in several if brokers do not take all."""
        with self._told():
            self._producer.begin_transaction()
            try:
                for letter in batch:
                    self._produce(letter)
                # Ends at the latest when the transaction's time is over.
                while self._producer.flush(_SLICE_SECONDS):
                    pass
                # Fails with the reason of the first record that was not delivered.
                _retried(functools.partial(self._producer.commit_transaction, _SLICE_SECONDS))
            except KafkaException as error:
                cause = self._cause(error.args[0])
                refusal = self._abort()
                if cause.code() == KafkaError.UNKNOWN and refusal is not None:
                    # Brokers may fail where another replay takes over in the moment of a commit.
                    cause = refusal
                if cause.code() not in _REFUSALS:
                    raise KafkaException(cause) from None
                if len(batch) == 1:
                    raise self._not_taken(batch[0], cause) from None
            except BaseException:
                self._abort()
                raise
            else:
                self.replayed += len(batch)
                return
        # Brokers refuse the company of a bad record, and do not say which it was. The client
        # fails what comes after such a failure too, so that another one is needed.
        done = self._take_over()
        left = [letter for letter in batch if dead_letter_id(letter) not in done]
        self.before += len(batch) - len(left)
        middle = (len(left) + 1) // 2
        for part in filter(None, (left[:middle], left[middle:])):
            self._send(part)

    def _take_over(self) -> set[str]:
        """Ends other replays into the topic and returns the ids that they have replayed."""
        with self._told():
            settings = {
                **client_settings(self._properties, self._remember),
                "transactional.id": _ID_PREFIX + self.target,
                "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "partitioner": "murmur2_random",
            }
            self._producer = Producer(settings, logger=_LOG)
            # First: after it nothing of an older replay can come in behind the markers we read.
            _retried(functools.partial(self._producer.init_transactions, _SLICE_SECONDS))
        return read_replayed(self.target, self._properties)

    def _produce(self, letter: DeadLetter) -> None:
        record, id_ = letter.record, dead_letter_id(letter)
        headers = [(one.key, one.value) for one in record.headers or ()]
        headers.append((REPLAYED_HEADER, id_.encode("utf-8")))
        placed: dict[str, int] = {} if self._new_timestamp else {"timestamp": record.timestamp}
        if (
            cluster_and_topic(letter.record.topic)[1] == self.target
            and record.partition in self._partitions
        ):
            # Its producer may have chosen it otherwise than by the key.
            placed["partition"] = record.partition
        self._queue(self.target, value=record.value, key=record.key, headers=headers, **placed)
        marker = {"id": id_, "time": format_time(wall_clock_ms())}
        self._queue(
            markers_topic(self.target),
            value=json.dumps(marker).encode("ascii"),
            key=id_.encode("utf-8"),
        )

    def _queue(self, topic: str, **record: Any) -> None:
        # Without on_delivery: the commit tells, and a callback that Ctrl-C meets breaks the client.
        while True:
            try:
                self._producer.produce(topic, **record)
            except BufferError:
                # The queue is full: room comes with the next acknowledgements or failures.
                self._producer.poll(_SLICE_SECONDS)
            else:
                return

    def _cause(self, error: KafkaError) -> KafkaError:
        """What went wrong first, when `error` only tells of the state that it led to."""
        if error.code() in (KafkaError._STATE, KafkaError._FATAL):
            try:
                # Refused in that state, with the reason; it would change nothing.
                self._producer.begin_transaction()
            except KafkaException as refusal:
                cause: KafkaError = refusal.args[0]
                return cause
        return error

    def _abort(self) -> KafkaError | None:
        """Ends the transaction, as brokers would a little later; what they say against it."""
        try:
            self._producer.abort_transaction(_SLICE_SECONDS)
        except KafkaException as error:
            refusal: KafkaError = error.args[0]
            return refusal
        return None

    def _prepare_topics(self) -> frozenset[int]:
        """Makes the topic of markers; returns the target's partitions."""
        admin = admin_client(self._properties, self._remember)
        topics = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
        if self.target not in topics or not topics[self.target].partitions:
            raise no_such_topic_error(TARGET_FLAG, self.target, topics)
        ensure_markers(admin, self.target)
        return frozenset(topics[self.target].partitions)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        with answers(self._properties, TARGET_FLAG, self.target) as remember:
            try:
                yield
            except KafkaException as error:
                if error.args[0].code() in _FENCED:
                    raise ServiceError(
                        f"{TARGET_FLAG}: another replay into this topic has begun and ended this "
                        f"one, got {self.target!r}. Wait for the other; what is replayed stays so."
                    ) from None
                remember.reason = self._remember.reason
                raise

    def _not_taken(self, letter: DeadLetter, cause: KafkaError) -> ServiceError:
        fix = "Replay it with --new_timestamp."
        if cause.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            fix = f"Raise max.message.bytes of topic {self.target}."
        # The client puts where it happened around the broker's words.
        reason = KafkaError(cause.code()).str().rstrip(".")
        return ServiceError(
            f"{TARGET_FLAG}: topic {self.target} did not take a dead letter ({reason}), "
            f"got {dead_letter_id(letter)!r}. {fix}"
        )


def _retried(call: Callable[[], object]) -> None:
    """Calls until it is done, or is known to have failed, or patience ends."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
        else:
            return
