"""Series that are kept together, without Beam: one state for many, read and written in one go.

What is needed again and again, the windows that are not over or were told a moment ago, is kept
apart from the windows that only late lines and their own end will touch: there may be an hour of
those, and they are read and written once a slide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transforms.settling import Settling, StoredWindow

Away = dict[str, dict[int, StoredWindow]]
# As many as late lines mostly fall in.
_WINDOWS_AT_HAND = 6


class SettlingGroup:
    """The series of a group, by name.

    Attributes:
      series: all of them; new ones are put there.
      away_changed: whether what is put away has to be stored again.
    """

    def __init__(
        self, stored: dict[str, tuple[Any, ...]] | None, read_away: Callable[[], Away | None]
    ) -> None:
        """Takes up what `to_state` gave; what is put away is read when it is needed."""
        self.series = {name: Settling.from_state(values) for name, values in (stored or {}).items()}
        self._read_away = read_away
        self._away: Away | None = None
        self.away_changed = False

    def drop(self, name: str) -> None:
        """Forgets a series."""
        del self.series[name]
        if self.away.pop(name, None) is not None:
            self.away_changed = True

    def put_away(self, name: str) -> None:
        """Keeps windows apart that are hardly touched any more."""
        windows = self.series[name].put_away(_WINDOWS_AT_HAND)
        if windows:
            self.away.setdefault(name, {}).update(windows)
            self.away_changed = True

    def bring_back(self, name: str, index: int) -> None:
        """Brings a window back that may be put away."""
        now = self.series[name]
        if not now.may_be_away(index):
            return
        windows = self.away.get(name, {})
        window = windows.pop(index, None)
        if window is not None:
            self.away_changed = True
            now.windows[index] = window
            if not windows:
                del self.away[name]

    @property
    def away(self) -> Away:
        """What is put away, by series and window."""
        if self._away is None:
            stored = self._read_away() or {}
            self._away = {name: dict(windows) for name, windows in stored.items()}
        return self._away

    def to_state(self) -> dict[str, tuple[Any, ...]]:
        """The series as plain values, but for what is put away."""
        return {name: now.to_state() for name, now in self.series.items()}
