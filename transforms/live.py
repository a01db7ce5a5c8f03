"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

`transforms.settling`, `transforms.pane_gate` and `transforms.ledger` have the rules; this module
puts them into Beam's state and timers.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
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
from transforms.event_timers import Watch, is_without_watermark, set_next
from transforms.garbage import search_rarely
from transforms.grid import Grid
from transforms.group_counts import GroupCounts, GroupSums
from transforms.key_bound import KeyBound
from transforms.offsets import OffsetSpan, decided
from transforms.pane_gate import PaneGate, closes_at_ms
from transforms.panes import BundleCounts, Suspect, with_errors
from transforms.results import Result, format_time
from transforms.series import TOTAL, key_of_series
from transforms.settling_group import SettlingGroup, ToldColumns
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
        if not len(group):
            group.tick_ms = now_ms
            tick.set(timestamp_of(now_ms + self._tick_ms(name)))
        max_silent = self._max_silent_windows(name)
        before = group.tallies()
        told: list[ToldColumns] = []
        for pane, names, errors, lines in added:
            windows = self._grid.windows_of(pane)
            told += group.add(
                windows, names, errors, lines, now_ms=now_ms, max_silent_windows=max_silent
            )
        skipped, late_lines, too_late_lines = (group.tallies() - before).tolist()
        self._skipped.inc(skipped)
        if name == TOTAL:
            self._late_lines.inc(late_lines)
            self._lost_lines.inc(too_late_lines)
        yield from self._results(group, told)
        self._keep(name, group, state, away, on_time, final)

    @userstate.on_timer(_ON_TIME)  # type: ignore[untyped-decorator]
    def emit_on_time(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        name: str = beam.DoFn.KeyParam,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells amended windows and those that are over, and looks forward to the next one."""
        group = SettlingGroup(state.read(), away.read)
        group.reached_ms[:] = self._clock_ms()
        due = (milliseconds_of(fired) - self._on_time_ms(0)) // self._grid.slide_ms
        yield from self._results(group, group.tell_due(due, self._max_silent_windows(name)))
        group.put_old_windows_away()
        self._keep(name, group, state, away, on_time, final)

    @userstate.on_timer(_FINAL)  # type: ignore[untyped-decorator]
    def emit_final(
        self,
        fired: Timestamp = beam.DoFn.TimestampParam,
        name: str = beam.DoFn.KeyParam,
        state: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_STATE),
        away: userstate.AccumulatingRuntimeState = beam.DoFn.StateParam(_AWAY),
        on_time: userstate.RuntimeTimer = beam.DoFn.TimerParam(_ON_TIME),
        final: userstate.RuntimeTimer = beam.DoFn.TimerParam(_FINAL),
    ) -> Iterator[Result]:
        """Tells windows for the last time that the watermark is past by the allowed lateness."""
        group = SettlingGroup(state.read(), away.read)
        due = (milliseconds_of(fired) - self._final_ms(0)) // self._grid.slide_ms
        yield from self._results(group, group.tell_final(due))
        self._keep(name, group, state, away, on_time, final)

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
        group.tick(now_ms, tick_ms)
        yield from self._results(group, self._look(name, group, on_time, now_ms))
        # When all is final and told, the next line begins anew.
        group.forget_what_is_over(self._max_silent_windows(name))
        self._keep(name, group, state, away, on_time, final)
        if len(group):
            tick.set(timestamp_of(now_ms + tick_ms))

    def _look(
        self, name: str, group: SettlingGroup, on_time: userstate.RuntimeTimer, now_ms: int
    ) -> Iterator[ToldColumns]:
        timing, grid = self._timing, self._grid
        yield from group.tell_where_watermark_stands_still(
            grid, now_ms, timing.on_time_delay_ms, self._max_silent_windows(name)
        )
        without_watermark = self._without_watermark(group, on_time, now_ms)
        yield from group.tell_final_by_clock(grid, now_ms, self._final_ms(0), without_watermark)
        if timing.early_ms is not None:
            yield from group.tell_early(now_ms, timing.early_ms)

    def _without_watermark(
        self, group: SettlingGroup, on_time: userstate.RuntimeTimer, now_ms: int
    ) -> list[bool]:
        """Of which series windows are to be final by the clock."""
        found = [False] * len(group)
        oldest = group.oldest_open()
        for row in np.flatnonzero(oldest < group.next_index).tolist():
            watch = Watch(int(group.reached_ms[row]), int(group.probed_ms[row]))
            due_ms = self._final_ms(int(oldest[row])) + FINAL_MARGIN_MS
            found[row] = is_without_watermark(watch, on_time, now_ms, due_ms=due_ms)
            group.probed_ms[row] = watch.probed_ms
        return found

    def _keep(
        self,
        name: str,
        group: SettlingGroup,
        state: userstate.AccumulatingRuntimeState,
        away: userstate.AccumulatingRuntimeState,
        on_time: userstate.RuntimeTimer,
        final: userstate.RuntimeTimer,
    ) -> None:
        """Writes what changed, and sets the timers for what is due next in any series."""
        if not len(group):
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
        told_next = group.next_index[~group.too_silent(self._max_silent_windows(name))]
        if len(told_next):
            set_next(on_time, self._on_time_ms, int(told_next.min()), now_ms)
        oldest = group.oldest_open()
        not_final = oldest[oldest < group.next_index]
        if len(not_final):
            set_next(final, self._final_ms, int(not_final.min()), now_ms)

    def _tick_ms(self, group: str) -> int:
        # Groups of many series look less often.
        tick_ms = _TICK_MS if group == TOTAL else max(_TICK_MS, self._grid.slide_ms // 2)
        return tick_ms if self._timing.early_ms is None else min(tick_ms, self._timing.early_ms)

    def _max_silent_windows(self, group: str) -> int:
        timing = self._timing
        silent_ms = timing.max_silence_ms if group == TOTAL else timing.series_idle_ms
        return silent_ms // self._grid.slide_ms

    def _on_time_ms(self, index: int) -> int:
        return self._grid.window_end_ms(index) + self._timing.on_time_delay_ms

    def _final_ms(self, index: int) -> int:
        return self._on_time_ms(index) + self._timing.allowed_lateness_ms

    def _results(self, group: SettlingGroup, told: Iterable[ToldColumns]) -> Iterator[Result]:
        job, grid = self._job, self._grid
        for index, rows, *columns, final in told:
            start_ms, end_ms = grid.window_start_ms(index), grid.window_end_ms(index)
            keys = [key_of_series(group.names[row]) for row in rows.tolist()]
            numbers = (column.tolist() for column in columns)
            for key, errors, lines, revision in zip(keys, *numbers, strict=True):
                silence = silence_of(errors, lines)
                yield Result(job, key, start_ms, end_ms, errors, revision, final, silence)
