"""Runs pip for `environment`: progress on stderr, everything else in a log, causes of failure.

Standard library only. The user's own pip settings (PIP_* variables, pip.conf) apply.
"""

from __future__ import annotations

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any, TextIO

from pipeline.errors import ErrorWindowsError

LOG_TAIL_LINES = 20
_REFRESH_SECONDS = 0.5
# Installed before the others, so that no build fetches a second, unlocked copy of it.
_BUILD_PACKAGE = "setuptools"

# What pip's output says, to what is wrong and what to do; the first that is found counts.
_CAUSES = (
    (
        r"No space left on device",
        "the disk is full",
        "Free some space (about 1 GB is needed) and run this again",
    ),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError"
        r"|Failed to establish a new connection|Network is unreachable|ProxyError|SSLError",
        "the package index cannot be reached",
        "Check the network and your pip settings (`pip config list`), then run this again",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "a downloaded file is not the one that was locked",
        "Check the package index in your pip settings (`pip config list`)",
    ),
    (
        r"No matching distribution found for ([^\s(]+)",
        "the package index has no file of it for this Python and machine",
        "See docs/dependencies.md for what is supported",
    ),
    (
        r"command '\S*(?:cc|gcc|clang|c\+\+|g\+\+)\S*' failed|Unable to find .*compiler",
        "a package has no wheel for this Python and machine and cannot be compiled",
        "See docs/dependencies.md for what is supported",
    ),
    (
        r"No module named pip|No module named ensurepip",
        "it has no pip",
        "On Debian or Ubuntu: apt-get install python3-venv",
    ),
)


def cause_of(output: str) -> str:
    """The end of an error line for a failed pip: `<what is wrong>. <what to do>`."""
    for pattern, problem, fix in _CAUSES:
        found = re.search(pattern, output)
        if found:
            got = f", got {found[1]}" if found.groups() else ""
            return f"{problem}{got}. {fix}"
    return "pip failed. The lines above say why"


def clear(venv: pathlib.Path, keep: str) -> None:
    """Makes `venv` an empty folder but for the file `keep`, by which it is known as ours.

    `keep` is left with no content first, so that a half-deleted environment is not taken for
    a whole one.
    """
    venv.mkdir(parents=True, exist_ok=True)
    (venv / keep).write_text("{}", encoding="utf-8")
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != keep:
            entry.unlink()


class Progress:
    """One line on a terminal that changes; elsewhere only what is said at the start and end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._line_is_open = False

    def say(self, text: str) -> None:
        """Writes a line that stays."""
        self._stream.write(f"\r\033[K{text}\n" if self._terminal else f"{text}\n")
        self._stream.flush()
        self._line_is_open = False

    def close(self) -> None:
        """Ends the changing line, so that what comes next has its own."""
        if self._line_is_open:
            self._stream.write("\n")
            self._line_is_open = False

    def update(self, text: str) -> None:
        """Replaces the changing line."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\033[K{text[:width]}")
            self._stream.flush()
            self._line_is_open = True


class PipOutput:
    """Follows pip's output to know how far it is; keeps all of it for finding a cause."""

    def __init__(self, requirements: int) -> None:
        """Starts at nothing of `requirements`, the number of pins handed to pip."""
        self.text = ""
        self._unfinished_line = ""
        self.wanted = requirements
        self.collected = 0
        self.to_install = 0

    def feed(self, text: str) -> None:
        """Takes the next piece of output, which may end within a line."""
        self.text += text
        *lines, self._unfinished_line = (self._unfinished_line + text).split("\n")
        for line in lines:
            if line.startswith("Ignoring "):
                self.wanted -= 1
            elif line.startswith(("Collecting ", "Requirement already satisfied: ")):
                self.collected += 1
            elif line.startswith("Installing collected packages: "):
                self.to_install = line.count(",") + 1

    def stage(self, installed: int) -> str:
        """What to show, `installed` being the number of packages that have been written."""
        if self.to_install:
            return f"installing packages {min(installed, self.to_install)} of {self.to_install} ..."
        return f"downloading packages {self.collected} of {self.wanted} ..."


class Installer:
    """Makes a virtual environment and fills it, with one log file for all of it.

    A context manager: while it is entered, SIGTERM and SIGHUP end pip too, not only this
    process.
    """

    def __init__(self, venv: pathlib.Path, log: pathlib.Path) -> None:
        self._venv = venv
        self._log_path = log
        self._log = log.open("wb")
        self._progress = Progress(sys.stderr)
        self._started = time.monotonic()
        self._handlers: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Installer:
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, _exit_on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if kind is None:
            seconds = time.monotonic() - self._started
            self._progress.say(f"Python packages are ready in {self._venv} ({seconds:.0f} s)")
        self._progress.close()

    def make(self) -> None:
        """Makes the environment, where there is none, and gives it a pip, where it has none."""
        self._progress.say(f"Preparing Python packages in {self._venv} (log: {self._log_path})")
        if not (self._venv / "bin" / "python").exists():
            self._progress.update("making a virtual environment ...")
            # A virtual environment's own Python may be the one to be replaced here.
            base = sys.executable
            if sys.prefix != sys.base_prefix:
                base = os.path.realpath(base)
            self._run([base, "-m", "venv", "--without-pip", str(self._venv)], PipOutput(0))
        if not any(self._venv.glob("lib/python*/site-packages/pip")):
            self._run([self._python, "-I", "-m", "ensurepip", "--default-pip"], PipOutput(0))

    def add_packages(self, lock: pathlib.Path, pins: Mapping[str, str]) -> None:
        """Installs `lock`, whose requirements are the keys of `pins` and their text the values.

        The lock is complete, so pip resolves nothing: its resolver takes `name[extra]` of a
        locked package for another requirement, and fails for want of a hash as soon as the
        index has a newer version than the locked one. `pip check` says whether it is complete.
        """
        hashes_only = ["--no-deps", "--require-hashes", "--no-build-isolation", "--use-pep517"]
        hashes_only.append("-r")
        for head, text in pins.items():
            if head.startswith(f"{_BUILD_PACKAGE}=="):
                build_lock = self._venv / "build-requirements.txt"
                build_lock.write_text(f"{text}\n", encoding="utf-8")
                self._pip([*hashes_only, str(build_lock)], PipOutput(0))
        self._pip([*hashes_only, str(lock)], PipOutput(len(pins)))
        self._progress.update("checking packages ...")
        self._run([self._python, "-I", "-m", "pip", "check"], PipOutput(0))

    def add_project(self, project: pathlib.Path) -> None:
        """Installs `project` so that its files are used where they are."""
        self._progress.update("installing this project ...")
        self._pip(["--no-deps", "--no-build-isolation", "-e", str(project)], PipOutput(0))

    @property
    def _python(self) -> str:
        return str(self._venv / "bin" / "python")

    def _pip(self, arguments: Sequence[str], output: PipOutput) -> None:
        # -I: packages of a PYTHONPATH are not installed ones. --no-user: `user = true` in a
        # pip.conf is meant for the system's Python and fails in an environment.
        command = [self._python, "-I", "-m", "pip", "install", "--no-input", "--no-user"]
        if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
            # A quarter of the time; most of these modules are never used, and those that are
            # are compiled at their first import.
            command.append("--no-compile")
        self._run([*command, "--disable-pip-version-check", *arguments], output)

    def _run(self, command: Sequence[str], output: PipOutput) -> None:
        """Runs a command to its end, its output going to the log.

        Raises:
            ErrorWindowsError: it failed.
        """
        self._log.write(f"$ {' '.join(command)}\n".encode())
        already = self._count_installed()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A group of its own, so that what pip starts can be ended with it.
            start_new_session=True,
        ) as process:
            try:
                while data := self._read(process, output, already):
                    self._log.write(data)
                    output.feed(data.decode("utf-8", "replace"))
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                raise
        if process.returncode != 0:
            self._log.flush()
            tail = output.text.splitlines()[-LOG_TAIL_LINES:]
            self._progress.say("\n".join(f"  | {line}" for line in tail))
            raise ErrorWindowsError(
                f"Python packages: {cause_of(output.text)}. Log: {self._log_path}"
            )

    def _read(self, process: subprocess.Popen[bytes], output: PipOutput, already: int) -> bytes:
        """Waits for the next output, keeping the changing line up to date; empty at the end."""
        descriptor = process.stdout.fileno()  # type: ignore[union-attr]
        while True:
            if output.wanted:
                self._progress.update(output.stage(self._count_installed() - already))
            if select.select([descriptor], [], [], _REFRESH_SECONDS)[0]:
                return os.read(descriptor, 65536)

    def _count_installed(self) -> int:
        return sum(1 for _ in self._venv.glob("lib/python*/site-packages/*.dist-info"))


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    """Turns a signal into an exception, so that pip is ended on the way out."""
    sys.exit(128 + number)
