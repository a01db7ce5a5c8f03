"""What a bundle adds to series, by group of series and pane: the step between gate and windows."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from transforms.key_bound import OTHER
from transforms.series import TOTAL, group_of_series, series_of_key

_OfPane = tuple[int, tuple[str, ...], tuple[int, ...], tuple[int, ...]]

GroupCounts = tuple[_OfPane, ...]
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
        # Of each pane, and in it of each group.
        self._groups: dict[int, dict[str, _Columns]] = defaultdict(_new_groups)
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
        groups = self._groups[pane]
        other_errors = other_lines = 0
        for key, key_errors, key_lines in zip(keys, errors, lines, strict=True):
            if key in own:
                group, series = _place_of(key)
                of_names, of_errors, of_lines = groups[group]
                of_names.append(series)
                of_errors.append(key_errors)
                of_lines.append(key_lines)
            else:
                other_errors += key_errors
                other_lines += key_lines
        if other_lines:
            group, series = _place_of(OTHER)
            of_names, of_errors, of_lines = groups[group]
            of_names.append(series)
            of_errors.append(other_errors)
            of_lines.append(other_lines)
            self.lines_of_others += other_lines

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
        by_group: dict[str, list[_OfPane]] = {}
        for pane, groups in sorted(self._groups.items()):
            for group, (names, errors, lines) in groups.items():
                of_pane: _OfPane = pane, tuple(names), tuple(errors), tuple(lines)
                by_group.setdefault(group, []).append(of_pane)
        for group, of_group in by_group.items():
            yield group, tuple(of_group)


def _new_groups() -> dict[str, _Columns]:
    return defaultdict(lambda: ([], [], []))


# Keys come again and again.
@functools.lru_cache(maxsize=20_000)
def _place_of(key: str) -> tuple[str, str]:
    """The group of a key and its series."""
    series = series_of_key(key)
    return group_of_series(series), series
