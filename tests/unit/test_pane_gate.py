"""Which panes are closed, and so which lines come too late."""

from __future__ import annotations

from transforms.grid import Grid
from transforms.pane_gate import PaneGate, closes_at_ms
from transforms.timing import Timing

LONG = 1_000


def test_panes_close_one_after_the_other_from_the_first_that_holds_a_line() -> None:
    """A closed pane closes all before it."""
    gate = PaneGate.begin(5, now_ms=0)

    gate.close_next()
    gate.close_next()

    assert [True, True, True, False] == [gate.is_closed(pane, LONG) for pane in (4, 5, 6, 7)]


def test_an_older_line_before_anything_closed_moves_the_beginning() -> None:
    """Its pane is the one that closes next."""
    gate = PaneGate.begin(5, now_ms=0)

    gate.saw(3, LONG)

    assert (3, 5) == (gate.next_pane, gate.newest)


def test_a_forged_time_does_not_open_the_panes_of_years() -> None:
    """A line that is older than the first by more than the longest silence is too late."""
    gate = PaneGate.begin(100, now_ms=0)

    assert [True, False] == [gate.is_closed(89, 10), gate.is_closed(90, 10)]


def test_after_a_long_silence_the_next_line_is_where_closing_goes_on() -> None:
    """Panes of the silence are never closed one by one, and stay open until then."""
    gate = PaneGate.begin(5, now_ms=0)
    while not gate.is_silent(3):
        gate.close_next()
    gate.saw(1_000_000, 3)

    assert (1_000_000, 8) == (gate.next_pane, gate.closed)
    assert [True, False] == [gate.is_closed(8, 3), gate.is_closed(9, 3)]
    gate.close_next()
    assert gate.is_closed(999_999, 3)


def test_a_pane_closes_when_its_oldest_window_is_final() -> None:
    """That window ends where the pane does."""
    timing = Timing(20_000, 500, max_silence_ms=0, series_idle_ms=0)

    assert 60_000 + 500 + 20_000 == closes_at_ms(Grid(30, 10), 5, timing)


def test_the_state_survives_a_checkpoint() -> None:
    """Plain values in, the same gate out."""
    gate = PaneGate.begin(5, now_ms=7)
    gate.close_next()

    assert gate == PaneGate.from_state(gate.to_state())
