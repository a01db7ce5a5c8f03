"""A series by itself, from its first line until all is final: the rules in plain Python.

What `Settling` leaves to the group that a series is in is written out here once more, one window
after the other, so that a group can be compared with it.
"""

from __future__ import annotations

from transforms.panes import Counts
from transforms.settling import Settling, Told

NOTHING = Counts(0, 0)


class OneSeries(Settling):
    """A series whose windows are all at hand."""

    @classmethod
    def begin(cls, index: int) -> OneSeries:
        """The state before the first line, which falls in window `index`."""
        return cls(index, index, index, index, index)

    def tell_next(self, max_silent_windows: int) -> list[Told]:
        """Tells amended windows, and the next one, which is over."""
        told = self.tell_amended()
        index = self.next_index
        self.next_index = index + 1
        if index in self.windows:
            self.held = index
            errors, lines, *_ = self.windows[index]
            self.windows[index] = (errors, lines, 0, errors, lines)
            told.append(Told(index, Counts(errors, lines), 0, final=False))
        else:
            told.append(Told(index, NOTHING, 0, final=False))
        if self.is_too_silent(max_silent_windows):
            self.end_silence()
        return told

    def oldest_open(self) -> int:
        """The oldest window that is not final."""
        index = self.next_final
        for start, stop in self.gaps:
            if start <= index < stop:
                index = stop
        return index

    def tell_final(self) -> list[Told]:
        """Tells the oldest window that is not final for the last time, and forgets it."""
        index = self.oldest_open()
        if index >= self.next_index:
            return []
        self.next_final = index + 1
        self.gaps = [gap for gap in self.gaps if gap[1] > self.next_final]
        if index in self.amended:
            self.amended.remove(index)
        if index not in self.windows:
            return [Told(index, NOTHING, 0, final=True)]
        errors, lines, revision, told_errors, told_lines = self.windows.pop(index)
        is_told = (errors, lines > 0) == (told_errors, told_lines > 0) or (
            errors == told_errors and errors > 0
        )
        if revision < 0 or not is_told:
            revision += 1
        return [Told(index, Counts(errors, lines), revision, final=True)]

    def is_over(self, max_silent_windows: int) -> bool:
        """Whether nothing is left to be told until the next line."""
        over = self.started and self.is_too_silent(max_silent_windows)
        return over and not self.windows and self.oldest_open() >= self.next_index
