"""What a run costs: CPU seconds and memory of its processes, bytes that the broker sends."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import threading
import time

_PROC = pathlib.Path("/proc")
_SAMPLE_SECONDS = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclasses.dataclass(frozen=True)
class _Process:
    """One process at one time."""

    pid: int
    parent: int
    cpu_seconds: float
    resident_mb: float
    started: int
    """In ticks since the machine started: with the id, it names a process for good."""


class Usage:
    """Watches a process and all that descends from it, from a thread of its own.

    Memory is what is resident, added up over the processes; what they share counts several times.
    CPU seconds of a process that lives for less than a fifth of a second may be missed.

    Attributes:
      peak_mb: the most that all of them held together.
      python_peak_mb: the most that those of them that run Python held together.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self.python_peak_mb = 0.0
        self._root = pid
        self._seen: dict[tuple[int, int], float] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def cpu_seconds(self) -> float:
        """CPU seconds of all processes up to now."""
        self._sample()
        with self._lock:
            return sum(self._seen.values())

    def stop(self) -> None:
        """Ends watching, and kills whatever of the processes is left."""
        self._stop.set()
        self._thread.join()
        self._sample()
        alive = {(one.pid, one.started) for one in _processes()}
        for pid, started in self._seen:
            if (pid, started) in alive:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            total = python = 0.0
            for one in self._family():
                self._seen[one.pid, one.started] = one.cpu_seconds
                total += one.resident_mb
                with contextlib.suppress(OSError):
                    if "python" in os.path.basename(os.readlink(_PROC / str(one.pid) / "exe")):
                        python += one.resident_mb
            self.peak_mb = max(self.peak_mb, total)
            self.python_peak_mb = max(self.python_peak_mb, python)

    def _family(self) -> list[_Process]:
        """The process and its descendants, and those seen before whose parent has gone."""
        children: dict[int, list[_Process]] = {}
        todo = []
        for one in _processes():
            children.setdefault(one.parent, []).append(one)
            if one.pid == self._root or (one.pid, one.started) in self._seen:
                todo.append(one)
        found: dict[int, _Process] = {}
        while todo:
            one = todo.pop()
            if one.pid not in found:
                found[one.pid] = one
                todo += children.get(one.pid, [])
        return list(found.values())


class Clock:
    """When a broker began to hand out records: what it writes to its clients is counted.

    So it is the same clock for every system, and none has to say when it began to read.
    """

    # Metadata, and what a group is told, is far less; the first answer with records is more.
    _FIRST_BYTES = 64 * 1024

    def __init__(self, broker_pid: int) -> None:
        self._path = _PROC / str(broker_pid) / "io"
        self._before = self.sent_bytes()
        self.first_read_at: float | None = None

    def look(self) -> float | None:
        """Monotonic time of the first look at which records had been sent; None before."""
        if self.first_read_at is None and self.sent_bytes() - self._before > self._FIRST_BYTES:
            self.first_read_at = time.monotonic()
        return self.first_read_at

    def sent_bytes(self) -> int:
        """Bytes that the broker has written, to clients and files, since it started."""
        for line in self._path.read_text("ascii").splitlines():
            if line.startswith("wchar: "):
                return int(line.removeprefix("wchar: "))
        raise OSError(f"{self._path}: no wchar")


def _processes() -> list[_Process]:
    found = []
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                text = (folder / "stat").read_text("ascii", "replace")
                fields = text[text.rindex(")") + 2 :].split()
                if fields[0] not in ("Z", "X"):
                    found.append(
                        _Process(
                            int(folder.name),
                            int(fields[1]),
                            (int(fields[11]) + int(fields[12])) / _TICKS,
                            int(fields[21]) * _PAGE_BYTES / 1e6,
                            int(fields[19]),
                        )
                    )
    return found
