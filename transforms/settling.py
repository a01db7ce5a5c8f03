"""The windows of one series: what lines do that come late, or end a silence. Without Beam.

A window is told on time, told again when late lines amend it, and told as final in the end:

    line      x                   y
    window    [-----------)
    told                   ^ revision 0    ^ revision 1      ^ revision 1, final
    time      ------------|-|--------------|----------------|--------->
                 window end with delay   next window    allowed lateness over

What is the same for very many series at once is in `transforms.settling_group`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from transforms.panes import Counts


class Told(NamedTuple):
    """What is to be told about a window."""

    window_index: int
    counts: Counts
    revision: int
    final: bool


# Of a window: error lines and lines, then what was told of it last: revision (-1: nothing), error
# lines and lines.
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
      skipped: windows in silences too long to be told, so far.
      late_lines: lines that came after their window was told, so far.
      too_late_lines: lines that came after their window was final, so far.
      windows: those that are not final and hold lines.
      amended: windows that were told and hold lines that came after, which are not told yet.
      gaps: first and one past the last of the windows that long silences left out, and that are
        not as old as final ones.
    """

    first: int
    next_index: int
    next_final: int
    newest: int
    held: int
    skipped: int = 0
    late_lines: int = 0
    too_late_lines: int = 0
    windows: dict[int, StoredWindow] = dataclasses.field(default_factory=dict)
    amended: list[int] = dataclasses.field(default_factory=list)
    gaps: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    @property
    def started(self) -> bool:
        """Whether a window has been told on time."""
        return self.next_index > self.first

    def add(self, index: int, counts: Counts, *, max_silent_windows: int) -> Iterable[Told]:
        """Takes in what was counted in a window; gives what no later call will tell."""
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
            self.end_silence()
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
            yield from self.tell_amended()

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
        errors, lines, *last_told = before
        self.windows[index] = (errors + counts.errors, lines + counts.lines, *last_told)  # type: ignore[assignment]

    def is_too_silent(self, max_silent_windows: int) -> bool:
        """Whether so many windows without a line have been told that no more are."""
        return self.next_index > self.held + max_silent_windows

    def end_silence(self) -> None:
        """Goes on with the next window that holds a line, if one is known."""
        ahead = min((index for index in self.windows if index >= self.next_index), default=None)
        if ahead is None:
            return
        if ahead > self.next_index:
            self.gaps.append((self.next_index, ahead))
            self.skipped += ahead - self.next_index
        self.next_index = self.held = ahead

    def tell_amended(self) -> list[Told]:
        """Tells amended windows whose results are not those that were told last."""
        told = []
        for index in sorted(self.amended):
            errors, lines, revision, told_errors, told_lines = self.windows[index]
            # Lines where there was no input change what a count of 0 means.
            if (
                revision < 0
                or errors != told_errors
                or (not errors and (lines > 0) != (told_lines > 0))
            ):
                revision += 1
                self.windows[index] = (errors, lines, revision, errors, lines)
                told.append(Told(index, Counts(errors, lines), revision, final=False))
        self.amended = []
        return told
