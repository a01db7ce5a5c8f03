"""What a live run needs around it: job server, expansion service, and for the demo a Kafka."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator

from pipeline.arguments import whole_number
from pipeline.config import config_from_flags, names_brokers
from pipeline.console import Progress, wants_table
from pipeline.errors import EXIT_DONE, ErrorWindowsError
from pipeline.kafka_connection import KafkaConnection
from pipeline.local.demo_lines import demo_lines
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer
from pipeline.local.folders import run_dir
from pipeline.local.jars import fetch_jars
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from pipeline.logs import configure_logging
from pipeline.main import note_secrets

_DEMO_TOPIC = "demo-logs"
_DEMO_PARTITIONS = 2
_LOG = logging.getLogger(__name__)


def run_live(flags: argparse.Namespace) -> int:
    """Starts what is needed, submits the job, and shows results until Ctrl-C.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    # Beam's threads that talk to the job server end with a traceback when it ends first.
    threading.excepthook = _log_failure
    lateness = whole_number("--allowed_lateness_seconds", flags.allowed_lateness_seconds, minimum=0)
    rate = whole_number("--demo_rate", flags.demo_rate)
    own_kafka = not names_brokers(flags)
    if own_kafka:
        flags.kafka_bootstrap_servers = "localhost:9092"  # Not known yet.
        flags.input_topic = flags.input_topic or [_DEMO_TOPIC]
    config = config_from_flags(flags)
    note_secrets(flags)
    logs = run_dir() / "logs"
    with Progress() as progress, contextlib.ExitStack() as stack:
        if not own_kafka:
            progress.stage(f"asking {config.kafka.bootstrap_servers} for the topics")
            KafkaConnection(config.kafka).partitions()
            progress.clear()
        fetch_jars("flink")
        expansion = stack.enter_context(
            ExpansionService(logs / "expansion-service.log", embedded=True)
        )
        folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="flink-", dir=run_dir()))
        )
        job_server = stack.enter_context(
            FlinkJobServer(logs / "flink-job-server.log", folder / "artifacts")
        )
        if own_kafka:
            fetch_jars("kafka")
            progress.stage("starting Apache Kafka")
            kafka = stack.enter_context(
                EmbeddedKafka(folder / "kafka", log_path=logs / "demo-kafka.log")
            )
            kafka.create_topic(config.kafka.topics[0], _DEMO_PARTITIONS)
            flags.kafka_bootstrap_servers = kafka.bootstrap_servers
            config = config_from_flags(flags)
        progress.stage("submitting the job to Flink")

        from pipeline.live import show_results, submit

        result = submit(
            config,
            allowed_lateness_seconds=lateness,
            expansion_address=expansion.address(),
            job_endpoint=job_server.address(),
            checkpoints_dir=folder / "checkpoints",
        )
        if own_kafka:
            stack.enter_context(
                _demo_producer(config.kafka.bootstrap_servers, config.kafka.topics[0], rate)
            )
        progress.stage("counting; the first window comes when it is over (Ctrl-C ends)")
        progress.clear()
        try:
            show_results(result, as_table=wants_table(config.output.format))
        finally:
            # Beam's own threads follow the job until it has ended.
            with contextlib.suppress(Exception):
                result.cancel()
    return EXIT_DONE


def _log_failure(failure: threading.ExceptHookArgs) -> None:
    _LOG.error("thread %s failed", failure.thread, exc_info=failure.exc_value)


@contextlib.contextmanager
def _demo_producer(bootstrap_servers: str, topic: str, rate: int) -> Iterator[None]:
    """Produces demo lines, `rate` a second, with the present as event time, until left."""
    stopped = threading.Event()

    def lines() -> Iterator[Record]:
        for seed in itertools.count(1):
            now_ms = int(time.time() * 1000)
            for number, (timestamp_ms, line) in enumerate(
                demo_lines(rate, seed=seed, end_time_ms=now_ms, span_seconds=1)
            ):
                yield Record(
                    value=line, timestamp_ms=timestamp_ms, partition=number % _DEMO_PARTITIONS
                )
            if stopped.wait(max(0.0, now_ms / 1000 + 1 - time.time())):
                return

    def produce() -> None:
        try:
            produce_records(bootstrap_servers, topic, lines())
        except ErrorWindowsError:
            _LOG.exception("the demo producer ended")

    thread = threading.Thread(target=produce, name="demo-producer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
