"""The checked configuration of a job: frozen dataclasses made from flags.

Everything that can be known without the network is checked here, once. Errors name the
flag, what is wrong, what was given, and what to do.
"""

from __future__ import annotations

import argparse
import dataclasses
import re

from pipeline.arguments import choice, whole_number
from pipeline.errors import UsageError
from pipeline.kafka_properties import KafkaProperties, read_properties_file, split_property
from transforms.filter import ContainsText, ContainsToken, LinePredicate
from transforms.grid import Grid

LOG_FORMATS = ("plain",)
KAFKA_READERS = ("beam",)
JAVA_RUNTIMES = ("locked", "beam")
OUTPUT_FORMATS = ("auto", "json", "table")
STDOUT = "-"
KAFKA_OUTPUT = "kafka:"
DEFAULT_JOB = "errors"

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")


@dataclasses.dataclass(frozen=True)
class KafkaConfig:
    """Which records to read.

    Attributes:
      properties: the Java consumer's settings, `bootstrap.servers` among them.
      topics: names, without duplicates, in the order given.
      reader: `beam`.
    """

    properties: KafkaProperties
    topics: tuple[str, ...]
    reader: str

    @property
    def bootstrap_servers(self) -> str:
        """`host:port[,host:port]`."""
        return self.properties["bootstrap.servers"]


@dataclasses.dataclass(frozen=True)
class ReadLimits:
    """When a bounded read ends; without a limit, at the end offsets found at the start."""

    max_num_records: int | None
    max_read_time_seconds: int | None


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """Where results and samples go.

    Attributes:
      path: `-` for stdout, `kafka:TOPIC` (live), else a file or (live) a folder.
      format: `auto`, `json` or `table`, for stdout.
      samples: error lines of every slide to show on stderr.
    """

    path: str
    format: str
    samples: int


@dataclasses.dataclass(frozen=True)
class JobConfig:
    """All that a job is told."""

    job: str
    kafka: KafkaConfig
    grid: Grid
    filter: LinePredicate
    max_silence_seconds: int
    allowed_lateness_seconds: int
    limits: ReadLimits
    output: OutputConfig
    java_runtime: str


def config_from_flags(flags: argparse.Namespace, *, job: str | None = None) -> JobConfig:
    """Checks the job's own flags (`pipeline.flags`) and returns its configuration.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    return JobConfig(
        job=job or DEFAULT_JOB,
        kafka=_kafka(flags),
        grid=_grid(flags),
        filter=_filter(flags),
        max_silence_seconds=whole_number("--max_silence_seconds", flags.max_silence_seconds),
        allowed_lateness_seconds=whole_number(
            "--allowed_lateness_seconds", flags.allowed_lateness_seconds, minimum=0
        ),
        limits=ReadLimits(
            max_num_records=_optional("--max_num_records", flags.max_num_records),
            max_read_time_seconds=_optional("--max_read_time", flags.max_read_time),
        ),
        output=OutputConfig(
            path=_output(flags.output),
            format=choice("--output_format", flags.output_format, OUTPUT_FORMATS),
            samples=whole_number("--samples", flags.samples, minimum=0),
        ),
        java_runtime=choice("--java_runtime", flags.java_runtime, JAVA_RUNTIMES),
    )


def names_brokers(flags: argparse.Namespace) -> bool:
    """Whether the flags say which Kafka to read, in any of the ways to say it.

    Raises:
      UsageError: a setting or the file of settings is wrong.
    """
    return flags.kafka_bootstrap_servers is not None or "bootstrap.servers" in consumer_settings(
        flags
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


def _kafka(flags: argparse.Namespace) -> KafkaConfig:
    properties = consumer_settings(flags)
    if flags.kafka_bootstrap_servers is not None:
        properties["bootstrap.servers"] = flags.kafka_bootstrap_servers
    properties["bootstrap.servers"] = _bootstrap_servers(properties.get("bootstrap.servers"))
    return KafkaConfig(
        properties=KafkaProperties(properties),
        topics=_topics(flags.input_topic),
        reader=choice("--kafka_reader", flags.kafka_reader, KAFKA_READERS),
    )


def _bootstrap_servers(value: str | None) -> str:
    flag = "--kafka_bootstrap_servers"
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


def _topics(values: list[str] | None) -> tuple[str, ...]:
    flag = "--input_topic"
    names = [name.strip() for value in values or () for name in value.split(",")]
    if not any(names):
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


def _filter(flags: argparse.Namespace) -> LinePredicate:
    choice("--log_format", flags.log_format, LOG_FORMATS)
    if flags.contains is None:
        return ContainsToken()
    if not flags.contains:
        raise UsageError(
            "--contains", "empty, so every line would count", fix="Give the text to look for."
        )
    return ContainsText(flags.contains)


def _output(value: str) -> str:
    if value.startswith(KAFKA_OUTPUT):
        topic = value.removeprefix(KAFKA_OUTPUT)
        if not _is_topic(topic):
            raise _not_a_topic("--output", topic)
    elif not value:
        raise UsageError("--output", "not a file", got=value, fix="Give the path of a file.")
    return value


def _is_topic(name: str) -> bool:
    return _TOPIC.fullmatch(name) is not None and name not in (".", "..")


def _not_a_topic(flag: str, name: str) -> UsageError:
    return UsageError(
        flag,
        "not a Kafka topic name",
        got=name,
        fix="Letters, digits, '.', '_' and '-', at most 249.",
    )


def _optional(flag: str, value: str | None) -> int | None:
    return None if value is None else whole_number(flag, value)
