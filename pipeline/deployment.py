"""The local cluster of a run folder: Flink's processes, the job's driver, the demo's Kafka.

All of them run under one supervisor. What later commands must know of a cluster stands in
`deployment.json` of the folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.arguments import whole_number
from pipeline.errors import ServiceError, UsageError
from pipeline.flink_rest import FlinkRest
from pipeline.job_spec import GIVEN_UP, JOB_RUNS, DriverStatus, write_json
from pipeline.local.flink_cluster import FlinkCluster, prepare_cluster
from pipeline.local.jars import fetch_jars
from pipeline.local.kafka_prepare import PreparedKafka, prepare_kafka
from pipeline.local.process import tail
from pipeline.local.program import Program
from pipeline.local.supervisor import ProgramState, Supervisor
from pipeline.s3_settings import S3Settings

DRIVER = "driver"
_STATE_FILE = "deployment.json"
_START_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.2
# What passes by itself, such as a JobManager that has only just begun to lead, takes less.
_FAILING_SECONDS = 20.0
_REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"
_REPORTER_PORTS = 10
_ACTIVE_STATES = ("STARTING", "RUNNING", "BACKOFF")
_FAILING_STATES = ("BACKOFF", "FATAL", "EXITED")


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """How a local cluster is to be.

    Attributes:
      high_availability: ZooKeeper and two JobManagers.
      task_managers: how many, with two slots each.
      rest_port: of the first JobManager, None for any.
      metrics_port: first port of the Prometheus reporters, None for none.
      s3: the store that checkpoints go to, None for a file system.
    """

    high_availability: bool
    task_managers: int
    rest_port: int | None
    metrics_port: int | None
    s3: S3Settings | None


def cluster_config_from_flags(flags: argparse.Namespace) -> ClusterConfig:
    """Checks the flags of a local cluster.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    default = "2" if flags.high_availability else "1"
    s3 = None
    if (flags.checkpoint_dir or "").startswith("s3://"):
        s3 = S3Settings(flags.s3_endpoint) if flags.s3_endpoint else S3Settings.from_environment()
    return ClusterConfig(
        high_availability=flags.high_availability,
        task_managers=whole_number("--task_managers", flags.task_managers or default),
        rest_port=_port("--rest_port", flags.rest_port),
        metrics_port=_port("--metrics_port", flags.metrics_port),
        s3=s3,
    )


class Deployment:
    """The cluster of a run folder, whoever started it.

    Attributes:
      folder: the run folder.
      supervisor: of all its programs.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder.absolute()
        self.supervisor = Supervisor(self.folder)

    @property
    def rest(self) -> FlinkRest:
        """Flink's REST API.

        Raises:
          ServiceError: no cluster was ever started in the folder.
        """
        return FlinkRest(self._state()["rest_urls"])

    @property
    def web_ui(self) -> str:
        """The address of Flink's web UI. Raises ServiceError as `rest`."""
        return str(self._state()["rest_urls"][0])

    def is_running(self) -> bool:
        """Whether the supervisor runs."""
        return self.supervisor.is_running()

    def start(
        self,
        config: ClusterConfig,
        *,
        with_kafka: bool,
        detached: bool,
        show_progress: Callable[[str], None],
    ) -> PreparedKafka | None:
        """Starts everything but the driver; returns when Flink has its TaskManagers.

        Args:
          config: how the cluster is to be.
          with_kafka: run an Apache Kafka beside it, whose records stay in the folder.
          detached: whether it outlives this process.
          show_progress: is told what is being done.

        Returns:
          The Kafka, which may not serve yet; None without one.

        Raises:
          ErrorWindowsError: something does not start.
        """
        fetch_jars("flink")
        kafka = None
        programs: list[Program] = []
        if with_kafka:
            fetch_jars("kafka")
            show_progress("preparing Apache Kafka")
            kafka = prepare_kafka(self.folder / "kafka-data", log_path=self.folder / "kafka.log")
            programs += kafka.programs
        settings, environment = self._settings(config)
        cluster = prepare_cluster(
            self.folder,
            high_availability=config.high_availability,
            task_managers=config.task_managers,
            rest_port=config.rest_port,
            settings=settings,
        )
        programs += [
            dataclasses.replace(program, environment={**program.environment, **environment})
            for program in cluster.programs
        ]
        programs.append(self._driver())
        DriverStatus.remove(self.folder)
        write_json(self.folder / _STATE_FILE, {"rest_urls": cluster.rest_urls})
        show_progress("starting Apache Flink")
        self.supervisor.start(programs, detached=detached)
        try:
            self._wait_for_task_managers(cluster)
        except BaseException:
            self.supervisor.stop()
            raise
        return kafka

    def start_driver(self) -> None:
        """Starts the driver of the job in the folder, anew if it runs.

        Raises:
          ServiceError: the supervisor does not run.
        """
        self.stop_driver()
        self.supervisor.start_program(DRIVER)

    def stop_driver(self) -> None:
        """Stops the driver, so that it does not start the job again.

        Raises:
          ServiceError: the supervisor does not run.
        """
        if self.driver_state().state in _ACTIVE_STATES:
            self.supervisor.stop_program(DRIVER)
        DriverStatus.remove(self.folder)

    def driver_state(self) -> ProgramState:
        """How the driver is. Raises ServiceError if the supervisor does not run."""
        return next(state for state in self.supervisor.states() if state.name == DRIVER)

    def wait_for_job(self, show_progress: Callable[[str], None]) -> DriverStatus:
        """Waits until the driver says that the job runs, and returns what it says.

        Raises:
          ServiceError: the driver cannot start the job, or has not been able to for a while; it
            then goes on trying.
        """
        failing_since: float | None = None
        while True:
            status = DriverStatus.read(self.folder)
            state = self.driver_state()
            if status is not None:
                if status.error is None:
                    failing_since = None
                else:
                    failing_since = failing_since or time.monotonic()
                    lasts_seconds = time.monotonic() - failing_since
                    if status.stage == GIVEN_UP or lasts_seconds > _FAILING_SECONDS:
                        raise ServiceError(status.error)
                if status.stage == JOB_RUNS:
                    return status
                show_progress(status.stage)
            elif state.state in _FAILING_STATES:
                raise self._not_started(state)
            time.sleep(_POLL_SECONDS)

    def _state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / _STATE_FILE).read_text("utf-8"))
            return found
        except (OSError, ValueError):
            raise ServiceError(
                f"--run_dir: no cluster was started there, got {str(self.folder)!r}. "
                "Start one, or name the cluster with --flink_master."
            ) from None

    def _settings(self, config: ClusterConfig) -> tuple[dict[str, object], Mapping[str, str]]:
        settings: dict[str, object] = {}
        environment: dict[str, str] = {}
        if config.metrics_port is not None:
            last = config.metrics_port + _REPORTER_PORTS - 1
            settings["metrics.reporters"] = "prometheus"
            settings["metrics.reporter.prometheus.factory.class"] = _REPORTER
            settings["metrics.reporter.prometheus.port"] = f"{config.metrics_port}-{last}"
        if config.s3 is not None:
            environment["FLINK_PLUGINS_DIR"] = str(self._s3_plugin())
            if config.s3.endpoint is not None:
                settings["s3.endpoint"] = config.s3.endpoint
                settings["s3.path.style.access"] = True
        return settings, environment

    def _s3_plugin(self) -> pathlib.Path:
        """The folder of plugins, with the file system for `s3://` in it."""
        plugins = self.folder / "plugins"
        target = plugins / "s3-fs-hadoop"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for jar in fetch_jars("s3"):
            (target / jar.name).symlink_to(jar)
        return plugins

    def _driver(self) -> Program:
        command = pathlib.Path(sys.executable).parent / "error-windows"
        return Program(
            DRIVER,
            (str(command), "flink-driver", str(self.folder)),
            dict(os.environ),
            autostart=False,
            ends_well=True,
        )

    def _wait_for_task_managers(self, cluster: FlinkCluster) -> None:
        rest = FlinkRest(cluster.rest_urls)
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            try:
                if rest.overview()["taskmanagers"] >= cluster.task_managers:
                    return
            except ServiceError:
                pass  # It is only just starting.
            for state in self.supervisor.states():
                if state.state in _FAILING_STATES and state.name != DRIVER:
                    raise self._not_started(state)
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"Flink: it was not ready in {_START_TIMEOUT_SECONDS:.0f} s. "
                    f"See the logs in {self.folder}."
                )
            time.sleep(_POLL_SECONDS)

    def _not_started(self, state: ProgramState) -> ServiceError:
        log = self.supervisor.log_path(state.name)
        reason = "; ".join(tail(log, 3).splitlines()) or f"exit code {state.exit_code}"
        return ServiceError(f"{state.name}: it does not start ({reason}). See {log}.")


def _port(flag: str, value: str | None) -> int | None:
    if value is None:
        return None
    port = whole_number(flag, value)
    if port > 65_535:
        raise UsageError(flag, "not a port", got=value, fix="Give 1 to 65535.")
    return port
