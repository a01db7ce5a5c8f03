"""The windows of one series from their first line until they are final, without Beam.

A window is told on time, told again when late lines amend it, and told as final in the end:

    line      x                   y
    window    [-----------)
    told                   ^ revision 0    ^ revision 1      ^ revision 1, final
    time      ------------|-|--------------|----------------|--------->
                 window end with delay   next window    allowed lateness over

Time is told by the watermark, or, where that stands still, by the lines and the clock: Beam's
Kafka connector has no watermark before every partition of a topic has had its first record,
and one empty partition would hold all windows back for ever
(`CustomTimestampPolicyWithLimitedDelay.getWatermark`).
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from transforms.clock import was_away
from transforms.grid import Grid
from transforms.panes import Counts
from transforms.timing import FINAL_MARGIN_MS, STILL_WITHOUT_LINES_MS

# The watermark stands still when it has reached no window for so long, while newer lines came.
STILL_MS = 5_000

EARLY_REVISION = -1
"""The revision of what is told of a window before its end."""


class Told(NamedTuple):
    """What is to be told about a window."""

    window_index: int
    counts: Counts
    revision: int
    final: bool


# Of a window: error lines and lines, then what was told of it last: revision (-1: nothing), error
# lines and lines. A plain tuple, since there are very many with many series.
StoredWindow = tuple[int, int, int, int, int]
_UNTOLD: StoredWindow = (0, 0, -1, 0, 0)
# A window without lines was told as zeros.
_ZEROS: StoredWindow = (0, 0, 0, 0, 0)
_NOTHING = Counts(0, 0)


@dataclasses.dataclass
class Settling:
    """State of a series; windows are named by their index on the grid.

    A window is told if it holds a line, or if one of the `max_silent_windows` before it does: that
    depends on event times only, not on when lines come.

    Attributes:
      first: the first window of the grid.
      next_index: the window that is told next.
      next_final: the first window that is not final.
      newest: the newest window that holds a line.
      held: the newest window before the next that holds a line; zeros are told from there.
      windows: those that are not final and hold lines.
      gaps: first and one past the last of the windows that long silences left out, and that are
        not as old as final ones.
      reached_ms: when there last was a watermark for certain, by the clock.
      line_ms: when a line last came, by the clock.
      tick_ms: when the clock was last looked at.
      skipped: windows in silences too long to be told, so far.
      late_lines: lines that came after their window was told, so far.
      too_late_lines: lines that came after their window was final, so far.
      early: window, error lines and lines of what was told early last.
      early_ms: when that was, by the clock.
      away_before: windows that are told, unchanged and before it may be kept elsewhere.
      amended: windows that were told and hold lines that came after, which are not told yet.
      probed_ms: when it was last asked whether there is a watermark, by the clock.
    """

    first: int
    next_index: int
    next_final: int
    newest: int
    held: int
    windows: dict[int, StoredWindow] = dataclasses.field(default_factory=dict)
    gaps: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    reached_ms: int = 0
    line_ms: int = 0
    tick_ms: int = 0
    skipped: int = 0
    late_lines: int = 0
    too_late_lines: int = 0
    early: tuple[int, int, int] = (0, 0, 0)
    early_ms: int = 0
    probed_ms: int = 0
    away_before: int = 0
    amended: list[int] = dataclasses.field(default_factory=list)

    @classmethod
    def begin(cls, index: int, now_ms: int) -> Settling:
        """The state before the first line, which falls in window `index`."""
        return cls(
            index, index, index, index, index, reached_ms=now_ms, line_ms=now_ms, tick_ms=now_ms
        )

    @classmethod
    def from_state(cls, stored: tuple[Any, ...]) -> Settling:
        """The state that `to_state` gave."""
        return cls(*stored)

    def to_state(self) -> tuple[Any, ...]:
        """The state as plain values."""
        return _all_fields(self)

    @property
    def started(self) -> bool:
        """Whether a window has been told on time."""
        return self.next_index > self.first

    def add_in_time(
        self, windows: range, errors: int, lines: int, *, now_ms: int, max_silent_windows: int
    ) -> bool:
        """Takes in what was counted in a pane, if that changes nothing else.

        Args:
          windows: those that hold the pane.
          errors: error lines in it.
          lines: lines of any kind in it.
          now_ms: the clock.
          max_silent_windows: so many zeros follow a window at most.

        Returns:
          Whether that was so: no window was told, and no silence ends. Else nothing is done, and
          `add` has to be called for every window.
        """
        first, started = windows.start, self.started
        if started and (first < self.next_index or self.is_too_silent(max_silent_windows)):
            return False
        self.line_ms = now_ms
        stored = self.windows
        for index in windows:
            before = stored.get(index, _UNTOLD)
            stored[index] = (before[0] + errors, before[1] + lines, *before[2:])
        if windows[-1] > self.newest:
            self.newest = windows[-1]
        if not started and first < self.first:
            self.first = self.next_index = self.next_final = self.held = first
        return True

    def add(
        self, index: int, counts: Counts, *, now_ms: int, max_silent_windows: int
    ) -> Iterable[Told]:
        """Takes in what was counted in a window; gives what no later call will tell."""
        self.line_ms = now_ms
        if self.gaps and self.gaps[-1][0] <= index < self.gaps[-1][1] == self.next_index:
            # The silence ended here already; lines of one moment come in any order.
            start, stop = self.gaps.pop()
            self.skipped -= stop - index
            self.next_index = self.held = index
            if start < index:
                self.gaps.append((start, index))
        if self.started and index < self.next_index:
            self.late_lines += counts.lines
            return list(self._add_late(index, counts, max_silent_windows))
        self._count(index, counts, told=False)
        if index > self.newest:
            self.newest = index
        if not self.started:
            self.first = self.next_index = self.next_final = self.held = min(self.first, index)
        elif self.is_too_silent(max_silent_windows):
            self._end_silence()
        return ()

    def _add_late(self, index: int, counts: Counts, max_silent_windows: int) -> Iterator[Told]:
        if index < self.next_final:
            if index >= self.first or self.next_final > self.first:
                self.too_late_lines += counts.lines
                return
            # The grid began with a later line: it begins here now.
            self.gaps.insert(0, (index, self.first))
            self.skipped += self.first - index
            self.first = self.next_final = index
        in_gap = any(start <= index < stop for start, stop in self.gaps)
        self._count(index, counts, told=not in_gap)
        if index not in self.amended:
            self.amended.append(index)
        yield from self._cover(index, max_silent_windows)
        self.held = max(self.held, index)
        if self.is_too_silent(max_silent_windows):
            yield from self._amend()

    def _cover(self, index: int, max_silent_windows: int) -> Iterator[Told]:
        """Tells the zeros that follow a window in which a line was not known before."""
        gaps: list[tuple[int, int]] = []
        for start, stop in self.gaps:
            low, high = max(start, index), min(stop, index + max_silent_windows + 1)
            if low >= high:
                gaps.append((start, stop))
                continue
            self.skipped -= high - low
            for silent in range(low, high):
                if silent != index:
                    yield Told(silent, _NOTHING, 0, final=False)
            gaps += [gap for gap in ((start, low), (high, stop)) if gap[0] < gap[1]]
        self.gaps = gaps

    def _count(self, index: int, counts: Counts, *, told: bool) -> None:
        before = self.windows.get(index)
        if before is None:
            before = _ZEROS if told else _UNTOLD
        errors, lines, revision, told_errors, told_lines = before
        self.windows[index] = (
            errors + counts[0],
            lines + counts[1],
            revision,
            told_errors,
            told_lines,
        )

    def is_too_silent(self, max_silent_windows: int) -> bool:
        """Whether so many windows without a line have been told that no more are."""
        return self.next_index > self.held + max_silent_windows

    def _end_silence(self) -> None:
        """Goes on with the next window that holds a line, if one is known."""
        ahead = min((index for index in self.windows if index >= self.next_index), default=None)
        if ahead is None:
            return
        if ahead > self.next_index:
            self.gaps.append((self.next_index, ahead))
            self.skipped += ahead - self.next_index
        self.next_index = self.held = ahead

    def tell_next(self, max_silent_windows: int) -> list[Told]:
        """Tells amended windows, and the next one, which is over."""
        told = self._amend()
        index = self.next_index
        self.next_index = index + 1
        window = self.windows.get(index)
        if window is None:
            told.append(Told(index, _NOTHING, 0, final=False))
        else:
            self.held = index
            told.append(self._tell(index, 0))
        if self.is_too_silent(max_silent_windows):
            self._end_silence()
        return told

    def _amend(self) -> list[Told]:
        if not self.amended:
            return []
        told = []
        for index in sorted(self.amended):
            if index in self.windows:
                revision, changed = self._revision(index)
                if changed:
                    told.append(self._tell(index, revision))
        self.amended = []
        return told

    def _revision(self, index: int) -> tuple[int, bool]:
        """The revision that a window is in now, and whether that is still to be told."""
        errors, lines, revision, told_errors, told_lines = self.windows[index]
        # Lines where there was no input change what a count of 0 means.
        changed = (
            revision < 0
            or errors != told_errors
            or (not errors and (lines > 0) != (told_lines > 0))
        )
        return revision + changed, changed

    def _tell(self, index: int, revision: int) -> Told:
        errors, lines, *_ = self.windows[index]
        self.windows[index] = (errors, lines, revision, errors, lines)
        return Told(index, Counts(errors, lines), revision, final=False)

    def tell_final(self) -> list[Told]:
        """Tells the oldest window that is not final for the last time, and forgets it."""
        index = self.oldest_open()
        if index >= self.next_index:
            return []
        revision = self._revision(index)[0] if index in self.windows else 0
        errors, lines, *_ = self.windows.pop(index, _ZEROS)
        self.next_final = index + 1
        if self.gaps:
            self.gaps = [gap for gap in self.gaps if gap[1] > self.next_final]
        return [Told(index, Counts(errors, lines), revision, final=True)]

    def put_away(self, windows: int) -> dict[int, StoredWindow]:
        """Gives up what is told and unchanged, but for the last windows, to be kept elsewhere."""
        before = self.away_before = max(self.away_before, self.next_index - windows)
        away = {
            index: window
            for index, window in self.windows.items()
            if index < before and index not in self.amended
        }
        for index in away:
            del self.windows[index]
        return away

    def may_be_away(self, index: int) -> bool:
        """Whether a window has to be looked for elsewhere before anything is done with it."""
        return self.next_final <= index < self.away_before and index not in self.windows

    def oldest_open(self) -> int:
        """The oldest window that is not final."""
        index = self.next_final
        for start, stop in self.gaps:
            if start <= index < stop:
                index = stop
        return index

    def is_over(self, max_silent_windows: int) -> bool:
        """Whether nothing is left to be told until the next line."""
        over = self.started and self.is_too_silent(max_silent_windows)
        return over and not self.windows and self.oldest_open() >= self.next_index

    def tell_early(self, now_ms: int, every_ms: int) -> Iterator[Told]:
        """Tells the next window before its end, if lines came since it was last told so.

        At most once in `every_ms`, by the clock.
        """
        if now_ms - self.early_ms < every_ms:
            return
        errors, lines, *_ = self.windows.get(self.next_index, _UNTOLD)
        now = (self.next_index, errors, lines)
        if lines and now != self.early:
            self.early, self.early_ms = now, now_ms
            yield Told(self.next_index, Counts(errors, lines), EARLY_REVISION, final=False)

    def tick(self, now_ms: int, tick_ms: int) -> None:
        """Takes note that the clock is looked at, which is to be every `tick_ms`."""
        if was_away(self.tick_ms, now_ms, tick_ms):
            self.reached_ms = self.line_ms = now_ms
        self.tick_ms = now_ms

    def watermark_stands_still(self, grid: Grid, now_ms: int, on_time_delay_ms: int) -> bool:
        """Whether the next window is to be told though the watermark has not reached it."""
        over_ms = now_ms - grid.window_end_ms(self.next_index) - on_time_delay_ms
        still_ms = min(over_ms, now_ms - self.reached_ms)
        # A window further on than any that reaches back to before the end of this one.
        newer_lines = self.newest - grid.panes_per_window >= self.next_index
        if newer_lines:
            return still_ms >= STILL_MS
        return min(still_ms, now_ms - self.line_ms) >= STILL_WITHOUT_LINES_MS

    def is_final_by_clock(self, grid: Grid, now_ms: int, final_after_ms: int) -> bool:
        """Whether the oldest open window is to be final by the clock, as there is no watermark.

        `final_after_ms` is how long after its end a watermark would make it so.
        """
        end_ms = grid.window_end_ms(self.oldest_open())
        due_ms = end_ms + final_after_ms + STILL_WITHOUT_LINES_MS + FINAL_MARGIN_MS
        return now_ms >= due_ms


_all_fields: Callable[[Settling], tuple[Any, ...]] = operator.attrgetter(
    *(field.name for field in dataclasses.fields(Settling))
)
