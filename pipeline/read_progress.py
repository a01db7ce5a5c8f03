"""How far a bounded read is: lines, percent, rate and time left, on stderr while it lasts.

Steps that run in the process of the command say what they were given. Beam's connector reads before
any of them runs, in Java: what it has read the runner tells (`pipeline.local_runner`).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.background import in_background
from pipeline.console import Progress

_LOOK_SECONDS = 0.5
# Off a terminal every line stays.
LINE_SECONDS = 10.0
# The rate is that of the last so many seconds.
_RATE_SECONDS = 15.0

# Steps are pickled on their way to a worker, also to one in this process: they find it by number.
_READINGS: dict[int, Reading] = {}
_NUMBERS = itertools.count(1)


class State(NamedTuple):
    """How far a read is.

    Attributes:
      phase: `reading`, or `counting` where all is read before anything is counted.
      records: that came so far in this phase.
      offsets: that are done with.
    """

    phase: str
    records: int
    offsets: int


class Reading:
    """What a job has read so far; may be told from any thread.

    Attributes:
      number: by which `reading_of` finds it.
    """

    def __init__(self, *, reads_first: bool) -> None:
        """Nothing was read.

        Args:
          reads_first: all is read before anything is counted.
        """
        self.number = next(_NUMBERS)
        self._reads_first = reads_first
        self._lock = threading.Lock()
        self._read = 0
        self._counted = 0
        self._done = 0
        self._next: dict[tuple[str, str, int], int] = {}

    def has_read(self, records: int) -> None:
        """Says how many records were read so far, before any is counted."""
        with self._lock:
            self._read = records

    def takes(self, place: tuple[str, str, int], first: int, last: int, records: int) -> None:
        """Says that records are counted.

        Args:
          place: cluster, topic and partition.
          first: offset of the first of them.
          last: offset of the last.
          records: how many they are.
        """
        with self._lock:
            self._counted += records
            # Offsets without a record are done with as well.
            begin = self._next.get(place, first)
            self._done += last + 1 - begin if begin <= first else records
            self._next[place] = max(begin, last + 1)

    def state(self) -> State:
        """How far it is."""
        with self._lock:
            if self._reads_first and not self._counted:
                return State("reading", self._read, self._read)
            phase = "counting" if self._reads_first else "reading"
            return State(phase, self._counted, self._done)


def reading_of(number: int) -> Reading | None:
    """What `show_reading` shows by that number; None in another process."""
    return _READINGS.get(number)


class Report:
    """Puts states of a read into words."""

    def __init__(self, total: int) -> None:
        """Starts with nothing.

        Args:
          total: offsets that are to be read.
        """
        self._total = total
        self._phase = ""
        self._seen: deque[tuple[float, State]] = deque()

    def text(self, state: State, now_seconds: float) -> str:
        """One line; empty while nothing has come.

        Args:
          state: of the read.
          now_seconds: by a clock that never goes back.
        """
        if state.phase != self._phase:
            self._phase = state.phase
            self._seen.clear()
        if not state.records:
            self._seen.clear()
        self._seen.append((now_seconds, state))
        while now_seconds - self._seen[0][0] > _RATE_SECONDS and len(self._seen) > 2:
            self._seen.popleft()
        if not state.records:
            return ""
        percent = min(100, 100 * state.offsets // max(1, self._total))
        shown = f"{state.phase}: {state.records:,} lines, {percent} %"
        began_seconds, first = self._seen[0]
        seconds = now_seconds - began_seconds
        if seconds > 0 and state.records > first.records:
            shown += f", {(state.records - first.records) / seconds:,.0f} lines/s"
            left = max(0, self._total - state.offsets)
            rate = (state.offsets - first.offsets) / seconds
            if rate > 0:
                shown += f", {_duration(left / rate)} left"
        return shown


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


@contextlib.contextmanager
def show_reading(progress: Progress, total: int, *, reads_first: bool) -> Iterator[Reading]:
    """Shows how far a read is while the block runs: twice a second on a terminal, else every 10 s.

    Args:
      progress: shows it.
      total: offsets that are to be read.
      reads_first: all is read before anything is counted.
    """
    reading = Reading(reads_first=reads_first)
    _READINGS[reading.number] = reading
    over = threading.Event()
    pause_seconds = 0.0 if progress.is_terminal else LINE_SECONDS

    def show() -> None:
        report = Report(total)
        shown_seconds = time.monotonic()
        is_over = False
        while not is_over:
            # What was read last is told too, where it is due.
            is_over = over.wait(_LOOK_SECONDS)
            now_seconds = time.monotonic()
            text = report.text(reading.state(), now_seconds)
            if text and now_seconds - shown_seconds >= pause_seconds:
                shown_seconds = now_seconds
                progress.detail(text)

    try:
        with in_background(show, over, name="progress"):
            yield reading
    finally:
        del _READINGS[reading.number]
