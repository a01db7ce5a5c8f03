"""Runs programs under supervisord, which starts again whatever ends.

One supervisord per folder. In the folder: `supervisord.conf`, its log, and for every program
`NAME.pid` and `NAME.log`. The socket is for this user only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import re
import socket
import sys
import tempfile
import xmlrpc.client
from collections.abc import Iterable, Sequence
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from pipeline.errors import ServiceError
from pipeline.local import launch
from pipeline.local.process import ManagedProcess, tail
from pipeline.local.program import Program

_NAME = "supervisor"
_START_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 5
# supervisord waits for its programs one after the other in the worst case.
_SHUTDOWN_TIMEOUT_SECONDS = 60.0
_LOG_BYTES = 20_000_000
_LOG_BACKUPS = 2
# The kernel's limit for the path of a socket is 108 bytes on Linux, 104 on macOS.
_SOCKET_PATH_BYTES = 100
# What a word of a command is written with as it is; a shell has more.
_UNSAFE = re.compile(r"[^A-Za-z0-9_@%+=:,./-]")


@dataclasses.dataclass(frozen=True)
class ProgramState:
    """How a program is.

    Attributes:
      name: the program.
      state: supervisord's word: RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL, ...
      pid: 0 when it does not run.
      seconds: since its last start, or since it ended.
      exit_code: of its last end.
    """

    name: str
    state: str
    pid: int
    seconds: int
    exit_code: int


class Supervisor:
    """The supervisord of a folder, whoever started it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder.absolute()
        self._process: ManagedProcess | None = None

    def start(self, programs: Sequence[Program], *, detached: bool) -> None:
        """Starts supervisord, which starts the programs in their order.

        Args:
          programs: what to run; environment variables that are the same here are inherited
            and not written down.
          detached: whether supervisord outlives this process.

        Raises:
          ServiceError: it runs already, or does not start.
        """
        if self.is_running():
            raise ServiceError(
                f"{_NAME}: it runs already, got {str(self.folder)!r}. Stop it first."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._socket_path.unlink(missing_ok=True)
        for program in programs:
            self.pid_path(program.name).unlink(missing_ok=True)
        config_path = self.folder / "supervisord.conf"
        config_path.write_text(self._config(programs), encoding="utf-8")
        self._process = ManagedProcess.start(
            _NAME,
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config_path)],
            log_path=self.folder / "supervisord.out",
            detached=detached,
            pid_path=self.folder / "supervisor.json",
        )
        waited_seconds = 0.0
        while not self.is_running():
            if self._process.wait(_POLL_SECONDS) is not None or (
                waited_seconds > _START_TIMEOUT_SECONDS
            ):
                self._process.stop()
                reason = tail(self.folder / "supervisord.out", 3).replace("\n", "; ")
                raise ServiceError(f"{_NAME}: it does not start ({reason}).")
            waited_seconds += _POLL_SECONDS

    def stop(self) -> bool:
        """Stops all programs and supervisord; False if nothing ran."""
        process = self._process or ManagedProcess.attach(_NAME, self.folder / "supervisor.json")
        self._process = None
        if process is None or process.poll() is not None:
            return False
        process.stop(_SHUTDOWN_TIMEOUT_SECONDS)
        return True

    def is_running(self) -> bool:
        """Whether supervisord answers."""
        try:
            self._call("getState")
        except ServiceError:
            return False
        return True

    def states(self) -> list[ProgramState]:
        """How the programs are, by name.

        Raises:
          ServiceError: supervisord does not answer.
        """
        return sorted(
            (
                ProgramState(
                    name=found["name"],
                    state=found["statename"],
                    pid=found["pid"],
                    seconds=found["now"] - (found["start"] if found["pid"] else found["stop"]),
                    exit_code=found["exitstatus"],
                )
                for found in self._call("getAllProcessInfo")
            ),
            key=lambda state: state.name,
        )

    def stop_program(self, name: str) -> None:
        """Stops one program, which stays down until `start_program`."""
        self._call("stopProcess", name)

    def start_program(self, name: str) -> None:
        """Starts one program that is down, without waiting for more than its start."""
        self._call("startProcess", name, False)

    def pid_path(self, name: str) -> pathlib.Path:
        """The pid file of a program."""
        return self.folder / f"{name}.pid"

    def log_path(self, name: str) -> pathlib.Path:
        """The log of a program: its stdout and stderr."""
        return self.folder / f"{name}.log"

    @property
    def _socket_path(self) -> pathlib.Path:
        path = self.folder / "supervisor.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return pathlib.Path(tempfile.gettempdir()) / f"error-windows-{os.getuid()}-{digest}.sock"

    def _socket_in_config(self) -> str:
        path = self._socket_path
        return _here(path.name) if path.parent == self.folder else _literal(str(path))

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket_path}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            shown = ", ".join(str(argument) for argument in arguments)
            raise ServiceError(
                f"{_NAME}: {method}({shown}) failed ({fault.faultString})."
            ) from None
        except (OSError, xmlrpc.client.ProtocolError, socket.gaierror):
            raise ServiceError(
                f"{_NAME}: it does not run, got {str(self.folder)!r}. Start it."
            ) from None
        finally:
            transport.close()

    def _config(self, programs: Iterable[Program]) -> str:
        head: dict[str, dict[str, object]] = {
            "supervisord": {
                "logfile": _here("supervisord.log"),
                "logfile_maxbytes": 1_000_000,
                "logfile_backups": 1,
                "pidfile": _here("supervisord.pid"),
            },
            "unix_http_server": {"file": self._socket_in_config(), "chmod": "0700"},
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": (
                    "supervisor.rpcinterface:make_main_rpcinterface"
                )
            },
        }
        sections = [_section(name, values) for name, values in head.items()]
        for order, program in enumerate(programs):
            sections.append(_section(f"program:{program.name}", self._program(program, order)))
        return "\n".join(sections)

    def _program(self, program: Program, order: int) -> dict[str, object]:
        command = [sys.executable, "-I", "-S", launch.__file__]
        if program.scratch_dir is not None:
            command += ["--scratch", str(program.scratch_dir)]
        command.append(str(self.pid_path(program.name)))
        # Not by `environment=`, which has no way to quote every value.
        changed = [
            f"{key}={value}"
            for key, value in program.environment.items()
            if os.environ.get(key) != value
        ]
        return {
            "command": _command([*command, "env", *changed, *program.argv]),
            "priority": order,
            "autostart": str(program.autostart).lower(),
            "autorestart": "unexpected" if program.ends_well else "true",
            # For ever: waits grow by a second each time.
            "startretries": 1_000_000,
            # A program that may end well may do so at once.
            "startsecs": "0" if program.ends_well else "2",
            "stopwaitsecs": _STOP_SECONDS,
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            # This one is expanded twice.
            "stdout_logfile": _literal(_here(f"{program.name}.log")),
            "stdout_logfile_maxbytes": _LOG_BYTES,
            "stdout_logfile_backups": _LOG_BACKUPS,
        }


def _section(name: str, values: dict[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""])


def _here(name: str) -> str:
    """A file of the folder, whose own path may hold what begins a comment."""
    return f"%(here)s/{name}"


def _literal(text: str) -> str:
    # supervisord expands %(name)s in every value.
    return text.replace("%", "%%")


def _command(words: Iterable[str]) -> str:
    """A command line without ` #` and ` ;`, which begin a comment, also within quotes."""
    # An empty word is one only by its quotes.
    return " ".join(_literal(_UNSAFE.sub(r"\\\g<0>", word)) or "''" for word in words)
