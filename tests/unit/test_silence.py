"""Windows in which nothing was counted."""

from __future__ import annotations

import pytest

from transforms.panes import Counts
from transforms.silence import WindowCounts, fill_silence, silence_of

ONE = Counts(errors=1, lines=2)
NONE = Counts(errors=0, lines=0)


def test_gaps_between_windows_are_filled_in_order() -> None:
    """Every index from the first to the last counted window comes out once."""
    expected = [
        WindowCounts(-2, ONE),
        WindowCounts(-1, NONE),
        WindowCounts(0, NONE),
        WindowCounts(1, ONE),
        WindowCounts(2, ONE),
    ]

    counted = [WindowCounts(2, ONE), WindowCounts(-2, ONE), WindowCounts(1, ONE)]

    assert expected == list(fill_silence(counted, max_silent_windows=2))


def test_a_gap_over_the_bound_is_filled_up_to_it() -> None:
    """A range stands for the windows left out."""
    counted = [WindowCounts(0, ONE), WindowCounts(4, ONE)]
    zeros = [WindowCounts(1, NONE), WindowCounts(2, NONE)]

    assert [counted[0], *zeros, range(3, 4), counted[1]] == list(
        fill_silence(counted, max_silent_windows=2)
    )


def test_zeros_follow_the_last_window_of_a_series_that_ends_before_the_grid() -> None:
    """As many as follow any line, and not beyond the grid."""
    counted = [WindowCounts(0, ONE)]
    one, two = WindowCounts(1, NONE), WindowCounts(2, NONE)

    assert [counted[0], one, two] == list(fill_silence(counted, max_silent_windows=2, last_index=9))
    assert [counted[0], one] == list(fill_silence(counted, max_silent_windows=2, last_index=1))


def test_nothing_counted_gives_nothing() -> None:
    """There is no grid before the first line."""
    assert [] == list(fill_silence([], max_silent_windows=10))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [(ONE, None), (Counts(errors=0, lines=5), "no_errors"), (NONE, "no_input")],
)
def test_silence_says_why_a_count_is_zero(counts: Counts, expected: str | None) -> None:
    """No line at all, or lines of which none was kept."""
    assert expected == silence_of(*counts)
