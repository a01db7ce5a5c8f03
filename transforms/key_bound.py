"""A bound on distinct keys, so that a forged field cannot eat the memory."""

from __future__ import annotations

from collections.abc import Iterable

OTHER = "other"
"""The key of the series that all keys beyond the bound share."""


class KeyBound:
    """Which keys have series of their own.

    Attributes:
      last_panes: key to the newest pane that holds a line of it.
      changed: whether `last_panes` was changed.
    """

    def __init__(self, max_keys: int, last_panes: dict[str, int]) -> None:
        """Takes up where `last_panes` was left."""
        self._max_keys = max_keys
        self.last_panes = dict(last_panes)
        self.changed = False

    def admit(self, keys: Iterable[str], pane: int, closed: int | None) -> None:
        """Gives keys series while there is room; those whose panes are all closed make room.

        Args:
          keys: of lines.
          pane: that the lines fell in.
          closed: the newest pane that is closed.
        """
        last_panes = self.last_panes
        for key in keys:
            last = last_panes.get(key)
            if last is None:
                self._admit_new(key, pane, closed)
                last_panes = self.last_panes
            elif pane > last:
                last_panes[key] = pane
                self.changed = True

    def _admit_new(self, key: str, pane: int, closed: int | None) -> None:
        if len(self.last_panes) >= self._max_keys and closed is not None:
            kept = {one: last for one, last in self.last_panes.items() if last > closed}
            self.changed = self.changed or len(kept) < len(self.last_panes)
            self.last_panes = kept
        if len(self.last_panes) < self._max_keys:
            self.last_panes[key] = pane
            self.changed = True
