"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

A window, a line in it, and a line of it that comes late:

    line      x              y
    window    [-----------)
    emitted               ^ revision 0   ^ revision 1     ^ revision 1, final
    time      ------------|--------------|----------------|--------->
                     window end     late firing     allowed lateness over
"""

from collections.abc import Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.transforms import trigger, userstate, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.utils.timestamp import Duration, Timestamp

from transforms import metrics
from transforms.grid import Grid
from transforms.panes import Counts, SumCountsFn
from transforms.results import Result
from transforms.silence import AttachWindowFn, WindowCounts, silence_of

_TOTAL = "*"


class SumLiveWindows(beam.PTransform):
    """Sums the counts of sliding windows, again when late lines come.

    Input: PCollection[Counts], partial counts per pane (`CountPanes`), unbounded.

    Output: PCollection[Counts] in sliding windows, always the whole sum of a window: once
    when the watermark passes its end, and after that at most every `late_seconds` while lines
    come that are late by no more than `allowed_lateness_seconds`. Later ones are dropped.
    """

    def __init__(self, grid: Grid, allowed_lateness_seconds: int, late_seconds: int) -> None:
        super().__init__()
        self._grid = grid
        self._allowed_lateness_seconds = allowed_lateness_seconds
        self._late_seconds = late_seconds

    def expand(self, counts: beam.PCollection[Counts]) -> beam.PCollection[Counts]:
        """Applies the transform."""
        return (
            counts
            | "SlidingWindows"
            >> beam.WindowInto(
                window.SlidingWindows(self._grid.window_seconds, self._grid.slide_seconds),
                trigger=trigger.AfterWatermark(
                    late=trigger.AfterProcessingTime(self._late_seconds)
                ),
                accumulation_mode=trigger.AccumulationMode.ACCUMULATING,
                allowed_lateness=Duration(seconds=self._allowed_lateness_seconds),
            )
            | "Count" >> beam.CombineGlobally(SumCountsFn()).without_defaults()
        )


class SettleWindows(beam.PTransform):
    """Turns the sums of live windows into results, and fills windows that no line fell in.

    Input: PCollection[Counts] in sliding windows (`SumLiveWindows`).

    Output: PCollection[Result] in the global window. For every window on the grid, from the
    first that holds a line on: revision 0 when the watermark passes its end, also when
    nothing was counted in it; revision 1, 2, ... with the whole new count when late lines
    amended it; and the last revision once more as `final` when the allowed lateness is over.
    After `max_silence_seconds` without a line the zeros stop until the next line.

    One key holds the state, so one worker does this; it sees sums, not lines.
    """

    def __init__(
        self, grid: Grid, job: str, allowed_lateness_seconds: int, max_silence_seconds: int
    ) -> None:
        super().__init__()
        self._fn = _SettleFn(grid, job, allowed_lateness_seconds, max_silence_seconds)
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


class _Settling(NamedTuple):
    """State of a series.

    Attributes:
      started: an on-time result has been emitted.
      next_index: the window whose on-time result comes next.
      next_final: the first window that is not final.
      last_line: the newest window that holds a line.
      windows: (error lines, lines, revision) of windows that are not final and hold lines;
        revision -1: not emitted yet.
      gap: first and one past the last of the windows that a long silence left out.
    """

    started: bool
    next_index: int
    next_final: int
    last_line: int
    windows: dict[int, tuple[int, int, int]]
    gap: tuple[int, int] = (0, 0)


@beam.typehints.with_output_types(Result)
class _SettleFn(beam.DoFn):
    _STATE = userstate.ReadModifyWriteStateSpec("settling", FastPrimitivesCoder())
    _ON_TIME = userstate.TimerSpec("on_time", TimeDomain.WATERMARK)
    _FINAL = userstate.TimerSpec("final", TimeDomain.WATERMARK)

    def __init__(
        self, grid: Grid, job: str, allowed_lateness_seconds: int, max_silence_seconds: int
    ) -> None:
        self._grid = grid
        self._job = job
        self._allowed_lateness_seconds = allowed_lateness_seconds
        self._max_silent_windows = max_silence_seconds // grid.slide_seconds
        self._skipped = metrics.counter(metrics.SILENT_WINDOWS_SKIPPED)

    def process(
        self,
        element: tuple[str, WindowCounts],
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        index, counts = element[1]
        stored = state.read()
        now = _Settling(*stored) if stored else _Settling(False, index, index, index, {})
        if now.started and index < now.next_index:
            # Without an entry: a window of zeros was its revision 0, unless the window is
            # older than the grid, which began with a later line.
            unknown = (0, 0, -1 if index < now.next_final else 0)
            *earlier, revision = now.windows.get(index, unknown)
            if [counts.errors, counts.lines] == earlier:
                return  # Beam fires a window once more when its lateness is over.
            amended = counts.errors != earlier[0] or revision < 0
            revision += amended
            now.windows[index] = (counts.errors, counts.lines, revision)
            now = now._replace(next_final=min(now.next_final, index))
            final.set(self._final_time(now.next_final))
            if amended:
                yield self._result(index, counts, revision, final=False)
        else:
            now.windows[index] = (counts.errors, counts.lines, -1)
            now = self._go_on_at(now, index)
            on_time.set(self._end(now.next_index))
        state.write(tuple(now))

    def _go_on_at(self, now: _Settling, index: int) -> _Settling:
        """The state when the next window with lines is `index`, not yet emitted."""
        next_index = now.next_index
        if not now.started:
            next_index = min(next_index, index)
        elif self._is_too_silent(now) and index > next_index:
            self._skipped.inc(index - next_index)
            now = now._replace(gap=(next_index, index))
            next_index = index
        next_final = now.next_final if now.started else next_index
        return now._replace(
            next_index=next_index, next_final=next_final, last_line=max(now.last_line, index)
        )

    def _is_too_silent(self, now: _Settling) -> bool:
        return now.next_index > now.last_line + self._max_silent_windows

    @userstate.on_timer(_ON_TIME)  # type: ignore[untyped-decorator]
    def emit_on_time(
        self,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Emits the next window, and looks forward to the one after it."""
        now = _Settling(*state.read())
        index = now.next_index
        errors, lines, _ = now.windows.get(index, (0, 0, -1))
        if index in now.windows:
            now.windows[index] = (errors, lines, 0)
        yield self._result(index, Counts(errors, lines), 0, final=False)
        now = now._replace(started=True, next_index=index + 1)
        if not self._is_too_silent(now):
            on_time.set(self._end(index + 1))
        final.set(self._final_time(now.next_final))
        state.write(tuple(now))

    @userstate.on_timer(_FINAL)  # type: ignore[untyped-decorator]
    def emit_final(
        self,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Emits the oldest window that is not final for the last time, and forgets it."""
        now = _Settling(*state.read())
        index = now.gap[1] if now.next_final == now.gap[0] < now.gap[1] else now.next_final
        if index < now.next_index:
            errors, lines, revision = now.windows.pop(index, (0, 0, 0))
            yield self._result(index, Counts(errors, lines), revision, final=True)
            now = now._replace(next_final=index + 1)
            if now.next_final < now.next_index:
                final.set(self._final_time(now.next_final))
        state.write(tuple(now))

    def _end(self, index: int) -> Timestamp:
        return Timestamp(micros=self._grid.window_end_ms(index) * 1000)

    def _final_time(self, index: int) -> Timestamp:
        return self._end(index) + Duration(seconds=self._allowed_lateness_seconds)

    def _result(self, index: int, counts: Counts, revision: int, *, final: bool) -> Result:
        return Result(
            job=self._job,
            key=None,
            window_start_ms=self._grid.window_start_ms(index),
            window_end_ms=self._grid.window_end_ms(index),
            count=counts.errors,
            revision=revision,
            final=final,
            silence=silence_of(counts),
        )
