"""Runs one child for a caller and ends it when the caller ends, however that happens.

Started by `pipeline.local.process`, by its path or as `python -m pipeline.local.guard`; only
the standard library is imported, so that it is up in a few milliseconds and needs no
installed package. Two forms:

    guard.py --lifeline_fd N --report_fd M --caller_pid P [--pid_path FILE] -- COMMAND ...
        Runs COMMAND in a session of its own. When the last writer closes the lifeline pipe,
        when the caller is gone or on SIGTERM, it stops the child's process group. The
        caller may write `stop <seconds>` into the lifeline.
    guard.py --detach --report_fd M --pid_path FILE -- COMMAND ...
        Forks; the fork leaves the caller's session, writes the pid file and becomes COMMAND,
        which then outlives the caller.

The report pipe carries lines of text to the caller: `started <pid> <start id>`,
`exited <code>` (negative for a signal), `failed <text>`.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

DEFAULT_GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_EXIT_NOT_STARTED = 127
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def process_start_id(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None if it does not live.

    On Linux the boot and the clock tick of the process's start, elsewhere the start time
    as `ps` prints it. A process that ended and was not yet collected does not live.
    """
    return _start_id_from_proc(pid) if sys.platform == "linux" else _start_id_from_ps(pid)


def _start_id_from_proc(pid: int) -> str | None:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        # The second: it ended between opening its file and reading it.
        return None
    boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    # The command name may hold blanks and parentheses; what follows its last one does not.
    fields = stat[stat.rindex(b")") + 2 :].split()
    state, start_tick = fields[0], fields[19]
    return None if state in b"ZX" else f"{boot_id}/{int(start_tick)}"


def _start_id_from_ps(pid: int) -> str | None:
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout.split(maxsplit=1)
    return None if len(shown) < 2 or shown[0].startswith("Z") else shown[1].strip()


def write_pid_file(path: pathlib.Path, pid: int) -> None:
    """Writes pid and start id of a live process, so that a reader sees all of it or nothing.

    Raises:
      OSError: the file cannot be written.
    """
    text = json.dumps({"pid": pid, "start_id": process_start_id(pid)})
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(text + "\n", encoding="ascii")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def signal_group(leader_pid: int, number: int) -> None:
    """Signals every process of a group; a group that is gone is no error."""
    # PermissionError: macOS answers so for a group whose only member is a zombie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, number)


class _Guard:
    def __init__(self, child: subprocess.Popen[bytes], lifeline_fd: int, caller_pid: int) -> None:
        self._child = child
        self._lifeline_fd = lifeline_fd
        self._pending = b""
        self._kill_at: float | None = None
        self._watched = [lifeline_fd, _signal_pipe()]
        self._signal_fd = self._watched[1]
        self._caller_fd = _open_process(caller_pid)
        if self._caller_fd is not None:
            self._watched.append(self._caller_fd)
        if os.getppid() != caller_pid:
            self._stop(DEFAULT_GRACE_SECONDS)

    def run(self) -> int:
        """Waits for the child's end, brings it about if asked to, and returns its exit code."""
        while not self._child_ended():
            wait_seconds = None
            if self._kill_at is not None:
                wait_seconds = max(0.0, self._kill_at - time.monotonic())
            ready = select.select(self._watched, [], [], wait_seconds)[0]
            self._handle(ready)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                signal_group(self._child.pid, signal.SIGKILL)
                self._kill_at = None
                # Nothing is left to ask for: only the child's end counts now.
                self._watched = [self._signal_fd]
        # What the child left behind in its group has no owner any more. The child is not
        # collected yet, so its number cannot belong to anyone else.
        signal_group(self._child.pid, signal.SIGKILL)
        return self._child.wait()

    def _handle(self, ready: list[int]) -> None:
        if self._signal_fd in ready:
            numbers = os.read(self._signal_fd, 4096)
            if any(number in _STOP_SIGNALS for number in numbers):
                self._stop(DEFAULT_GRACE_SECONDS)
        if self._lifeline_fd in ready:
            data = os.read(self._lifeline_fd, 4096)
            if not data:
                self._watched.remove(self._lifeline_fd)
                self._stop(DEFAULT_GRACE_SECONDS)
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                self._stop(float(line.removeprefix(b"stop ")))
        if self._caller_fd is not None and self._caller_fd in ready:
            self._watched.remove(self._caller_fd)
            self._stop(DEFAULT_GRACE_SECONDS)

    def _stop(self, grace_seconds: float) -> None:
        if self._kill_at is None and grace_seconds > 0:
            signal_group(self._child.pid, signal.SIGTERM)
        kill_at = time.monotonic() + grace_seconds
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)

    def _child_ended(self) -> bool:
        if sys.platform == "darwin" and sys.version_info < (3, 13):
            return self._child.poll() is not None
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._child.pid, options) is not None


def _signal_pipe() -> int:
    """Makes signals readable from a descriptor, so that one wait covers them and the pipes."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in (*_STOP_SIGNALS, signal.SIGCHLD):
        # A handler, not SIG_IGN: the child would inherit that.
        signal.signal(number, lambda *_: None)
    return readable


def _open_process(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends (Linux), else None.

    The lifeline alone is not enough: a fork of the caller holds a copy of its writing end.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program, so that it does not survive a killed guard."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guard_pid = os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard_pid:
            os._exit(_EXIT_NOT_STARTED)

    return ask_kernel


def _guard(arguments: argparse.Namespace) -> None:
    report_fd: int = arguments.report_fd
    try:
        child = subprocess.Popen(
            arguments.command, start_new_session=True, preexec_fn=_die_with_parent()
        )
    except OSError as error:
        _report_failure(report_fd, error)
        return
    guard = _Guard(child, arguments.lifeline_fd, arguments.caller_pid)
    pid_path: pathlib.Path | None = arguments.pid_path
    if pid_path is not None:
        try:
            write_pid_file(pid_path, child.pid)
        except OSError as error:
            signal_group(child.pid, signal.SIGKILL)
            child.wait()
            _report_failure(report_fd, error)
            return
    _report_start(report_fd, child.pid)
    exit_code = guard.run()
    if pid_path is not None:
        pid_path.unlink(missing_ok=True)
    _report(report_fd, f"exited {exit_code}")


def _detach(arguments: argparse.Namespace) -> None:
    # The caller waits for this process and is then rid of it: the service is not its child.
    if os.fork() != 0:
        return
    os.setsid()
    report_fd: int = arguments.report_fd
    os.set_inheritable(report_fd, False)
    pid_path: pathlib.Path = arguments.pid_path
    try:
        write_pid_file(pid_path, os.getpid())
        _report_start(report_fd, os.getpid())
        # Python ignores it, and what is ignored stays so in the program.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        # The pid stays, and so does the start id.
        os.execvp(arguments.command[0], arguments.command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        pid_path.unlink(missing_ok=True)
        _report_failure(report_fd, error)


def _report(report_fd: int, line: str) -> None:
    # A caller that is gone does not read; SIGPIPE is ignored by Python.
    with contextlib.suppress(BrokenPipeError):
        os.write(report_fd, f"{line}\n".encode())


def _report_start(report_fd: int, pid: int) -> None:
    _report(report_fd, f"started {pid} {process_start_id(pid)}")


def _report_failure(report_fd: int, error: OSError) -> None:
    _report(report_fd, f"failed {error.strerror}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the guard to the child's end, or becomes the command with `--detach`."""
    parser = argparse.ArgumentParser(description="Runs a child that ends with its caller.")
    parser.add_argument("--detach", action="store_true", help="become the command")
    parser.add_argument("--lifeline_fd", type=int, help="pipe to read; its end stops the child")
    parser.add_argument("--report_fd", type=int, required=True, help="pipe to report to")
    parser.add_argument("--caller_pid", type=int, help="the process the child belongs to")
    parser.add_argument("--pid_path", type=pathlib.Path, help="pid file to write")
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args(argv)
    if arguments.detach:
        _detach(arguments)
    else:
        _guard(arguments)


if __name__ == "__main__":
    main()
