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

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from pipeline.dead_letter_json import dead_letter_id
from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_client import (
    REQUEST_TIMEOUT_SECONDS,
    Remember,
    admin_client,
    answers,
    client_settings,
    make_topic,
    read_topic,
    topic_settings,
)
from pipeline.kafka_errors import no_such_topic_error, require_broker
from pipeline.kafka_properties import KafkaProperties
from pipeline.producing import MAX_MESSAGE_BYTES
from transforms.dead_letters import DeadLetter
from transforms.results import format_time

REPLAYED_HEADER = "error_windows.replayed"
MARKERS_SUFFIX = ".replayed"
BATCH = 500
_FLAG = "--to_topic"
_BATCH_BYTES = 16 * 1024 * 1024
_ID_PREFIX = "error-windows-replay-"
# Calls are made in slices, between which Ctrl-C is heard.
_SLICE_SECONDS = 1.0
_PATIENCE_SECONDS = 120.0
# A replay that is killed holds back readers of committed records so long, or until the next.
_TRANSACTION_TIMEOUT_MS = 60_000
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
# Records that fail because of another one of their batch.
_FELLOWS = (
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
_LOG = logging.getLogger(__name__)


def markers_topic(target: str) -> str:
    """The topic that holds which dead letters have been replayed into `target`."""
    return target + MARKERS_SUFFIX


def read_replayed(target: str, properties: KafkaProperties) -> set[str]:
    """Ids of the dead letters that have been replayed into `target`, as of now.

    Raises:
      ServiceError: no broker answers, or one answers with an error.
      UsageError: the topic of markers may not be read, or a setting cannot be used.
    """
    topic = markers_topic(target)
    require_broker(properties["bootstrap.servers"])
    with answers(properties, _FLAG, topic) as remember:
        admin = admin_client(properties, remember)
        if topic not in admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics:
            return set()
    replayed: set[str] = set()
    for message in read_topic(topic, properties, flag=_FLAG):
        id_ = (message.key() or b"").decode("utf-8", "replace")
        if message.value() is None:
            # A tombstone: somebody wants this one to be replayed again.
            replayed.discard(id_)
        else:
            replayed.add(id_)
    return replayed


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
        self._failures: list[tuple[str, KafkaError]] = []
        self._remember = Remember()
        require_broker(properties["bootstrap.servers"])
        with self._told() as remember:
            self._remember = remember
            self._partitions = self._prepare_topics()
            settings = {
                **client_settings(properties, remember),
                "transactional.id": _ID_PREFIX + target,
                "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "partitioner": "murmur2_random",
            }
            self._producer = Producer(settings, logger=_LOG)
            # First: after it nothing of an older replay can come in behind the markers we read.
            _retried(functools.partial(self._producer.init_transactions, _SLICE_SECONDS))
        self._done = read_replayed(target, properties)

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
        if not self._batch:
            return
        self._failures.clear()
        with self._told():
            self._producer.begin_transaction()
            try:
                for letter in self._batch:
                    self._produce(letter)
                # Ends at the latest when the transaction's time is over.
                while self._producer.flush(_SLICE_SECONDS):
                    pass
                if not self._failures:
                    _retried(functools.partial(self._producer.commit_transaction, _SLICE_SECONDS))
            except BaseException:
                self._abort()
                raise
            if self._failures:
                self._abort()
                raise self._failed()
        self.replayed += len(self._batch)
        self._batch, self._bytes = [], 0

    def _produce(self, letter: DeadLetter) -> None:
        record, id_ = letter.record, dead_letter_id(letter)
        headers = [(one.key, one.value) for one in record.headers or ()]
        headers.append((REPLAYED_HEADER, id_.encode("utf-8")))
        placed: dict[str, int] = {} if self._new_timestamp else {"timestamp": record.timestamp}
        if record.topic == self.target and record.partition in self._partitions:
            # Its producer may have chosen it otherwise than by the key.
            placed["partition"] = record.partition
        self._produce_one(
            id_, self.target, value=record.value, key=record.key, headers=headers, **placed
        )
        marker = {"id": id_, "time": format_time(time.time_ns() // 1_000_000)}
        self._produce_one(
            id_,
            markers_topic(self.target),
            value=json.dumps(marker).encode("ascii"),
            key=id_.encode("utf-8"),
        )

    def _produce_one(self, id_: str, topic: str, **record: object) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._failures.append((id_, error))

        while True:
            try:
                self._producer.produce(topic, on_delivery=delivered, **record)  # type: ignore[arg-type]
            except BufferError:
                # The queue is full: room comes with the next acknowledgements or failures.
                self._producer.poll(_SLICE_SECONDS)
            else:
                return

    def _abort(self) -> None:
        # Without it the brokers end the transaction a little later, in the same way.
        with contextlib.suppress(KafkaException):
            self._producer.abort_transaction(_SLICE_SECONDS)

    def _prepare_topics(self) -> frozenset[int]:
        """Makes the topic of markers; returns the target's partitions."""
        admin = admin_client(self._properties, self._remember)
        topics = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
        if self.target not in topics or not topics[self.target].partitions:
            raise no_such_topic_error(_FLAG, self.target, topics)
        markers = markers_topic(self.target)
        if not make_topic(admin, markers, {"cleanup.policy": "compact"}):
            settings = topic_settings(admin, markers)
            if settings is not None and settings["cleanup.policy"] != "compact":
                raise UsageError(
                    _FLAG,
                    f"topic {markers} may forget what was replayed "
                    f"(cleanup.policy={settings['cleanup.policy']})",
                    got=self.target,
                    fix="Set its cleanup.policy=compact.",
                )
        return frozenset(topics[self.target].partitions)

    @contextlib.contextmanager
    def _told(self) -> Iterator[Remember]:
        with answers(self._properties, _FLAG, self.target) as remember:
            try:
                yield remember
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if self._failures or cause.code() in _FENCED:
                    raise self._failed(cause) from None
                remember.reason = remember.reason or self._remember.reason
                raise

    def _failed(self, cause: KafkaError | None = None) -> ServiceError:
        # A fenced client says so once, in the call that finds out.
        errors = [error for _, error in self._failures] + ([cause] if cause is not None else [])
        if any(error.code() in _FENCED for error in errors):
            return ServiceError(
                f"{_FLAG}: another replay into this topic has begun and ended this one, "
                f"got {self.target!r}. Wait for the other; what is replayed stays so."
            )
        own = [one for one in self._failures if one[1].code() not in _FELLOWS]
        id_, error = (own or self._failures)[0]
        fixes = {
            KafkaError.INVALID_TIMESTAMP: "Replay it with --new_timestamp.",
            KafkaError.MSG_SIZE_TOO_LARGE: f"Raise max.message.bytes of topic {self.target}.",
        }
        fix = fixes.get(error.code(), "Check the brokers and the topic, and run it again.")
        return ServiceError(
            f"{_FLAG}: topic {self.target} did not take a dead letter "
            f"({error.str().rstrip('.')}), got {id_!r}. {fix}"
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
