"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

`transforms.settling` has the rules; this module puts them into Beam's state and timers.
"""

import time
from collections.abc import Callable, Iterator

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.transforms import trigger, userstate, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms import metrics
from transforms.grid import Grid
from transforms.panes import Counts, SumCountsFn
from transforms.results import Result
from transforms.settling import ON_TIME_DELAY_MS, Settling, Told
from transforms.silence import AttachWindowFn, WindowCounts, silence_of

_TOTAL = "*"
_TICK_MS = 1_000


def wall_clock_ms() -> int:
    """The time of day, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class SumLiveWindows(beam.PTransform):
    """Counts sliding windows, in increments.

    Input: PCollection[Counts], partial counts per pane (`CountPanes`), unbounded.

    Output: PCollection[Counts] in sliding windows: what each partial count adds to a window, as
    soon as it comes, for lines that are late by no more than `allowed_lateness_seconds`. Later
    ones are dropped; Beam counts them as `droppedDueToLateness`. (Sums would make Flink keep
    every partial count of every window for the whole lateness; `SettleWindows` adds up.)
    """

    def __init__(self, grid: Grid, allowed_lateness_seconds: int) -> None:
        super().__init__()
        self._grid = grid
        self._allowed_lateness_seconds = allowed_lateness_seconds

    def expand(self, counts: beam.PCollection[Counts]) -> beam.PCollection[Counts]:
        """Applies the transform."""
        return (
            counts
            | "SlidingWindows"
            >> beam.WindowInto(
                window.SlidingWindows(self._grid.window_seconds, self._grid.slide_seconds),
                # A partial count stands for a bundle of lines, so that these are few.
                trigger=trigger.Repeatedly(trigger.AfterCount(1)),
                accumulation_mode=trigger.AccumulationMode.DISCARDING,
                allowed_lateness=Duration(seconds=self._allowed_lateness_seconds),
            )
            | "Count" >> beam.CombineGlobally(SumCountsFn()).without_defaults()
        )


class SettleWindows(beam.PTransform):
    """Turns the counts of live windows into results, and fills windows that no line fell in.

    Input: PCollection[Counts] in sliding windows (`SumLiveWindows`).

    Output: PCollection[Result] in the global window. For every window on the grid, from the
    first that holds a line on: revision 0 when the watermark is `settling.ON_TIME_DELAY_MS` past
    its end, also when nothing was counted in it; revision 1, 2, ... with the whole new count
    when late lines amended it, together with the next on-time result, so at most one per slide;
    and the last revision as `final` when the allowed lateness is over. After
    `max_silence_seconds` without a line the zeros stop until the next line. A watermark that
    stands still, for a partition that never held a record, delays this by seconds only.

    One key holds the state, so one worker does this; it sees sums, not lines.
    """

    def __init__(
        self,
        grid: Grid,
        job: str,
        allowed_lateness_seconds: int,
        max_silence_seconds: int,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        super().__init__()
        self._fn = _SettleFn(grid, job, allowed_lateness_seconds, max_silence_seconds, clock_ms)
        self._grid = grid

    def expand(self, counts: beam.PCollection[Counts]) -> beam.PCollection[Result]:
        """Applies the transform."""
        return (
            counts
            | "AttachWindow" >> beam.ParDo(AttachWindowFn(self._grid))
            | "KeyBySeries" >> beam.WithKeys(_TOTAL)
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "Settle" >> beam.ParDo(self._fn)
        )


@beam.typehints.with_output_types(Result)
class _SettleFn(beam.DoFn):
    _STATE = userstate.ReadModifyWriteStateSpec("settling", FastPrimitivesCoder())
    _ON_TIME = userstate.TimerSpec("on_time", TimeDomain.WATERMARK)
    _FINAL = userstate.TimerSpec("final", TimeDomain.WATERMARK)
    _TICK = userstate.TimerSpec("tick", TimeDomain.REAL_TIME)

    def __init__(
        self,
        grid: Grid,
        job: str,
        allowed_lateness_seconds: int,
        max_silence_seconds: int,
        clock_ms: Callable[[], int],
    ) -> None:
        self._grid = grid
        self._job = job
        self._allowed_lateness_ms = allowed_lateness_seconds * 1000
        self._max_silent_windows = max_silence_seconds // grid.slide_seconds
        self._clock_ms = clock_ms
        self._skipped = metrics.counter(metrics.SILENT_WINDOWS_SKIPPED)
        self._late_lines = metrics.counter(metrics.LATE_LINES)
        self._too_late_lines = metrics.counter(metrics.TOO_LATE_LINES)

    def process(
        self,
        element: tuple[str, WindowCounts],
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> Iterator[Result]:
        """Takes in what came."""
        index, counts = element[1]
        now_ms = self._clock_ms()
        stored = state.read()
        if stored:
            now = Settling.from_state(stored)
        else:
            now = Settling.begin(index, now_ms)
            tick.set(_at(now_ms + _TICK_MS))
        before = (now.skipped, now.late_lines, now.too_late_lines)
        told = now.add(index, counts, now_ms=now_ms, max_silent_windows=self._max_silent_windows)
        yield from self._results(told)
        self._skipped.inc(now.skipped - before[0])
        self._late_lines.inc(now.late_lines - before[1])
        self._too_late_lines.inc(now.too_late_lines - before[2])
        self._set(now, on_time, final)
        state.write(now.to_state())

    @userstate.on_timer(_ON_TIME)  # type: ignore[untyped-decorator]
    def emit_on_time(
        self,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells amended windows and the next one, and looks forward to the one after it."""
        now = Settling.from_state(state.read())
        now.reached_ms = self._clock_ms()
        yield from self._results(now.tell_next())
        self._set(now, on_time, final)
        state.write(now.to_state())

    @userstate.on_timer(_FINAL)  # type: ignore[untyped-decorator]
    def emit_final(
        self,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells the oldest window that is not final for the last time."""
        now = Settling.from_state(state.read())
        yield from self._results(now.tell_final())
        self._set(now, on_time, final)
        state.write(now.to_state())

    @userstate.on_timer(_TICK)  # type: ignore[untyped-decorator]
    def look_at_the_clock(
        self,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> Iterator[Result]:
        """Tells what the watermark would have, where that stands still."""
        now = Settling.from_state(state.read())
        now_ms = self._clock_ms()
        while not now.is_too_silent(self._max_silent_windows) and now.watermark_stands_still(
            self._grid, now_ms
        ):
            yield from self._results(now.tell_next())
        while now.oldest_open() < now.next_index and now.is_final_by_clock(
            self._grid, now_ms, self._allowed_lateness_ms
        ):
            yield from self._results(now.tell_final())
        self._set(now, on_time, final)
        tick.set(_at(now_ms + _TICK_MS))
        state.write(now.to_state())

    def _set(
        self, now: Settling, on_time: userstate.RuntimeTimer, final: userstate.RuntimeTimer
    ) -> None:
        if not now.is_too_silent(self._max_silent_windows):
            on_time.set(_at(self._grid.window_end_ms(now.next_index) + ON_TIME_DELAY_MS))
        oldest = now.oldest_open()
        if oldest < now.next_index:
            end_ms = self._grid.window_end_ms(oldest) + ON_TIME_DELAY_MS
            final.set(_at(end_ms + self._allowed_lateness_ms))

    def _results(self, told: Iterator[Told]) -> Iterator[Result]:
        for index, counts, revision, final in told:
            yield Result(
                job=self._job,
                key=None,
                window_start_ms=self._grid.window_start_ms(index),
                window_end_ms=self._grid.window_end_ms(index),
                count=counts.errors,
                revision=revision,
                final=final,
                silence=silence_of(counts),
            )


def _at(time_ms: int) -> Timestamp:
    return Timestamp(micros=time_ms * 1000)
