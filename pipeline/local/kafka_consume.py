"""`error-windows kafka consume`: the records of a topic, to the terminal or a pipe."""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

# Not kafka-python, which reads lz4 and snappy only with more packages.
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from pipeline.arguments import whole_number
from pipeline.errors import EXIT_DONE, ServiceError
from pipeline.local import kafka_admin
from pipeline.local.kafka_flags import add_bootstrap_flag, bootstrap_servers, say
from transforms.escape import escape_terminal

_POLL_SECONDS = 0.2
_BATCH_RECORDS = 1000
_LOG = logging.getLogger(__name__)


class ConsumedRecord(NamedTuple):
    """A record as it was read; `timestamp_ms` is -1 where the record has none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `consume`."""
    parser.add_argument("topic", metavar="TOPIC", help="an existing topic")
    add_bootstrap_flag(parser)
    parser.add_argument(
        "--from_beginning", action="store_true", help="begin with the oldest record, not the next"
    )
    parser.add_argument("--max_records", metavar="N", help="end after so many records")
    parser.add_argument(
        "--until_end",
        action="store_true",
        help="from the beginning to what is the end at the start",
    )
    parser.add_argument(
        "--format",
        metavar="value|json",
        choices=("value", "json"),
        default="value",
        help="value: the bytes of the value, and a line end; json: all of the record, "
        "with bytes that are no UTF-8 shown as \\xNN and given exactly in *_base64",
    )
    parser.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def run(flags: argparse.Namespace) -> int:
    """Runs `consume`; without a limit it goes on until Ctrl-C.

    Raises:
      UsageError: a flag is wrong.
      ServiceError: the broker does not answer, or a record cannot be read.
    """
    limit = None
    if flags.max_records is not None:
        limit = whole_number("--max_records", flags.max_records)
    brokers = bootstrap_servers(flags)
    with kafka_admin.admin_client(brokers) as client:
        topic = kafka_admin.require_topic(client, flags.topic)
    show = formatter(flags.format, on_terminal=sys.stdout.isatty())
    read = 0
    try:
        # A buffer of its own: with PYTHONUNBUFFERED stdout has none, and may write in part.
        with open(sys.stdout.fileno(), "wb", closefd=False) as out:
            for batch in _read(brokers, topic, flags.from_beginning, flags.until_end, limit):
                for record in batch:
                    # Counted first: Ctrl-C may come as soon as it is seen.
                    read += 1
                    out.write(show(record) + b"\n")
                out.flush()
    finally:
        say(f"records read from {flags.topic}: {read:,}")
    return EXIT_DONE


def _read(
    brokers: str,
    topic: kafka_admin.TopicInfo,
    from_beginning: bool,
    until_end: bool,
    limit: int | None,
) -> Iterator[list[ConsumedRecord]]:
    """Yields records in batches; those of a partition are in their order."""
    consumer = Consumer(_settings(brokers), logger=_LOG)
    with contextlib.closing(consumer):
        oldest = from_beginning or until_end
        consumer.assign(
            [
                TopicPartition(
                    topic.name, one.partition, one.beginning_offset if oldest else one.end_offset
                )
                for one in topic.partitions
            ]
        )
        if not oldest:
            # Said only now: a record written after this is shown.
            say(f"records of {topic.name} from now on; Ctrl-C ends")
        stops = {one.partition: one.end_offset for one in topic.partitions}
        unfinished = {one.partition for one in topic.partitions if one.records > 0}
        left = limit
        while (left is None or left > 0) and (unfinished or not until_end):
            wanted = _BATCH_RECORDS if left is None else min(left, _BATCH_RECORDS)
            batch = []
            for message in consumer.consume(wanted, _POLL_SECONDS):
                at_end = _is_end(message)
                offset, partition = message.offset() or 0, message.partition() or 0
                before_stop = offset < stops[partition]
                if not at_end and (before_stop or not until_end):
                    batch.append(_to_record(message))
                # What is left before the stop may be no records: ends of transactions.
                if not before_stop or offset == stops[partition] - 1:
                    unfinished.discard(partition)
            if batch:
                yield batch
            if left is not None:
                left -= len(batch)


def _settings(brokers: str) -> dict[str, str | int | bool]:
    return {
        "bootstrap.servers": brokers,
        # Needed, but never sent: partitions are assigned here, and no offset is committed.
        "group.id": "error-windows-consume",
        "enable.auto.commit": False,
        # A partition that was emptied meanwhile goes on at its new beginning.
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        # All there is, as with Kafka's own console consumer.
        "isolation.level": "read_uncommitted",
        "allow.auto.create.topics": False,
        # The client repeats a failing connection on stderr.
        "log_level": 0,
    }


def _is_end(message: Message) -> bool:
    """Whether this says that the partition has no more; raises ServiceError for a failure."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    raise ServiceError(
        f"topic: cannot be read ({error.str()}), got {message.topic()!r}. Check the broker."
    )


def _to_record(message: Message) -> ConsumedRecord:
    return ConsumedRecord(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        # Typed for what may be sent; what comes is a list of names and bytes.
        cast("Sequence[tuple[str, bytes | None]]", message.headers() or ()),
    )


def formatter(name: str, *, on_terminal: bool) -> Callable[[ConsumedRecord], bytes]:
    """What makes a line of a record.

    Args:
      name: `value` or `json`.
      on_terminal: whether control characters must be escaped.
    """
    show = _json_of if name == "json" else _value_of
    if not on_terminal:
        return show
    return lambda record: escape_terminal(show(record)).encode("utf-8")


def _value_of(record: ConsumedRecord) -> bytes:
    return record.value or b""


def _json_of(record: ConsumedRecord) -> bytes:
    shown = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        **_text("key", record.key),
        **_text("value", record.value),
        "headers": [{"name": name, **_text("value", value)} for name, value in record.headers],
    }
    return json.dumps(shown, ensure_ascii=False).encode("utf-8")


def _text(name: str, data: bytes | None) -> dict[str, str | None]:
    if data is None:
        return {name: None}
    try:
        return {name: data.decode("utf-8")}
    except UnicodeDecodeError:
        exact = base64.b64encode(data).decode("ascii")
        return {name: data.decode("utf-8", "backslashreplace"), f"{name}_base64": exact}
