"""What late lines do to a series; `test_live.py` has the rules as a stream sees them."""

from __future__ import annotations

from tests.unit.one_series import OneSeries
from transforms.panes import Counts
from transforms.settling import Told

LINE = Counts(errors=1, lines=2)
MAX_SILENT = 3


def begun(*indices: int) -> OneSeries:
    """A series with a line in some windows, none of them told."""
    series = OneSeries.begin(indices[0])
    for index in indices:
        assert [] == add(series, index)
    return series


def add(series: OneSeries, index: int, counts: Counts = LINE) -> list[Told]:
    """Adds to a window; returns what is told at once."""
    return list(series.add(index, counts, max_silent_windows=MAX_SILENT))


def tell(series: OneSeries, windows: int) -> list[Told]:
    """Lets so many windows be over."""
    return [told for _ in range(windows) for told in series.tell_next(MAX_SILENT)]


def settle(series: OneSeries) -> list[int]:
    """Lets all that was told become final; returns the windows, in order."""
    found = []
    while told := list(series.tell_final()):
        found += [one.window_index for one in told]
    return found


def silent() -> OneSeries:
    """A series that was silent from window 7 on, until a line came in window 20."""
    series = begun(3)
    tell(series, 4)
    assert series.is_too_silent(MAX_SILENT)
    assert [] == add(series, 20)
    return series


def test_a_long_silence_leaves_a_gap() -> None:
    """Windows in it are neither told nor final, and are counted as skipped."""
    series = silent()

    assert ([(7, 20)], 13) == (series.gaps, series.skipped)
    assert [Told(20, LINE, 0, False)] == tell(series, 1)
    assert [3, 4, 5, 6, 20] == settle(series)


def test_a_silence_that_is_not_too_long_leaves_none() -> None:
    """Its windows come as zeros."""
    series = begun(3)
    tell(series, 2)

    add(series, 7)

    expected = [Told(5, Counts(0, 0), 0, False), Told(6, Counts(0, 0), 0, False)]
    assert ([], 0) == (series.gaps, series.skipped)
    assert [*expected, Told(7, LINE, 0, False)] == tell(series, 3)


def test_the_windows_of_the_line_that_ends_a_silence_may_come_in_any_order() -> None:
    """Each is told on time, once, and becomes final."""
    series = silent()
    assert [] == add(series, 19)
    assert [] == add(series, 18)

    assert ([(7, 18)], 11) == (series.gaps, series.skipped)
    assert [Told(index, LINE, 0, False) for index in (18, 19, 20)] == tell(series, 3)
    assert [3, 4, 5, 6, 18, 19, 20] == settle(series)
    assert {} == series.windows


def test_a_late_line_in_a_gap_makes_it_shorter() -> None:
    """Its window and those after it get results, as the grid has no holes."""
    series = silent()
    tell(series, 2)

    zeros = add(series, 17)

    assert [Told(index, Counts(0, 0), 0, False) for index in (18, 19)] == zeros
    assert [Told(17, LINE, 0, False), Told(22, Counts(0, 0), 0, False)] == tell(series, 1)
    assert [3, 4, 5, 6, 17, 18, 19, 20, 21, 22] == settle(series)
    assert {} == series.windows


def test_a_line_at_the_beginning_of_a_gap_leaves_the_rest_of_it() -> None:
    """Zeros follow it for as long as they follow any line."""
    series = silent()

    add(series, 7)

    assert [7, 8, 9, 10, 20] == [told.window_index for told in tell(series, 5)]
    assert ([(11, 20)], 9) == (series.gaps, series.skipped)
    assert [3, 4, 5, 6, 7, 8, 9, 10, 20] == settle(series)


def test_a_late_line_in_the_middle_of_a_gap_leaves_two() -> None:
    """What is told depends on event times, not on when lines come."""
    series = silent()
    tell(series, 1)

    zeros = add(series, 10)

    assert [Told(index, Counts(0, 0), 0, False) for index in (11, 12, 13)] == zeros
    assert ([(7, 10), (14, 20)], 9) == (series.gaps, series.skipped)
    assert [10, 21] == [told.window_index for told in tell(series, 1)]
    assert [3, 4, 5, 6, 10, 11, 12, 13, 20, 21] == settle(series)


def test_lines_that_are_known_end_a_silence_as_soon_as_it_is_too_long() -> None:
    """A backlog gives the same windows as lines that came one by one."""
    series = begun(3, 20)

    assert [3, 4, 5, 6, 20, 21] == [told.window_index for told in tell(series, 6)]
    assert ([(7, 20)], 13) == (series.gaps, series.skipped)


def test_a_line_in_a_gap_that_is_settled_is_too_late() -> None:
    """The windows around it are final."""
    series = silent()
    tell(series, 1)
    settle(series)

    assert [] == add(series, 15)
    assert (2, {}) == (series.too_late_lines, series.windows)


def test_late_lines_are_counted() -> None:
    """Those that amend a window, and those that came when it was final."""
    series = begun(3)
    tell(series, 2)
    add(series, 4)
    assert (2, 0) == (series.late_lines, series.too_late_lines)

    settle(series)
    add(series, 3)

    assert (4, 2) == (series.late_lines, series.too_late_lines)


def test_a_line_long_before_the_first_leaves_a_gap() -> None:
    """Zeros follow it for as long as they follow any line, whatever the time between."""
    series = begun(30)
    tell(series, 1)

    zeros = add(series, 10)

    assert [11, 12, 13] == [told.window_index for told in zeros]
    assert [10, 31] == [told.window_index for told in tell(series, 1)]
    assert [10, 11, 12, 13, 30, 31] == settle(series)
