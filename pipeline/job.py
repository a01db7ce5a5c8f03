"""Runs a bounded job: asks the brokers, starts the Java side, runs the graph, shows the outcome.

Beam is loaded late: an absent broker is told before anything slow starts, and the Java
side warms up while Beam is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

from pipeline.backfill import read_times
from pipeline.config import KAFKA_OUTPUT, STDOUT, JobConfig
from pipeline.console import Progress, Summary, print_lines, print_results, wants_table
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.java_side import JavaSide, spark_log_path, started_java
from pipeline.kafka_connection import KafkaConnection
from pipeline.loading import loading
from pipeline.local.folders import run_dir
from pipeline.logs import log_thread_failures
from pipeline.offset_ranges import OffsetRange, find_ranges
from pipeline.output_topics import prepare_topics
from pipeline.read_progress import show_reading
from pipeline.spark import SparkRun, fit_to_spark, require_master, spark_run
from pipeline.spark_waits import told_when_it_waits


@dataclasses.dataclass(frozen=True)
class Files:
    """Where a bounded job writes.

    Attributes:
      results: a file.
      samples: a file.
      dead_letters: a file or `kafka:TOPIC`; None: nowhere.
      ledger: the same.
    """

    results: str
    samples: str
    dead_letters: str | None
    ledger: str | None


def run(
    config: JobConfig,
    beam_arguments: Sequence[str],
    *,
    progress: Progress,
    debug: bool = False,
    java: JavaSide | None = None,
) -> int:
    """Reads what is in the topics, counts it, and shows or writes the results.

    Args:
      config: the checked configuration.
      beam_arguments: flags for Beam.
      progress: says what is going on.
      debug: let a failure of the job keep its traceback.
      java: the Java services where they are starting already; None: they are started.
    """
    started = time.monotonic()
    config, spark = require_runnable(config, beam_arguments)
    if spark is not None:
        log_thread_failures()
    ranges = {}
    for cluster in config.clusters:
        progress.stage(f"asking {cluster.bootstrap_servers} for topics and offsets")
        ranges[cluster.name] = find_ranges(
            KafkaConnection(cluster),
            cluster,
            config.limits,
            times=read_times(config),
            show_progress=progress.stage,
        )
    of_all = [offsets for of_cluster in ranges.values() for offsets in of_cluster]
    total = sum(offsets.size for offsets in of_all)
    prepare_topics(config)
    # Java modules that are missing are fetched next, with a bar of their own.
    progress.clear()
    with (
        _files(config) as files,
        _started(config, spark, of_all, java) as services,
        contextlib.nullcontext()
        if spark is None
        else told_when_it_waits(spark_log_path(), progress.stage),
    ):
        progress.stage(f"reading {total:,} records of {_topics(config, ranges)}")
        # Beam takes seconds to load, in which the Java side warms up.
        with loading():
            from pipeline.runner import run_bounded

        # Spark reads and counts in one go.
        reads_first = config.needs_java and spark is None
        with show_reading(progress, total, reads_first=reads_first) as reading:
            counted = run_bounded(
                config,
                beam_arguments,
                ranges,
                files,
                reading=reading,
                java=services,
                spark=spark,
                debug=debug,
            )
        progress.clear()
        _show(config, files)
    seconds = time.monotonic() - started
    summary = _summary(_topics(config, ranges), of_all, counted, seconds)
    for line in summary.to_lines():
        print(line, file=sys.stderr)
    return EXIT_DONE


def require_runnable(
    config: JobConfig, beam_arguments: Sequence[str]
) -> tuple[JobConfig, SparkRun | None]:
    """Checks all that can be known before brokers are asked and anything starts.

    Returns:
      The configuration for the runner, and where the job runs on Spark; None: it does not.

    Raises:
      UsageError: a flag for Beam is wrong, or the output cannot be written.
      ServiceError: no Spark master answers.
    """
    check_output("--output", config.output.path)
    check_side_output("--dead_letter", config.output.dead_letter)
    check_side_output("--ledger", config.output.ledger)
    spark = spark_run(beam_arguments)
    if spark is not None:
        config = fit_to_spark(config, spark)
    if beam_arguments:
        check_beam_arguments(beam_arguments)
    if spark is not None:
        require_master(spark)
    return config, spark


def check_beam_arguments(arguments: Sequence[str]) -> None:
    """Fails for a flag that Beam does not know; loads Beam, so only where there are any.

    Raises:
      UsageError: a flag is unknown, its value wrong, or it does not fit a bounded read.
    """
    from pipeline.runner import beam_options

    beam_options(arguments)


def check_output(flag: str, path: str) -> None:
    """Fails if a result file could not be written at the end of the job.

    Raises:
      UsageError: its folder is missing or not writable, or it cannot be replaced.
    """
    if path == STDOUT or "://" in path:
        return
    if path.startswith(KAFKA_OUTPUT):
        raise UsageError(
            flag,
            "only live jobs write to Kafka topics",
            got=path,
            fix="Use - or a path, or run_flink.sh.",
        )
    if pathlib.Path(path).is_dir():
        raise UsageError(flag, "not a file", got=path, fix="Give the path of a file.")
    folder = pathlib.Path(path).absolute().parent
    if not folder.is_dir():
        raise UsageError(flag, "its folder does not exist", got=path, fix=f"Create {folder}.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            flag,
            f"its folder cannot be written ({error.strerror})",
            got=path,
            fix="Choose another place.",
        ) from error


def check_side_output(flag: str, place: str | None) -> None:
    """The same for dead letters and the ledger, which may go to a topic from any job.

    Raises:
      UsageError: as `check_output`.
    """
    if place is not None and not place.startswith(KAFKA_OUTPUT):
        check_output(flag, place)


@contextlib.contextmanager
def _files(config: JobConfig) -> Iterator[Files]:
    """Where everything goes; what only this command needs is in temporary files."""
    run_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="job-", dir=run_dir()) as folder:

        def place(given: str | None, name: str) -> str | None:
            if given is None or "://" in given or given.startswith(KAFKA_OUTPUT):
                return given
            # Workers run in folders of their own.
            return os.path.join(folder, name) if given == STDOUT else os.path.abspath(given)

        yield Files(
            results=place(config.output.path, "results.jsonl") or "",
            samples=os.path.join(folder, "samples.jsonl"),
            dead_letters=place(config.output.dead_letter, "dead-letters.jsonl"),
            ledger=place(config.output.ledger, "ledger.jsonl"),
        )


@contextlib.contextmanager
def _started(
    config: JobConfig,
    spark: SparkRun | None,
    ranges: Sequence[OffsetRange],
    java: JavaSide | None,
) -> Iterator[JavaSide]:
    if java is not None:
        yield java
    else:
        with started_java(config, spark, offsets=sum(one.size for one in ranges)) as services:
            yield services


def _show(config: JobConfig, files: Files) -> None:
    from pipeline.sinks import read_samples

    samples = read_samples(files.samples) if config.output.samples else []
    if config.output.path != STDOUT:
        shown: list[str] = []
    else:
        shown = pathlib.Path(files.results).read_text(encoding="ascii").splitlines()
    as_table = wants_table(config.output.format)
    print_results(shown, samples, as_table=as_table, out=sys.stdout, err=sys.stderr)
    for given, path in (
        (config.output.dead_letter, files.dead_letters),
        (config.output.ledger, files.ledger),
    ):
        if given == STDOUT and path is not None:
            print_lines(path, sys.stderr)


def _topics(config: JobConfig, ranges: Mapping[str, Sequence[OffsetRange]]) -> str:
    """The topics for a person, those that a pattern found among them."""
    names = {
        cluster.source_name(topic): None
        for cluster in config.clusters
        for topic in (*cluster.topics, *(one.topic for one in ranges[cluster.name]))
    }
    return ", ".join(names)


def _summary(
    topics: str, ranges: list[OffsetRange], counted: dict[str, int], seconds: float
) -> Summary:
    from transforms import metrics

    return Summary(
        records_expected=sum(offsets.size for offsets in ranges),
        lines=counted.get(metrics.LINES_READ, 0),
        errors=counted.get(metrics.ERROR_LINES, 0),
        bad=counted.get(metrics.BAD_LINES, 0),
        tombstones=counted.get(metrics.TOMBSTONES, 0),
        oversized=counted.get(metrics.OVERSIZED_LINES, 0),
        outside=counted.get(metrics.LINES_OUTSIDE, 0),
        windows=counted.get(metrics.RESULTS_WRITTEN, 0),
        skipped_windows=counted.get(metrics.SILENT_WINDOWS_SKIPPED, 0),
        topics=topics,
        partitions=len(ranges),
        seconds=seconds,
    )
