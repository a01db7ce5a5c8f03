"""The checked configuration of a job: frozen dataclasses made from flags.

Everything that can be known without the network is checked here, once. Errors name the
flag, what is wrong, what was given, and what to do.
"""

from __future__ import annotations

import argparse
import dataclasses
import re

from pipeline.arguments import choice, whole_number
from pipeline.counting import grouping, line_rules, timing
from pipeline.errors import UsageError
from pipeline.kafka_properties import KafkaProperties, read_properties_file, split_property
from pipeline.time_range import TIME_FLAGS, time_range
from transforms.classify import LineRules
from transforms.grid import Grid
from transforms.pane_range import EVERY_PANE, PaneRange
from transforms.records import qualified_topic
from transforms.timing import Timing

BEAM_READER = "beam"
NATIVE_READER = "native"
KAFKA_READERS = (BEAM_READER, NATIVE_READER)
JAVA_RUNTIMES = ("locked", "beam")
OUTPUT_FORMATS = ("auto", "json", "table")
STDOUT = "-"
KAFKA_OUTPUT = "kafka:"
DEFAULT_JOB = "errors"
WORKER = "error-windows-worker"
"""The command that runs Python steps on the host of a TaskManager or an executor."""

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SOURCE = re.compile(r"([A-Za-z0-9._-]{1,100})=([^/=]+)/([^/=]+)")
# A transaction that was aborted never was: `error-windows replay` writes in transactions.
_DEFAULT_PROPERTIES = {"isolation.level": "read_committed"}
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")


@dataclasses.dataclass(frozen=True)
class KafkaConfig:
    """Which records to read from one cluster.

    Attributes:
      properties: the Java consumer's settings, `bootstrap.servers` among them.
      topics: names, without duplicates, in the order given.
      reader: `beam`, the Java connector of Beam, or `native`.
      name: of the cluster, where several are read; else empty.
      topic_pattern: topics whose whole name matches this regular expression are read too.
    """

    properties: KafkaProperties
    topics: tuple[str, ...]
    reader: str
    name: str = ""
    topic_pattern: str | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`host:port[,host:port]`."""
        return self.properties["bootstrap.servers"]

    def source_name(self, topic: str) -> str:
        """How a topic is called in labels, the ledger and dead letters."""
        return qualified_topic(self.name, topic)


@dataclasses.dataclass(frozen=True)
class ReadLimits:
    """When a bounded read ends; without a limit, at the end offsets found at the start."""

    max_num_records: int | None
    max_read_time_seconds: int | None


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """Where results and all else go.

    Attributes:
      path: `-` for stdout, `kafka:TOPIC` (live), else a file or (live) a folder.
      format: `auto`, `json` or `table`, for stdout.
      samples: error lines of every slide to show on stderr.
      dead_letter: `-` for stderr, `kafka:TOPIC`, a file or (live) a folder; None: only counted.
      ledger: the same for the ledger.
    """

    path: str
    format: str
    samples: int
    dead_letter: str | None = None
    ledger: str | None = None


@dataclasses.dataclass(frozen=True)
class JobConfig:
    """All that a job is told.

    Attributes:
      job: its name.
      clusters: what to read, one entry per Kafka cluster.
      grid: window and slide.
      rules: what is an error line, when it was, whose it is.
      max_keys: so many keys have series of their own.
      timing: when a live job tells its windows, and when zeros stop.
      limits: when a bounded read ends.
      output: where results go.
      java_runtime: `locked` or `beam`.
      properties_path: the file of consumer settings, the place for secrets.
      panes: what a backfill counts; without bounds: all that is read.
    """

    job: str
    clusters: tuple[KafkaConfig, ...]
    grid: Grid
    rules: LineRules
    max_keys: int
    timing: Timing
    limits: ReadLimits
    output: OutputConfig
    java_runtime: str
    properties_path: str | None = None
    panes: PaneRange = EVERY_PANE

    @property
    def kafka(self) -> KafkaConfig:
        """The first cluster: topics that the job writes are there."""
        return self.clusters[0]

    @property
    def needs_java(self) -> bool:
        """Whether anything is read with Beam's Java connector."""
        return any(cluster.reader == BEAM_READER for cluster in self.clusters)

    @property
    def grouped(self) -> bool:
        """Whether there are series beside the total."""
        return bool(self.rules.group_by)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of all topics, as `KafkaConfig.source_name` gives them."""
        return tuple(
            cluster.source_name(topic) for cluster in self.clusters for topic in cluster.topics
        )


def config_from_flags(flags: argparse.Namespace, *, job: str | None = None) -> JobConfig:
    """Checks the job's own flags (`pipeline.flags`) and returns its configuration.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    clusters = _clusters(flags)
    grid = _grid(flags)
    limits = _limits(flags, clusters)
    return JobConfig(
        job=job or DEFAULT_JOB,
        clusters=clusters,
        grid=grid,
        rules=line_rules(flags),
        max_keys=grouping(flags),
        timing=timing(flags),
        limits=limits,
        output=OutputConfig(
            path=_output("--output", flags.output),
            format=choice("--output_format", flags.output_format, OUTPUT_FORMATS),
            samples=whole_number("--samples", flags.samples, minimum=0),
            dead_letter=_side_output("--dead_letter", flags.dead_letter),
            ledger=_side_output("--ledger", flags.ledger),
        ),
        java_runtime=choice("--java_runtime", flags.java_runtime, JAVA_RUNTIMES),
        properties_path=flags.consumer_config,
        panes=time_range(flags, grid),
    )


def names_brokers(flags: argparse.Namespace) -> bool:
    """Whether the flags say which Kafka to read, in any of the ways to say it.

    Raises:
      UsageError: a setting or the file of settings is wrong.
    """
    return (
        flags.kafka_bootstrap_servers is not None
        or bool(flags.source)
        or "bootstrap.servers" in consumer_settings(flags)
    )


def consumer_settings(flags: argparse.Namespace) -> dict[str, str]:
    """The consumer's settings from file and flags; a flag beats the file.

    Raises:
      UsageError: a setting or the file is wrong.
    """
    settings: dict[str, str] = {}
    if flags.consumer_config is not None:
        settings |= read_properties_file("--consumer_config", flags.consumer_config)
    for assignment in flags.consumer_property or ():
        key, value = split_property("--consumer_property", assignment)
        settings[key] = value
    return settings


def _clusters(flags: argparse.Namespace) -> tuple[KafkaConfig, ...]:
    properties = {**_DEFAULT_PROPERTIES, **consumer_settings(flags)}
    reader = choice("--kafka_reader", flags.kafka_reader, KAFKA_READERS)
    if flags.source:
        return _named_clusters(flags, properties, reader)
    if flags.kafka_bootstrap_servers is not None:
        properties["bootstrap.servers"] = flags.kafka_bootstrap_servers
    properties["bootstrap.servers"] = _bootstrap_servers(
        "--kafka_bootstrap_servers", properties.get("bootstrap.servers")
    )
    pattern = _topic_pattern(flags.input_topic_pattern)
    return (
        KafkaConfig(
            properties=KafkaProperties(properties),
            topics=_topics("--input_topic", flags.input_topic, needed=pattern is None),
            reader=reader,
            topic_pattern=pattern,
        ),
    )


def _named_clusters(
    flags: argparse.Namespace, properties: dict[str, str], reader: str
) -> tuple[KafkaConfig, ...]:
    for flag in ("--kafka_bootstrap_servers", "--input_topic", "--input_topic_pattern"):
        if getattr(flags, flag.removeprefix("--")) is not None:
            raise UsageError(
                "--source",
                f"says what {flag} says",
                fix="Give every cluster with --source, or none.",
            )
    clusters: dict[str, KafkaConfig] = {}
    for value in flags.source:
        match = _SOURCE.fullmatch(value)
        if match is None:
            raise UsageError(
                "--source",
                "not NAME=HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC]",
                got=value,
                fix="Write it like eu=kafka-eu:9092/logs.",
            )
        name, servers, topics = match.groups()
        if name in clusters:
            raise UsageError(
                "--source", "given twice", got=name, fix="List its topics with commas."
            )
        own = {**properties, "bootstrap.servers": _bootstrap_servers("--source", servers)}
        clusters[name] = KafkaConfig(
            properties=KafkaProperties(own),
            topics=_topics("--source", [topics], needed=True),
            reader=reader,
            name=name,
        )
    return tuple(clusters.values())


def _topic_pattern(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        re.compile(value)
    except re.error as error:
        raise UsageError(
            "--input_topic_pattern",
            f"not a regular expression ({error})",
            got=value,
            fix="Write it like logs-.*",
        ) from None
    return value


def _bootstrap_servers(flag: str, value: str | None) -> str:
    if not value:
        raise UsageError(flag, "missing", fix="Give the brokers, such as localhost:9092.")
    addresses = [part.strip() for part in value.split(",") if part.strip()]
    for address in addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[1]) < 65536:
            raise UsageError(
                flag, "not a list of host:port", got=value, fix="Write it like localhost:9092."
            )
    return ",".join(addresses)


def _topics(flag: str, values: list[str] | None, *, needed: bool) -> tuple[str, ...]:
    names = [name.strip() for value in values or () for name in value.split(",")]
    if not any(names):
        if not needed:
            return ()
        raise UsageError(flag, "missing", fix="Give the topic to read.")
    for name in names:
        if not _is_topic(name):
            raise _not_a_topic(flag, name)
    return tuple(dict.fromkeys(names))


def _grid(flags: argparse.Namespace) -> Grid:
    window = whole_number("--window_seconds", flags.window_seconds)
    slide = whole_number("--slide_seconds", flags.slide_seconds)
    if window % slide:
        raise UsageError(
            "--slide_seconds",
            f"does not divide the window of {window} seconds",
            got=slide,
            fix="Choose a slide of which the window is a multiple, such as "
            f"{_largest_divisor(window, slide)}.",
        )
    return Grid(window_seconds=window, slide_seconds=slide)


def _largest_divisor(window: int, slide: int) -> int:
    return next(step for step in range(min(slide, window), 0, -1) if window % step == 0)


def _output(flag: str, value: str) -> str:
    if value.startswith(KAFKA_OUTPUT):
        topic = value.removeprefix(KAFKA_OUTPUT)
        if not _is_topic(topic):
            raise _not_a_topic(flag, topic)
    elif not value:
        raise UsageError(flag, "not a file", got=value, fix="Give the path of a file.")
    return value


def _side_output(flag: str, value: str | None) -> str | None:
    return None if value is None else _output(flag, value)


def _is_topic(name: str) -> bool:
    return _TOPIC.fullmatch(name) is not None and name not in (".", "..")


def _not_a_topic(flag: str, name: str) -> UsageError:
    return UsageError(
        flag,
        "not a Kafka topic name",
        got=name,
        fix="Letters, digits, '.', '_' and '-', at most 249.",
    )


def _limits(flags: argparse.Namespace, clusters: tuple[KafkaConfig, ...]) -> ReadLimits:
    limits = ReadLimits(
        max_num_records=_optional("--max_num_records", flags.max_num_records),
        max_read_time_seconds=_optional("--max_read_time", flags.max_read_time),
    )
    if len(clusters) > 1 and limits.max_num_records is not None:
        raise UsageError(
            "--max_num_records",
            "cannot be shared out among several clusters",
            fix="Leave it away, or use --max_read_time.",
        )
    for flag in ("--max_num_records", "--max_read_time"):
        for bound in TIME_FLAGS:
            if None not in (_given(flags, flag), _given(flags, bound)):
                raise UsageError(flag, f"cannot be combined with {bound}", fix="Give one of them.")
    return limits


def _given(flags: argparse.Namespace, flag: str) -> str | None:
    value: str | None = getattr(flags, flag.removeprefix("--"))
    return value


def _optional(flag: str, value: str | None) -> int | None:
    return None if value is None else whole_number(flag, value)
