"""Series kept together: what is put away comes back when it is needed, and makes no difference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import settling_group
from transforms.panes import Counts
from transforms.series import TOTAL, group_of_series, series_of_key
from transforms.settling import Settling, Told
from transforms.settling_group import Parcel, SettlingGroup

MAX_SILENT = 4
# Lines in a window, or a window that is over, or one that is final.
STEPS = st.lists(
    st.tuples(st.just("add"), st.integers(1, 25), st.integers(0, 2), st.integers(1, 2))
    | st.tuples(st.sampled_from(["next", "next", "final"])),
    max_size=60,
)


class Kept:
    """The state of a group between calls, as the runner keeps it: encoded."""

    def __init__(self) -> None:
        self.series: str | None = None
        self.away: list[Parcel] = []
        self.reads = 0

    def open(self) -> SettlingGroup:
        """The group as it was kept."""
        stored = None
        if self.series is not None:
            stored = {
                name: (*values[:5], _int_keys(values[5]), *values[6:])
                for name, values in json.loads(self.series).items()
            }
        return SettlingGroup(stored, self._read_away)

    def close(self, group: SettlingGroup) -> None:
        """Keeps the group."""
        self.series = json.dumps(group.to_state())
        rewritten = group.rewritten_away()
        self.away = [*self.away, *group.put] if rewritten is None else rewritten

    def away_indices(self) -> list[int]:
        """The windows that are put away."""
        return sorted(index for index, _ in self.away)

    def _read_away(self) -> list[Parcel]:
        self.reads += 1
        return self.away


def _int_keys(windows: dict[str, Any]) -> dict[int, Any]:
    return {int(index): tuple(window) for index, window in windows.items()}


def step(now: Settling, what: tuple[Any, ...], group: SettlingGroup | None = None) -> list[Told]:
    """Does one step with a series, which may have windows put away in a group."""
    if what[0] == "add":
        _, index, errors, lines = what
        if group is not None:
            group.bring_back("*", index)
        counts = Counts(errors, lines)
        return list(now.add(index, counts, now_ms=0, max_silent_windows=MAX_SILENT))
    if what[0] == "next":
        told = [] if now.is_too_silent(MAX_SILENT) else list(now.tell_next(MAX_SILENT))
        if group is not None:
            group.put_away()
        return told
    if now.oldest_open() >= now.next_index:
        return []
    if group is not None:
        group.bring_back("*", now.oldest_open())
    return list(now.tell_final())


@pytest.mark.parametrize("at_hand", [0, 2])
@given(steps=STEPS)
def test_what_is_put_away_makes_no_difference(at_hand: int, steps: list[tuple[Any, ...]]) -> None:
    """A series with windows put away tells what one that has all of them at hand tells."""
    kept = Kept()
    alone = Settling.begin(10, now_ms=0)
    group = kept.open()
    group.series["*"] = Settling.begin(10, now_ms=0)
    kept.close(group)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling_group, "_WINDOWS_AT_HAND", at_hand)
        for what in steps:
            group = kept.open()
            assert step(alone, what) == step(group.series["*"], what, group)
            kept.close(group)


def told_39_windows() -> Kept:
    """A group with one series, whose windows 1 to 39 hold a line each and have been told."""
    kept = Kept()
    group = kept.open()
    group.series["*"] = Settling.begin(1, now_ms=0)
    kept.close(group)
    for index in range(1, 40):
        group = kept.open()
        step(group.series["*"], ("add", index, 1, 1))
        step(group.series["*"], ("next",), group)
        kept.close(group)
    return kept


def test_lines_in_time_do_not_touch_what_is_put_away() -> None:
    """Else a group would read an hour of windows for every bundle."""
    kept = told_39_windows()
    assert (list(range(1, 34)), 0) == (kept.away_indices(), kept.reads)

    group = kept.open()
    now = group.series["*"]
    step(now, ("add", 40, 1, 1), group)
    step(now, ("add", 34, 1, 1), group)
    assert 0 == kept.reads

    step(now, ("add", 33, 1, 1), group)
    kept.close(group)
    assert 1 == kept.reads
    assert list(range(1, 33)) == kept.away_indices()


def test_what_was_put_away_a_moment_ago_can_be_brought_back() -> None:
    """Before it is stored."""
    kept = told_39_windows()
    group = kept.open()
    step(group.series["*"], ("add", 40, 1, 1), group)
    step(group.series["*"], ("next",), group)
    assert [34] == [index for index, _ in group.put]

    step(group.series["*"], ("add", 34, 2, 3), group)

    assert (3, 4, 0, 1, 1) == group.series["*"].windows[34]
    kept.close(group)
    assert list(range(1, 34)) == kept.away_indices()


def test_windows_of_several_series_come_back_together() -> None:
    """What late lines fall in, and what is over, is the same window of all of them."""
    kept = Kept()
    group = kept.open()
    for name in ("a", "b"):
        group.series[name] = Settling.begin(1, now_ms=0)
        for index in range(1, 9):
            step(group.series[name], ("add", index, 1, 1))
            step(group.series[name], ("next",))
    group.put_away()
    kept.close(group)
    assert [1, 2] == kept.away_indices()

    group = kept.open()
    group.bring_back("a", 1)
    told = [list(group.series[name].tell_final()) for name in ("a", "b")]
    kept.close(group)

    assert [[Told(1, Counts(1, 1), 0, True)]] * 2 == told
    assert [2] == kept.away_indices()


def test_groups() -> None:
    """The total is alone; a key is always in the same group, whatever the process."""
    groups = {group_of_series(series_of_key(f"key-{number}")) for number in range(1_000)}

    assert TOTAL == group_of_series(TOTAL)
    assert 8 == len(groups)
    assert TOTAL not in groups
    # By hand: zlib.crc32(b"=api") is 1900150397.
    assert f"={1900150397 % 8}" == group_of_series("=api")
