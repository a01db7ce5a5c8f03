"""One run of one system: starts it, watches what it tells and costs, ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator

from benchmarks.backlog import Backlog, Table
from benchmarks.peers.protocol import SETTINGS_VARIABLE, Settings
from benchmarks.systems import Command, System
from benchmarks.usage import Clock, Usage
from pipeline.local.folders import RUN_DIR_VARIABLE
from pipeline.local.java import find_java, java_environment

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_LOOK_SECONDS = 0.01
# A right table that is still right after so long stays right.
_SETTLE_SECONDS = 0.5
# What a consumer that has read all asks for, again and again, is less.
_ACTIVE_BYTES = 1_000_000
_STOP_SECONDS = 20.0
_ERROR_CHARACTERS = 300


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out of a run.

    Attributes:
      seconds: from the first record that the broker handed out to the last count told.
      start_seconds: from the start of the process to that first record.
      exact: every count was right, and none was told that should not be.
      lost: share of the counts that is missing.
      extra: counts that are too many, as a share of the right ones.
      cpu_seconds: of all its processes, from their start to the last count.
      run_cpu_seconds: the part of it after the first record.
      peak_mb: most memory that its processes held.
      python_peak_mb: the same, of those that run Python.
      sent_mb: what the broker sent meanwhile.
      end: how it ended: `complete`, `ended` by itself, `idle`, `timeout`.
      error: some of what it wrote to stderr, where the table is wrong.
    """

    seconds: float
    start_seconds: float
    exact: bool
    lost: float
    extra: float
    cpu_seconds: float
    run_cpu_seconds: float
    peak_mb: float
    python_peak_mb: float
    sent_mb: float
    end: str
    error: str = ""


class Told:
    """The table that a system has told so far, beside the one that it should tell."""

    def __init__(self, system: System, expected: Table, *, keyed: bool) -> None:
        self.table: Table = {}
        self.changed_at: float | None = None
        self.complete_at: float | None = None
        self._system = system
        self._expected = expected
        self._wrong = len(expected)
        self._keyed = keyed

    def take(self, line: str) -> None:
        """Takes one line of output."""
        told = self._system.parse(line)
        if told is None:
            return
        end, key, count = told
        if self._keyed and not key:
            return  # The total, which this job tells beside the keys.
        before = self.table.get((end, key), 0)
        if self._system.merge == "highest":
            count = max(before, count)
        elif self._system.merge == "sum":
            count += before
        right = self._expected.get((end, key), 0)
        self.table[end, key] = count
        if count == before:
            return
        self._wrong += (before == right) - (count == right)
        self.changed_at = time.monotonic()
        self.complete_at = self.changed_at if self._wrong == 0 else None

    def lost(self) -> float:
        """The share of the counts that is missing."""
        missing = sum(max(0, count - self.table.get(at, 0)) for at, count in self._expected.items())
        return missing / sum(self._expected.values())

    def extra(self) -> float:
        """Counts that are too many, as a share of the right ones."""
        more = sum(max(0, count - self._expected.get(at, 0)) for at, count in self.table.items())
        return more / sum(self._expected.values())


def expected_table(system: System, backlog: Backlog) -> Table:
    """What this system should tell."""
    if system.only_reads:
        return {(0, ""): backlog.records}
    return backlog.expected


def run(
    system: System,
    backlog: Backlog,
    broker_pid: int,
    *,
    timeout_seconds: float,
    idle_seconds: float,
) -> Outcome:
    """Runs a system until its table is right, it ends, does nothing any more, or time is up.

    Raises:
      NotInstalledError, ErrorWindowsError: it cannot be had here.
    """
    with tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True) as name:
        settings = _settings(backlog, name)
        file = pathlib.Path(name) / "settings.json"
        file.write_text(json.dumps(dataclasses.asdict(settings)), encoding="utf-8")
        command = system.command(settings, backlog)
        keyed = settings.keyed and not system.only_reads
        told = Told(system, expected_table(system, backlog), keyed=keyed)
        clock = Clock(broker_pid)
        sent_before = clock.sent_bytes()
        started = time.monotonic()
        errors = pathlib.Path(name) / "stderr"
        with _started(command, name, file, errors, told) as (process, usage):
            end = _wait(process, usage, told, clock, started + timeout_seconds, idle_seconds)
            peaks = usage.peak_mb, usage.python_peak_mb
        exact = told.complete_at is not None
        first = end.first_read_at or started
        return Outcome(
            seconds=round((told.complete_at or told.changed_at or time.monotonic()) - first, 3),
            start_seconds=round(first - started, 3),
            exact=exact,
            lost=round(told.lost(), 6),
            extra=round(told.extra(), 6),
            cpu_seconds=round(end.cpu_seconds, 2),
            run_cpu_seconds=round(end.cpu_seconds - end.start_cpu_seconds, 2),
            peak_mb=round(peaks[0]),
            python_peak_mb=round(peaks[1]),
            sent_mb=round((clock.sent_bytes() - sent_before) / 1e6, 1),
            end=end.how,
            error="" if exact else _tail(errors, name),
        )


def _settings(backlog: Backlog, folder: str) -> Settings:
    workload = backlog.workload
    return Settings(
        servers=backlog.servers,
        topic=backlog.topic,
        partitions=workload.partitions,
        window_ms=workload.window_seconds * 1000,
        slide_ms=workload.slide_seconds * 1000,
        lateness_ms=workload.lateness_seconds * 1000,
        keyed=workload.keys > 0,
        folder=folder,
    )


@contextlib.contextmanager
def _started(
    command: Command, folder: str, settings: pathlib.Path, errors: pathlib.Path, told: Told
) -> Iterator[tuple[subprocess.Popen[str], Usage]]:
    """The running system, whose output is read; nothing of it is left afterwards."""
    environment = {
        **java_environment(find_java()),
        SETTINGS_VARIABLE: str(settings),
        RUN_DIR_VARIABLE: f"{folder}/run",
        "TMPDIR": folder,
        **command.environment,
    }
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command.words,
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # Ctrl-C reaches it through this process, which ends all that it has started.
            start_new_session=True,
        )
    usage = Usage(process.pid)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            told_line = line.rstrip("\n")
            told.take(told_line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield process, usage
    finally:
        _end(process)
        usage.stop()
        reader.join(_STOP_SECONDS)
        process.wait()


@dataclasses.dataclass
class _Ending:
    """How a run ended, and what was seen on the way."""

    how: str = ""
    first_read_at: float | None = None
    start_cpu_seconds: float = 0.0
    cpu_seconds: float = 0.0


def _wait(
    process: subprocess.Popen[str],
    usage: Usage,
    told: Told,
    clock: Clock,
    deadline: float,
    idle_seconds: float,
) -> _Ending:
    """Waits for the end of a run."""
    ending = _Ending()
    sent, active_at = 0, time.monotonic()
    complete_at: float | None = None
    while not ending.how:
        time.sleep(_LOOK_SECONDS)
        now = time.monotonic()
        if ending.first_read_at is None:
            ending.first_read_at = clock.look()
            if ending.first_read_at is not None:
                ending.start_cpu_seconds = usage.cpu_seconds()
        if told.complete_at != complete_at:
            complete_at = told.complete_at
            ending.cpu_seconds = usage.cpu_seconds()
        if clock.sent_bytes() - sent > _ACTIVE_BYTES:
            sent, active_at = clock.sent_bytes(), now
        # Starting takes as long as it takes: before the first record nothing is idle.
        starts = now if ending.first_read_at is None else 0.0
        active_at = max(active_at, told.changed_at or 0.0, starts)
        if complete_at is not None:
            if now - complete_at > _SETTLE_SECONDS:
                ending.how = "complete"
        elif process.poll() is not None:
            # What it has written last may not have been read yet.
            time.sleep(_SETTLE_SECONDS)
            if told.complete_at is None:
                ending.how = "ended"
        elif now > deadline:
            ending.how = "timeout"
        elif now - active_at > idle_seconds:
            ending.how = "idle"
    if complete_at is None:
        ending.cpu_seconds = usage.cpu_seconds()
    return ending


def _end(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C does at first; what does not end is killed."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)


def _tail(errors: pathlib.Path, folder: str) -> str:
    """Begin and end of what a system wrote to stderr, without names of folders."""
    text = errors.read_text("utf-8", "replace").strip().replace(folder, "").replace(str(_ROOT), "")
    if len(text) <= 2 * _ERROR_CHARACTERS:
        return text
    return f"{text[:_ERROR_CHARACTERS]} ... {text[-_ERROR_CHARACTERS:]}"
