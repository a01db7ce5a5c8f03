"""What a live run needs around it: job server, expansion service, and for the demo a Kafka."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile

from pipeline import live_demo
from pipeline.arguments import whole_number
from pipeline.config import STDOUT, names_brokers
from pipeline.console import Progress, wants_table
from pipeline.dead_letter_console import dead_letters_shown
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.kafka_connection import with_topics
from pipeline.live_config import live_config_from_flags, note_reader
from pipeline.loading import loading
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer
from pipeline.local.folders import run_dir
from pipeline.local.jars import fetch_jars
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.logs import configure_logging, log_thread_failures
from pipeline.main import note_secrets
from pipeline.output_topics import prepare_topics


def run_live(flags: argparse.Namespace) -> int:
    """Starts what is needed, submits the job, and shows results until Ctrl-C.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    log_thread_failures()
    rate = whole_number("--demo_rate", flags.demo_rate)
    own_kafka = not names_brokers(flags)
    if own_kafka:
        flags.kafka_bootstrap_servers = "localhost:9092"  # Not known yet.
        flags.input_topic = flags.input_topic or [live_demo.TOPIC]
    live_config = live_config_from_flags(flags)
    config = live_config.job
    if flags.output != STDOUT:
        raise UsageError(
            "--output",
            "with --flink_master=[local] results go to stdout",
            got=flags.output,
            fix="Redirect stdout, or leave --flink_master away.",
        )
    note_secrets(flags)
    note_reader(flags)
    logs = run_dir() / "logs"
    with Progress() as progress, contextlib.ExitStack() as stack:
        if not own_kafka:
            progress.stage(f"asking {config.kafka.bootstrap_servers} for the topics")
            config = with_topics(config)
            progress.clear()
        fetch_jars("flink")
        expansion = None
        if config.needs_java:
            expansion = stack.enter_context(
                ExpansionService(logs / "expansion-service.log", embedded=True)
            )
        folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="flink-", dir=run_dir()))
        )
        job_server = stack.enter_context(
            FlinkJobServer(
                logs / "flink-job-server.log",
                folder / "artifacts",
                handles_lines=config.needs_java,
            )
        )
        if own_kafka:
            fetch_jars("kafka")
            progress.stage("starting Apache Kafka")
            kafka = stack.enter_context(
                EmbeddedKafka(folder / "kafka", log_path=logs / "demo-kafka.log")
            )
            kafka.create_topic(config.kafka.topics[0], live_demo.PARTITIONS)
            flags.kafka_bootstrap_servers = kafka.bootstrap_servers
            config = live_config_from_flags(flags).job
        prepare_topics(config)
        progress.stage("submitting the job to Flink")

        with loading():
            from pipeline.live import show_results, submit
            from pipeline.side_outputs import Places

        result = submit(
            config,
            parallelism=live_config.parallelism,
            expansion_address="" if expansion is None else expansion.address(),
            job_endpoint=job_server.address(),
            checkpoints_dir=folder / "checkpoints",
            places=Places(live_config.dead_letter, live_config.ledger),
        )
        if own_kafka:
            stack.enter_context(
                live_demo.demo_producer(
                    config.kafka.bootstrap_servers, config.kafka.topics[0], rate
                )
            )
        progress.stage("counting; the first window comes when it is over (Ctrl-C ends)")
        progress.clear()
        if config.output.dead_letter == STDOUT:
            stack.enter_context(dead_letters_shown(live_config.dead_letter))
        try:
            show_results(result, as_table=wants_table(config.output.format))
        finally:
            # Beam's own threads follow the job until it has ended.
            with contextlib.suppress(Exception):
                result.cancel()
    return EXIT_DONE
