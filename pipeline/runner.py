"""Runs the graph on a Beam runner and turns what goes wrong into one line."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import apache_beam as beam
from apache_beam.io.kafka import default_io_expansion_service
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from pipeline.arguments import FlagParser
from pipeline.config import JobConfig
from pipeline.errors import ErrorWindowsError, JobFailedError, UsageError
from pipeline.flags import build_parser
from pipeline.graph import build_graph
from pipeline.java_side import JavaSide
from pipeline.job import Files
from pipeline.local_runner import local_runner, telling
from pipeline.offset_ranges import OffsetRange
from pipeline.read_progress import Reading
from pipeline.readers import bounded_sources
from pipeline.side_outputs import Places, write_side_outputs
from pipeline.sinks import WriteResults, WriteSamples
from pipeline.spark import SparkRun, known_failure, spark_run
from pipeline.spark_options import spark_options
from transforms.metrics import counted

_DIRECT_RUNNERS = ("DirectRunner", "BundleBasedDirectRunner", "FnApiRunner")
# What Beam puts before the reason that a job server gave.
_OF_JOB_SERVER = re.compile(r"^Pipeline \S+ failed in state \w+: ")
_LOG = logging.getLogger(__name__)


def run_bounded(
    config: JobConfig,
    beam_arguments: Sequence[str],
    ranges: Mapping[str, Sequence[OffsetRange]],
    files: Files,
    *,
    reading: Reading,
    java: JavaSide,
    spark: SparkRun | None,
    debug: bool,
) -> dict[str, int]:
    """Counts the records of `ranges` (by cluster) and writes results and all else to `files`.

    What has been read is told to `reading` meanwhile.

    Returns:
      The job's counters, name to value (`transforms.metrics`).

    Raises:
      UsageError: a flag for Beam is wrong.
      JobFailedError: the pipeline failed.
    """
    options = beam_options(beam_arguments)
    # Workers run in folders of their own.
    properties_path = config.properties_path and os.path.abspath(config.properties_path)
    try:
        service: Any = None
        if config.needs_java:
            service = (
                default_io_expansion_service()
                if java.expansion is None
                else java.expansion.address()
            )
        if spark is not None and java.job_server is not None:
            options = spark_options(beam_arguments, spark, java.job_server.address())
        runner = local_runner(options, reading)
        with beam.Pipeline(runner=runner, options=options) as pipeline:
            sources = bounded_sources(
                config,
                ranges,
                service,
                on_cluster=spark is not None and not spark.is_local,
                properties_path=properties_path,
                spread=spark is not None,
            )
            sources = telling(sources, reading)
            outputs = build_graph(pipeline, config, sources)
            _ = outputs.results | "WriteResults" >> WriteResults(files.results)
            if outputs.samples is not None:
                _ = outputs.samples | "WriteSamples" >> WriteSamples(files.samples)
            write_side_outputs(
                outputs,
                config,
                Places(files.dead_letters, files.ledger),
                live=False,
                properties_path=properties_path,
            )
    except ErrorWindowsError:
        raise
    except Exception as error:
        _LOG.exception("the job failed")
        if debug:
            raise
        _fail(error)
    return counted(pipeline.result)


def beam_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options, with every flag known to Beam and fit for a bounded read.

    Raises:
      UsageError: a flag is unknown or its value wrong, or the runner is not offered.
    """
    require_known_flags(arguments)
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    runner = standard.runner or "DirectRunner"
    on_spark = spark_run(arguments) is not None
    if not on_spark and runner.rpartition(".")[2] not in _DIRECT_RUNNERS:
        raise UsageError(
            "--runner",
            "not offered here",
            got=runner,
            fix="Use run_flink.sh, which counts live on Flink."
            if runner.endswith("FlinkRunner")
            else "Use DirectRunner or SparkRunner; error-windows takes DataflowRunner too.",
        )
    if standard.streaming and on_spark:
        raise UsageError(
            "--streaming",
            "Beam's Spark runner cannot go on with a Kafka read that has no end, so Spark is for "
            "history",
            fix="Leave it away to read what is in the topics, bound the read with --max_read_time, "
            "or count live on Flink: run_flink.sh.",
        )
    if standard.streaming:
        raise UsageError(
            "--streaming",
            "the DirectRunner reads up to an end, it does not stream",
            fix="Leave it away, or bound the read with --max_read_time.",
        )
    return options


def require_known_flags(arguments: Sequence[str]) -> None:
    """Fails for a flag that Beam does not know, which Beam itself would only log.

    Raises:
      UsageError: a flag is unknown or its value wrong.
    """
    parser = FlagParser(add_help=False, allow_abbrev=False)
    for options_class in _option_classes(PipelineOptions):
        options_class._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        _refuse(unknown[0], parser)


def _option_classes(base: type[PipelineOptions]) -> list[type[PipelineOptions]]:
    return [found for sub in base.__subclasses__() for found in (sub, *_option_classes(sub))]


def _refuse(argument: str, parser: FlagParser) -> NoReturn:
    name = argument.partition("=")[0]
    if not name.startswith("-"):
        raise UsageError("arguments", "not a flag", got=name, fix="Flags look like --name=value.")
    known = [
        option
        for one in (build_parser(), parser)
        for action in one._actions
        for option in action.option_strings
    ]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else "See --help."
    raise UsageError(name, "no such flag", fix=hint)


def _fail(error: Exception) -> NoReturn:
    """Ends with the innermost message; Beam wraps it in layers of stack traces."""
    reason = known_failure(str(error)) or root_cause(str(error))
    raise JobFailedError(f"the job failed: {reason}. The log has the whole story.") from error


def root_cause(message: str) -> str:
    """The line of a Beam failure that says why: the last "Caused by", else the last line."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by: ")]
    chosen = (
        causes[-1].removeprefix("Caused by: ") if causes else (lines or ["no reason given"])[-1]
    )
    return _OF_JOB_SERVER.sub("", chosen).rstrip(".")
