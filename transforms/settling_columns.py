"""State of many series column by column: what is the same for all of them is one step for all.

A row is a series, by its place in `names`; a column is a number of every series. The numbers of a
window are columns too. A window is at hand, or it is put away as bytes, which are added to what is
put away without reading it, and not looked into until the window is needed; never both. There may
be an hour of windows that only late lines and their own end will touch.
"""

from __future__ import annotations

import bisect
import contextlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from transforms.packed import Numbers, pack, unpack
from transforms.settling import Settling

Parcel = tuple[int, bytes]
"""A window that is put away: its index, and its columns with the names of the rows, pickled."""

StoredColumns = tuple[Any, ...]
"""State as plain values."""

# Of a window: as in `transforms.settling.StoredWindow`, and whether it is amended. Only a window
# that a row has lines in is a window of that row.
ERRORS, LINES, REVISION, TOLD_ERRORS, TOLD_LINES, AMENDED = range(6)
_OF_WINDOW = 6

_OF_SERIES = (
    *("first", "next_index", "next_final", "newest", "held"),
    *("skipped", "late_lines", "too_late_lines"),
)
_OF_CLOCK = (
    *("reached_ms", "line_ms", "probed_ms"),
    *("early_ms", "early_index", "early_errors", "early_lines"),
)
_PLACES = {name: place for place, name in enumerate(_OF_SERIES + _OF_CLOCK)}


def _column(name: str) -> Any:
    place = _PLACES[name]
    return property(lambda self: self._values[place])


class SettlingColumns:
    """Series by name, and their windows.

    Attributes:
      names: of the series.
      indices: the windows that are at hand, the oldest first.
      gaps: of the rows that have any, as in `Settling`.
      away_before: windows before this one may be put away.
      put: what was put away, to be kept beside what is there already.
      tick_ms: when the clock was last looked at, by the clock.

    Of every series, as columns: those of `Settling`, and by the clock
      reached_ms: when there last was a watermark for certain.
      line_ms: when a line last came.
      probed_ms: when it was last asked whether there is a watermark.
      early_ms: when a window was last told early.
      early_index, early_errors, early_lines: what that was.
    """

    first: Numbers = _column("first")
    next_index: Numbers = _column("next_index")
    next_final: Numbers = _column("next_final")
    newest: Numbers = _column("newest")
    held: Numbers = _column("held")
    skipped: Numbers = _column("skipped")
    late_lines: Numbers = _column("late_lines")
    too_late_lines: Numbers = _column("too_late_lines")
    reached_ms: Numbers = _column("reached_ms")
    line_ms: Numbers = _column("line_ms")
    probed_ms: Numbers = _column("probed_ms")
    early_ms: Numbers = _column("early_ms")
    early_index: Numbers = _column("early_index")
    early_errors: Numbers = _column("early_errors")
    early_lines: Numbers = _column("early_lines")

    def __init__(
        self, stored: StoredColumns | None, read_away: Callable[[], Iterable[Parcel]]
    ) -> None:
        """Takes up what `to_state` gave; what is put away is read when it is needed."""
        self.names: list[str] = []
        self._values: Numbers = np.zeros((len(_PLACES), 0), np.int64)
        self.indices: list[int] = []
        # By kind of number, window and row.
        self._table = _new_windows(0, 0)
        self.gaps: dict[int, list[tuple[int, int]]] = {}
        self.away_before = self.tick_ms = 0
        if stored is not None:
            names, values, indices, table, self.gaps, self.away_before, self.tick_ms = stored
            self.names += names
            self._values = np.stack([unpack(column) for column in values])
            self.indices += indices
            shape = _OF_WINDOW, len(indices), len(names)
            self._table = np.stack([unpack(of_kind) for of_kind in table]).reshape(shape)
        self.put: list[Parcel] = []
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._read_away = read_away
        self._away: list[Parcel] | None = None
        self._brought_back = False

    def __len__(self) -> int:
        """How many series there are."""
        return len(self.names)

    def tallies(self) -> Numbers:
        """Of all series: skipped windows, late lines and lines that were too late, so far."""
        return np.array([self.skipped.sum(), self.late_lines.sum(), self.too_late_lines.sum()])

    def rows_of(self, names: Sequence[str], index: int, now_ms: int) -> Numbers:
        """The rows of series; those that are new begin with the window `index`."""
        new = [name for name in dict.fromkeys(names) if name not in self._rows]
        if new:
            self._begin(new, index, now_ms)
        return np.fromiter(map(self._rows.__getitem__, names), np.int64, len(names))

    def _begin(self, names: Sequence[str], index: int, now_ms: int) -> None:
        for row, name in enumerate(names, start=len(self.names)):
            self._rows[name] = row
        self.names += names
        values = np.zeros((len(_PLACES), len(names)), np.int64)
        for name in ("first", "next_index", "next_final", "newest", "held"):
            values[_PLACES[name]] = index
        for name in ("reached_ms", "line_ms"):
            values[_PLACES[name]] = now_ms
        self._values = np.concatenate([self._values, values], axis=1)
        begun = _new_windows(len(self.indices), len(names))
        self._table = np.concatenate([self._table, begun], axis=2)

    def forget(self, rows: Numbers) -> None:
        """Drops series that have no windows."""
        kept = np.ones(len(self.names), bool)
        kept[rows] = False
        places = np.flatnonzero(kept).tolist()
        now_at = {before: row for row, before in enumerate(places)}
        self.gaps = {now_at[row]: gaps for row, gaps in self.gaps.items() if row in now_at}
        self.names = [self.names[row] for row in places]
        self._rows = {name: row for row, name in enumerate(self.names)}
        self._values = self._values[:, kept]
        self._table = self._table[:, :, kept]

    def windows(self, indices: range) -> Numbers:
        """The columns of windows that follow each other: by kind of number, window and row.

        Those that are put away are brought back, and those that no row has lines in begun. A view
        until the next call.
        """
        self.bring_back(indices)
        missing = sorted(set(indices).difference(self.indices))
        if missing:
            self._insert(missing, _new_windows(len(missing), len(self.names)))
        start = bisect.bisect_left(self.indices, indices.start)
        return self._table[:, start : start + len(indices)]

    def window(self, index: int) -> Numbers | None:
        """The columns of a window that is at hand: by kind of number and row; None if it is not."""
        slot = bisect.bisect_left(self.indices, index)
        if self.indices[slot : slot + 1] != [index]:
            return None
        return self._table[:, slot]

    def amended_windows(self) -> Iterator[tuple[int, Numbers]]:
        """Windows that are amended in any row, the oldest first: their indices and columns."""
        for slot in np.flatnonzero(self._table[AMENDED].any(axis=1)).tolist():
            yield self.indices[slot], self._table[:, slot]

    def _insert(self, indices: Sequence[int], windows: Numbers) -> None:
        together = np.array([*self.indices, *indices], np.int64)
        self._table = np.concatenate([self._table, windows], axis=1)
        if self.indices and indices[0] < self.indices[-1]:
            order = np.argsort(together)
            together, self._table = together[order], self._table[:, order]
        self.indices = together.tolist()

    def _drop(self, dropped: Any) -> None:
        """Drops windows: a mask."""
        self._table = self._table[:, ~dropped]
        self.indices = [
            index for index, gone in zip(self.indices, dropped.tolist(), strict=True) if not gone
        ]

    def drop_empty_windows(self) -> None:
        """Drops windows that no row has lines in any more."""
        empty = ~self._table[LINES].any(axis=1)
        if empty.any():
            self._drop(empty)

    def has_windows(self) -> Any:
        """Which rows have lines in a window that is at hand: a mask."""
        return self._table[LINES].any(axis=0)

    def put_away(self, before: int) -> None:
        """Puts windows away before one; those that are not told, or amended, stay at hand."""
        self.away_before = max(self.away_before, before)
        old = bisect.bisect_left(self.indices, before)
        gone = np.zeros(len(self.indices), bool)
        for slot, index in enumerate(self.indices[:old]):
            window = self._table[:, slot]
            rows = np.flatnonzero(window[LINES])
            if window[AMENDED].any() or (self.next_index[rows] <= index).any():
                continue
            names = tuple(self.names[row] for row in rows.tolist())
            columns = tuple(pack(column) for column in window[:AMENDED, rows])
            parcel = index, pickle.dumps((names, columns), pickle.HIGHEST_PROTOCOL)
            self.put.append(parcel)
            if self._away is not None:
                self._away.append(parcel)
            gone[slot] = True
        if gone.any():
            self._drop(gone)

    def bring_back(self, indices: Iterable[int]) -> None:
        """Brings those of some windows back that are put away."""
        wanted = {index for index in indices if index < self.away_before}
        wanted.difference_update(self.indices)
        if not wanted:
            return
        if self._away is None:
            self._away = [*self._read_away(), *self.put]
        found = sorted(parcel for parcel in self._away if parcel[0] in wanted)
        if not found:
            return
        self._brought_back = True
        self._away = [parcel for parcel in self._away if parcel[0] not in wanted]
        windows = _new_windows(len(found), len(self.names))
        for slot, (_, data) in enumerate(found):
            # The state is the job's own.
            names, columns = pickle.loads(data)  # noqa: S301
            rows = [self._rows[name] for name in names]
            windows[:AMENDED, slot, rows] = [unpack(column) for column in columns]
        self._insert([index for index, _ in found], windows)

    def rewritten_away(self) -> list[Parcel] | None:
        """All that is put away, if something was brought back; else None: `put` is new."""
        return self._away if self._brought_back else None

    @contextlib.contextmanager
    def one_series(self, row: int) -> Iterator[Settling]:
        """One series by itself, with the windows that are at hand; takes in what is done to it."""
        values = self._values[: len(_OF_SERIES), row].tolist()
        columns = zip(self.indices, self._table[:, :, row].T.tolist(), strict=True)
        before = {index: tuple(numbers) for index, numbers in columns if numbers[LINES]}
        now = Settling(*values)
        now.windows = {index: numbers[:AMENDED] for index, numbers in before.items()}
        now.amended = [index for index, numbers in before.items() if numbers[AMENDED]]
        now.gaps = self.gaps.get(row, [])
        yield now
        self._values[: len(_OF_SERIES), row] = [getattr(now, name) for name in _OF_SERIES]
        for index, window in now.windows.items():
            numbers = (*window, int(index in now.amended))
            if before.get(index) != numbers:
                self.windows(range(index, index + 1))[:, 0, row] = numbers
        if now.gaps:
            self.gaps[row] = now.gaps
        else:
            self.gaps.pop(row, None)

    def to_state(self) -> StoredColumns:
        """The state as plain values, but for what is put away."""
        return (
            tuple(self.names),
            [pack(column) for column in self._values],
            tuple(self.indices),
            [pack(of_kind.reshape(-1)) for of_kind in self._table],
            self.gaps,
            self.away_before,
            self.tick_ms,
        )


def _new_windows(windows: int, rows: int) -> Numbers:
    table = np.zeros((_OF_WINDOW, windows, rows), np.int64)
    table[REVISION] = -1
    return table
