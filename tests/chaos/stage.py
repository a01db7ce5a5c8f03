"""Everything a fault strikes: Kafka with a producer, a Flink cluster with the job, its results.

Kafka is the user's, so it is started here and not by the deployment.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import pathlib
import time
from collections.abc import Iterator
from types import TracebackType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipeline.deployment import Deployment, cluster_config_from_flags
from pipeline.errors import ServiceError
from pipeline.flink_rest import FlinkJob
from pipeline.job_spec import DriverStatus, live_parser
from pipeline.job_start import prepare_job, prepare_output
from pipeline.kafka_properties import KafkaProperties
from pipeline.live_config import live_config_from_flags
from pipeline.local.environment import RUN_DIR_VARIABLE
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.result_source import PathResults, ResultSource
from tests.chaos.judge import Verdict, judge
from tests.chaos.processes import ClusterProcesses
from tests.chaos.producer import LineProducer, read_topic
from tests.chaos.results import ResultFollower
from tests.chaos.waiting import wait_until
from tests.processes import environment_of, wait_until_none_is_left
from tests.reference import Record

JOB = "errors"
TOPIC = "logs"
PARTITIONS = 2
# Short, so that there are many windows to compare, and a result comes soon after a recovery.
WINDOW_SECONDS, SLIDE_SECONDS = 6, 2
# Longer than any outage.
LATENESS_SECONDS = 600
CHECKPOINT_SECONDS = 5
JOB_START_SECONDS = 240.0
_KAFKA_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """How a stage is to be.

    Attributes:
      high_availability: ZooKeeper, two JobManagers and two TaskManagers instead of one each.
      brokers: of Kafka, 1 or 3.
      rate: lines a second.
      seed: of the lines.
      output: where results go: None for a folder, or `kafka:TOPIC`.
      checkpoint_dir: None for one in the run folder.
      reader: as `--kafka_reader`.
    """

    high_availability: bool = False
    brokers: int = 1
    rate: int = 200
    seed: int = 1
    output: str | None = None
    checkpoint_dir: pathlib.Path | None = None
    reader: str = "beam"


class Stage:
    """Starts as a context manager, and ends with nothing left running.

    Attributes:
      config: how it is.
      kafka: the brokers.
      deployment: the cluster with the job.
      processes: of the cluster.
      producer: of the lines.
      results: what has come out.
    """

    kafka: EmbeddedKafka
    deployment: Deployment
    processes: ClusterProcesses
    producer: LineProducer
    results: ResultFollower

    def __init__(self, folder: pathlib.Path, config: StageConfig) -> None:
        """Starts nothing yet.

        Args:
          folder: for everything that is written.
          config: how it is to be.
        """
        self.config = config
        self._folder = folder.absolute()
        self._flags = argparse.Namespace()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Stage:
        with contextlib.ExitStack() as stack:
            # The mark by which left-over processes are found.
            run_dir = self._folder / "run"
            environment = environment_of(run_dir)
            stack.enter_context(_environment_variable(RUN_DIR_VARIABLE, str(run_dir)))
            stack.callback(_require_none_left, environment)
            self._start(stack, run_dir)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(error_type, error, trace)

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder of the job's checkpoints, one folder per Flink job in it."""
        return pathlib.Path(live_config_from_flags(self._flags).checkpoint_dir) / JOB

    def job(self) -> FlinkJob | None:
        """The job, None while no cluster or no job answers."""
        try:
            return self.deployment.rest.live_job(JOB)
        except ServiceError:
            return None

    def running_job(self) -> FlinkJob:
        """The job, as soon as all of its tasks run."""

        def look() -> FlinkJob | None:
            job = self.job()
            return job if job is not None and job.runs else None

        return wait_until(look, what="the job to run", timeout_seconds=JOB_START_SECONDS)

    def driver_sees_the_job(self, since_ns: int) -> DriverStatus | None:
        """What the driver says, if it has said after a moment that the job runs."""
        status = self.driver_status(since_ns)
        return status if status is not None and status.stage == "running" else None

    def driver_status(self, since_ns: int) -> DriverStatus | None:
        """What the driver has said after a moment (`time.time_ns()`), None if nothing."""
        try:
            written_ns = (self.deployment.folder / "driver.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None
        return DriverStatus.read(self.deployment.folder) if written_ns >= since_ns else None

    def pause(self, seconds: float) -> None:
        """Lets a fault last; what is not more than 0 is over."""
        time.sleep(max(0.0, seconds))

    def leader_of(self, topic: str, partition: int) -> int:
        """The id of the broker that leads a partition, -1 while none does."""
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 0})
        try:
            found = admin.list_topics(topic, timeout=_KAFKA_SECONDS)
        except KafkaException:
            return -1
        return int(found.topics[topic].partitions[partition].leader)

    def start_deployment(self) -> None:
        """Starts the cluster and the driver, as `run_flink.sh` does."""
        self.deployment.start(
            cluster_config_from_flags(self._flags),
            with_kafka=False,
            detached=False,
            show_progress=_LOG.info,
        )
        prepare_job(self.deployment.folder, self._flags, self.deployment.rest.urls)
        self.deployment.start_driver()

    def finish(self) -> tuple[list[Record], Verdict]:
        """Ends production and compares everything; returns all lines, and what was found."""
        truth = self.producer.finish()
        in_topic = read_topic(self.kafka.bootstrap_servers, TOPIC, partitions=PARTITIONS)
        # Not the job's matter, but what the comparison rests on.
        assert sorted(truth) == sorted(in_topic)
        verdict = judge(
            self.results, truth, window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
        )
        return truth, verdict

    def _start(self, stack: contextlib.ExitStack, run_dir: pathlib.Path) -> None:
        self.kafka = stack.enter_context(
            EmbeddedKafka(self._folder / "kafka", brokers=self.config.brokers)
        )
        self.kafka.create_topic(TOPIC, PARTITIONS)
        self._flags = self._parse(run_dir / "flink")
        live = live_config_from_flags(self._flags)
        prepare_output(live)
        self.deployment = Deployment(run_dir / "flink")
        self.processes = ClusterProcesses(self.deployment.supervisor)
        stack.callback(self.deployment.supervisor.stop)
        self.producer = stack.enter_context(
            LineProducer(
                self.kafka.bootstrap_servers,
                TOPIC,
                partitions=PARTITIONS,
                rate=self.config.rate,
                seed=self.config.seed,
            )
        )
        source: ResultSource = PathResults(pathlib.Path(live.output))
        if live.output_topic is not None:
            from pipeline.results_topic import TopicResults

            servers = {"bootstrap.servers": self.kafka.bootstrap_servers}
            source = TopicResults(live.output_topic, KafkaProperties(servers))
        self.results = stack.enter_context(ResultFollower(source))
        self.start_deployment()
        self.deployment.wait_for_job(_LOG.info)
        wait_until(
            lambda: self.results.newest_on_time_ms > 0,
            what="the first result",
            timeout_seconds=JOB_START_SECONDS,
        )

    def _parse(self, run_dir: pathlib.Path) -> argparse.Namespace:
        arguments = [
            f"--kafka_bootstrap_servers={self.kafka.bootstrap_servers}",
            f"--input_topic={TOPIC}",
            f"--job_name={JOB}",
            "--consumer_property=auto.offset.reset=earliest",
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
            f"--allowed_lateness_seconds={LATENESS_SECONDS}",
            f"--checkpoint_interval_seconds={CHECKPOINT_SECONDS}",
            f"--run_dir={run_dir}",
            f"--kafka_reader={self.config.reader}",
        ]
        if self.config.high_availability:
            arguments.append("--high_availability")
        if self.config.output is not None:
            arguments.append(f"--output={self.config.output}")
        if self.config.checkpoint_dir is not None:
            arguments.append(f"--checkpoint_dir={self.config.checkpoint_dir}")
        return live_parser("chaos").parse_args(arguments)


@contextlib.contextmanager
def _environment_variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _require_none_left(environment: dict[str, str]) -> None:
    left = wait_until_none_is_left(environment)
    if left:
        raise AssertionError(f"still running: {left}")
