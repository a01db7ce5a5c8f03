"""`error-windows explain`: what becomes of one record, by the rules that the job runs with."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.arguments import rewrite_habits
from pipeline.config import JobConfig, KafkaConfig, config_from_flags
from pipeline.console import wants_table
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.flags import build_parser
from pipeline.kafka_client import REQUEST_TIMEOUT_SECONDS, Remember, answers, consumer_settings
from pipeline.kafka_errors import no_such_topic_error, require_broker
from transforms.classify import KAFKA_TIME, LINE_TIME, LineRules, Verdict
from transforms.clock import wall_clock_ms
from transforms.escape import escape_terminal
from transforms.pane_gate import closes_at_ms
from transforms.records import Header, Record, qualified_topic
from transforms.results import format_time, json_line

_PLACE_FLAG = "TOPIC[PARTITION]@OFFSET"
_PLACE = re.compile(r"(?:([A-Za-z0-9._-]+)/)?([A-Za-z0-9._-]{1,249})\[(\d{1,9})\]@(\d{1,18})")
_LINE_COLUMNS = 500
_OUTSIDE = "outside of --from_time and --to_time"
_LOG = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a record stands; the cluster is empty where only one is read."""

    cluster: str
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        name = qualified_topic(self.cluster, self.topic)
        return f"{name}[{self.partition}]@{self.offset}"


def main(argv: Sequence[str]) -> int:
    """Fetches the record, prints what becomes of it, and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    parser = build_parser("error-windows explain")
    parser.description = (
        "Says of one record whether it is counted, in which windows and under which key, or why "
        "not. Takes the flags of the job."
    )
    parser.epilog = None
    parser.add_argument("place", metavar=_PLACE_FLAG, help="the record, such as 'logs[0]@17'")
    flags = parser.parse_args(rewrite_habits(argv))
    place = parse_place(flags.place)
    if not flags.source:
        flags.input_topic = [place.topic]
    config = config_from_flags(flags)
    record = fetch_record(_cluster(config, place), place)
    explanation = explain(config, place, record, wall_clock_ms())
    if wants_table(config.output.format):
        for line in to_lines(explanation):
            print(line)
    else:
        print(json_line(explanation))
    sys.stdout.flush()
    return EXIT_DONE


def parse_place(text: str) -> Place:
    """Reads `TOPIC[PARTITION]@OFFSET`, with `CLUSTER/` in front for a named cluster.

    Raises:
      UsageError: it is none.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise UsageError(
            _PLACE_FLAG, "not the place of a record", got=text, fix="Write it like 'logs[0]@17'."
        )
    cluster, topic, partition, offset = match.groups()
    return Place(cluster or "", topic, int(partition), int(offset))


def explain(config: JobConfig, place: Place, record: Record, now_ms: int) -> dict[str, Any]:
    """What becomes of a record, as a JSON object.

    Args:
      config: of the job.
      place: where the record stands.
      record: the record.
      now_ms: the clock, which bounds on skew look at.
    """
    rules, grid = config.rules, config.grid
    verdict = rules.classify(record, now_ms, place.cluster)
    usable = verdict.reason is None
    line = record.value or b""
    level = rules.parser.level_of(line) if usable else None
    pane = grid.pane_of(verdict.event_time_ms)
    is_outside = usable and not config.panes.holds(pane)
    indices = config.panes.told(grid, grid.windows_of(pane)) if usable else ()
    closes_ms = closes_at_ms(grid, pane, config.timing)
    # A read that ends knows nothing of too late.
    waits = verdict.kept and not config.panes.is_bounded
    is_counted = verdict.kept and not is_outside
    outcome = "counted" if is_counted else "filtered_out" if usable else "dead_letter"
    return {
        "record": str(place),
        "outcome": outcome,
        "reason": verdict.reason,
        "detail": _OUTSIDE if is_outside else verdict.detail or None,
        "level": None if level is None else level.name,
        "event_time": format_time(verdict.event_time_ms),
        "event_time_from": _time_from(rules, record, verdict),
        "kafka_time": format_time(record.timestamp),
        "key": verdict.key,
        "windows": [
            [format_time(grid.window_start_ms(index)), format_time(grid.window_end_ms(index))]
            for index in indices
        ],
        "too_late_after": format_time(closes_ms) if waits else None,
        "line": escape_terminal(line, _LINE_COLUMNS),
    }


def to_lines(explanation: dict[str, Any]) -> Iterator[str]:
    """The same for a person; what comes from the record is escaped."""
    told = {
        "counted": "counted: it is an error line",
        "filtered_out": f"not counted: {explanation['detail'] or 'the filter does not keep it'}",
        "dead_letter": f"not counted: {explanation['reason']} ({explanation['detail']})",
    }
    yield f"{explanation['record']}: {told[explanation['outcome']]}"
    yield f"  line        {explanation['line']}"
    if explanation["outcome"] != "dead_letter":
        yield f"  level       {explanation['level'] or 'cannot be read'}"
    from_line = explanation["event_time_from"] == LINE_TIME
    source = f"from the line; Kafka's is {explanation['kafka_time']}" if from_line else "Kafka's"
    yield f"  event time  {explanation['event_time']} ({source})"
    if explanation["key"] is not None:
        yield f"  key         {escape_terminal(explanation['key'])}"
    for start, end in explanation["windows"]:
        yield f"  window      {start} - {end}"
    if explanation["too_late_after"] is not None:
        yield (
            f"  live        counted if it was read before the job's watermark passed "
            f"{explanation['too_late_after']}; else it is a dead letter, too_late"
        )


def _time_from(rules: LineRules, record: Record, verdict: Verdict) -> str:
    """Where `classify` took the event time from, in the words of `--event_time`."""
    if verdict.event_time_ms != record.timestamp:
        return LINE_TIME
    # The line may say the very time that Kafka has. A dead letter has Kafka's here.
    if verdict.reason is None and rules.event_time == LINE_TIME:
        own_ms = rules.parser.time_of(record.value or b"", record.timestamp)
        return KAFKA_TIME if own_ms is None else LINE_TIME
    return KAFKA_TIME


def fetch_record(cluster: KafkaConfig, place: Place) -> Record:
    """Reads the one record.

    Raises:
      ServiceError: no broker answers.
      UsageError: there is no such topic, partition or record.
    """
    require_broker(cluster.bootstrap_servers)
    with answers(cluster.properties, _PLACE_FLAG, place.topic) as remember:
        consumer = Consumer(_settings(cluster, remember), logger=_LOG)
        with contextlib.closing(consumer):
            _check(consumer, place)
            consumer.assign([TopicPartition(place.topic, place.partition, place.offset)])
            message = _poll(consumer)
    if message is None or message.offset() != place.offset:
        raise _no_record(place, "the offset holds no record: compacted, or of a transaction")
    headers: Any = message.headers() or ()
    return Record(
        place.topic,
        place.partition,
        place.offset,
        message.timestamp()[1],
        message.key(),
        message.value(),
        [Header(*header) for header in headers] or None,
    )


def _settings(cluster: KafkaConfig, remember: Remember) -> dict[str, Any]:
    return {
        **consumer_settings(cluster.properties, remember),
        "auto.offset.reset": "error",
        # No part of `to_librdkafka`, but it decides which records there are for the job.
        "isolation.level": cluster.properties["isolation.level"],
    }


def _check(consumer: Consumer, place: Place) -> None:
    topics = consumer.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
    found = topics.get(place.topic)
    if found is None or not found.partitions:
        raise no_such_topic_error(_PLACE_FLAG, place.topic, topics)
    if place.partition not in found.partitions:
        raise _no_record(place, f"the topic has {len(found.partitions)} partitions, from 0 on")
    first, end = consumer.get_watermark_offsets(
        TopicPartition(place.topic, place.partition), timeout=REQUEST_TIMEOUT_SECONDS
    )
    if not first <= place.offset < end:
        there = f"{first} to {end - 1}" if end > first else "none"
        raise _no_record(place, f"not in the partition any more, or not yet; offsets: {there}")


def _poll(consumer: Consumer) -> Message | None:
    """The first record from where the consumer stands; None at the end of the partition."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        message = consumer.poll(1.0)
        if message is None:
            continue
        error = message.error()
        if error is None:
            return message
        if error.code() == KafkaError._PARTITION_EOF:
            return None
        raise KafkaException(error)
    raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


def _no_record(place: Place, problem: str) -> UsageError:
    return UsageError(_PLACE_FLAG, problem, got=str(place), fix="Give the place of a record.")


def _cluster(config: JobConfig, place: Place) -> KafkaConfig:
    for cluster in config.clusters:
        if cluster.name == place.cluster:
            return cluster
    names = ", ".join(cluster.name for cluster in config.clusters if cluster.name)
    raise UsageError(
        _PLACE_FLAG,
        "not of a cluster of --source",
        got=str(place),
        fix=f"Write it like CLUSTER/TOPIC[0]@17; clusters: {names or 'none has a name'}.",
    )
