"""When the windows of series are told, for all series of a group at once. Without Beam.

`transforms.settling` has the story of a window. Time is told by the watermark, or, where that
stands still, by the lines and the clock: Beam's Kafka connector has no watermark before every
partition of a topic has had its first record, and one empty partition would hold all windows back
for ever (`CustomTimestampPolicyWithLimitedDelay.getWatermark`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from transforms.clock import was_away
from transforms.grid import Grid
from transforms.packed import Numbers
from transforms.panes import Counts
from transforms.settling import Told
from transforms.settling_columns import (
    AMENDED,
    ERRORS,
    LINES,
    REVISION,
    TOLD_ERRORS,
    TOLD_LINES,
    SettlingColumns,
)
from transforms.timing import FINAL_MARGIN_MS, STILL_WITHOUT_LINES_MS

# The watermark stands still when it has reached no window for so long, while newer lines came.
STILL_MS = 5_000

EARLY_REVISION = -1
"""The revision of what is told of a window before its end."""

# As many as late lines mostly fall in.
_WINDOWS_AT_HAND = 6


class ToldColumns(NamedTuple):
    """What is to be told about one window of several series: column by column.

    Attributes:
      window_index: the window.
      rows: the series.
      errors: error lines in it.
      lines: lines in it.
      revisions: of the results.
      final: whether nothing can amend it any more.
    """

    window_index: int
    rows: Numbers
    errors: Numbers
    lines: Numbers
    revisions: Numbers
    final: bool


class SettlingGroup(SettlingColumns):
    """The series of a group, which follow the same rules."""

    def too_silent(self, max_silent_windows: int) -> Any:
        """Where so many windows without a line have been told that no more are: a mask."""
        return self.next_index > self.held + max_silent_windows

    def oldest_open(self) -> Numbers:
        """The oldest window that is not final, of every series."""
        oldest = self.next_final
        if self.gaps:
            oldest = oldest.copy()
            for row, gaps in self.gaps.items():
                for start, stop in gaps:
                    if start <= oldest[row] < stop:
                        oldest[row] = stop
        return oldest

    def add(
        self,
        windows: range,
        names: Sequence[str],
        errors: Sequence[int],
        lines: Sequence[int],
        *,
        now_ms: int,
        max_silent_windows: int,
    ) -> Iterator[ToldColumns]:
        """Takes in what was counted in a pane; gives what no later call will tell.

        Args:
          windows: those that hold the pane.
          names: of the series, known or new; the oldest pane of a new one comes first.
          errors: error lines of each in the pane.
          lines: lines of each in the pane, at least one.
          now_ms: the clock.
          max_silent_windows: so many zeros follow a window at most.
        """
        rows = self.rows_of(names, windows.start, now_ms)
        added = np.array((errors, lines), np.int64)
        if len(set(names)) < len(names):
            rows, places = np.unique(rows, return_inverse=True)
            sums = np.zeros((2, len(rows)), np.int64)
            np.add.at(sums.T, places, added.T)
            added = sums
        self.line_ms[rows] = now_ms
        started = self.next_index[rows] > self.first[rows]
        # Lines that end a silence, or that come when windows are final.
        special = started & (
            self.too_silent(max_silent_windows)[rows] | (self.next_final[rows] > windows.start)
        )
        if self.gaps:
            special |= np.isin(rows, list(self.gaps))
        if special.any():
            for row, *counts in np.vstack((rows, added))[:, special].T.tolist():
                yield from self._add_to_one(row, windows, Counts(*counts), max_silent_windows)
            rows, added, started = rows[~special], added[:, ~special], started[~special]
        if len(rows):
            self._add_to_all(windows, rows, added, started)

    def _add_to_one(
        self, row: int, windows: range, counts: Counts, max_silent_windows: int
    ) -> Iterator[ToldColumns]:
        told: list[Told] = []
        self.bring_back(windows)
        with self.one_series(row) as now:
            for index in windows:
                told += now.add(index, counts, max_silent_windows=max_silent_windows)
        for one in told:
            of_row, errors, lines, revision = (
                np.array([number], np.int64) for number in (row, *one.counts, one.revision)
            )
            yield ToldColumns(one.window_index, of_row, errors, lines, revision, one.final)

    def _add_to_all(self, windows: range, rows: Numbers, added: Numbers, started: Any) -> None:
        """Adds to series that are told window by window, and to windows that are not final."""
        errors, lines = added
        begun = rows[~started]
        for column in (self.first, self.next_index, self.next_final, self.held):
            column[begun] = np.minimum(column[begun], windows.start)
        next_index = self.next_index[rows]
        in_time = rows[~started | (windows[-1] >= next_index)]
        self.newest[in_time] = np.maximum(self.newest[in_time], windows[-1])
        table = self.windows(windows)
        indices = np.arange(windows.start, windows.stop)[:, np.newaxis]
        late = started & (indices < next_index)
        if late.any():
            slots, places = np.nonzero(late)
            late_rows = rows[places]
            # Without lines it was told as zeros.
            is_new = table[LINES, slots, late_rows] == 0
            table[REVISION, slots[is_new], late_rows[is_new]] = 0
            table[AMENDED, slots, late_rows] = 1
            self.late_lines[rows] += late.sum(axis=0) * lines
            np.maximum.at(self.held, late_rows, windows.start + slots)
        table[ERRORS][:, rows] += errors
        table[LINES][:, rows] += lines

    def tell_due(self, last: int, max_silent_windows: int) -> Iterator[ToldColumns]:
        """Tells amended windows, and those that are over, up to `last`."""
        while True:
            due = (self.next_index <= last) & ~self.too_silent(max_silent_windows)
            if not due.any():
                return
            yield from self._tell_next(due, max_silent_windows)

    def _tell_next(self, due: Any, max_silent_windows: int) -> Iterator[ToldColumns]:
        """Tells the next window of those rows whose next one is the oldest."""
        index = int(self.next_index[due].min())
        rows = np.flatnonzero(due & (self.next_index == index))
        yield from self._tell_amended(rows)
        self.next_index[rows] = index + 1
        window = self.window(index)
        errors = lines = revisions = np.zeros(len(rows), np.int64)
        if window is not None:
            errors, lines = window[ERRORS, rows], window[LINES, rows]
            self.held[rows[lines > 0]] = index
            # Where there are no lines there is no window.
            window[REVISION, rows[lines > 0]] = 0
            window[TOLD_ERRORS, rows], window[TOLD_LINES, rows] = errors, lines
        yield ToldColumns(index, rows, errors, lines, revisions, final=False)
        for row in rows[self.too_silent(max_silent_windows)[rows]].tolist():
            with self.one_series(row) as now:
                now.end_silence()

    def _tell_amended(self, rows: Numbers) -> Iterator[ToldColumns]:
        for index, window in self.amended_windows():
            amended = rows[window[AMENDED, rows] > 0]
            window[AMENDED, amended] = 0
            told = amended[_is_changed(window, amended)]
            if len(told):
                errors, lines = window[ERRORS, told], window[LINES, told]
                revisions = window[REVISION, told] + 1
                window[REVISION, told] = revisions
                window[TOLD_ERRORS, told], window[TOLD_LINES, told] = errors, lines
                yield ToldColumns(index, told, errors, lines, revisions, final=False)

    def tell_final(self, last: int, among: Any = True) -> Iterator[ToldColumns]:
        """Tells windows up to `last` for the last time, and forgets them.

        Args:
          last: the last window that is final.
          among: a mask of rows.
        """
        while True:
            oldest = self.oldest_open()
            due = (oldest < self.next_index) & (oldest <= last) & among
            if not due.any():
                self.drop_empty_windows()
                return
            index = int(oldest[due].min())
            rows = np.flatnonzero(due & (oldest == index))
            self.bring_back([index])
            window = self.window(index)
            errors = lines = revisions = np.zeros(len(rows), np.int64)
            if window is not None:
                errors, lines = window[ERRORS, rows], window[LINES, rows]
                revisions = window[REVISION, rows] + _is_changed(window, rows)
                revisions[lines == 0] = 0
                window[:, rows] = 0
                window[REVISION, rows] = -1
            self.next_final[rows] = index + 1
            for row in self.gaps.keys() & set(rows.tolist()):
                self.gaps[row] = [gap for gap in self.gaps[row] if gap[1] > index + 1]
                if not self.gaps[row]:
                    del self.gaps[row]
            yield ToldColumns(index, rows, errors, lines, revisions, final=True)

    def put_old_windows_away(self) -> None:
        """Puts away what is hardly touched any more."""
        if len(self):
            self.put_away(int(self.next_index.max()) - _WINDOWS_AT_HAND)

    def forget_what_is_over(self, max_silent_windows: int) -> None:
        """Drops series of which nothing is left to be told until the next line."""
        started = self.next_index > self.first
        over = started & self.too_silent(max_silent_windows)
        if over.any():
            over &= (self.oldest_open() >= self.next_index) & ~self.has_windows()
            if over.any():
                self.forget(np.flatnonzero(over))

    def tell_early(self, now_ms: int, every_ms: int) -> Iterator[ToldColumns]:
        """Tells next windows before their end, if lines came since they were last told so.

        At most once in `every_ms`, by the clock.
        """
        ready = now_ms - self.early_ms >= every_ms
        for index in np.unique(self.next_index[ready]).tolist():
            window = self.window(index)
            if window is None:
                continue
            is_new = (window[LINES] > 0) & (
                (self.early_index != index)
                | (self.early_errors != window[ERRORS])
                | (self.early_lines != window[LINES])
            )
            rows = np.flatnonzero(ready & is_new & (self.next_index == index))
            if len(rows):
                errors, lines = window[ERRORS, rows], window[LINES, rows]
                self.early_ms[rows], self.early_index[rows] = now_ms, index
                self.early_errors[rows], self.early_lines[rows] = errors, lines
                revisions = np.full(len(rows), EARLY_REVISION, np.int64)
                yield ToldColumns(index, rows, errors, lines, revisions, final=False)

    def tick(self, now_ms: int, tick_ms: int) -> None:
        """Takes note that the clock is looked at, which is to be every `tick_ms`."""
        if was_away(self.tick_ms, now_ms, tick_ms):
            self.reached_ms[:] = self.line_ms[:] = now_ms
        self.tick_ms = now_ms

    def tell_where_watermark_stands_still(
        self, grid: Grid, now_ms: int, on_time_delay_ms: int, max_silent_windows: int
    ) -> Iterator[ToldColumns]:
        """Tells windows that are over though the watermark has not reached them."""
        while True:
            over_ms = now_ms - self.next_index * grid.slide_ms - on_time_delay_ms
            still_ms = np.minimum(over_ms, now_ms - self.reached_ms)
            # A window further on than any that reaches back to before the end of this one.
            newer_lines = self.newest - grid.panes_per_window >= self.next_index
            without_lines_ms = np.minimum(still_ms, now_ms - self.line_ms)
            still = np.where(
                newer_lines, still_ms >= STILL_MS, without_lines_ms >= STILL_WITHOUT_LINES_MS
            )
            due = still & ~self.too_silent(max_silent_windows)
            if not due.any():
                return
            yield from self._tell_next(due, max_silent_windows)

    def tell_final_by_clock(
        self, grid: Grid, now_ms: int, final_after_ms: int, among: Any
    ) -> Iterator[ToldColumns]:
        """Tells windows for the last time where there is no watermark.

        Args:
          grid: window and slide.
          now_ms: the clock.
          final_after_ms: so long after its end a watermark would make a window final.
          among: a mask of rows.
        """
        due_ms = now_ms - final_after_ms - STILL_WITHOUT_LINES_MS - FINAL_MARGIN_MS
        return self.tell_final(due_ms // grid.slide_ms, among)


def _is_changed(window: Numbers, rows: Numbers) -> Any:
    """In which rows the result is not the one that was told last."""
    errors, lines = window[ERRORS, rows], window[LINES, rows]
    # Lines where there was no input change what a count of 0 means.
    other_zero = (errors == 0) & ((lines > 0) != (window[TOLD_LINES, rows] > 0))
    return (window[REVISION, rows] < 0) | (errors != window[TOLD_ERRORS, rows]) | other_zero
