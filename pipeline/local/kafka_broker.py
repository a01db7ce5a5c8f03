"""Real Apache Kafka brokers on this machine, for local runs, demos and tests."""

from __future__ import annotations

import concurrent.futures
import contextlib
import pathlib
import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType

from pipeline.errors import ServiceError
from pipeline.local import kafka_admin
from pipeline.local.kafka_folder import (
    AlreadyRunningError,
    BrokerFiles,
    find_running,
    folder_errors,
    require_usable_name,
    start_lock,
)
from pipeline.local.kafka_layout import PreparedKafka, lay_out_kafka, load_prepared
from pipeline.local.kafka_log import ended_error, log_size, timeout_error
from pipeline.local.kafka_prepare import format_storage
from pipeline.local.kafka_wait import START_TIMEOUT_SECONDS, NotServingError, wait_for_kafka
from pipeline.local.process import ManagedProcess

STOP_TIMEOUT_SECONDS = 30.0


class EmbeddedKafka:
    """One KRaft node or three, each broker and controller, reachable from this machine only.

    The first start formats the folder; later ones find the same cluster id, ports and
    records. Nothing is deleted for its age or size, and topics are only created on request.
    Of three brokers one may die: each record is on all of them, and on two before it is
    acknowledged. As a context manager it is started and stopped; the folder stays unless
    `ephemeral`.

    Attributes:
      data_dir: absolute folder of settings, records, log and pid file.
      log_path: the only broker's warnings and errors, appended to; see `log_paths`.
    """

    def __init__(
        self,
        data_dir: pathlib.Path,
        *,
        brokers: int | None = None,
        port: int | None = None,
        log_path: pathlib.Path | None = None,
        ephemeral: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
          data_dir: created if it is not there.
          brokers: 1 or 3; None for as many as the folder was made for, 1 in a new one.
          port: for clients of the first broker, the others have the next ones; None for
            those of the last start, else free ones.
          log_path: None for `broker.log` in the folder of each broker; its own folder is
            created too. Three brokers put their number before its suffix.
          ephemeral: leaving the context deletes the folder, which must be empty at first.
        """
        self.data_dir = data_dir.absolute()
        self.log_path = log_path or BrokerFiles.of(self.data_dir, 1, 1).log
        self._wanted_log_path = log_path
        self._wanted_brokers = brokers
        self._wanted_port = port
        self._ephemeral = ephemeral
        self._prepared: PreparedKafka | None = None
        self._processes: dict[int, ManagedProcess] = {}
        self._log_starts: dict[int, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:port`, of three brokers with commas between, from the first start on."""
        return self._started().bootstrap_servers

    @property
    def cluster_id(self) -> str:
        """Kafka's id of this cluster, from the first start on; it stays with the folder."""
        return self._started().cluster_id

    @property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """The JVMs of the last start, in the order of the brokers' ids, which begin at 1.

        A test may kill one and `start_broker()` it again.
        """
        self._started()
        return tuple(self._processes[broker_id] for broker_id in sorted(self._processes))

    @property
    def process(self) -> ManagedProcess:
        """The JVM of the only broker; a test may kill it and `start()` again."""
        (process,) = self.processes
        return process

    @property
    def log_paths(self) -> tuple[pathlib.Path, ...]:
        """The brokers' logs, in the order of their ids, from the first start on."""
        return tuple(
            files.log_beside(self._wanted_log_path)
            for files in BrokerFiles.of_all(self.data_dir, len(self._started().programs))
        )

    def start(
        self, *, timeout_seconds: float = START_TIMEOUT_SECONDS, detached: bool = False
    ) -> EmbeddedKafka:
        """Starts the brokers and returns when all of them answer.

        Args:
          timeout_seconds: for all of it, fetching the Java modules not counted.
          detached: they outlive this process; `find_running` finds them again.

        Raises:
          AlreadyRunningError: a broker of this folder runs.
          ServiceError: one did not start or did not answer in time.
          UsageError: a port is taken or not allowed, or the folder is for another number
            of brokers.
          JavaNotFoundError, JarsMissingError: there is nothing to run them with.
        """
        with contextlib.ExitStack() as lock:
            with folder_errors(self.data_dir):
                self._prepare_folder()
                lock.enter_context(start_lock(self.data_dir))
            prepared = lay_out_kafka(
                self.data_dir, brokers=self._wanted_brokers, port=self._wanted_port
            )
            self._prepared = prepared
            deadline = time.monotonic() + timeout_seconds
            format_storage(
                self.data_dir,
                prepared,
                log_path=self._wanted_log_path,
                timeout_seconds=timeout_seconds,
            )
            self._run(range(1, len(prepared.programs) + 1), deadline, detached)
        return self

    def start_broker(
        self,
        broker_id: int,
        *,
        timeout_seconds: float = START_TIMEOUT_SECONDS,
        detached: bool = False,
    ) -> ManagedProcess:
        """Starts one broker that has ended, while others may run; returns when it answers.

        It may be one that another process started; arguments and errors as of `start`.

        Args:
          broker_id: from 1 on.
          timeout_seconds: until it answers.
          detached: it outlives this process.

        Raises:
          AlreadyRunningError: it runs.
        """
        with contextlib.ExitStack() as lock:
            with folder_errors(self.data_dir):
                lock.enter_context(start_lock(self.data_dir))
            if self._prepared is None:
                self._prepared = load_prepared(self.data_dir)
            running = find_running(self.data_dir)
            if running is not None and broker_id not in running.missing:
                raise AlreadyRunningError(
                    f"kafka: this broker runs already, got {broker_id}. Stop it first."
                )
            self._run([broker_id], time.monotonic() + timeout_seconds, detached)
        return self._processes[broker_id]

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Stops the brokers, cleanly if they do so in time; the records stay."""
        stop_all(self._processes.values(), timeout_seconds)

    def create_topic(
        self, name: str, partitions: int = 1, *, settings: Mapping[str, str] | None = None
    ) -> str:
        """Creates a topic, see `kafka_admin.create_topic`, and returns its name.

        Three brokers have three replicas of each partition.
        """
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

    def _started(self) -> PreparedKafka:
        if self._prepared is None:
            raise RuntimeError("Kafka was not started")
        return self._prepared

    def _prepare_folder(self) -> None:
        require_usable_name(self.data_dir)
        for folder in (self.data_dir, self.log_path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if self._ephemeral and self._prepared is None and any(self.data_dir.iterdir()):
            raise ServiceError(
                f"kafka: a folder to be deleted afterwards must be empty at first, "
                f"got {str(self.data_dir)!r}. Choose another folder."
            )

    def _run(self, broker_ids: Collection[int], deadline: float, detached: bool) -> None:
        """Starts brokers and waits until they answer; otherwise none of them is left."""
        prepared = self._started()
        log_starts = {}
        started: dict[int, ManagedProcess] = {}
        try:
            for broker_id in broker_ids:
                program = prepared.programs[broker_id - 1]
                files = BrokerFiles.of(self.data_dir, broker_id, len(prepared.programs))
                log_path = files.log_beside(self._wanted_log_path)
                log_starts[broker_id] = log_size(log_path)
                started[broker_id] = self._processes[broker_id] = ManagedProcess.start(
                    program.name,
                    program.argv,
                    log_path=log_path,
                    env=program.environment,
                    detached=detached,
                    pid_path=files.pid,
                )
            wait_for_kafka(
                prepared,
                broker_ids=broker_ids,
                is_alive=lambda: all(one.poll() is None for one in started.values()),
                timeout_seconds=deadline - time.monotonic(),
            )
        except NotServingError as error:
            failure = self._failure(error, started, log_starts)
            stop_all(started.values())
            raise failure from None
        except BaseException:
            stop_all(started.values())
            raise

    def _failure(
        self,
        error: NotServingError,
        started: Mapping[int, ManagedProcess],
        log_starts: Mapping[int, int],
    ) -> ServiceError:
        exit_codes = {broker_id: process.poll() for broker_id, process in started.items()}
        ended = [broker_id for broker_id, exit_code in exit_codes.items() if exit_code is not None]
        broker_id = (ended or error.broker_ids)[0]
        log_path, log_start = self.log_paths[broker_id - 1], log_starts[broker_id]
        exit_code = exit_codes[broker_id]
        if exit_code is None:
            return timeout_error(log_path, log_start)
        return ended_error(exit_code, log_path, log_start)


def stop_all(
    processes: Iterable[ManagedProcess], timeout_seconds: float = STOP_TIMEOUT_SECONDS
) -> None:
    """Stops processes, all at the same time.

    Raises:
      ServiceError: one did not end, or belongs to another user.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for stopped in [pool.submit(one.stop, timeout_seconds) for one in processes]:
            stopped.result()
