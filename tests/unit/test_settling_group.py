"""Series of a group: together they tell what each by itself does, wherever windows are kept."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.one_series import OneSeries
from transforms import settling_group
from transforms.grid import Grid
from transforms.panes import Counts
from transforms.series import TOTAL, group_of_series, series_of_key
from transforms.settling import Told
from transforms.settling_columns import LINES, Parcel
from transforms.settling_group import STILL_MS, SettlingGroup, ToldColumns
from transforms.timing import FINAL_MARGIN_MS, STILL_WITHOUT_LINES_MS

MAX_SILENT = 4
GRID = Grid(30, 10)
DELAY_MS = 500
TICK_MS = 1_000
# In a pane: error lines, and lines, of some series; one may be there twice.
ADDED = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(1, 2)), min_size=1, max_size=4
)
# Lines in a pane, the watermark at a window's end, or past it by the lateness.
STEPS = st.lists(
    st.tuples(st.just("add"), st.integers(1, 25), ADDED)
    | st.tuples(st.sampled_from(["due", "due", "final"]), st.integers(1, 30)),
    max_size=40,
)
Step = tuple[Any, ...]


class Kept:
    """The state of a group between calls, as the runner keeps it: encoded."""

    def __init__(self) -> None:
        self.series: bytes | None = None
        self.away: list[Parcel] = []
        self.reads = 0

    def open(self) -> SettlingGroup:
        """The group as it was kept."""
        return SettlingGroup(self.series and pickle.loads(self.series), self._read_away)

    def close(self, group: SettlingGroup) -> None:
        """Keeps the group."""
        self.series = pickle.dumps(group.to_state())
        rewritten = group.rewritten_away()
        self.away = [*self.away, *group.put] if rewritten is None else rewritten

    def away_indices(self) -> list[int]:
        """The windows that are put away."""
        return sorted(index for index, _ in self.away)

    def _read_away(self) -> list[Parcel]:
        self.reads += 1
        return self.away


def by_series(group: SettlingGroup, told: Iterable[ToldColumns]) -> dict[str, list[Told]]:
    """What was told of each series, in order."""
    found: dict[str, list[Told]] = {}
    for index, *columns, final in told:
        for row, errors, lines, revision in zip(*columns, strict=True):
            one = Told(index, Counts(int(errors), int(lines)), int(revision), final)
            found.setdefault(group.names[row], []).append(one)
    return found


def add(
    group: SettlingGroup, windows: range, added: Sequence[tuple[str, int, int]], now_ms: int = 0
) -> dict[str, list[Told]]:
    """Adds to a pane."""
    names, errors, lines = zip(*added, strict=True)
    told = group.add(windows, names, errors, lines, now_ms=now_ms, max_silent_windows=MAX_SILENT)
    return by_series(group, told)


def step(group: SettlingGroup, what: Step) -> dict[str, list[Told]]:
    """Does one step with a group, as the job does."""
    if what[0] == "add":
        return add(group, range(what[1], what[1] + 3), what[2])
    if what[0] == "due":
        told = by_series(group, group.tell_due(what[1], MAX_SILENT))
        group.put_old_windows_away()
        return told
    told = by_series(group, group.tell_final(what[1]))
    group.forget_what_is_over(MAX_SILENT)
    return told


def step_one_by_one(series: dict[str, OneSeries], what: Step) -> dict[str, list[Told]]:
    """Does the same with every series by itself."""
    found: dict[str, list[Told]] = {}
    if what[0] == "add":
        added: dict[str, Counter[str]] = {}
        for name, errors, lines in what[2]:
            added.setdefault(name, Counter()).update(errors=errors, lines=lines)
        for name, sums in added.items():
            now = series.setdefault(name, OneSeries.begin(what[1]))
            for index in range(what[1], what[1] + 3):
                told = now.add(index, Counts(**sums), max_silent_windows=MAX_SILENT)
                found.setdefault(name, []).extend(told)
    for name, now in list(series.items()):
        if what[0] == "due":
            while now.next_index <= what[1] and not now.is_too_silent(MAX_SILENT):
                found.setdefault(name, []).extend(now.tell_next(MAX_SILENT))
        elif what[0] == "final":
            while now.oldest_open() < now.next_index and now.oldest_open() <= what[1]:
                found.setdefault(name, []).extend(now.tell_final())
            if now.is_over(MAX_SILENT):
                del series[name]
    return {name: told for name, told in found.items() if told}


def numbers(now: Any) -> Iterator[Any]:
    """What a series holds besides its windows."""
    yield from (now.first, now.next_index, now.next_final, now.newest, now.held)
    yield from (now.skipped, now.late_lines, now.too_late_lines, now.gaps)


@pytest.mark.parametrize("at_hand", [0, 2, 100])
@given(steps=STEPS)
def test_a_group_tells_what_its_series_tell_one_by_one(at_hand: int, steps: list[Step]) -> None:
    """Whatever comes, and however soon windows are put away."""
    kept = Kept()
    series: dict[str, OneSeries] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling_group, "_WINDOWS_AT_HAND", at_hand)
        for what in [*steps, ("due", 40), ("final", 40)]:
            group = kept.open()

            assert step_one_by_one(series, what) == step(group, what)

            assert set(series) == set(group.names)
            for row, name in enumerate(group.names):
                with group.one_series(row) as now:
                    assert list(numbers(series[name])) == list(numbers(now))
            kept.close(group)


def plain_types(value: Any) -> set[type]:
    """The types in a value."""
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    if isinstance(value, dict | tuple | list):
        return {type(value)}.union(*map(plain_types, parts))
    return {type(value)}


def test_the_state_is_plain_values() -> None:
    """A checkpoint depends on no class, and on no version of a library."""
    group = SettlingGroup(None, list)
    for what in (
        ("add", 5, [("a", 1, 2), ("b", 0, 1)]),
        ("due", 20),
        ("add", 19, [("a", 1, 1)]),
        ("due", 20),
        ("add", 17, [("a", 1, 1)]),
    ):
        step(group, what)

    assert group.gaps
    assert list(group.amended_windows())
    assert {int, str, bytes, tuple, list, dict} == plain_types(group.to_state())


def told_39_windows() -> Kept:
    """A group with one series, whose windows 1 to 39 hold a line each and have been told."""
    kept = Kept()
    for index in range(1, 40):
        group = kept.open()
        add(group, range(index, index + 1), [("a", 1, 1)])
        step(group, ("due", index))
        kept.close(group)
    return kept


def test_lines_in_time_do_not_touch_what_is_put_away() -> None:
    """Else a group would read an hour of windows for every bundle."""
    kept = told_39_windows()
    assert (list(range(1, 34)), 0) == (kept.away_indices(), kept.reads)

    group = kept.open()
    add(group, range(40, 41), [("a", 1, 1)])
    add(group, range(34, 35), [("a", 1, 1)])
    assert 0 == kept.reads

    add(group, range(33, 34), [("a", 1, 1)])
    kept.close(group)
    assert 1 == kept.reads
    assert list(range(1, 33)) == kept.away_indices()


def test_what_was_put_away_a_moment_ago_can_be_brought_back() -> None:
    """Before it is stored."""
    kept = told_39_windows()
    group = kept.open()
    add(group, range(40, 41), [("a", 1, 1)])
    step(group, ("due", 40))
    assert [34] == [index for index, _ in group.put]

    add(group, range(34, 35), [("a", 2, 3)])

    with group.one_series(0) as now:
        assert (3, 4, 0, 1, 1) == now.windows[34]
    kept.close(group)
    assert list(range(1, 34)) == kept.away_indices()


def test_windows_of_several_series_come_back_together() -> None:
    """What late lines fall in, and what is over, is the same window of all of them."""
    kept = Kept()
    group = kept.open()
    for index in range(1, 9):
        add(group, range(index, index + 1), [("a", 1, 1), ("b", 0, 1)])
    step(group, ("due", 8))
    kept.close(group)
    assert [1, 2] == kept.away_indices()

    group = kept.open()
    told = step(group, ("final", 1))
    kept.close(group)

    expected = {
        "a": [Told(1, Counts(1, 1), 0, True)],
        "b": [Told(1, Counts(0, 1), 0, True)],
    }
    assert expected == told
    assert [2] == kept.away_indices()


def test_what_is_amended_is_put_away_when_it_has_been_told() -> None:
    """A window that waits to be told again stays at hand."""
    group = SettlingGroup(None, list)
    add(group, range(1, 2), [("a", 1, 1)])
    add(group, range(20, 21), [("a", 1, 1)])
    step(group, ("due", 2))
    add(group, range(1, 2), [("a", 1, 1)])

    group.put_away(10)
    assert [] == group.put
    told = step(group, ("due", 20))

    assert Told(1, Counts(2, 2), 1, False) in told["a"]
    assert [1] == [index for index, _ in group.put]
    assert [20] == group.indices


def begun(*indices: int, now_ms: int = 0) -> SettlingGroup:
    """A group with one series, and a line in some of its windows."""
    group = SettlingGroup(None, list)
    group.tick_ms = now_ms
    for index in indices:
        add(group, range(index, index + 1), [("a", 1, 2)], now_ms)
    return group


def still(group: SettlingGroup, now_ms: int) -> list[int]:
    """The windows that are told because the watermark stands still."""
    told = group.tell_where_watermark_stands_still(GRID, now_ms, DELAY_MS, MAX_SILENT)
    return [one.window_index for one in told]


@pytest.mark.parametrize(
    ("newest", "after_ms", "expected"),
    [
        (3, STILL_WITHOUT_LINES_MS - 1, []),
        (3, STILL_WITHOUT_LINES_MS, [3]),
        (5, STILL_WITHOUT_LINES_MS - 1, []),
        (6, STILL_MS - 1, []),
        (6, STILL_MS, [3]),
    ],
)
def test_a_watermark_stands_still_when_it_should_have_come(
    newest: int, after_ms: int, expected: list[int]
) -> None:
    """Sooner where newer lines tell that it is late: those in no window that is to be told."""
    group = begun(3, newest)
    now_ms = GRID.window_end_ms(3) + DELAY_MS + after_ms
    group.tick_ms = now_ms - TICK_MS
    group.tick(now_ms, TICK_MS)

    assert now_ms == group.tick_ms
    assert expected == still(group, now_ms)


def test_ticks_that_were_missed_tell_nothing_of_the_watermark() -> None:
    """The process was paused: everything begins to count anew."""
    group = begun(3)

    group.tick(1_000_000, TICK_MS)

    assert [] == still(group, 1_000_000)
    assert ([1_000_000], [1_000_000]) == (group.reached_ms.tolist(), group.line_ms.tolist())


def test_windows_become_final_by_the_clock_after_lateness_and_more() -> None:
    """What the gate let pass last is in by then; only of series that are to be."""
    group = begun(3)
    step(group, ("due", 3))
    due_ms = GRID.window_end_ms(3) + 20_000 + STILL_WITHOUT_LINES_MS + FINAL_MARGIN_MS

    assert [] == list(group.tell_final_by_clock(GRID, due_ms - 1, 20_000, [True]))
    assert [] == list(group.tell_final_by_clock(GRID, due_ms, 20_000, [False]))
    told = by_series(group, group.tell_final_by_clock(GRID, due_ms, 20_000, [True]))
    assert {"a": [Told(3, Counts(1, 2), 0, True)]} == told


def test_a_window_is_told_early_when_lines_came_since() -> None:
    """No sooner than asked for, and not what was told early before."""
    group = SettlingGroup(None, list)
    add(group, range(3, 4), [("a", 1, 2), ("b", 0, 1)])
    expected = [Told(3, Counts(1, 2), -1, False)], [Told(3, Counts(0, 1), -1, False)]

    assert {} == by_series(group, group.tell_early(4_999, 5_000))
    told = by_series(group, group.tell_early(5_000, 5_000))
    assert expected == (told["a"], told["b"])
    assert {} == by_series(group, group.tell_early(20_000, 5_000))

    add(group, range(3, 4), [("a", 1, 1)])
    assert ["a"] == list(by_series(group, group.tell_early(20_000, 5_000)))


def test_a_window_that_nobody_holds_is_dropped() -> None:
    """When it is final in every series."""
    group = SettlingGroup(None, list)
    add(group, range(3, 5), [("a", 1, 2), ("b", 0, 1)])
    step(group, ("due", 4))

    list(group.tell_final(3, np.array([True, False])))
    assert [[0, 1]] == group.windows(range(3, 4))[LINES].tolist()
    list(group.tell_final(3))

    assert [4] == group.indices


def test_groups() -> None:
    """The total is alone; a key is always in the same group, whatever the process."""
    groups = {group_of_series(series_of_key(f"key-{number}")) for number in range(1_000)}

    assert TOTAL == group_of_series(TOTAL)
    assert 8 == len(groups)
    assert TOTAL not in groups
    # By hand: zlib.crc32(b"=api") is 1900150397.
    assert f"={1900150397 % 8}" == group_of_series("=api")
