"""A real Apache Kafka broker on this machine, for local runs, demos and tests."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

from pipeline.errors import ServiceError, UsageError
from pipeline.local import kafka_admin
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.kafka_folder import (
    LOG_FILE,
    PID_FILE,
    PROCESS_NAME,
    BrokerState,
    failure_reason,
    find_running,
    log_size,
    new_cluster_id,
    start_lock,
)
from pipeline.local.kafka_settings import NODE_ID, server_properties
from pipeline.local.ports import LOOPBACK, free_port, is_free
from pipeline.local.process import ManagedProcess

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ANSWER_TIMEOUT_SECONDS = 2.0
# Measured: the first two take 40 % off the time until the broker answers (5.5 s to 3.3 s).
_JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class AlreadyRunningError(ServiceError):
    """A broker of the folder runs; `kafka_folder.find_running` tells where."""


class EmbeddedKafka:
    """One KRaft node, broker and controller in one JVM, reachable from this machine only.

    The first start formats the folder; later ones find the same cluster id, ports and
    records. Nothing is deleted for its age or size, and topics are only created on request.
    As a context manager it is started and stopped; the folder stays unless `ephemeral`.

    Attributes:
      data_dir: absolute folder of settings, records, log and pid file.
      log_path: the broker's warnings and errors, appended to.
    """

    def __init__(
        self,
        data_dir: pathlib.Path,
        *,
        port: int | None = None,
        log_path: pathlib.Path | None = None,
        ephemeral: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
          data_dir: created if it is not there.
          port: for clients; None for that of the last start, else a free one.
          log_path: None for `broker.log` in the folder; its own folder is created too.
          ephemeral: leaving the context deletes the folder, which must be empty at first.
        """
        self.data_dir = data_dir.absolute()
        self.log_path = log_path or self.data_dir / LOG_FILE
        self._wanted_port = port
        self._ephemeral = ephemeral
        self._state: BrokerState | None = None
        self._process: ManagedProcess | None = None

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:port`, from the first start on."""
        return f"{LOOPBACK}:{self._started_state().port}"

    @property
    def cluster_id(self) -> str:
        """Kafka's id of this cluster, from the first start on; it stays with the folder."""
        return self._started_state().cluster_id

    @property
    def process(self) -> ManagedProcess:
        """The JVM of the last start; a test may kill it and `start()` again."""
        if self._process is None:
            raise RuntimeError("the broker was not started")
        return self._process

    def start(
        self, *, timeout_seconds: float = START_TIMEOUT_SECONDS, detached: bool = False
    ) -> EmbeddedKafka:
        """Starts the broker and returns when it answers a metadata request.

        Args:
          timeout_seconds: for all of it, fetching the Java modules not counted.
          detached: the broker outlives this process; `find_running` finds it again.

        Raises:
          AlreadyRunningError: a broker of this folder runs.
          ServiceError: it did not start or did not answer in time.
          UsageError: the port is taken or not allowed.
          JavaNotFoundError, JarsMissingError: there is nothing to run it with.
        """
        with contextlib.ExitStack() as lock:
            with self._folder_errors():
                self._prepare_folder()
                lock.enter_context(start_lock(self.data_dir))
                self._require_not_running()
            java = find_java()
            class_path = os.pathsep.join(str(jar) for jar in fetch_jars("kafka"))
            command = [str(java.executable), *_JVM_OPTIONS, "-cp", class_path]
            # Names of files that are not ASCII need a locale that has them.
            environment = {**java_environment(java), "LC_ALL": "C.UTF-8"}
            deadline = time.monotonic() + timeout_seconds
            with self._folder_errors():
                state = self._state = self._choose_ports()
                settings_path = self.data_dir / "server.properties"
                settings_path.write_text(
                    server_properties(self._records_dir, state.port, state.controller_port),
                    encoding="ascii",
                )
                log_start = log_size(self.log_path)
            if not state.formatted:
                self._format(command, environment, settings_path, deadline)
            self._process = ManagedProcess.start(
                PROCESS_NAME,
                [*command, "kafka.Kafka", str(settings_path)],
                log_path=self.log_path,
                env=environment,
                detached=detached,
                pid_path=self.data_dir / PID_FILE,
            )
            try:
                self._wait_for_answer(self._process, log_start, deadline)
            except BaseException:
                self._process.stop()
                raise
        return self

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Stops the broker, cleanly if it does so in time; the records stay."""
        if self._process is not None:
            self._process.stop(timeout_seconds)

    def create_topic(
        self, name: str, partitions: int = 1, *, settings: Mapping[str, str] | None = None
    ) -> str:
        """Creates a topic, see `kafka_admin.create_topic`, and returns its name."""
        kafka_admin.create_topic(
            self.bootstrap_servers, name, partitions=partitions, settings=settings
        )
        return name

    def __enter__(self) -> EmbeddedKafka:
        return self.start()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._ephemeral:
            shutil.rmtree(self.data_dir)

    @property
    def _records_dir(self) -> pathlib.Path:
        return self.data_dir / "data"

    def _started_state(self) -> BrokerState:
        if self._state is None:
            raise RuntimeError("the broker was not started")
        return self._state

    def _prepare_folder(self) -> None:
        if "," in str(self.data_dir):
            raise ServiceError(
                f"kafka: Kafka takes a comma for the end of a folder's name, "
                f"got {str(self.data_dir)!r}. Choose another folder."
            )
        for folder in (self.data_dir, self.log_path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self._ephemeral and self._state is None and any(self.data_dir.iterdir()):
            raise ServiceError(
                f"kafka: a folder to be deleted afterwards must be empty at first, "
                f"got {str(self.data_dir)!r}. Choose another folder."
            )

    def _require_not_running(self) -> None:
        running = find_running(self.data_dir)
        if running is not None:
            raise AlreadyRunningError(
                f"kafka: runs already as process {running.process.pid}, "
                f"got {str(self.data_dir)!r}. Use it, stop it or choose another folder."
            )

    def _choose_ports(self) -> BrokerState:
        state = BrokerState.read(self.data_dir)
        if state is None:
            port = self._wanted_port or free_port()
            state = BrokerState(new_cluster_id(), port, port, formatted=False)
        port = self._wanted_port or state.port
        _require_free_port(port)
        # Nobody else knows the controller's port, so it may change.
        controller_port = state.controller_port
        while controller_port == port or not is_free(controller_port):
            controller_port = free_port()
        state = dataclasses.replace(state, port=port, controller_port=controller_port)
        state.write(self.data_dir)
        return state

    def _format(
        self,
        command: list[str],
        environment: Mapping[str, str],
        settings_path: pathlib.Path,
        deadline: float,
    ) -> None:
        state = self._started_state()
        log_start = log_size(self.log_path)
        arguments = ["format", "-t", state.cluster_id, "-c", str(settings_path)]
        with ManagedProcess.start(
            PROCESS_NAME,
            # What an interrupted first start left is either complete or written again.
            [*command, "kafka.tools.StorageTool", *arguments, "--ignore-formatted"],
            log_path=self.log_path,
            env=environment,
        ) as tool:
            exit_code = tool.wait(max(0.0, deadline - time.monotonic()))
        if exit_code is None:
            raise self._timeout(log_start)
        if exit_code != 0:
            raise self._died(exit_code, log_start)
        self._state = dataclasses.replace(state, formatted=True)
        with self._folder_errors():
            self._state.write(self.data_dir)

    def _wait_for_answer(self, process: ManagedProcess, log_start: int, deadline: float) -> None:
        while True:
            exit_code = process.wait(_POLL_SECONDS)
            if exit_code is not None:
                raise self._died(exit_code, log_start)
            if self._answers():
                return
            if time.monotonic() >= deadline:
                raise self._timeout(log_start)

    def _answers(self) -> bool:
        try:
            with kafka_admin.admin_client(
                self.bootstrap_servers, timeout_seconds=_ANSWER_TIMEOUT_SECONDS
            ) as client:
                cluster = client.describe_cluster()
        except ServiceError:
            return False
        serving = any(
            broker["broker_id"] == NODE_ID and not broker["is_fenced"]
            for broker in cluster["brokers"]
        )
        # Somebody else's broker may have taken the port a moment before ours.
        return serving and cluster["cluster_id"] == self.cluster_id

    def _died(self, exit_code: int, log_start: int) -> ServiceError:
        reason = failure_reason(self.log_path, log_start)
        if not reason:
            # Someone else's signal, the kernel's included when memory runs out.
            by_signal = signal.strsignal(-exit_code) if exit_code < 0 else None
            reason = by_signal or f"exit code {exit_code}"
        return ServiceError(
            f"kafka: the broker ended while starting: {reason}. Log: {self.log_path}"
        )

    def _timeout(self, log_start: int) -> ServiceError:
        reason = failure_reason(self.log_path, log_start)
        shown = f": {reason}" if reason else ""
        return ServiceError(
            f"kafka: the broker did not answer in time{shown}. Log: {self.log_path}"
        )

    @contextlib.contextmanager
    def _folder_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ServiceError(
                f"kafka: its folder cannot be used ({error.strerror}), "
                f"got {str(self.data_dir)!r}. Make it writable, free space or choose another one."
            ) from None


def _require_free_port(port: int) -> None:
    try:
        free = is_free(port)
    except PermissionError:
        raise UsageError(
            "--port", "not allowed for this user", got=port, fix="Choose one above 1023."
        ) from None
    if not free:
        raise UsageError(
            "--port",
            "something listens there already",
            got=port,
            fix="Stop that program or choose another port.",
        )
