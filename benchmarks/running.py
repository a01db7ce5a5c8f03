"""One run of one system: starts it, watches what it tells and costs, ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from benchmarks.backlog import Backlog, Table
from benchmarks.peers.protocol import SETTINGS_VARIABLE, Settings
from benchmarks.systems import System
from benchmarks.usage import Clock, Usage
from pipeline.local.folders import RUN_DIR_VARIABLE
from pipeline.local.java import find_java, java_environment

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_LOOK_SECONDS = 0.01
# A right table that is still right after so long stays right.
_SETTLE_SECONDS = 0.5
# What a consumer that has read all asks for, again and again, is less.
_ACTIVE_BYTES = 1_000_000
# One that has read all may still compute; waiting for more takes less than this.
_ACTIVE_CORES = 0.25
_CPU_LOOK_SECONDS = 2.0
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
    """The table that a system has told so far, beside the one that it should tell.

    Attributes:
      table: what it has told.
      told_at: when a count was first told, and when it last changed; seconds since 1970.
      changed_at: when any last changed, in monotonic time.
      complete_at: since when the table is right; None while it is not.
    """

    def __init__(self, system: System, expected: Table, *, keyed: bool) -> None:
        self.table: Table = {}
        self.told_at: dict[tuple[int, str], tuple[float, float]] = {}
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
        now = time.time()
        self.told_at[end, key] = self.told_at.get((end, key), (now, now))[0], now
        self.changed_at = time.monotonic()
        self.complete_at = self.changed_at if self._wrong == 0 else None

    def lost(self) -> float:
        """The share of the counts that is missing."""
        missing = sum(max(0, count - self.table.get(at, 0)) for at, count in self._expected.items())
        return missing / sum(self._expected.values())

    def extra(self) -> float:
        """Counts that are too many, as a share of the right ones."""
        # Copied, because a live system goes on telling.
        more = sum(
            max(0, count - self._expected.get(at, 0)) for at, count in list(self.table.items())
        )
        return more / sum(self._expected.values())


def end_on_signals() -> None:
    """Makes SIGTERM and SIGHUP end this process as Ctrl-C does: what it has started ends too."""
    # A shell starts what is to run in the background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


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
    keyed = backlog.workload.keys > 0 and not system.only_reads
    told = Told(system, expected_table(system, backlog), keyed=keyed)
    clock = Clock(broker_pid)
    sent_before = clock.sent_bytes()
    with Session(system, backlog, told) as session:
        # One that ends by itself is given the time it takes.
        idle = math.inf if system.ends else idle_seconds
        end = _wait(session, clock, session.started_at + timeout_seconds, idle)
        peaks = session.usage.peak_mb, session.usage.python_peak_mb
        last = told.complete_at or told.changed_at
        if last is None or end.how == "timeout":
            last = time.monotonic()
        first = end.first_read_at or session.started_at
        exact = told.complete_at is not None
        return Outcome(
            seconds=round(last - first, 3),
            start_seconds=round(first - session.started_at, 3),
            exact=exact,
            lost=round(told.lost(), 6),
            extra=round(told.extra(), 6),
            cpu_seconds=round(end.cpu_seconds, 2),
            run_cpu_seconds=round(end.cpu_seconds - end.start_cpu_seconds, 2),
            peak_mb=round(peaks[0]),
            python_peak_mb=round(peaks[1]),
            sent_mb=round((clock.sent_bytes() - sent_before) / 1e6, 1),
            end=end.how,
            error="" if exact else session.said(),
        )


class Session:
    """A running system, whose output is read; as a context manager, nothing of it is left.

    Attributes:
      process: what was started; other processes may descend from it.
      usage: what all of them cost.
      started_at: when, in monotonic time.
    """

    process: subprocess.Popen[str]
    usage: Usage
    started_at: float

    def __init__(self, system: System, backlog: Backlog, told: Told, *, live: bool = False) -> None:
        """Starts nothing yet.

        Args:
          system: what to start.
          backlog: what it is to count.
          told: takes what it tells.
          live: it is to go on after the end of the topic.
        """
        self._system, self._backlog, self.told, self._live = system, backlog, told, live
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Session:
        """Starts it; see `System.command` for what this raises."""
        with contextlib.ExitStack() as exits:
            name = exits.enter_context(
                tempfile.TemporaryDirectory(prefix="run-", ignore_cleanup_errors=True)
            )
            self._folder = pathlib.Path(name)
            settings = _settings(self._backlog, name, live=self._live)
            file = self._folder / "settings.json"
            file.write_text(json.dumps(dataclasses.asdict(settings)), encoding="utf-8")
            command = self._system.command(settings, self._backlog)
            environment = {
                **java_environment(find_java()),
                SETTINGS_VARIABLE: str(file),
                RUN_DIR_VARIABLE: f"{name}/run",
                "TMPDIR": name,
                **command.environment,
            }
            self.started_at = time.monotonic()
            stderr = exits.enter_context((self._folder / "stderr").open("wb"))
            self.process = subprocess.Popen(
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
            self.usage = Usage(self.process.pid)
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
            exits.callback(self._end)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._exits.close()

    def said(self) -> str:
        """Begin and end of what it wrote to stderr, without names of folders."""
        text = (self._folder / "stderr").read_text("utf-8", "replace").strip()
        text = text.replace(str(self._folder), "").replace(str(_ROOT), "")
        if len(text) <= 2 * _ERROR_CHARACTERS:
            return text
        return f"{text[:_ERROR_CHARACTERS]} ... {text[-_ERROR_CHARACTERS:]}"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.take(line.rstrip("\n"))

    def _end(self) -> None:
        """As Ctrl-C does at first; what does not end is killed."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        self.usage.stop()
        self._reader.join(_STOP_SECONDS)


def _settings(backlog: Backlog, folder: str, *, live: bool) -> Settings:
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
        live=live,
    )


@dataclasses.dataclass
class _Ending:
    """How a run ended, and what was seen on the way."""

    how: str = ""
    first_read_at: float | None = None
    start_cpu_seconds: float = 0.0
    cpu_seconds: float = 0.0


def _wait(session: Session, clock: Clock, deadline: float, idle_seconds: float) -> _Ending:
    """Waits for the end of a run."""
    ending, told, usage = _Ending(), session.told, session.usage
    sent, active_at = 0, time.monotonic()
    cpu_seconds, looked_at = 0.0, active_at
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
        if now - looked_at > _CPU_LOOK_SECONDS:
            before, cpu_seconds = cpu_seconds, usage.cpu_seconds()
            if cpu_seconds - before > _ACTIVE_CORES * (now - looked_at):
                active_at = now
            looked_at = now
        # Starting takes as long as it takes: before the first record nothing is idle.
        starts = now if ending.first_read_at is None else 0.0
        active_at = max(active_at, told.changed_at or 0.0, starts)
        if complete_at is not None:
            if now - complete_at > _SETTLE_SECONDS:
                ending.how = "complete"
        elif session.process.poll() is not None:
            # What it has written last may not have been read yet.
            time.sleep(_SETTLE_SECONDS)
            if told.complete_at is None:
                ending.how = "ended"
        elif now > deadline:
            ending.how = "timeout"
        elif told.changed_at is not None and now - active_at > idle_seconds:
            ending.how = "idle"
    if complete_at is None:
        ending.cpu_seconds = usage.cpu_seconds()
    return ending
