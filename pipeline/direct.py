"""`error-windows direct`, which `./run_direct.sh` runs: the job on the DirectRunner.

Without brokers it brings its own input: it starts a real Apache Kafka, makes a topic,
produces demo lines, runs the job on them, and takes all of it away again.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile
import time
from collections.abc import Iterator, Sequence

from pipeline.arguments import rewrite_habits, whole_number
from pipeline.config import config_from_flags
from pipeline.console import Progress
from pipeline.errors import UsageError
from pipeline.flags import build_parser, job_name
from pipeline.kafka_properties import read_properties_file, split_property
from pipeline.local.demo_lines import demo_lines
from pipeline.local.expansion import ExpansionService
from pipeline.local.folders import run_dir
from pipeline.local.jars import fetch_jars
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from pipeline.logs import configure_logging
from pipeline.main import check_beam_arguments, check_output, run
from transforms.grid import Grid

_DEMO_TOPIC = "demo-logs"
_PROG = "run_direct.sh"


def main(argv: Sequence[str]) -> int:
    """Runs the job on the given Kafka, or on a demo Kafka of its own; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    parser = build_parser(_PROG)
    _add_demo_flags(parser)
    flags, beam_arguments = parser.parse_known_args(rewrite_habits(argv))
    configure_logging(verbose=flags.verbose)
    if _names_brokers(flags):
        config = config_from_flags(flags, job=job_name(beam_arguments))
        with Progress() as progress:
            return run(config, beam_arguments, progress=progress, debug=flags.debug)
    return _run_demo(flags, beam_arguments)


def _add_demo_flags(parser: argparse.ArgumentParser) -> None:
    demo = parser.add_argument_group(
        "demo (used when no --kafka_bootstrap_servers is given: a Kafka of its own)"
    )
    demo.add_argument("--demo_lines", metavar="N", default="20000", help="lines to produce")
    demo.add_argument("--demo_partitions", metavar="N", default="2", help="partitions of the topic")
    demo.add_argument(
        "--demo_error_share", metavar="SHARE", default="0.2", help="error lines among them, 0 to 1"
    )
    demo.add_argument("--demo_seed", metavar="N", default="1", help="another seed, other lines")
    demo.add_argument(
        "--demo_span_seconds",
        metavar="SECONDS",
        default="300",
        help="how far back the event times reach",
    )


def _names_brokers(flags: argparse.Namespace) -> bool:
    if flags.kafka_bootstrap_servers is not None:
        return True
    given = dict(
        split_property("--consumer_property", one) for one in flags.consumer_property or ()
    )
    if flags.consumer_config is not None:
        given |= read_properties_file("--consumer_config", flags.consumer_config)
    return "bootstrap.servers" in given


def _run_demo(flags: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    topic = (flags.input_topic or [_DEMO_TOPIC])[0]
    flags.input_topic = [topic]
    lines = whole_number("--demo_lines", flags.demo_lines)
    partitions = whole_number("--demo_partitions", flags.demo_partitions)
    span_seconds = whole_number("--demo_span_seconds", flags.demo_span_seconds)
    seed = whole_number("--demo_seed", flags.demo_seed, minimum=0)
    error_share = _share("--demo_error_share", flags.demo_error_share)
    # The address is not known yet; everything else is checked before anything starts.
    flags.kafka_bootstrap_servers = "localhost:9092"
    grid = config_from_flags(flags).grid
    check_output(flags.output)
    if beam_arguments:
        check_beam_arguments(beam_arguments)
    with Progress() as progress, _demo_services(flags, progress) as (kafka, expansion):
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
                        end_time_ms=_newest_pane_end_ms(grid),
                        span_seconds=span_seconds,
                    )
                )
            ),
        )
        flags.kafka_bootstrap_servers = kafka.bootstrap_servers
        config = config_from_flags(flags, job=job_name(beam_arguments))
        return run(
            config, beam_arguments, progress=progress, debug=flags.debug, expansion=expansion
        )


@contextlib.contextmanager
def _demo_services(
    flags: argparse.Namespace, progress: Progress
) -> Iterator[tuple[EmbeddedKafka, ExpansionService | None]]:
    """A Kafka with nothing in it and, unless Beam is to start its own, the Java service."""
    logs = run_dir() / "logs"
    with contextlib.ExitStack() as stack:
        expansion = None
        if flags.java_runtime == "locked":
            expansion = stack.enter_context(ExpansionService(logs / "expansion-service.log"))
        # First, because fetching has a bar of its own.
        fetch_jars("kafka")
        progress.stage("starting Apache Kafka")
        data_dir = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="demo-kafka-", dir=run_dir())
        )
        kafka = stack.enter_context(
            EmbeddedKafka(pathlib.Path(data_dir) / "data", log_path=logs / "demo-kafka.log")
        )
        yield kafka, expansion


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
