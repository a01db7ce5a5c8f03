"""The job on input of its own: a real Apache Kafka with demo lines, gone when it ends."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile
import time
from collections.abc import Iterator, Sequence

from pipeline.arguments import whole_number
from pipeline.config import JobConfig, config_from_flags
from pipeline.console import Progress
from pipeline.errors import UsageError
from pipeline.flags import job_name
from pipeline.java_side import JavaSide, started_java
from pipeline.job import require_runnable, run
from pipeline.local.demo_lines import demo_lines
from pipeline.local.folders import run_dir
from pipeline.local.jars import fetch_jars
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from pipeline.logs import configure_logging
from pipeline.spark import SparkRun
from transforms.grid import Grid

_DEMO_TOPIC = "demo-logs"


def run_demo(flags: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Runs the job on demo lines; returns the exit code.

    Args:
      flags: the job's flags and those of the demo, as parsed.
      beam_arguments: flags for Beam.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    topic = (flags.input_topic or [_DEMO_TOPIC])[0]
    flags.input_topic = [topic]
    lines = whole_number("--demo_lines", flags.demo_lines)
    partitions = whole_number("--demo_partitions", flags.demo_partitions)
    span_seconds = whole_number("--demo_span_seconds", flags.demo_span_seconds)
    seed = whole_number("--demo_seed", flags.demo_seed, minimum=0)
    error_share = _share("--demo_error_share", flags.demo_error_share)
    # The address is not known yet; everything else is checked before anything starts.
    flags.kafka_bootstrap_servers = "localhost:9092"
    config = config_from_flags(flags)
    _, spark = require_runnable(config, beam_arguments)
    with (
        Progress() as progress,
        _demo_services(config, spark, lines, progress) as (kafka, java),
    ):
        progress.stage(f"producing {lines:,} demo lines to {topic}")
        kafka.create_topic(topic, partitions)
        produce_records(
            kafka.bootstrap_servers,
            topic,
            (
                Record(value=line, timestamp_ms=timestamp_ms, partition=number % partitions)
                for number, (timestamp_ms, line) in enumerate(
                    demo_lines(
                        lines,
                        error_share=error_share,
                        seed=seed,
                        end_time_ms=_newest_pane_end_ms(config.grid),
                        span_seconds=span_seconds,
                    )
                )
            ),
        )
        flags.kafka_bootstrap_servers = kafka.bootstrap_servers
        config = config_from_flags(flags, job=job_name(beam_arguments))
        return run(config, beam_arguments, progress=progress, debug=flags.debug, java=java)


@contextlib.contextmanager
def _demo_services(
    config: JobConfig, spark: SparkRun | None, lines: int, progress: Progress
) -> Iterator[tuple[EmbeddedKafka, JavaSide]]:
    """A Kafka with nothing in it, and the Java services of the run."""
    logs = run_dir() / "logs"
    with contextlib.ExitStack() as stack:
        java = stack.enter_context(started_java(config, spark, offsets=lines))
        # First, because fetching has a bar of its own.
        fetch_jars("kafka")
        progress.stage("starting Apache Kafka")
        data_dir = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="demo-kafka-", dir=run_dir())
        )
        kafka = stack.enter_context(
            EmbeddedKafka(pathlib.Path(data_dir) / "data", log_path=logs / "demo-kafka.log")
        )
        yield kafka, java


def _newest_pane_end_ms(grid: Grid) -> int:
    """The last pane boundary before now: the same lines always give the same counts."""
    return int(time.time()) // grid.slide_seconds * grid.slide_ms


def _share(flag: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(flag, "not a share between 0 and 1", got=value, fix="See --help.")
    return share
