"""The folder of local brokers: where their files are, their state, their lock, and who runs."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import json
import pathlib
import uuid
from collections.abc import Iterator

from pipeline.errors import ServiceError
from pipeline.local.folders import run_dir
from pipeline.local.ports import LOOPBACK
from pipeline.local.process import ManagedProcess

_STATE_FILE = "broker.json"
_LOCK_FILE = "start.lock"


class AlreadyRunningError(ServiceError):
    """Brokers of the folder run; `find_running` tells where."""


@dataclasses.dataclass(frozen=True)
class BrokerFiles:
    """Names and places of one broker's things.

    Attributes:
      name: of its process.
      folder: of its files: that of the cluster for the only broker, else one below it.
    """

    name: str
    folder: pathlib.Path

    @staticmethod
    def of(data_dir: pathlib.Path, broker_id: int, brokers: int) -> BrokerFiles:
        """Those of broker `broker_id` (from 1 on) of so many."""
        if brokers == 1:
            return BrokerFiles("kafka", data_dir)
        return BrokerFiles(f"kafka-{broker_id}", data_dir / str(broker_id))

    @staticmethod
    def of_all(data_dir: pathlib.Path, brokers: int) -> list[BrokerFiles]:
        """Those of all brokers in their order."""
        return [BrokerFiles.of(data_dir, number, brokers) for number in range(1, brokers + 1)]

    @property
    def records(self) -> pathlib.Path:
        """The folder of Kafka's own files."""
        return self.folder / "data"

    @property
    def settings(self) -> pathlib.Path:
        """`server.properties`."""
        return self.folder / "server.properties"

    @property
    def log(self) -> pathlib.Path:
        """Warnings and errors, unless they are told to go elsewhere."""
        return self.folder / "broker.log"

    @property
    def pid(self) -> pathlib.Path:
        """The pid file."""
        return self.folder / "broker.pid"

    def log_beside(self, log_path: pathlib.Path | None) -> pathlib.Path:
        """This broker's log when `log_path` was asked for: `x.log`, of several `x-2.log`.

        None for its own place.
        """
        if log_path is None:
            return self.log
        _, dash, number = self.name.partition("-")
        return log_path.with_name(f"{log_path.stem}{dash}{number}{log_path.suffix}")


@dataclasses.dataclass(frozen=True)
class BrokerState:
    """What a later start of a broker takes over from an earlier one.

    Attributes:
      port: for clients.
      controller_port: for the brokers among themselves.
      formatted: whether Kafka's storage tool has been through.
    """

    port: int
    controller_port: int
    formatted: bool


@dataclasses.dataclass(frozen=True)
class ClusterState:
    """What a later start takes over from an earlier one.

    Attributes:
      cluster_id: Kafka's id of the cluster.
      brokers: in the order of their ids, which count from 1 on.
    """

    cluster_id: str
    brokers: tuple[BrokerState, ...]

    @property
    def bootstrap_servers(self) -> str:
        """Addresses of all brokers, `host:port[,host:port]`."""
        return ",".join(f"{LOOPBACK}:{broker.port}" for broker in self.brokers)

    @staticmethod
    def read(data_dir: pathlib.Path) -> ClusterState | None:
        """The state of a folder; None if no broker was ever started there.

        Raises:
          ServiceError: the file is damaged or not readable.
        """
        path = data_dir / _STATE_FILE
        try:
            content = json.loads(path.read_text(encoding="ascii"))
            cluster_id = str(content["cluster_id"])
            brokers = tuple(
                BrokerState(
                    int(broker["port"]), int(broker["controller_port"]), bool(broker["formatted"])
                )
                # Before there could be several, the file was all about the one.
                for broker in content.get("brokers", [content])
            )
            if not brokers:
                raise ValueError("no brokers")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"kafka: its state file cannot be read ({error}), got {str(path)!r}. "
                "Choose another folder, or delete this one with its records."
            ) from None
        return ClusterState(cluster_id, brokers)

    def write(self, data_dir: pathlib.Path) -> None:
        """Replaces the state of a folder. Raises OSError."""
        path = data_dir / _STATE_FILE
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(dataclasses.asdict(self)) + "\n", encoding="ascii")
        draft.replace(path)


@dataclasses.dataclass(frozen=True)
class RunningKafka:
    """Brokers that live now, in whichever process they were started.

    Attributes:
      processes: of all brokers of the folder in their order, None for one that does not run;
        at least one runs.
      bootstrap_servers: addresses of all of them.
    """

    processes: tuple[ManagedProcess | None, ...]
    bootstrap_servers: str

    @property
    def live(self) -> tuple[ManagedProcess, ...]:
        """Of the brokers that run."""
        return tuple(process for process in self.processes if process is not None)

    @property
    def process(self) -> ManagedProcess:
        """Of the first broker that runs."""
        return self.live[0]

    @property
    def missing(self) -> tuple[int, ...]:
        """Ids of the brokers that do not run."""
        return tuple(i for i, process in enumerate(self.processes, start=1) if process is None)


def default_data_dir() -> pathlib.Path:
    """The folder of the brokers that `error-windows kafka start` starts."""
    return run_dir() / "kafka"


def find_running(data_dir: pathlib.Path) -> RunningKafka | None:
    """The live brokers of a folder, None if there are none; they may not answer yet.

    Raises:
      ServiceError: the files that tell are damaged.
    """
    state = ClusterState.read(data_dir)
    if state is None:
        return None
    files = BrokerFiles.of_all(data_dir, len(state.brokers))
    processes = tuple(ManagedProcess.attach(one.name, one.pid) for one in files)
    if not any(processes):
        return None
    return RunningKafka(processes, state.bootstrap_servers)


def require_usable_name(data_dir: pathlib.Path) -> None:
    """Raises ServiceError for a folder that Kafka could not name in its settings."""
    if "," in str(data_dir):
        raise ServiceError(
            f"kafka: Kafka takes a comma for the end of a folder's name, "
            f"got {str(data_dir)!r}. Choose another folder."
        )


def require_none_runs(data_dir: pathlib.Path) -> None:
    """Raises AlreadyRunningError if a broker of the folder lives."""
    running = find_running(data_dir)
    if running is not None:
        raise AlreadyRunningError(
            f"kafka: runs already as {process_numbers(running.live)}, "
            f"got {str(data_dir)!r}. Use it, stop it or choose another folder."
        )


def process_numbers(processes: tuple[ManagedProcess, ...]) -> str:
    """`process 7`, or `processes 7, 8, 9`."""
    numbers = ", ".join(str(process.pid) for process in processes)
    return f"process {numbers}" if len(processes) == 1 else f"processes {numbers}"


@contextlib.contextmanager
def start_lock(data_dir: pathlib.Path) -> Iterator[None]:
    """Lets one process at a time start brokers in a folder; others wait. Raises OSError."""
    with open(data_dir / _LOCK_FILE, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def folder_errors(data_dir: pathlib.Path) -> Iterator[None]:
    """Turns what goes wrong with files within the block into a ServiceError."""
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"kafka: its folder cannot be used ({error.strerror}), "
            f"got {str(data_dir)!r}. Make it writable, free space or choose another one."
        ) from None


def new_cluster_id() -> str:
    """A random id in Kafka's form: a UUID in 22 characters of URL-safe base64."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")
        # Kafka's tool would take it for an option.
        if not text.startswith("-"):
            return text
