"""`./run_flink.sh` in the foreground: a local cluster, the job on it, its results, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
import threading
from collections.abc import Iterator

from pipeline import live_demo
from pipeline.arguments import whole_number
from pipeline.background import in_background
from pipeline.config import STDOUT, names_brokers
from pipeline.console import Progress, wants_table
from pipeline.dead_letter_console import dead_letters_shown
from pipeline.deployment import Deployment, cluster_config_from_flags
from pipeline.errors import EXIT_DONE, ErrorWindowsError, ServiceError
from pipeline.job_spec import CANCELLED, GIVEN_UP, DriverStatus
from pipeline.job_start import check_input, prepare_job, prepare_output
from pipeline.live_config import LiveConfig, cluster_dir, live_config_from_flags, note_reader
from pipeline.local import kafka_admin
from pipeline.local.kafka_prepare import PreparedKafka
from pipeline.local.kafka_wait import wait_for_kafka
from pipeline.logs import configure_logging
from pipeline.main import note_secrets

_CHECK_SECONDS = 2.0


def run_on_local_cluster(flags: argparse.Namespace) -> int:
    """Starts a cluster and the job on it, and shows results until Ctrl-C; all of it then ends.

    The next start goes on from the last checkpoint.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    rate = whole_number("--demo_rate", flags.demo_rate)
    own_kafka = not names_brokers(flags)
    if own_kafka:
        flags.kafka_bootstrap_servers = "localhost:9092"  # Not known yet.
        flags.input_topic = flags.input_topic or [live_demo.TOPIC]
    config = live_config_from_flags(flags)
    cluster_config = cluster_config_from_flags(flags)
    note_secrets(flags)
    note_reader(flags)
    deployment = Deployment(cluster_dir(flags))
    if deployment.is_running():
        raise ServiceError(
            f"--run_dir: a cluster runs there already, got {str(deployment.folder)!r}. "
            "Use `run_flink.sh stop`, or another folder."
        )
    with Progress() as progress, contextlib.ExitStack() as stack:
        if not own_kafka:
            progress.stage(f"asking {config.job.kafka.bootstrap_servers} for the topics")
            check_input(config)
            progress.clear()
        stack.callback(deployment.supervisor.stop)
        kafka = deployment.start(
            cluster_config, with_kafka=own_kafka, detached=False, show_progress=progress.stage
        )
        if kafka is not None:
            progress.stage("starting Apache Kafka")
            _make_topic(deployment, kafka, config.job.kafka.topics[0])
            flags.kafka_bootstrap_servers = kafka.bootstrap_servers
            config = live_config_from_flags(flags)
        prepare_output(config)
        prepare_job(deployment.folder, flags, deployment.rest.urls)
        if kafka is not None:
            # First, so that the job finds lines when it begins to read.
            topic = config.job.kafka.topics[0]
            stack.enter_context(live_demo.demo_producer(kafka.bootstrap_servers, topic, rate))
        deployment.start_driver()
        status = deployment.wait_for_job(progress.stage)
        begun = f"from {status.restored_from}" if status.restored_from else "new"
        progress.stage(f"counting ({begun}); Flink's web UI: {deployment.web_ui} (Ctrl-C ends)")
        progress.clear()
        _show(config, deployment, flags.output_format)
    return EXIT_DONE


def _make_topic(deployment: Deployment, kafka: PreparedKafka, topic: str) -> None:
    def is_alive() -> bool:
        return deployment.is_running()

    wait_for_kafka(kafka, is_alive=is_alive)
    with kafka_admin.admin_client(kafka.bootstrap_servers) as client:
        exists = topic in kafka_admin.topic_names(client)
    if not exists:
        # Days of a demo must not fill the disk.
        kafka_admin.create_topic(
            kafka.bootstrap_servers,
            topic,
            partitions=live_demo.PARTITIONS,
            settings={"retention.ms": str(24 * 3600 * 1000)},
        )


def _show(config: LiveConfig, deployment: Deployment, output_format: str) -> None:
    stop = threading.Event()
    letters = config.dead_letter if config.job.output.dead_letter == STDOUT else None
    with _job_failure(deployment, stop) as failures, dead_letters_shown(letters):
        if config.follows:
            from pipeline.result_source import PathResults
            from pipeline.watch import watch

            folder = pathlib.Path(config.output)
            folder.mkdir(parents=True, exist_ok=True)
            watch(
                PathResults(folder),
                as_table=wants_table(output_format),
                last=0,
                job=config.job.job,
                stop=stop,
            )
        else:
            print(f"results go to {config.output}", file=sys.stderr)
            stop.wait()
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _job_failure(
    deployment: Deployment, stop: threading.Event
) -> Iterator[list[ErrorWindowsError]]:
    """Sets `stop` when the job cannot go on, with the reason in the list."""
    failures: list[ErrorWindowsError] = []

    def look() -> None:
        while not stop.wait(_CHECK_SECONDS):
            try:
                running = deployment.driver_state().pid != 0
            except ServiceError as error:
                failures.append(error)
                break
            status = DriverStatus.read(deployment.folder)
            if not running and status is not None and status.stage in (GIVEN_UP, CANCELLED):
                failures.append(ServiceError(status.error or "job: somebody cancelled it."))
                break
        stop.set()

    with in_background(look, stop, name="job-watcher"):
        yield failures
