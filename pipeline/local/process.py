"""Child processes for local services: they end with their caller, or are meant to outlive it.

A caller's child is started through `pipeline.local.guard`, which ends it when the caller
ends, `kill -9` included. A detached process leaves a pid file, by which any later process
finds and stops it, and never another one that got the same number since.
"""

from __future__ import annotations

import abc
import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType

from pipeline.errors import ServiceError
from pipeline.local import guard
from pipeline.local.guard_launch import GuardedChild, launch_detached, launch_guarded
from pipeline.local.process_identity import ProcessIdentity
from transforms.escape import escape_terminal

STOP_TIMEOUT_SECONDS = guard.DEFAULT_GRACE_SECONDS
UNKNOWN_EXIT_CODE = 255
# What the guard may take beyond the time it gives its child, on a loaded machine.
_GUARD_MARGIN_SECONDS = 10.0
_TAIL_BYTES = 64 * 1024


class ManagedProcess(abc.ABC):
    """A running child with its log file; as a context manager it is stopped at the end.

    Attributes:
      name: what to call it in messages.
      pid: of the program itself, which leads its own session and process group: Ctrl-C in
        the terminal does not reach it.
      log_path: its stdout and stderr, appended; None for an attached process.
    """

    name: str
    pid: int
    log_path: pathlib.Path | None

    @staticmethod
    def start(
        name: str,
        argv: Sequence[str],
        *,
        log_path: pathlib.Path,
        env: Mapping[str, str] | None = None,
        detached: bool = False,
        pid_path: pathlib.Path | None = None,
    ) -> ManagedProcess:
        """Starts a program and returns once it runs.

        Args:
          name: what to call it in messages.
          argv: the program and its arguments.
          log_path: file for its stdout and stderr, appended to; its folder must exist.
          env: the whole environment; None for this process's own.
          detached: True: it survives this process. False: it ends with this process,
            whatever ends it. (Where the kernel is not Linux, killing the guard itself
            with `kill -9` leaves the child.)
          pid_path: file to write pid and start time to, atomically, for `attach`. Needed
            when detached.

        Raises:
          ServiceError: the program or its log cannot be started or written.
        """
        if detached and pid_path is None:
            raise ValueError("a detached process needs a pid_path")
        try:
            log = open(log_path, "ab")  # noqa: SIM115 - closed by the `with` below
        except OSError as error:
            raise ServiceError(
                f"{name}: its log cannot be written ({error.strerror}), got {str(log_path)!r}. "
                "Make its folder writable or choose another one."
            ) from None
        with log:
            if pid_path is not None and detached:
                identity = launch_detached(name, argv, log, env, pid_path)
                return _FoundProcess(name, identity, pid_path, log_path)
            child = launch_guarded(name, argv, log, env, pid_path)
            return _GuardedProcess(name, child, log_path)

    @staticmethod
    def attach(name: str, pid_path: pathlib.Path) -> ManagedProcess | None:
        """The live process a pid file names; None if there is none (any more)."""
        identity = ProcessIdentity.read(pid_path)
        if identity is None or not identity.lives():
            return None
        return _FoundProcess(name, identity, pid_path)

    @abc.abstractmethod
    def poll(self) -> int | None:
        """The exit code (negative: a signal's number), None while it runs.

        UNKNOWN_EXIT_CODE for a detached one: only its parent, the system, is told.
        """

    @abc.abstractmethod
    def wait(self, timeout_seconds: float) -> int | None:
        """Waits for the end; what `poll()` says then, None if it still runs."""

    @abc.abstractmethod
    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """Ends the whole process group: SIGTERM, and SIGKILL after the time given.

        With 0 it is SIGKILL at once. Does nothing when the process has ended.

        Raises:
          ServiceError: it did not end, SIGKILL notwithstanding, or belongs to another user.
        """

    def kill(self) -> None:
        """Ends the whole process group with SIGKILL."""
        self.stop(timeout_seconds=0)

    def __enter__(self) -> ManagedProcess:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def tail(log_path: pathlib.Path, lines: int = 20) -> str:
    r"""The last lines of a log, safe to print: control characters shown as `\xNN`.

    Empty if the file cannot be read.
    """
    try:
        with open(log_path, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            data = log.read()
    except OSError:
        return ""
    last = [line.rstrip(b"\r") for line in data.rstrip(b"\r\n").split(b"\n")][-lines:]
    return "\n".join(escape_terminal(line) for line in last)


class _GuardedProcess(ManagedProcess):
    def __init__(self, name: str, child: GuardedChild, log_path: pathlib.Path) -> None:
        self.name = name
        self.pid = child.pid
        self.log_path = log_path
        self._guard = child.guard_process
        self._lifeline_fd = child.lifeline_fd
        self._report_fd = child.report_fd
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        if self._exit_code is None and self._guard.poll() is not None:
            self._collect()
        return self._exit_code

    def wait(self, timeout_seconds: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(timeout_seconds)
        return self.poll()

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        if self.poll() is not None:
            return
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lifeline_fd, f"stop {timeout_seconds}\n".encode())
        if self.wait(timeout_seconds + _GUARD_MARGIN_SECONDS) is None:
            # The guard hangs (someone stopped it, say): its end ends the child.
            self._guard.kill()
            self._guard.wait()
            self._collect()

    def _collect(self) -> None:
        exit_code = self._guard.returncode
        with os.fdopen(self._report_fd, "rb") as report:
            for line in report.read().splitlines():
                if line.startswith(b"exited "):
                    exit_code = int(line.removeprefix(b"exited "))
        os.close(self._lifeline_fd)
        self._exit_code = exit_code


class _FoundProcess(ManagedProcess):
    """A process that is no child of this one, known by its pid file."""

    def __init__(
        self,
        name: str,
        identity: ProcessIdentity,
        pid_path: pathlib.Path,
        log_path: pathlib.Path | None = None,
    ) -> None:
        self.name = name
        self.pid = identity.pid
        self.log_path = log_path
        self._identity = identity
        self._pid_path = pid_path

    def poll(self) -> int | None:
        return None if self._identity.lives() else UNKNOWN_EXIT_CODE

    def wait(self, timeout_seconds: float) -> int | None:
        self._identity.wait(timeout_seconds)
        return self.poll()

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        if timeout_seconds > 0:
            self._signal(signal.SIGTERM)
        if not self._identity.wait(timeout_seconds):
            self._signal(signal.SIGKILL)
            if not self._identity.wait(_GUARD_MARGIN_SECONDS):
                raise ServiceError(
                    f"{self.name}: it does not end, got pid {self.pid}. "
                    "Look at what it waits for (a hanging disk, mostly)."
                )
        if ProcessIdentity.read(self._pid_path) == self._identity:
            self._pid_path.unlink(missing_ok=True)

    def _signal(self, number: int) -> None:
        if not self._identity.lives():
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise ServiceError(
                f"{self.name}: it belongs to another user, got pid {self.pid}. "
                "Stop it as that user."
            ) from None
