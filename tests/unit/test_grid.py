"""Panes and windows on the epoch-aligned grid."""

from __future__ import annotations

import pytest

from transforms.grid import Grid


@pytest.mark.parametrize(
    ("event_time_ms", "pane"),
    [
        (0, 0),
        (9_999, 0),
        (10_000, 1),
        (-1, -1),
        (-10_000, -1),
        (-10_001, -2),
        (1_450_575_983_000, 145_057_598),
    ],
)
def test_a_pane_holds_its_start_and_not_its_end(event_time_ms: int, pane: int) -> None:
    """Pane p is [p * slide, (p + 1) * slide), also before 1970."""
    assert pane == Grid(30, 10).pane_of(event_time_ms)


def test_the_windows_of_a_pane_are_those_that_hold_it() -> None:
    """The oldest ends where the pane does."""
    grid = Grid(30, 10)

    assert range(3, 6) == grid.windows_of(2)
    assert 30_000 == grid.pane_end_ms(2) == grid.window_end_ms(3)


def test_a_window_ends_on_the_grid_and_is_window_seconds_long() -> None:
    """Window 3 of 30 s every 10 s is [0 s, 30 s)."""
    grid = Grid(window_seconds=30, slide_seconds=10)

    assert (0, 30_000, 3) == (grid.window_start_ms(3), grid.window_end_ms(3), grid.panes_per_window)


@pytest.mark.parametrize(("window", "slide"), [(30, 0), (0, 10), (30, -10), (30, 20), (10, 30)])
def test_a_grid_that_does_not_come_out_even_is_refused(window: int, slide: int) -> None:
    """The slide must be positive and divide the window."""
    with pytest.raises(ValueError, match=r"slide|positive"):
        Grid(window_seconds=window, slide_seconds=slide)
