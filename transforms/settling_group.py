"""Series that are kept together, without Beam: one state for many, read and written in one go.

What is needed again and again, the windows that are not over or were told a moment ago, is kept
apart from the windows that only late lines and their own end will touch: there may be an hour of
those, and they are read and written once a slide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from transforms.settling import Settling, StoredWindow

Away = dict[str, dict[int, StoredWindow]]
# As many as late lines mostly fall in.
_WINDOWS_AT_HAND = 6


class SettlingGroup:
    """The series of a group.

    Attributes:
      away_changed: whether what is put away has to be stored again.
    """

    def __init__(
        self, stored: dict[str, tuple[Any, ...]] | None, read_away: Callable[[], Away | None]
    ) -> None:
        """Takes up what `to_state` gave; what is put away is read when it is needed."""
        self._series = dict(stored or {})
        self._read_away = read_away
        self._away: Away | None = None
        self.away_changed = False

    def __bool__(self) -> bool:
        """Whether there are any series."""
        return bool(self._series)

    def get(self, series: str) -> Settling | None:
        """A series as it was last put; None if it is not known."""
        stored = self._series.get(series)
        return None if stored is None else Settling.from_state(stored)

    def all(self) -> Iterator[tuple[str, Settling]]:
        """All series; they may be put and dropped meanwhile."""
        for series, stored in list(self._series.items()):
            yield series, Settling.from_state(stored)

    def put(self, series: str, now: Settling) -> None:
        """Keeps the state of a series."""
        self._series[series] = now.to_state()

    def drop(self, series: str) -> None:
        """Forgets a series."""
        del self._series[series]
        if self.away.pop(series, None) is not None:
            self.away_changed = True

    def put_away(self, series: str, now: Settling) -> None:
        """Keeps windows apart that are hardly touched any more."""
        windows = now.put_away(_WINDOWS_AT_HAND)
        if windows:
            self.away.setdefault(series, {}).update(windows)
            self.away_changed = True

    def bring_back(self, series: str, now: Settling, index: int) -> None:
        """Brings a window back that may be put away."""
        if now.may_be_away(index):
            windows = self.away.get(series, {})
            window = windows.pop(index, None)
            if window is not None:
                self.away_changed = True
                now.bring_back(index, window)
                if not windows:
                    del self.away[series]

    @property
    def away(self) -> Away:
        """What is put away, by series and window."""
        if self._away is None:
            stored = self._read_away() or {}
            self._away = {series: dict(windows) for series, windows in stored.items()}
        return self._away

    def to_state(self) -> dict[str, tuple[Any, ...]]:
        """The series as plain values, but for what is put away."""
        return self._series
