"""Starts `pipeline.local.guard`: as the guard of a child, or to become a detached program."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

from pipeline.errors import ServiceError
from pipeline.local import guard
from pipeline.local.process_identity import ProcessIdentity


class GuardedChild(NamedTuple):
    """A child under a guard.

    Attributes:
      pid: of the child.
      guard_process: the guard, which ends when the child has ended.
      lifeline_fd: to write `stop <seconds>` to; its closing stops the child.
      report_fd: where the guard tells the child's exit code at the end.
    """

    pid: int
    guard_process: subprocess.Popen[bytes]
    lifeline_fd: int
    report_fd: int


def launch_guarded(
    name: str,
    argv: Sequence[str],
    log: BinaryIO,
    env: Mapping[str, str] | None,
    pid_path: pathlib.Path | None,
) -> GuardedChild:
    """Starts a program that ends with this process; arguments as in `ManagedProcess.start`.

    Raises:
      ServiceError: the program cannot be started.
    """
    lifeline_end, lifeline_fd = os.pipe()
    report_fd, report_end = os.pipe()
    options = [f"--lifeline_fd={lifeline_end}", f"--caller_pid={os.getpid()}"]
    try:
        launched = _start_guard(options, argv, log, env, pid_path, (report_end, lifeline_end))
    except BaseException:
        os.close(lifeline_fd)
        os.close(report_fd)
        raise
    finally:
        os.close(lifeline_end)
        os.close(report_end)
    first_line = _read_line(report_fd)
    if not first_line.startswith("started "):
        os.close(lifeline_fd)
        os.close(report_fd)
        launched.wait()
        raise _not_started(name, argv, first_line)
    return GuardedChild(int(first_line.split()[1]), launched, lifeline_fd, report_fd)


def launch_detached(
    name: str,
    argv: Sequence[str],
    log: BinaryIO,
    env: Mapping[str, str] | None,
    pid_path: pathlib.Path,
) -> ProcessIdentity:
    """Starts a program that outlives this process; arguments as in `ManagedProcess.start`.

    Raises:
      ServiceError: the program cannot be started.
    """
    report_fd, report_end = os.pipe()
    with os.fdopen(report_fd, encoding="utf-8", errors="replace") as report:
        try:
            launched = _start_guard(["--detach"], argv, log, env, pid_path, (report_end,))
        finally:
            os.close(report_end)
        # To its end: it closes when the program has been put in place, or could not be.
        lines = report.read().splitlines()
    launched.wait()
    last_line = lines[-1] if lines else ""
    if not last_line.startswith("started "):
        raise _not_started(name, argv, last_line)
    _, pid, start_id = last_line.split(" ", 2)
    return ProcessIdentity(int(pid), start_id)


def _start_guard(
    options: Sequence[str],
    argv: Sequence[str],
    log: BinaryIO,
    env: Mapping[str, str] | None,
    pid_path: pathlib.Path | None,
    pass_fds: tuple[int, ...],
) -> subprocess.Popen[bytes]:
    # By path and isolated: neither the working folder nor the environment gets in the way.
    command = [sys.executable, "-I", "-S", guard.__file__, f"--report_fd={pass_fds[0]}", *options]
    if pid_path is not None:
        command.append(f"--pid_path={pid_path.absolute()}")
    return subprocess.Popen(
        [*command, "--", *argv],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=env,
        pass_fds=pass_fds,
        start_new_session=True,
    )


def _read_line(descriptor: int) -> str:
    """Reads one line and nothing after it, which a buffered file would."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line.decode("utf-8", "replace").rstrip("\n")


def _not_started(name: str, argv: Sequence[str], report: str) -> ServiceError:
    reason = report.removeprefix("failed ") or "its guard was ended"
    return ServiceError(
        f"{name}: cannot be started ({reason}), got {argv[0]!r}. "
        "Check that the program is there and may be run."
    )
