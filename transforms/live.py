"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

`transforms.settling`, `transforms.pane_gate` and `transforms.ledger` have the rules; this module
puts them into Beam's state and timers.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import (
    BytesCoder,
    FastPrimitivesCoder,
    PickleCoder,
    TupleCoder,
    VarIntCoder,
)
from apache_beam.transforms import userstate, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.utils.timestamp import Timestamp

from transforms import metrics
from transforms.beam_time import milliseconds_of, timestamp_of
from transforms.clock import wall_clock_ms
from transforms.dead_letters import TOO_LATE, DeadLetter
from transforms.event_timers import is_without_watermark, set_next
from transforms.garbage import search_rarely
from transforms.grid import Grid
from transforms.group_counts import GroupCounts, GroupSums
from transforms.key_bound import KeyBound
from transforms.offsets import OffsetSpan, decided
from transforms.pane_gate import PaneGate, closes_at_ms
from transforms.panes import BundleCounts, Counts, Suspect, with_errors
from transforms.results import Result, format_time
from transforms.series import TOTAL, key_of_series
from transforms.settling import Settling, Told
from transforms.settling_group import SettlingGroup
from transforms.silence import silence_of
from transforms.timing import FINAL_MARGIN_MS, STILL_WITHOUT_LINES_MS, Timing
from transforms.typed import set_output_types

_TICK_MS = 1_000
# A timer of the clock holds the watermark of the steps that follow: the SDK gives it the moment
# its callback's own timer was due, and nothing else can be chosen (`OutputTimer.set` of Beam's
# bundle_processor.py). So they come to know of a watermark when the next one fires. Panes are
# closed by the clock no more precisely for it; windows are told as much sooner.
_HOLD_MS = 200
_ONE = "all"


class Admitted(NamedTuple):
    """What `ClosePanes` gives.

    Attributes:
      counts: PCollection[tuple[str, GroupCounts]], by group of series (`transforms.series`).
      dead_letters: PCollection[DeadLetter], error lines that came too late.
      spans: PCollection[tuple[tuple[str, int], OffsetSpan]]: what became of suspects.
    """

    counts: beam.PCollection[tuple[str, GroupCounts]]
    dead_letters: beam.PCollection[DeadLetter]
    spans: beam.PCollection[tuple[tuple[str, int], OffsetSpan]]


class ClosePanes(beam.PTransform):
    """Decides which error lines come too late, and which keys get a series of their own.

    Input: PCollection[BundleCounts] (`CountPanes`), unbounded.

    Output: `Admitted`. A pane is closed, for all series at once, when the watermark is past its
    end by the allowed lateness and the on-time delay; error lines of a closed pane become dead
    letters. The first `max_keys` keys get series, later ones share `other`; a key that has no open
    pane any more makes room. Emitted at once.

    One key holds the state, so one worker does this; it sees bundles, not lines.
    """

    COUNTS = "counts"
    DEAD_LETTERS = "dead_letters"
    SPANS = "spans"

    def __init__(
        self,
        grid: Grid,
        timing: Timing,
        max_keys: int,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        super().__init__()
        self._fn = _ClosePanesFn(grid, timing, max_keys, clock_ms)

    def expand(self, counts: beam.PCollection[BundleCounts]) -> Any:
        """Applies the transform and returns `Admitted`, which Beam's type checks do not know."""
        outputs = (
            counts
            | "KeyByOne" >> beam.WithKeys(_ONE)
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "Close"
            >> beam.ParDo(self._fn).with_outputs(self.DEAD_LETTERS, self.SPANS, main=self.COUNTS)
        )
        set_output_types(
            outputs,
            {
                # Not `GroupCounts`: coders made for all of its parts take fifty times as long.
                self.COUNTS: tuple[str, Any],
                self.DEAD_LETTERS: DeadLetter,
                self.SPANS: tuple[tuple[str, int], OffsetSpan],
            },
        )
        return Admitted(outputs[self.COUNTS], outputs[self.DEAD_LETTERS], outputs[self.SPANS])


@beam.typehints.with_input_types(tuple[str, BundleCounts])
class _ClosePanesFn(beam.DoFn):
    _GATE = userstate.ReadModifyWriteStateSpec("gate", FastPrimitivesCoder())
    _KEYS = userstate.ReadModifyWriteStateSpec("keys", FastPrimitivesCoder())
    _CLOSE = userstate.TimerSpec("close", TimeDomain.WATERMARK)
    _TICK = userstate.TimerSpec("tick", TimeDomain.REAL_TIME)

    def __init__(
        self, grid: Grid, timing: Timing, max_keys: int, clock_ms: Callable[[], int]
    ) -> None:
        self._grid = grid
        self._timing = timing
        self._max_silent_panes = timing.max_silence_ms // grid.slide_ms
        self._max_keys = max_keys
        self._clock_ms = clock_ms
        self._too_late = metrics.counter(metrics.TOO_LATE_LINES)
        self._other_lines = metrics.counter(metrics.LINES_OF_OTHER_KEYS)

    def process(
        self,
        element: tuple[str, BundleCounts],
        gate: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_GATE),
        keys: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_KEYS),
        close: userstate.RuntimeTimer = beam.DoFn.TimerParam(_CLOSE),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> Iterator[Any]:
        """Takes in what a bundle counted."""
        bundle = element[1]
        panes = sorted(
            {of_pane[0] for of_pane in bundle.panes} | {one.pane for one in bundle.suspects}
        )
        now_ms = self._clock_ms()
        stored = gate.read()
        if stored:
            now = PaneGate.from_state(stored)
        else:
            now = PaneGate.begin(panes[-1], now_ms)
            tick.set(timestamp_of(now_ms + _HOLD_MS))
        open_panes = {pane for pane in panes if not now.is_closed(pane, self._max_silent_panes)}
        for pane in sorted(open_panes, reverse=True):
            now.saw(pane, self._max_silent_panes)
        self._set(now, close, now_ms)
        if now.to_state() != stored:
            gate.write(now.to_state())

        sums = GroupSums(self._own_keys(keys, now, bundle))
        for of_pane in bundle.panes:
            is_open = of_pane[0] in open_panes
            # Final windows stay as they are, and no error line is lost.
            sums.add(*(of_pane if is_open else with_errors(of_pane)))
        for one in bundle.suspects:
            if one.pane in open_panes:
                sums.add(one.pane, (one.key,), (1,), (1,))
        self._other_lines.inc(sums.lines_of_others)
        yield from sums.by_group()
        if bundle.suspects:
            yield from self._decide(bundle.suspects, open_panes)

    def _own_keys(
        self, keys: userstate.AccumulatingRuntimeState, now: PaneGate, bundle: BundleCounts
    ) -> Collection[str] | None:
        """The keys that have series of their own; None without grouping."""
        seen = [
            (of_pane[0], [key for key in of_pane[1] if key is not None]) for of_pane in bundle.panes
        ]
        seen += [(one.pane, [one.key]) for one in bundle.suspects if one.key is not None]
        if not any(of_pane for _, of_pane in seen):
            return None
        bound = KeyBound(self._max_keys, keys.read() or {})
        for pane, of_pane in seen:
            bound.admit(of_pane, pane, closed=now.closed)
        if bound.changed:
            keys.write(bound.last_panes)
        return bound.last_panes.keys()

    def _decide(self, suspects: Sequence[Suspect], open_panes: set[int]) -> Iterator[Any]:
        outcomes: dict[tuple[str, int], list[tuple[int, int, bool]]] = {}
        for _, pane, event_time_ms, record in suspects:
            too_late = pane not in open_panes
            place = (record.topic, record.partition)
            outcomes.setdefault(place, []).append((record.offset, event_time_ms, too_late))
            if too_late:
                self._too_late.inc()
                end = format_time(self._grid.pane_end_ms(pane))
                detail = (
                    f"the window that ends at {end} was final: more than "
                    f"{self._timing.allowed_lateness_ms // 1000} s late"
                )
                yield beam.pvalue.TaggedOutput(
                    ClosePanes.DEAD_LETTERS, DeadLetter(record, TOO_LATE, detail)
                )
        for place, of_place in outcomes.items():
            yield beam.pvalue.TaggedOutput(ClosePanes.SPANS, (place, decided(of_place)))

    @userstate.on_timer(_CLOSE)  # type: ignore[untyped-decorator]
    def close_panes(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        gate: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_GATE),
        close: userstate.RuntimeTimer = beam.DoFn.TimerParam(_CLOSE),
    ) -> None:
        """Closes panes that the watermark is past, and looks forward to the next one."""
        now = PaneGate.from_state(gate.read())
        now.reached_ms = now_ms = self._clock_ms()
        fired_ms = milliseconds_of(fired)
        while not now.is_silent(self._max_silent_panes) and self._closes_at_ms(now) <= fired_ms:
            now.close_next()
        self._set(now, close, now_ms)
        gate.write(now.to_state())

    @userstate.on_timer(_TICK)  # type: ignore[untyped-decorator]
    def look_at_the_clock(
        self,
        gate: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_GATE),
        close: userstate.RuntimeTimer = beam.DoFn.TimerParam(_CLOSE),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> None:
        """Closes panes that the watermark would have closed, where there is none."""
        now = PaneGate.from_state(gate.read())
        now_ms = self._clock_ms()
        tick.set(timestamp_of(now_ms + _HOLD_MS))
        if now.tick(now_ms, _TICK_MS):
            # The job begins again, maybe with another allowed lateness.
            self._set(now, close, now_ms)
        before = now.next_pane
        if not now.is_silent(self._max_silent_panes) and is_without_watermark(
            now, close, now_ms, due_ms=self._closes_at_ms(now)
        ):
            while (
                not now.is_silent(self._max_silent_panes)
                and now_ms >= self._closes_at_ms(now) + STILL_WITHOUT_LINES_MS
            ):
                now.close_next()
        if now.next_pane != before:
            self._set(now, close, now_ms)
        gate.write(now.to_state())

    def _closes_at_ms(self, now: PaneGate) -> int:
        return closes_at_ms(self._grid, now.next_pane, self._timing)

    def _set(self, now: PaneGate, close: userstate.RuntimeTimer, now_ms: int) -> None:
        if not now.is_silent(self._max_silent_panes):
            set_next(
                close,
                lambda pane: closes_at_ms(self._grid, pane, self._timing),
                now.next_pane,
                now_ms,
            )


class SettleWindows(beam.PTransform):
    """Adds up the panes of sliding windows, tells them, and fills windows that no line fell in.

    Input: PCollection[tuple[str, GroupCounts]], by group of series (`ClosePanes`).

    Output: PCollection[Result] in the global window. For every series and every window on the
    grid, from the first that holds a line on: revision 0 when the watermark is past its end by
    the on-time delay, also when nothing was counted in it; revision 1, 2, ... with the whole new
    count when late lines amended it, together with the next on-time result, so at most one per
    slide; and the last revision as `final` when the allowed lateness is over. With `early_ms`, the
    next window is told before its end as revision -1. After `max_silence_ms` (`series_idle_ms` for
    a series of a key) without a line the zeros stop until the next line. A watermark that stands
    still, for a partition that never held a record, delays this by seconds only.
    """

    def __init__(
        self,
        grid: Grid,
        job: str,
        timing: Timing,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        super().__init__()
        self._grid = grid
        self._timing = timing
        self._fn = _SettleFn(grid, job, timing, clock_ms)

    def display_data(self) -> dict[str, Any]:
        """Window, slide and lateness, for the runner's job page."""
        return {
            **dataclasses.asdict(self._grid),
            "allowed_lateness_seconds": self._timing.allowed_lateness_ms // 1000,
            "on_time_delay_seconds": self._timing.on_time_delay_ms / 1000,
        }

    def expand(self, counts: beam.PCollection[tuple[str, GroupCounts]]) -> beam.PCollection[Result]:
        """Applies the transform."""
        return (
            counts
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "Settle" >> beam.ParDo(self._fn)
        )


@beam.typehints.with_input_types(tuple[str, Any])
@beam.typehints.with_output_types(Result)
class _SettleFn(beam.DoFn):
    # Plain values, many of them: ten times as fast as Beam's own coder.
    _STATE = userstate.ReadModifyWriteStateSpec("settling", PickleCoder())
    _AWAY = userstate.BagStateSpec("away", TupleCoder((VarIntCoder(), BytesCoder())))
    _ON_TIME = userstate.TimerSpec("on_time", TimeDomain.WATERMARK)
    _FINAL = userstate.TimerSpec("final", TimeDomain.WATERMARK)
    _TICK = userstate.TimerSpec("tick", TimeDomain.REAL_TIME)

    def __init__(self, grid: Grid, job: str, timing: Timing, clock_ms: Callable[[], int]) -> None:
        self._grid = grid
        self._job = job
        self._timing = timing
        self._clock_ms = clock_ms
        self._skipped = metrics.counter(metrics.SILENT_WINDOWS_SKIPPED)
        self._late_lines = metrics.counter(metrics.LATE_LINES)
        self._lost_lines = metrics.counter(metrics.LOST_LINES)

    def setup(self) -> None:
        """Prepares the process."""
        search_rarely()

    def process(
        self,
        element: tuple[str, GroupCounts],
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> Iterator[Result]:
        """Takes in what came."""
        name, added = element
        now_ms = self._clock_ms()
        group = SettlingGroup(state.read(), away.read)
        if not group.series:
            tick.set(timestamp_of(now_ms + self._tick_ms(name)))
        all_series, max_silent = group.series, self._max_silent_windows(name)
        for pane, names, errors, lines in added:
            windows = self._grid.windows_of(pane)
            for series, new_errors, new_lines in zip(names, errors, lines, strict=True):
                now = all_series.get(series)
                if now is None:
                    # Its oldest pane comes first.
                    now = all_series[series] = Settling.begin(windows.start, now_ms)
                if not now.add_in_time(
                    windows, new_errors, new_lines, now_ms=now_ms, max_silent_windows=max_silent
                ):
                    counts = Counts(new_errors, new_lines)
                    yield from self._add(group, series, windows, counts, now_ms)
        self._keep(group, state, away, on_time, final)

    def _add(
        self, group: SettlingGroup, series: str, windows: range, counts: Counts, now_ms: int
    ) -> Iterable[Result]:
        max_silent = self._max_silent_windows(series)
        now = group.series[series]
        before = (now.skipped, now.late_lines, now.too_late_lines)
        told: list[Told] = []
        for index in windows:
            group.bring_back(series, index)
            told += now.add(index, counts, now_ms=now_ms, max_silent_windows=max_silent)
        self._skipped.inc(now.skipped - before[0])
        if series == TOTAL:
            self._late_lines.inc(now.late_lines - before[1])
            self._lost_lines.inc(now.too_late_lines - before[2])
        return self._results(series, told)

    @userstate.on_timer(_ON_TIME)  # type: ignore[untyped-decorator]
    def emit_on_time(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells amended windows and those that are over, and looks forward to the next one."""
        group = SettlingGroup(state.read(), away.read)
        fired_ms, now_ms = milliseconds_of(fired), self._clock_ms()
        due = (fired_ms - self._timing.on_time_delay_ms) // self._grid.slide_ms
        for series, now in group.series.items():
            now.reached_ms = now_ms
            if now.next_index <= due:
                yield from self._tell_due(series, now, due)
        group.put_away()
        self._keep(group, state, away, on_time, final)

    def _tell_due(self, series: str, now: Settling, due: int) -> Iterable[Result]:
        """Tells the windows up to one."""
        max_silent = self._max_silent_windows(series)
        told: list[Told] = []
        while now.next_index <= due and not now.is_too_silent(max_silent):
            told += now.tell_next(max_silent)
        return self._results(series, told)

    @userstate.on_timer(_FINAL)  # type: ignore[untyped-decorator]
    def emit_final(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells windows for the last time that the watermark is past by the allowed lateness."""
        group = SettlingGroup(state.read(), away.read)
        fired_ms = milliseconds_of(fired)
        for series, now in group.series.items():
            while (
                now.oldest_open() < now.next_index and self._final_ms(now.oldest_open()) <= fired_ms
            ):
                yield from self._finals(group, series, now)
        self._keep(group, state, away, on_time, final)

    @userstate.on_timer(_TICK)  # type: ignore[untyped-decorator]
    def look_at_the_clock(
        self,
        name: str = beam.DoFn.KeyParam,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
        tick: userstate.RuntimeTimer = beam.DoFn.TimerParam(_TICK),
    ) -> Iterator[Result]:
        """Tells what the watermark would have, where that stands still; early results."""
        group = SettlingGroup(state.read(), away.read)
        now_ms, tick_ms = self._clock_ms(), self._tick_ms(name)
        # Copied, because what is over is dropped.
        for series, now in list(group.series.items()):
            yield from self._look(group, series, now, on_time, now_ms, tick_ms)
            if now.is_over(self._max_silent_windows(series)):
                # All is final and told: the next line begins anew.
                del group.series[series]
        self._keep(group, state, away, on_time, final)
        if group.series:
            tick.set(timestamp_of(now_ms + tick_ms))

    def _look(
        self,
        group: SettlingGroup,
        series: str,
        now: Settling,
        on_time: userstate.RuntimeTimer,
        now_ms: int,
        tick_ms: int,
    ) -> Iterator[Result]:
        lateness_ms, delay_ms = self._timing.allowed_lateness_ms, self._timing.on_time_delay_ms
        max_silent = self._max_silent_windows(series)
        now.tick(now_ms, tick_ms)
        while not now.is_too_silent(max_silent) and now.watermark_stands_still(
            self._grid, now_ms, delay_ms
        ):
            yield from self._results(series, now.tell_next(max_silent))
        oldest = now.oldest_open()
        if oldest < now.next_index and is_without_watermark(
            now, on_time, now_ms, due_ms=self._final_ms(oldest) + FINAL_MARGIN_MS
        ):
            while now.oldest_open() < now.next_index and now.is_final_by_clock(
                self._grid, now_ms, lateness_ms + delay_ms
            ):
                yield from self._finals(group, series, now)
        early_ms = self._timing.early_ms
        if early_ms is not None and not now.is_over(max_silent):
            yield from self._results(series, now.tell_early(now_ms, early_ms))

    def _finals(self, group: SettlingGroup, series: str, now: Settling) -> Iterator[Result]:
        group.bring_back(series, now.oldest_open())
        yield from self._results(series, now.tell_final())

    def _keep(
        self,
        group: SettlingGroup,
        state: userstate.AccumulatingRuntimeState,
        away: userstate.AccumulatingRuntimeState,
        on_time: userstate.RuntimeTimer,
        final: userstate.RuntimeTimer,
    ) -> None:
        """Writes what changed, and sets the timers for what is due next in any series."""
        if not group.series:
            # Also when a timer fires for what was forgotten meanwhile.
            state.clear()
            away.clear()
            return
        parcels = group.rewritten_away()
        if parcels is None:
            parcels = group.put
        else:
            away.clear()
        for parcel in parcels:
            away.add(parcel)
        state.write(group.to_state())
        now_ms = self._clock_ms()
        next_indices, oldest_indices = [], []
        for series, now in group.series.items():
            if not now.is_too_silent(self._max_silent_windows(series)):
                next_indices.append(now.next_index)
            oldest = now.oldest_open()
            if oldest < now.next_index:
                oldest_indices.append(oldest)
        if next_indices:
            set_next(on_time, self._on_time_ms, min(next_indices), now_ms)
        if oldest_indices:
            set_next(final, self._final_ms, min(oldest_indices), now_ms)

    def _tick_ms(self, group: str) -> int:
        # Groups of many series look less often.
        tick_ms = _TICK_MS if group == TOTAL else max(_TICK_MS, self._grid.slide_ms // 2)
        return tick_ms if self._timing.early_ms is None else min(tick_ms, self._timing.early_ms)

    def _max_silent_windows(self, series: str) -> int:
        timing = self._timing
        silent_ms = timing.max_silence_ms if series == TOTAL else timing.series_idle_ms
        return silent_ms // self._grid.slide_ms

    def _on_time_ms(self, index: int) -> int:
        return self._grid.window_end_ms(index) + self._timing.on_time_delay_ms

    def _final_ms(self, index: int) -> int:
        return self._on_time_ms(index) + self._timing.allowed_lateness_ms

    def _results(self, series: str, told: Iterable[Told]) -> list[Result]:
        job, key, grid = self._job, key_of_series(series), self._grid
        return [
            Result(
                job,
                key,
                grid.window_start_ms(index),
                grid.window_end_ms(index),
                counts.errors,
                revision,
                final,
                silence_of(counts),
            )
            for index, counts, revision, final in told
        ]
