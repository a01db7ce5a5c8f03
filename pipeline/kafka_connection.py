"""Asks the brokers what must be known before the job: topics, partitions, offsets."""

from __future__ import annotations

import concurrent.futures
import difflib
import logging
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from pipeline.config import KafkaConfig
from pipeline.errors import ServiceError, UsageError

_CONNECT_TIMEOUT_SECONDS = 5.0
_REQUEST_TIMEOUT_SECONDS = 15.0
_FLAG = "--kafka_bootstrap_servers"
_LOG = logging.getLogger(__name__)


class KafkaConnection:
    """A librdkafka admin client with the job's own settings.

    Raises (every method):
      ServiceError: no broker answers, or one answers with an error.
      UsageError: a topic does not exist, or a setting cannot be used.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._last_error = ""
        _require_open_port(config.bootstrap_servers)
        settings: dict[str, Any] = {
            **config.properties.to_librdkafka(),
            "error_cb": self._remember,
            # librdkafka repeats a failing connection on stderr; one line of ours is enough.
            "log_level": 0,
        }
        try:
            self._admin = AdminClient(settings, logger=_LOG)
        except KafkaException as error:
            raise UsageError(
                "--consumer_property",
                f"not accepted by the client ({error.args[0].str()})",
                fix="Correct the setting.",
            ) from None

    def partitions(self) -> dict[str, list[int]]:
        """Partition numbers of every input topic; fails for a topic that does not exist."""
        try:
            metadata = self._admin.list_topics(timeout=_REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise self._no_answer(error) from None
        partitions = {}
        for topic in self._config.topics:
            found = metadata.topics.get(topic)
            if found is None or not found.partitions:
                raise _no_such_topic(topic, metadata.topics)
            partitions[topic] = sorted(found.partitions)
        return partitions

    def earliest_offsets(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """The first offset of each partition, in the order given."""
        return self._offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def latest_offsets(self, partitions: Sequence[TopicPartition]) -> list[int]:
        """The offset after the last record of each partition, in the order given.

        The last record is the last that a consumer with the job's `isolation.level` may read.
        """
        return self._offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def _offsets(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> list[int]:
        committed = self._config.properties.get("isolation.level") == "read_committed"
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        futures = self._admin.list_offsets(
            dict.fromkeys(partitions, spec),
            isolation_level=level,
            request_timeout=_REQUEST_TIMEOUT_SECONDS,
        )
        try:
            found = {
                (partition.topic, partition.partition): future.result().offset
                for partition, future in futures.items()
            }
        except KafkaException as error:
            raise self._no_answer(error) from None
        return [found[partition.topic, partition.partition] for partition in partitions]

    def _remember(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error.str()

    def _no_answer(self, error: KafkaException) -> ServiceError:
        self._admin.poll(0)
        reason = self._last_error or error.args[0].str()
        return ServiceError(
            f"{_FLAG}: no usable answer from the brokers ({reason}), "
            f"got {self._config.bootstrap_servers!r}. "
            "Check the address, security.protocol and the login."
        )


def _require_open_port(bootstrap_servers: str) -> None:
    """Fails at once when not one of the addresses takes a TCP connection.

    librdkafka itself would go on trying until its timeout, and not say why.
    """
    addresses = bootstrap_servers.split(",")
    with concurrent.futures.ThreadPoolExecutor(len(addresses)) as pool:
        reasons = list(pool.map(_refusal, addresses))
    if all(reasons):
        raise ServiceError(
            f"{_FLAG}: no broker answers ({reasons[0]}), got {bootstrap_servers!r}. "
            "Check that Kafka runs there; error-windows kafka start starts one on this machine."
        )


def _refusal(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_SECONDS).close()
    except TimeoutError:
        return "no connection within 5 s"
    except socket.gaierror:
        return "unknown host"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _no_such_topic(topic: str, existing: Iterable[str]) -> UsageError:
    visible = sorted(name for name in existing if not name.startswith("__"))
    near = difflib.get_close_matches(topic, visible, n=3)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif visible:
        shown = ", ".join(visible[:5]) + (", ..." if len(visible) > 5 else "")
        hint = f"The brokers have: {shown}."
    else:
        hint = "The brokers have no topics yet."
    return UsageError("--input_topic", "no such topic", got=topic, fix=hint)
