"""What a reader of results keeps: one revision per window, whatever was written twice.

The live job writes every result at least once: after a fault some come again, and in another
order. Which of two is kept depends on the two only, so that every order ends in the same table.
"""

from __future__ import annotations

import json
import re
from typing import Any

from transforms.results import json_line

# What is printed as it is, and compared as text, must be what we write.
_TIME = re.compile(r"\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)
_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "job": (str,),
    "key": (str, type(None)),
    "window_start": (str,),
    "window_end": (str,),
    "count": (int,),
    "revision": (int,),
    "final": (bool,),
    "silence": (str, type(None)),
}

_Place = tuple[int, str, bool, str, str]


class ResultTable:
    """The kept result of every window: the one that knows most (`rank`)."""

    def __init__(self, limit: int | None = None) -> None:
        """Makes an empty table.

        Args:
          limit: keep at least so many newest ids, and let older ones go; results older than
            those are then ignored. None: keep all.
        """
        self._limit = limit
        self._kept: dict[str, dict[str, Any]] = {}
        self._oldest: _Place | None = None

    def add(self, result: dict[str, Any]) -> bool:
        """Takes in a result (`parse_result`); returns whether it changed what is kept."""
        if self._oldest is not None and _place(result) < self._oldest:
            return False
        kept = self._kept.get(result["id"])
        if kept is not None and rank(result) <= rank(kept):
            return False
        self._kept[result["id"]] = result
        if self._limit is not None and len(self._kept) > 2 * self._limit:
            newest = self.settled()[-self._limit :]
            self._kept = {one["id"]: one for one in newest}
            self._oldest = _place(newest[0])
        return True

    def settled(self) -> list[dict[str, Any]]:
        """The kept results, ordered by window end and then by key, the total first."""
        return sorted(self._kept.values(), key=_place)


def parse_result(line: bytes) -> dict[str, Any] | None:
    """The result of one JSON line, or None if it is none; unknown fields stay."""
    try:
        result = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(result, dict):
        return None
    # Not isinstance: a bool would pass for an int.
    if any(type(result.get(name, ...)) not in types for name, types in _TYPES.items()):
        return None
    times = (result["window_start"], result["window_end"])
    return result if all(_TIME.fullmatch(time) for time in times) else None


def settled_form(result: dict[str, Any]) -> dict[str, Any]:
    """A final result as a read that ends tells it, which does not know how often it was amended."""
    return result | {"revision": 0}


def to_line(result: dict[str, Any]) -> str:
    """The JSON line of a parsed result, as the job writes it."""
    return json_line(result)


def rank(result: dict[str, Any]) -> tuple[int, bool, bool, int]:
    """Of results with one id, the highest by this is the right one.

    Lines only add, so the higher count knows more, and a window with input more than one
    without. Revisions alone would not do: after a fault the job counts on from its last
    checkpoint, and may then tell in one revision what it had told in two.
    """
    return result["count"], result["silence"] != "no_input", result["final"], result["revision"]


def time_order(time: str) -> tuple[int, str]:
    """What times of results are ordered by."""
    # Without the Z, so that a whole second comes before its milliseconds.
    moment = time.removesuffix("Z")
    return moment.index("-"), moment


def _place(result: dict[str, Any]) -> _Place:
    year_digits, end = time_order(result["window_end"])
    return year_digits, end, result["key"] is not None, result["key"] or "", result["id"]
