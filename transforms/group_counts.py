"""What a bundle adds to series, by group of series and pane: the step between gate and windows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from transforms.key_bound import OTHER
from transforms.series import TOTAL, group_of_series, series_of_key

GroupCounts = tuple[tuple[int, tuple[str, ...], tuple[int, ...], tuple[int, ...]], ...]
"""What was added to series of one group, the oldest pane first: index of the pane on the grid, then
column by column series, error lines and lines. Plain values, because there may be very many."""

_Columns = tuple[list[str], list[int], list[int]]


class GroupSums:
    """Collects what keys counted, for the total and for the series of each key.

    Attributes:
      lines_of_others: lines of keys that have no series of their own, so far.
    """

    def __init__(self, own: Collection[str] | None) -> None:
        """Begins with nothing; `own` are the keys with series of their own, None: no grouping."""
        self._own = own
        self._total: dict[int, list[int]] = {}
        self._groups: dict[str, dict[int, _Columns]] = {}
        self.lines_of_others = 0

    def add(
        self,
        pane: int,
        keys: Sequence[str | None],
        errors: Sequence[int],
        lines: Sequence[int],
    ) -> None:
        """Adds what each key counted in a pane."""
        if not keys:
            return
        total = self._total.setdefault(pane, [0, 0])
        total[0] += sum(errors)
        total[1] += sum(lines)
        own = self._own
        if own is None:
            return
        other_errors = other_lines = 0
        for key, key_errors, key_lines in zip(keys, errors, lines, strict=True):
            if key is not None and key in own:
                self._add(pane, series_of_key(key), key_errors, key_lines)
            else:
                other_errors += key_errors
                other_lines += key_lines
        if other_lines:
            self._add(pane, series_of_key(OTHER), other_errors, other_lines)
            self.lines_of_others += other_lines

    def _add(self, pane: int, series: str, errors: int, lines: int) -> None:
        panes = self._groups.setdefault(group_of_series(series), {})
        columns = panes.get(pane)
        if columns is None:
            columns = panes[pane] = ([], [], [])
        columns[0].append(series)
        columns[1].append(errors)
        columns[2].append(lines)

    def by_group(self) -> Iterator[tuple[str, GroupCounts]]:
        """What was added, by name of the group."""
        if self._total:
            yield (
                TOTAL,
                tuple(
                    (pane, (TOTAL,), (errors,), (lines,))
                    for pane, (errors, lines) in sorted(self._total.items())
                ),
            )
        for group, panes in self._groups.items():
            yield (
                group,
                tuple(
                    (pane, tuple(names), tuple(errors), tuple(lines))
                    for pane, (names, errors, lines) in sorted(panes.items())
                ),
            )
