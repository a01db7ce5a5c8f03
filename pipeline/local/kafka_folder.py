"""The folder of a local broker: its state file, its lock, and what its log says of a failure."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import uuid
from collections.abc import Iterator

from pipeline.errors import ServiceError
from pipeline.local.folders import run_dir
from pipeline.local.process import ManagedProcess
from transforms.escape import escape_terminal

PROCESS_NAME = "kafka"
PID_FILE = "broker.pid"
LOG_FILE = "broker.log"
_STATE_FILE = "broker.json"
_LOCK_FILE = "start.lock"
_LOG_BYTES = 256 * 1024
_REASON_COLUMNS = 300
_EXCEPTION = re.compile(rb"(?:[\w$]+\.)+\w*(?:Exception|Error)\b.*")


@dataclasses.dataclass(frozen=True)
class BrokerState:
    """What a later start takes over from an earlier one.

    Attributes:
      cluster_id: Kafka's id of the cluster.
      port: for clients.
      controller_port: for the broker itself.
      formatted: whether Kafka's storage tool has been through.
    """

    cluster_id: str
    port: int
    controller_port: int
    formatted: bool

    @staticmethod
    def read(data_dir: pathlib.Path) -> BrokerState | None:
        """The state of a folder; None if no broker was ever started there.

        Raises:
          ServiceError: the file is damaged or not readable.
        """
        path = data_dir / _STATE_FILE
        try:
            content = json.loads(path.read_text(encoding="ascii"))
            return BrokerState(
                str(content["cluster_id"]),
                int(content["port"]),
                int(content["controller_port"]),
                bool(content["formatted"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"kafka: its state file cannot be read ({error}), got {str(path)!r}. "
                "Choose another folder, or delete this one with its records."
            ) from None

    def write(self, data_dir: pathlib.Path) -> None:
        """Replaces the state of a folder. Raises OSError."""
        path = data_dir / _STATE_FILE
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(dataclasses.asdict(self)) + "\n", encoding="ascii")
        draft.replace(path)


@dataclasses.dataclass(frozen=True)
class RunningKafka:
    """A broker that lives now, in whichever process it was started."""

    process: ManagedProcess
    bootstrap_servers: str


def default_data_dir() -> pathlib.Path:
    """The folder of the broker that `error-windows kafka start` starts."""
    return run_dir() / "kafka"


def find_running(data_dir: pathlib.Path) -> RunningKafka | None:
    """The live broker of a folder, None if there is none; it may not answer yet.

    Raises:
      ServiceError: the files that tell are damaged.
    """
    process = ManagedProcess.attach(PROCESS_NAME, data_dir / PID_FILE)
    state = BrokerState.read(data_dir)
    if process is None or state is None:
        return None
    return RunningKafka(process, f"127.0.0.1:{state.port}")


@contextlib.contextmanager
def start_lock(data_dir: pathlib.Path) -> Iterator[None]:
    """Lets one process at a time start a broker in a folder; others wait. Raises OSError."""
    with open(data_dir / _LOCK_FILE, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def new_cluster_id() -> str:
    """A random id in Kafka's form: a UUID in 22 characters of URL-safe base64."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")
        # Kafka's tool would take it for an option.
        if not text.startswith("-"):
            return text


def log_size(log_path: pathlib.Path) -> int:
    """Bytes in a log, 0 if it is not there: what a start adds begins here."""
    return log_path.stat().st_size if log_path.exists() else 0


def failure_reason(log_path: pathlib.Path, start: int) -> str:
    """Why a JVM failed, from what it wrote from byte `start` on: one line, safe to print.

    That is the last exception (of nested ones the cause), else the last line with ERROR in
    it; empty if there is neither.
    """
    try:
        with open(log_path, "rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - _LOG_BYTES))
            # Lines of a stack trace begin with a tab, and name classes too.
            lines = [line for line in log.read().splitlines() if not line.startswith(b"\t")]
    except OSError:
        return ""
    exceptions = [match[0] for line in lines if (match := _EXCEPTION.search(line))]
    errors = [line for line in lines if b"ERROR" in line]
    chosen = (exceptions or errors or [b""])[-1]
    return escape_terminal(chosen, _REASON_COLUMNS).rstrip(". ")
