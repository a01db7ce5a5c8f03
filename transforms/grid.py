"""Arithmetic of panes and windows on the epoch-aligned grid.

A pane is one slide long: pane `p` is [p * slide, (p + 1) * slide). Windows end on the
same grid: window `e` is [e * slide - window, e * slide), so it is the sum of the panes
e - n to e - 1, with n = window / slide. All indices are integers and negative before 1970.
"""

from __future__ import annotations

import dataclasses
import functools


@dataclasses.dataclass(frozen=True)
class Grid:
    """Window and slide of a job, in whole seconds; the slide divides the window."""

    window_seconds: int
    slide_seconds: int

    def __post_init__(self) -> None:
        if self.slide_seconds <= 0 or self.window_seconds <= 0:
            raise ValueError(f"window and slide must be positive: {self}")
        if self.window_seconds % self.slide_seconds:
            raise ValueError(f"the slide must divide the window: {self}")

    @functools.cached_property
    def slide_ms(self) -> int:
        """Length of a pane in milliseconds."""
        return self.slide_seconds * 1000

    @functools.cached_property
    def window_ms(self) -> int:
        """Length of a window in milliseconds."""
        return self.window_seconds * 1000

    @functools.cached_property
    def panes_per_window(self) -> int:
        """How many panes make a window."""
        return self.window_seconds // self.slide_seconds

    def pane_of(self, event_time_ms: int) -> int:
        """The index of the pane that holds an event time (milliseconds since the epoch)."""
        return event_time_ms // self.slide_ms

    def pane_end_ms(self, pane: int) -> int:
        """Exclusive end of a pane, milliseconds since the epoch."""
        return (pane + 1) * self.slide_ms

    def windows_of(self, pane: int) -> range:
        """The indices of the windows that hold a pane, the oldest first."""
        return range(pane + 1, pane + 1 + self.panes_per_window)

    def window_start_ms(self, window_index: int) -> int:
        """Inclusive start of window `window_index`, milliseconds since the epoch."""
        return window_index * self.slide_ms - self.window_ms

    def window_end_ms(self, window_index: int) -> int:
        """Exclusive end of window `window_index`, milliseconds since the epoch."""
        return window_index * self.slide_ms
