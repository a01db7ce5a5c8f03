"""Counts that change with every line, told once a second."""

from __future__ import annotations

import threading

from benchmarks.peers.protocol import tell

_SECONDS = 1.0


class Latest:
    """Keeps the newest count of every window, and tells from a thread those that changed."""

    def __init__(self) -> None:
        self._changed: dict[tuple[int, str], int] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._tell_all, daemon=True).start()

    def take(self, end_ms: int, count: int, key: str = "") -> None:
        """A new count of a window."""
        with self._lock:
            self._changed[end_ms, key] = count

    def _tell_all(self) -> None:
        while True:
            threading.Event().wait(_SECONDS)
            with self._lock:
                changed, self._changed = self._changed, {}
            for (end_ms, key), count in changed.items():
                tell(end_ms, count, key)
