"""The systems that are measured: how each is started, and how what it tells is read."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Mapping

from benchmarks import installing
from benchmarks.backlog import Backlog
from benchmarks.peers.protocol import Settings

# Window end in ms, key and count; None for a line that is no count.
Told = tuple[int, str, int] | None

_JAVA_OPENS = [
    *("--add-opens=java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
]


@dataclasses.dataclass(frozen=True)
class Command:
    """A program to be started."""

    words: list[str]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def parse_plain(line: str) -> Told:
    """A line `end count key`; others are what libraries print."""
    words = line.split(" ")
    if len(words) < 2 or not words[0].isdecimal() or not words[1].strip().isdecimal():
        return None
    return int(words[0]), words[2].strip() if len(words) > 2 else "", int(words[1])


def parse_result(line: str) -> Told:
    """A result of this job; the key of the total is empty."""
    result = json.loads(line)
    return _time_ms(result["window_end"]), result["key"] or "", result["count"]


# Many results have the same: what is measured is not the reading of them.
@functools.lru_cache
def _time_ms(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


@dataclasses.dataclass(frozen=True)
class System:
    """Something that counts."""

    name: str
    what: str
    """Versions and settings, for the report."""
    command: Callable[[Settings, Backlog], Command]
    """How to start it, after installing what it needs; see installing.py for what it raises."""
    parse: Callable[[str], Told] = parse_plain
    merge: str = "last"
    """Which of several counts of a window counts: the `last`, the `highest`, or their `sum`."""
    keyed: bool = True
    """Whether it can count by key."""
    ends: bool = True
    """Whether it ends by itself at the end of the topic."""
    only_reads: bool = False
    """It tells how many records it has read, as the count of window 0."""


def _job(settings: Settings, reader: str, *words: str) -> list[str]:
    command = [
        *(sys.executable, "-m", "pipeline", *words),
        f"--kafka_bootstrap_servers={settings.servers}",
        f"--input_topic={settings.topic}",
        f"--kafka_reader={reader}",
        "--contains=ERROR",
        f"--window_seconds={settings.window_ms // 1000}",
        f"--slide_seconds={settings.slide_ms // 1000}",
        "--output_format=json",
        "--samples=0",
    ]
    return [*command, "--group_by=kafka.key", "--max_keys=100000"] if settings.keyed else command


def _direct(reader: str) -> Callable[[Settings, Backlog], Command]:
    return lambda settings, _: Command(_job(settings, reader))


def _flink(reader: str, *more: str) -> Callable[[Settings, Backlog], Command]:
    def command(settings: Settings, _: Backlog) -> Command:
        command = [*_job(settings, reader, "flink"), "--flink_master=[local]", *more]
        if not settings.live:
            command += [
                "--consumer_property=auto.offset.reset=earliest",
                f"--allowed_lateness_seconds={settings.lateness_ms // 1000}",
            ]
        return Command(command)

    return command


def _module(name: str, *arguments: str) -> Callable[[Settings, Backlog], Command]:
    """A module of `peers/` that needs no more than this project."""
    words = [sys.executable, "-m", f"benchmarks.peers.{name}", *arguments]
    return lambda _settings, _backlog: Command(words)


def _python(environment: str, *words: str) -> Callable[[Settings, Backlog], Command]:
    """A module of `peers/` in an environment of its own."""
    return lambda _settings, _backlog: Command(
        [str(installing.python_of(environment)), "-m", *words]
    )


def _pathway(_settings: Settings, _: Backlog) -> Command:
    words = [str(installing.python_of("pathway")), "-m", "benchmarks.peers.pathway_windows"]
    return Command(words, {"PATHWAY_THREADS": "2"})


def _spark(_settings: Settings, _: Backlog) -> Command:
    python = str(installing.python_of("spark"))
    return Command(
        [python, "-m", "benchmarks.peers.spark_streaming"],
        {"BENCHMARK_SPARK_JARS": installing.class_path("spark"), "PYSPARK_PYTHON": python},
    )


def _java(set_name: str, program: str, parallelism: int) -> Callable[[Settings, Backlog], Command]:
    """A Java program of `java/`; its settings are system properties."""

    def command(settings: Settings, _: Backlog) -> Command:
        values = {
            **dataclasses.asdict(settings),
            "keyed": str(settings.keyed).lower(),
            "live": str(settings.live).lower(),
            "parallelism": parallelism,
            # Of a group, which the broker remembers: another one for every run.
            "id": pathlib.Path(settings.folder).name,
        }
        properties = [f"-D{name}={value}" for name, value in values.items()]
        path = installing.class_path(set_name, program=program)
        return Command(["java", *_JAVA_OPENS, *properties, "-cp", path, program])

    return command


ALL = [
    System(
        "native on Flink",
        "this job, live, `--kafka_reader=native`, Flink 1.19.3 inside one process",
        _flink("native"),
        parse_result,
        merge="highest",
        ends=False,
    ),
    System(
        "beam on Flink",
        "this job, live, `--kafka_reader=beam`, Flink 1.19.3 inside one process, where Beam's "
        "metrics are off",
        _flink("beam"),
        parse_result,
        merge="highest",
        ends=False,
    ),
    System(
        "native on Flink, parallelism 2",
        "the same with `--parallelism=2` and `native`",
        _flink("native", "--parallelism=2"),
        parse_result,
        merge="highest",
        ends=False,
    ),
    System(
        "beam on Flink, parallelism 2",
        "the same with `--parallelism=2` and `beam`",
        _flink("beam", "--parallelism=2"),
        parse_result,
        merge="highest",
        ends=False,
    ),
    System(
        "native on DirectRunner",
        "this job, bounded, `--kafka_reader=native`",
        _direct("native"),
        parse_result,
        merge="highest",
    ),
    System(
        "beam on DirectRunner",
        "this job, bounded, `--kafka_reader=beam`",
        _direct("beam"),
        parse_result,
        merge="highest",
    ),
    System(
        "Beam textbook on Flink",
        "`ReadFromKafka`, decode, filter, window, count; Beam's and Flink's defaults",
        _module("beam_textbook"),
        merge="sum",
        keyed=False,
        ends=False,
    ),
    System(
        "Flink SQL",
        "Flink 1.20.3, connector 3.4.0-1.20, `HOP`, bounded, parallelism 1",
        _java("flink_sql", "FlinkSql", 1),
    ),
    System(
        "Flink SQL, parallelism 2",
        "the same with parallelism 2",
        _java("flink_sql", "FlinkSql", 2),
    ),
    System(
        "Kafka Streams",
        "4.1.2, the DSL, two threads, updates told every second",
        _java("kafka_streams", "KafkaStreamsCount", 2),
        ends=False,
    ),
    System(
        "Spark",
        "Structured Streaming 4.1.1, `local[2]`, `availableNow`, update mode",
        _spark,
    ),
    System(
        "Bytewax",
        "0.21.1, its Kafka source and `count_window`, two processes",
        _python("bytewax", "bytewax.testing", "benchmarks.peers.bytewax_flow:flow", "-p2"),
    ),
    System(
        "Quix Streams",
        "3.28.1, `hopping_window().count().current()`, one process",
        _python("quix", "benchmarks.peers.quix_windows"),
        ends=False,
    ),
    System(
        "Pathway",
        "0.33.0, `windowby(sliding)`, two threads",
        _pathway,
    ),
    System(
        "Faust",
        "faust-streaming 0.15.3, a hopping table in memory, one worker",
        _python("faust", "benchmarks.peers.faust_table", "worker", "-l", "warn", "--without-web"),
        ends=False,
    ),
    System(
        "bare loop",
        "confluent-kafka and a dict of panes, one process",
        _module("bare", "loop"),
    ),
    System(
        "bare loops",
        "confluent-kafka and a dict of panes, a process per partition",
        _module("bare", "loops"),
    ),
    System(
        "bare consumer",
        "confluent-kafka, reading only, one process",
        _module("bare", "consume"),
        only_reads=True,
    ),
]

SYSTEMS_THAT_RUN_LIVE = (
    "native on Flink",
    "beam on Flink",
    "Flink SQL",
    "Kafka Streams",
    "Spark",
    "Bytewax",
)
BY_NAME = {system.name: system for system in ALL}
