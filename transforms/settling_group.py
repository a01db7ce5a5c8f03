"""Series that are kept together, without Beam: one state for many, read and written in one go.

What is needed again and again, the windows that are not over or were told a moment ago, is kept
apart from the windows that only late lines and their own end will touch. There may be an hour of
those, of very many series: they are put away as bytes, those of a window together, which are added
without reading what is there, and not looked into until their window is needed.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import Any

from transforms.settling import Settling, StoredWindow

Parcel = tuple[int, bytes]
"""Windows that are put away: their index, and the window of each series by name, pickled."""

# As many as late lines mostly fall in.
_WINDOWS_AT_HAND = 6


class SettlingGroup:
    """The series of a group, by name.

    Attributes:
      series: all of them; new ones are put there.
      put: what was put away, to be kept beside what is there already.
    """

    def __init__(
        self, stored: dict[str, tuple[Any, ...]] | None, read_away: Callable[[], Iterable[Parcel]]
    ) -> None:
        """Takes up what `to_state` gave; what is put away is read when it is needed."""
        self.series = {name: Settling.from_state(values) for name, values in (stored or {}).items()}
        self.put: list[Parcel] = []
        self._read_away = read_away
        self._away: list[Parcel] | None = None
        self._brought_back = False

    def put_away(self) -> None:
        """Keeps windows apart that are hardly touched any more."""
        away: dict[int, dict[str, StoredWindow]] = {}
        for name, now in self.series.items():
            for index, window in now.put_away(_WINDOWS_AT_HAND).items():
                away.setdefault(index, {})[name] = window
        for index, windows in away.items():
            parcel = index, pickle.dumps(windows, pickle.HIGHEST_PROTOCOL)
            self.put.append(parcel)
            if self._away is not None:
                self._away.append(parcel)

    def bring_back(self, name: str, index: int) -> None:
        """Brings a window back that may be put away, and those of other series with it."""
        if not self.series[name].may_be_away(index):
            return
        if self._away is None:
            self._away = [*self._read_away(), *self.put]
        found = [windows for at, windows in self._away if at == index]
        if not found:
            return
        self._brought_back = True
        self._away = [parcel for parcel in self._away if parcel[0] != index]
        for windows in found:
            # The state is the job's own.
            for one, window in pickle.loads(windows).items():  # noqa: S301
                self.series[one].windows[index] = window

    def rewritten_away(self) -> list[Parcel] | None:
        """All that is put away, if something was brought back; else None: `put` is new."""
        return self._away if self._brought_back else None

    def to_state(self) -> dict[str, tuple[Any, ...]]:
        """The series as plain values, but for what is put away."""
        return {name: now.to_state() for name, now in self.series.items()}
