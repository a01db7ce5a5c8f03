"""Runs a bounded job: asks the brokers, starts the Java side, runs the graph, shows the outcome.

Beam is loaded late: an absent broker is told before anything slow starts, and the Java
side warms up while Beam is imported.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from pipeline.config import KAFKA_OUTPUT, STDOUT, JobConfig
from pipeline.console import Progress, Summary, print_results, wants_table
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.kafka_connection import KafkaConnection
from pipeline.local.expansion import ExpansionService
from pipeline.local.folders import run_dir
from pipeline.offset_ranges import OffsetRange, find_ranges

_RESULTS_FILE = "results.jsonl"
_SAMPLES_FILE = "samples.jsonl"


def run(
    config: JobConfig,
    beam_arguments: Sequence[str],
    *,
    progress: Progress,
    debug: bool = False,
    expansion: ExpansionService | None = None,
) -> int:
    """Reads what is in the topics, counts it, and shows or writes the results.

    Args:
      config: the checked configuration.
      beam_arguments: flags for Beam.
      progress: says what is going on.
      debug: let a failure of the job keep its traceback.
      expansion: a Java service that is already starting; one is started if it is None.
    """
    started = time.monotonic()
    check_output(config.output.path)
    if beam_arguments:
        check_beam_arguments(beam_arguments)
    progress.stage(f"asking {config.kafka.bootstrap_servers} for topics and offsets")
    ranges = find_ranges(
        KafkaConnection(config.kafka), config.kafka, config.limits, show_progress=progress.stage
    )
    total = sum(offsets.size for offsets in ranges)
    # Java modules that are missing are fetched next, with a bar of their own.
    progress.clear()
    with _files(config) as (results_path, samples_path), _started(config, expansion) as java:
        progress.stage(f"reading {total:,} records of {', '.join(config.kafka.topics)}")
        # Beam takes seconds to load, in which the Java side warms up.
        from pipeline.runner import run_bounded

        counted = run_bounded(
            config,
            beam_arguments,
            ranges,
            results_path=results_path,
            samples_path=samples_path,
            expansion=java,
            debug=debug,
        )
        progress.clear()
        _show(config, results_path, samples_path)
    for line in _summary(config, ranges, counted, time.monotonic() - started).to_lines():
        print(line, file=sys.stderr)
    return EXIT_DONE


def check_beam_arguments(arguments: Sequence[str]) -> None:
    """Fails for a flag that Beam does not know; loads Beam, so only where there are any.

    Raises:
      UsageError: a flag is unknown, its value wrong, or it does not fit a bounded read.
    """
    from pipeline.runner import beam_options

    beam_options(arguments)


def check_output(path: str) -> None:
    """Fails if a result file could not be written at the end of the job.

    Raises:
      UsageError: its folder is missing or not writable, or it cannot be replaced.
    """
    if path == STDOUT or "://" in path:
        return
    if path.startswith(KAFKA_OUTPUT):
        raise UsageError(
            "--output",
            "only live jobs write to Kafka topics",
            got=path,
            fix="Use - or a path, or run_flink.sh.",
        )
    if pathlib.Path(path).is_dir():
        raise UsageError("--output", "not a file", got=path, fix="Give the path of a file.")
    folder = pathlib.Path(path).absolute().parent
    if not folder.is_dir():
        raise UsageError("--output", "its folder does not exist", got=path, fix=f"Create {folder}.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            "--output",
            f"its folder cannot be written ({error.strerror})",
            got=path,
            fix="Choose another place.",
        ) from error


@contextlib.contextmanager
def _files(config: JobConfig) -> Iterator[tuple[str, str]]:
    """Paths for results and samples; those that only this command needs are temporary."""
    run_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="job-", dir=run_dir()) as folder:
        results = config.output.path
        if results == STDOUT:
            results = os.path.join(folder, _RESULTS_FILE)
        yield results, os.path.join(folder, _SAMPLES_FILE)


@contextlib.contextmanager
def _started(
    config: JobConfig, expansion: ExpansionService | None
) -> Iterator[ExpansionService | None]:
    """The Java service, started; None where Beam is to start its own."""
    if config.java_runtime == "beam":
        yield None
    elif expansion is not None:
        yield expansion
    else:
        with ExpansionService(run_dir() / "logs" / "expansion-service.log") as service:
            yield service


def _show(config: JobConfig, results_path: str, samples_path: str) -> None:
    from pipeline.sinks import read_samples

    samples = read_samples(samples_path) if config.output.samples else []
    if config.output.path != STDOUT:
        shown: list[str] = []
    else:
        shown = pathlib.Path(results_path).read_text(encoding="ascii").splitlines()
    as_table = wants_table(config.output.format)
    print_results(shown, samples, as_table=as_table, out=sys.stdout, err=sys.stderr)


def _summary(
    config: JobConfig, ranges: list[OffsetRange], counted: dict[str, int], seconds: float
) -> Summary:
    from transforms import metrics

    return Summary(
        records_expected=sum(offsets.size for offsets in ranges),
        lines=counted.get(metrics.LINES_READ, 0),
        errors=counted.get(metrics.ERROR_LINES, 0),
        tombstones=counted.get(metrics.TOMBSTONES, 0),
        windows=counted.get(metrics.RESULTS_WRITTEN, 0),
        skipped_windows=counted.get(metrics.SILENT_WINDOWS_SKIPPED, 0),
        topics=config.kafka.topics,
        partitions=len(ranges),
        seconds=seconds,
    )
