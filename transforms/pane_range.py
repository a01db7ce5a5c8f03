"""Which windows a backfill tells: those that lie wholly in a range of event time.

    range                 [--------------------------------)
    panes        |     |     |     |     |     |     |     |     |
    first pane              ^                       last   ^ stop
    first window            [-----------------)
    last window                         [------------------)

Lines before it are no part of any count. But zeros follow a line for a while, so that a window
without lines may be told because of one of them.
"""

from __future__ import annotations

from typing import NamedTuple

from transforms.grid import Grid


class PaneRange(NamedTuple):
    """Panes by their index on the grid.

    Attributes:
      first: the first whose lines are counted; None: there is no first one.
      stop: the first after it whose lines are not; None: there is none.
    """

    first: int | None = None
    stop: int | None = None

    @classmethod
    def of_times(cls, grid: Grid, from_ms: int | None, to_ms: int | None) -> PaneRange:
        """The panes that lie wholly in [from, to), milliseconds since the epoch."""
        return cls(
            None if from_ms is None else -(-from_ms // grid.slide_ms),
            None if to_ms is None else to_ms // grid.slide_ms,
        )

    @property
    def is_bounded(self) -> bool:
        """Whether there is a bound at all."""
        return self.first is not None or self.stop is not None

    def holds(self, pane: int) -> bool:
        """Whether lines of a pane are counted."""
        first, stop = self
        return (first is None or first <= pane) and (stop is None or pane < stop)

    def told(self, grid: Grid, windows: range) -> range:
        """Those of some windows that lie wholly in the range."""
        first, last = self.first_window(grid), self.last_window
        return range(
            windows.start if first is None else max(windows.start, first),
            windows.stop if last is None else min(windows.stop, last + 1),
        )

    def first_ms(self, grid: Grid) -> int | None:
        """Where the first pane begins, milliseconds since the epoch."""
        return None if self.first is None else self.first * grid.slide_ms

    def stop_ms(self, grid: Grid) -> int | None:
        """Where the last pane ends, milliseconds since the epoch."""
        return None if self.stop is None else self.stop * grid.slide_ms

    def first_window(self, grid: Grid) -> int | None:
        """The window that begins with the first pane."""
        return None if self.first is None else self.first + grid.panes_per_window

    @property
    def last_window(self) -> int | None:
        """The window that ends with the last pane."""
        return self.stop


EVERY_PANE = PaneRange()
