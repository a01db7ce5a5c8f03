"""Decides which lines come too late, once for all series, without Beam.

A pane is closed when its oldest window, the one that ends where the pane does, is final. A line
of a closed pane is counted in none of its windows; a line of an open pane is counted in all of
them. So every error line is either counted or too late as a whole.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from transforms.clock import was_away
from transforms.grid import Grid
from transforms.timing import Timing


@dataclasses.dataclass
class PaneGate:
    """Panes by their index on the grid.

    Attributes:
      closed: all panes up to this one are closed; None: none is.
      next_pane: the pane that is closed next.
      newest: the newest pane that holds a line.
      reached_ms: when there last was a watermark for certain, by the clock.
      tick_ms: when the clock was last looked at.
      probed_ms: when it was last asked whether there is a watermark.
    """

    closed: int | None
    next_pane: int
    newest: int
    reached_ms: int
    tick_ms: int = 0
    probed_ms: int = 0

    @classmethod
    def begin(cls, pane: int, now_ms: int) -> PaneGate:
        """The state before the first line, which falls in `pane`."""
        return cls(None, pane, pane, now_ms, now_ms)

    @classmethod
    def from_state(cls, stored: tuple[Any, ...]) -> PaneGate:
        """The state that `to_state` gave."""
        return cls(*stored)

    def to_state(self) -> tuple[Any, ...]:
        """The state as plain values."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def is_closed(self, pane: int, max_silent_panes: int) -> bool:
        """Whether lines of the pane are too late.

        Before any pane is closed, lines that are older than the first by more than the longest
        silence are too late as well: a forged time must not open the panes of years.
        """
        if self.closed is None:
            return pane < self.next_pane - max_silent_panes
        return pane <= self.closed

    def saw(self, pane: int, max_silent_panes: int) -> None:
        """Takes note of an open pane that holds a line."""
        if self.is_silent(max_silent_panes) and pane > self.next_pane:
            # After a long silence nothing was open.
            self.next_pane = pane
        else:
            self.next_pane = min(self.next_pane, pane)
        self.newest = max(self.newest, pane)

    def tick(self, now_ms: int, tick_ms: int) -> bool:
        """Takes note that the clock is looked at, which is to be every `tick_ms`.

        Returns:
          Whether the job was away before.
        """
        away = was_away(self.tick_ms, now_ms, tick_ms)
        if away:
            # The watermark has not had the time to come.
            self.reached_ms = now_ms
        self.tick_ms = now_ms
        return away

    def close_next(self) -> None:
        """Closes the next pane, and with it all before."""
        self.closed = self.next_pane
        self.next_pane += 1

    def is_silent(self, max_silent_panes: int) -> bool:
        """Whether no line came for so long that nothing needs closing."""
        return self.next_pane > self.newest + max_silent_panes


def closes_at_ms(grid: Grid, pane: int, timing: Timing) -> int:
    """The event time at which a pane closes: when its oldest window is final."""
    return grid.pane_end_ms(pane) + timing.on_time_delay_ms + timing.allowed_lateness_ms
