"""Topics of a Kafka cluster, through kafka-python's admin client."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import kafka
import kafka.errors
from kafka.admin import OffsetSpec

from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_errors import (
    BOOTSTRAP_FLAG,
    no_broker_error,
    no_such_topic_error,
    require_broker,
)

REQUEST_TIMEOUT_SECONDS = 10.0
_RETRY_SECONDS = 0.1
_T = TypeVar("_T")

# Without a handler Python prints the client's warnings on stderr; our errors say it in one line.
logging.getLogger("kafka").addHandler(logging.NullHandler())


@dataclasses.dataclass(frozen=True)
class PartitionInfo:
    """Offsets of one partition: the first kept record, and the one that comes next."""

    partition: int
    beginning_offset: int
    end_offset: int

    @property
    def records(self) -> int:
        """Offsets between the two; after compaction or transactions fewer are records."""
        return self.end_offset - self.beginning_offset


@dataclasses.dataclass(frozen=True)
class TopicInfo:
    """A topic with its partitions in their order."""

    name: str
    partitions: tuple[PartitionInfo, ...]

    @property
    def records(self) -> int:
        """Offsets held in all partitions."""
        return sum(partition.records for partition in self.partitions)


@contextlib.contextmanager
def admin_client(
    bootstrap_servers: str, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
) -> Iterator[kafka.KafkaAdminClient]:
    """A connected kafka-python admin client; its own errors become one-line errors.

    Args:
      bootstrap_servers: addresses, `host:port[,host:port]`.
      timeout_seconds: for the first metadata, and for each request.

    Raises:
      ServiceError: no broker answers, or one refuses a request.
      UsageError: an address is not host:port.
    """
    require_broker(bootstrap_servers)
    timeout_ms = int(timeout_seconds * 1000)
    with client_errors(bootstrap_servers):
        client = kafka.KafkaAdminClient(
            bootstrap_servers=bootstrap_servers.split(","),
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
        )
        with contextlib.closing(client):
            yield client


def topic_names(client: kafka.KafkaAdminClient) -> list[str]:
    """Names of all topics in alphabetical order, without Kafka's own."""
    names = _while_leaders_change(client.list_topics)
    return sorted(name for name in names if not name.startswith("__"))


def describe_topics(client: kafka.KafkaAdminClient, names: Iterable[str]) -> list[TopicInfo]:
    """Partitions and offsets of existing topics, in the order of the names given."""
    wanted = list(names)
    return _while_leaders_change(lambda: _describe_topics(client, wanted)) if wanted else []


def _describe_topics(client: kafka.KafkaAdminClient, wanted: Sequence[str]) -> list[TopicInfo]:
    partitions = [
        kafka.TopicPartition(topic["name"], partition["partition_index"])
        for topic in client.describe_topics(wanted)
        for partition in topic["partitions"]
    ]
    first = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    last = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    found: dict[str, list[PartitionInfo]] = {name: [] for name in wanted}
    for partition in sorted(partitions):
        found[partition.topic].append(
            PartitionInfo(partition.partition, first[partition].offset, last[partition].offset)
        )
    return [TopicInfo(name, tuple(infos)) for name, infos in found.items()]


def _while_leaders_change(read: Callable[[], _T]) -> _T:
    """Reads from a cluster; again while a broker that died is still taken for a leader.

    The client does so itself only for a broker that lives and leads no longer. The others
    notice a death after the session of the dead one, some seconds.
    """
    deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
    while True:
        try:
            return read()
        except kafka.errors.RetriableError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_SECONDS)


def create_topic(
    bootstrap_servers: str,
    name: str,
    *,
    partitions: int = 1,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Creates a topic and returns when every partition can be written and read.

    Args:
      bootstrap_servers: addresses, `host:port[,host:port]`.
      name: of the new topic.
      partitions: how many.
      settings: topic settings of Kafka, such as `message.timestamp.type`.

    Raises:
      ServiceError: no broker answers, or it refuses.
      UsageError: the topic exists already, or name, number or a setting is not accepted.
    """
    wanted: dict[str, Any] = {
        "num_partitions": partitions,
        "replication_factor": -1,
        "configs": dict(settings or {}),
    }
    with admin_client(bootstrap_servers) as client:
        answer = client.create_topics({name: wanted}, raise_errors=False)["topics"][0]
        refused = kafka.errors.for_code(answer["error_code"])
        if refused is kafka.errors.NoError:
            # The request is only accepted then; leaders follow, and after them the logs, which
            # an answer about offsets needs.
            client.wait_for_topics([name])
            describe_topics(client, [name])
            return
    if refused is kafka.errors.TopicAlreadyExistsError:
        raise UsageError(
            "topic", "exists already", got=name, fix="Choose another name or delete it."
        )
    reason = answer["error_message"] or refused.__name__
    raise UsageError("topic", "not accepted by the broker", got=name, fix=f"{reason.rstrip('.')}.")


def delete_topic(bootstrap_servers: str, name: str) -> None:
    """Deletes a topic with all its records.

    Raises:
      ServiceError: no broker answers, or it refuses.
      UsageError: there is no such topic.
    """
    with admin_client(bootstrap_servers) as client:
        require_topic(client, name)
        client.delete_topics([name])


def require_topic(client: kafka.KafkaAdminClient, name: str, *, flag: str = "topic") -> TopicInfo:
    """Describes one topic. Raises UsageError (about `flag`) if it does not exist."""
    names = topic_names(client)
    if name not in names:
        raise no_such_topic_error(flag, name, names)
    return describe_topics(client, [name])[0]


def describe_error(error: BaseException) -> str:
    """A kafka-python error in one line; its own text often starts with error code and class."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


@contextlib.contextmanager
def client_errors(bootstrap_servers: str) -> Iterator[None]:
    """Turns errors of the kafka-python clients within the block into ServiceErrors."""
    try:
        yield
    except kafka.errors.KafkaTimeoutError:
        raise no_broker_error(bootstrap_servers, "no answer in time") from None
    except kafka.errors.KafkaError as error:
        raise ServiceError(
            f"{BOOTSTRAP_FLAG}: a request failed ({describe_error(error)}), "
            f"got {bootstrap_servers!r}. Check the broker."
        ) from None
