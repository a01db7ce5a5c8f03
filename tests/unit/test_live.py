"""Results of one series, with the runner's part (state, timers, watermark) played by the test.

Windows are 10 s every 10 s, so that each is one pane; window index 3 ends at 30 s, lateness 20 s.
`test_live_chain` has windows of several panes, and all steps of the live job.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from apache_beam.utils.timestamp import Duration, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import Record, reference_results
from tests.unit.live_chain import Alarm, Bag, Cell, fire_until
from transforms.beam_time import timestamp_of
from transforms.grid import Grid
from transforms.live import _SettleFn
from transforms.timing import DEFAULT_ON_TIME_DELAY_MS, FINAL_MARGIN_MS, Timing

Row = tuple[int, int, int, bool, str | None]
Sum = tuple[int, int, int]


class Runner:
    """Feeds sums and moves the watermark; fires timers in the order of their times."""

    def __init__(self, *, lateness_seconds: int = 20, max_silence_seconds: int = 1000) -> None:
        self._now_ms = 0
        timing = Timing(
            allowed_lateness_ms=lateness_seconds * 1000,
            on_time_delay_ms=DEFAULT_ON_TIME_DELAY_MS,
            max_silence_ms=max_silence_seconds * 1000,
            series_idle_ms=0,
        )
        self._fn = _SettleFn(Grid(10, 10), "errors", timing, lambda: self._now_ms)
        self._state, self._away = Cell(), Bag()
        self._on_time, self._final, self._tick = Alarm(), Alarm(), Alarm()

    def sums(self, *sums: Sum) -> list[Row]:
        """Feeds what (window index, error lines, lines) add and returns what comes out."""
        return [
            row
            for index, errors, lines in sums
            for row in self._rows(
                self._fn.process(
                    ("*", ((index - 1, ("*",), (errors,), (lines,)),)),
                    self._state,
                    self._away,
                    self._on_time,
                    self._final,
                    self._tick,
                )
            )
        ]

    def clock(self, seconds: int) -> list[Row]:
        """Lets the clock go on to a time, second by second; the watermark stands still."""
        rows: list[Row] = []
        while self._now_ms < seconds * 1000:
            self._now_ms += 1000
            if self._tick.take_due(timestamp_of(self._now_ms)):
                rows += self._rows(
                    self._fn.look_at_the_clock(
                        "*", self._state, self._away, self._on_time, self._final, self._tick
                    )
                )
        return rows

    def pause(self, until_seconds: int) -> None:
        """Lets the clock go on while nothing runs."""
        self._now_ms = until_seconds * 1000

    def watermark(self, seconds: int) -> list[Row]:
        """Moves the watermark to the delay after a time; returns what timers due bring out."""
        now = Timestamp(seconds) + Duration(micros=DEFAULT_ON_TIME_DELAY_MS * 1000)
        return self._rows(
            fire_until(now, self._fn, "*", self._state, self._away, self._on_time, self._final)
        )

    @staticmethod
    def _rows(results: Any) -> list[Row]:
        return [
            (one.window_end_ms // 1000, one.count, one.revision, one.final, one.silence)
            for one in results
        ]


def test_nothing_comes_out_before_a_window_is_over() -> None:
    """A sum that comes with the watermark waits for its window's end."""
    runner = Runner()

    assert [] == runner.sums((3, 2, 5))
    assert [] == runner.watermark(29)
    assert [(30, 2, 0, False, None)] == runner.watermark(30)


def test_windows_come_in_order_whatever_order_their_sums_come_in() -> None:
    """A watermark that jumps brings several windows at once."""
    runner = Runner()
    runner.sums((5, 1, 1), (3, 2, 2), (4, 3, 3))

    rows = [row for row in runner.watermark(50) if not row[3]]

    assert [(30, 2, 0, False, None), (40, 3, 0, False, None), (50, 1, 0, False, None)] == rows


def test_silent_windows_get_zeros_with_the_reason() -> None:
    """Without any sum zeros go on, window after window; lines without errors say so."""
    runner = Runner()
    runner.sums((3, 1, 1), (4, 0, 7))

    rows = [row for row in runner.watermark(60) if not row[3]]

    expected = [
        (30, 1, 0, False, None),
        (40, 0, 0, False, "no_errors"),
        (50, 0, 0, False, "no_input"),
        (60, 0, 0, False, "no_input"),
    ]
    assert expected == rows


def test_late_lines_amend_with_the_whole_new_count_once_per_slide() -> None:
    """What late lines added since makes one revision, told with the next window."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(35)

    assert [] == runner.sums((3, 3, 3), (3, 1, 1))
    expected = [(30, 5, 1, False, None), (40, 0, 0, False, "no_input")]
    assert expected == runner.watermark(40)


def test_late_lines_that_are_no_errors_amend_nothing() -> None:
    """Neither the count nor what it means has changed."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(35)
    runner.sums((3, 0, 5))

    assert [(40, 0, 0, False, "no_input")] == runner.watermark(40)


def test_sums_of_one_window_add_up_before_its_end() -> None:
    """A window may come in parts."""
    runner = Runner()
    runner.sums((3, 1, 2), (3, 2, 5))

    assert [(30, 3, 0, False, None)] == runner.watermark(30)


def test_late_lines_without_errors_tell_that_there_was_input() -> None:
    """The count stays 0, the reason for it does not."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(45)
    runner.sums((4, 0, 2))

    rows = [row for row in runner.watermark(50) if not row[3]]

    assert [(40, 0, 1, False, "no_errors"), (50, 0, 0, False, "no_input")] == rows


def test_a_window_of_zeros_is_amended_too() -> None:
    """Its zero was revision 0."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(45)
    runner.sums((4, 2, 2))

    rows = [row for row in runner.watermark(50) if not row[3]]

    assert [(40, 2, 1, False, None), (50, 0, 0, False, "no_input")] == rows


def test_a_window_before_the_first_gets_its_first_result_late() -> None:
    """The grid began with a later line; the older window is told all the same."""
    runner = Runner()
    runner.sums((5, 1, 1))
    runner.watermark(50)
    runner.sums((4, 2, 2))

    rows = [row for row in runner.watermark(60) if not row[3]]

    assert [(40, 2, 0, False, None), (60, 0, 0, False, "no_input")] == rows


def test_windows_between_an_older_line_and_the_first_are_filled() -> None:
    """The grid begins with the oldest line, in whatever order its windows come."""
    runner = Runner(lateness_seconds=200)
    runner.sums((9, 1, 1))
    runner.watermark(90)

    rows = runner.sums((6, 2, 2), (5, 2, 2), (7, 2, 2))
    rows += [row for row in runner.watermark(100) if not row[3]]

    expected = [
        (70, 0, 0, False, "no_input"),
        (80, 0, 0, False, "no_input"),
        (50, 2, 0, False, None),
        (60, 2, 0, False, None),
        (70, 2, 1, False, None),
        (100, 0, 0, False, "no_input"),
    ]
    assert expected == rows


def test_late_lines_are_told_at_once_when_no_timer_runs_any_more() -> None:
    """After the longest silence there is no next window to wait for."""
    runner = Runner(max_silence_seconds=20, lateness_seconds=200)
    runner.sums((3, 1, 1))
    runner.watermark(52)

    assert [(30, 2, 1, False, None)] == [row for row in runner.sums((3, 1, 1)) if not row[3]]


def test_a_late_line_makes_a_silence_end_later() -> None:
    """Zeros follow the newest line, so there is a next window again, and it comes with that."""
    runner = Runner(max_silence_seconds=20)
    runner.sums((3, 1, 1))
    runner.watermark(52)

    assert [] == runner.sums((5, 1, 1))
    rows = [row for row in runner.watermark(60) if not row[3]]
    assert [(50, 1, 1, False, None), (60, 0, 0, False, "no_input")] == rows


def test_the_last_revision_comes_once_more_as_final_when_lateness_is_over() -> None:
    """20 s after a window's end its count is settled."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(35)
    runner.sums((3, 3, 3))

    finals = [row for row in runner.watermark(60) if row[3]]

    assert [(30, 4, 1, True, None), (40, 0, 0, True, "no_input")] == finals


def test_zeros_stop_after_the_longest_silence_and_the_grid_goes_on_with_the_next_line() -> None:
    """Every zero that came is made final; the windows left out have no result."""
    runner = Runner(max_silence_seconds=20)
    runner.sums((3, 1, 1))

    rows = runner.watermark(500)
    runner.sums((60, 1, 1))
    rows += runner.watermark(620)

    assert [30, 40, 50, 600, 610, 620] == [row[0] for row in rows if not row[3]]
    assert [30, 40, 50, 600] == [row[0] for row in rows if row[3]]


def test_an_empty_partition_holds_windows_back_for_seconds_only() -> None:
    """Without any watermark, newer lines and the clock tell that a window is over."""
    runner = Runner()
    runner.clock(28)
    runner.sums((3, 1, 1))
    assert [] == runner.clock(34)
    runner.sums((4, 1, 1), (5, 1, 1), (6, 1, 1))

    assert [] == runner.clock(35)
    assert [(30, 1, 0, False, None)] == runner.clock(36)


def test_an_idle_topic_without_a_watermark_gets_zeros_within_slide_and_5_seconds() -> None:
    """When no lines come at all, the clock alone tells."""
    runner = Runner()
    runner.clock(21)
    runner.sums((3, 1, 1))

    assert [] == runner.clock(42)
    assert [(30, 1, 0, False, None)] == runner.clock(45)
    assert [(40, 0, 0, False, "no_input")] == runner.clock(55)


def test_a_clock_that_stood_still_tells_nothing() -> None:
    """After a restart the lines that piled up come first."""
    runner = Runner()
    runner.clock(21)
    runner.sums((3, 1, 1))
    runner.pause(600)

    assert [] == runner.clock(611)
    runner.sums((3, 4, 4))
    assert [] == runner.clock(620)
    assert [(30, 5, 0, False, None)] == runner.clock(624)[:1]


def test_without_a_watermark_windows_become_final_by_the_clock() -> None:
    """State does not grow while a partition stays empty."""
    runner = Runner()
    runner.clock(21)
    runner.sums((3, 1, 1))
    margin = FINAL_MARGIN_MS // 1000

    assert [] == [row for row in runner.clock(62 + margin) if row[3]]
    assert [(30, 1, 0, True, None)] == [row for row in runner.clock(63 + margin) if row[3]]


def test_lines_for_a_final_window_are_dropped() -> None:
    """What was told as final stays."""
    runner = Runner()
    runner.sums((3, 1, 1))
    runner.watermark(60)

    assert [] == runner.sums((3, 1, 1))
    assert 3 not in [row[0] // 10 for row in runner.watermark(70)]


LATENESS_SECONDS = 20
LAST_SECOND = 300
# A line (its time in milliseconds, whether it is an error line, whether its windows come in
# reverse), or how many seconds the watermark moves on.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, LAST_SECOND * 1000), st.booleans(), st.booleans()),
        st.integers(1, 60),
    ),
    max_size=25,
)


@pytest.mark.parametrize("max_silence_seconds", [400, 40])
@given(events=EVENTS)
@settings(max_examples=60)
def test_whatever_order_lines_come_in_the_table_is_that_of_the_reference(
    max_silence_seconds: int, events: list[tuple[int, bool, bool] | int]
) -> None:
    """For every window that lost no line to lateness: the count of its last revision.

    Revisions count up from 0 and each changes something, and every window becomes final once.
    """
    runner = Runner(lateness_seconds=LATENESS_SECONDS, max_silence_seconds=max_silence_seconds)
    rows: list[Row] = []
    records: list[Record] = []
    kept: set[int] = set()
    dropped: set[int] = set()
    watermark = 0
    for event in events:
        if isinstance(event, int):
            watermark += event
            rows += runner.watermark(watermark)
            continue
        time_ms, is_error, reverse = event
        records.append((time_ms, b"ERROR" if is_error else b"INFO"))
        first = time_ms // 10_000 + 1
        indices = range(first, first + 1)
        # What is left out before.
        late = {index for index in indices if index * 10 + LATENESS_SECONDS <= watermark}
        dropped |= late
        kept |= set(indices) - late
        rows += runner.sums(
            *((index, int(is_error), 1) for index in sorted(set(indices) - late, reverse=reverse))
        )
    rows += runner.watermark(3 * LAST_SECOND)

    expected = {
        one["window_end"]: (one["count"], one["silence"])
        for one in reference_results(
            records, window_seconds=10, max_silence_seconds=max_silence_seconds
        )
    }
    table = {end: (count, silence) for end, count, _, _, silence in rows}
    for index in kept - dropped:
        assert expected[_rfc3339(index * 10)] == table[index * 10]
    for end in table.keys() - {index * 10 for index in kept}:
        assert (0, "no_input") == table[end]
    if kept and max_silence_seconds > LAST_SECOND:
        assert set(range(min(kept) * 10, max(kept) * 10, 10)) <= table.keys()
    for end in table:
        told = [row for row in rows if row[0] == end]
        before, last = told[:-1], told[-1]
        assert (end, list(range(len(before)))) == (end, [row[2] for row in before])
        assert (end, [False] * len(before), True) == (end, [row[3] for row in before], last[3])
        assert (end, before[-1][1:3], before[-1][4]) == (end, last[1:3], last[4])
        meanings = [(row[1], row[4]) for row in before]
        assert all(one != other for one, other in itertools.pairwise(meanings))


def _rfc3339(seconds: int) -> str:
    return f"1970-01-01T00:{seconds // 60:02}:{seconds % 60:02}Z"
