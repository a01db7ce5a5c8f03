"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

A window, a line in it, and a line of it that comes late:

    line      x                   y
    window    [-----------)
    emitted                ^ revision 0    ^ revision 1      ^ revision 1, final
    time      ------------|-|--------------|----------------|--------->
                 window end with delay   next window    allowed lateness over
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

# Lines reach Kafka a moment after their time, and Beam's connector takes a partition without
# newer records to be up to the present: without a delay nearly every window would be amended.
ON_TIME_DELAY_MS = 1_000
_TOTAL = "*"


class SumLiveWindows(beam.PTransform):
    """Sums the counts of sliding windows, and of late lines what they add.

    Input: PCollection[Counts], partial counts per pane (`CountPanes`), unbounded.

    Output: PCollection[Counts] in sliding windows: once when the watermark passes a window's
    end, and after that what late partial counts add, while lines come that are late by no
    more than `allowed_lateness_seconds`. Later ones are dropped; Beam counts them as
    `droppedDueToLateness`. (Increments, because Flink would keep every partial count of every
    window for the whole lateness to give sums; `SettleWindows` adds them up.)
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
                trigger=trigger.AfterWatermark(late=trigger.AfterCount(1)),
                accumulation_mode=trigger.AccumulationMode.DISCARDING,
                allowed_lateness=Duration(seconds=self._allowed_lateness_seconds),
            )
            | "Count" >> beam.CombineGlobally(SumCountsFn()).without_defaults()
        )


class SettleWindows(beam.PTransform):
    """Turns the counts of live windows into results, and fills windows that no line fell in.

    Input: PCollection[Counts] in sliding windows (`SumLiveWindows`).

    Output: PCollection[Result] in the global window. For every window on the grid, from the
    first that holds a line on: revision 0 when the watermark is `ON_TIME_DELAY_MS` past its
    end, also when nothing was counted in it; revision 1, 2, ... with the whole new count when
    late lines amended it, together with the next on-time result, so at most one per slide; and
    the last revision as `final` when the allowed lateness is over. After `max_silence_seconds`
    without a line the zeros stop until the next line.

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
      windows: (error lines, lines, revision, errors told, lines told) of windows that are not
        final and hold lines; revision -1: not told yet.
      gap: first and one past the last of the windows that a long silence left out.
    """

    started: bool
    next_index: int
    next_final: int
    last_line: int
    windows: dict[int, tuple[int, int, int, int, int]]
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
        self._late_lines = metrics.counter(metrics.LATE_LINES)

    def process(
        self,
        element: tuple[str, WindowCounts],
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Adds what came; emits only what no timer will."""
        index, counts = element[1]
        stored = state.read()
        now = _Settling(*stored) if stored else _Settling(False, index, index, index, {})
        if now.started and index < now.next_index:
            self._late_lines.inc(counts.lines)
            if index < now.next_final:
                # The grid began with a later line: it begins here now.
                yield from self._zeros(index + 1, now.next_final)
                now = now._replace(next_final=index)
                now.windows[index] = (0, 0, -1, 0, 0)
            self._add(now, index, counts)
            final.set(self._final_time(now.next_final))
            if self._is_too_silent(now):
                yield from self._amend(now)
        else:
            self._add(now, index, counts)
            now = self._go_on_at(now, index)
            on_time.set(self._on_time(now.next_index))
        state.write(tuple(now))

    @staticmethod
    def _add(now: _Settling, index: int, counts: Counts) -> None:
        # Without an entry a window that is over was told as zeros, revision 0.
        unknown = (0, 0, 0 if now.started and index < now.next_index else -1, 0, 0)
        errors, lines, *told = now.windows.get(index, unknown)
        now.windows[index] = (errors + counts.errors, lines + counts.lines, *told)  # type: ignore[assignment]

    def _amend(self, now: _Settling) -> Iterator[Result]:
        """Tells the windows that are over and changed since they were told."""
        for index in sorted(now.windows):
            if index >= now.next_index:
                break
            revision, changed = self._revision(now, index)
            if changed:
                yield self._tell(now, index, revision)

    @staticmethod
    def _revision(now: _Settling, index: int) -> tuple[int, bool]:
        """The revision that a window is in now, and whether that is still to be told."""
        errors, lines, revision, *told = now.windows[index]
        # Lines where there was no input change what a count of 0 means.
        changed = revision < 0 or (errors, silence_of(Counts(errors, lines))) != (
            told[0],
            silence_of(Counts(*told)),
        )
        return revision + changed, changed

    def _tell(self, now: _Settling, index: int, revision: int) -> Result:
        errors, lines, *_ = now.windows[index]
        now.windows[index] = (errors, lines, revision, errors, lines)
        return self._result(index, Counts(errors, lines), revision, final=False)

    def _zeros(self, first: int, stop: int) -> Iterator[Result]:
        """On-time results of windows that nothing was counted in, unless they are too many."""
        if stop - first > self._max_silent_windows:
            self._skipped.inc(stop - first)
            return
        for index in range(first, stop):
            yield self._result(index, Counts(0, 0), 0, final=False)

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
        """Emits amended windows and the next one, and looks forward to the one after it."""
        now = _Settling(*state.read())
        yield from self._amend(now)
        index = now.next_index
        if index in now.windows:
            yield self._tell(now, index, 0)
        else:
            yield self._result(index, Counts(0, 0), 0, final=False)
        now = now._replace(started=True, next_index=index + 1)
        if not self._is_too_silent(now):
            on_time.set(self._on_time(index + 1))
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
            revision = self._revision(now, index)[0] if index in now.windows else 0
            errors, lines, *_ = now.windows.pop(index, (0, 0))
            yield self._result(index, Counts(errors, lines), revision, final=True)
            now = now._replace(next_final=index + 1)
            if now.next_final < now.next_index:
                final.set(self._final_time(now.next_final))
        state.write(tuple(now))

    def _on_time(self, index: int) -> Timestamp:
        return self._end(index) + Duration(micros=ON_TIME_DELAY_MS * 1000)

    def _end(self, index: int) -> Timestamp:
        return Timestamp(micros=self._grid.window_end_ms(index) * 1000)

    def _final_time(self, index: int) -> Timestamp:
        return self._on_time(index) + Duration(seconds=self._allowed_lateness_seconds)

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
