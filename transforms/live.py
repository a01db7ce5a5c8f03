"""Results of a stream: on time, amended when late lines come, final in the end, zeros included.

`transforms.settling`, `transforms.pane_gate` and `transforms.ledger` have the rules; this module
puts them into Beam's state and timers.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder, PickleCoder
from apache_beam.transforms import userstate, window
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.utils.timestamp import Timestamp

from transforms import metrics
from transforms.beam_time import milliseconds_of, timestamp_of
from transforms.clock import wall_clock_ms
from transforms.dead_letters import TOO_LATE, DeadLetter
from transforms.event_timers import is_without_watermark, set_next
from transforms.grid import Grid
from transforms.key_bound import OTHER, KeyBound
from transforms.offsets import OffsetSpan, decided
from transforms.pane_gate import PaneGate, closes_at_ms
from transforms.panes import BundleCounts, Counts, Suspect
from transforms.results import Result, format_time
from transforms.series import TOTAL, group_of_series, key_of_series, series_of_key
from transforms.settling import Settling, Told
from transforms.settling_group import SettlingGroup
from transforms.silence import silence_of
from transforms.timing import FINAL_MARGIN_MS, STILL_WITHOUT_LINES_MS, Timing
from transforms.typed import set_output_types

_TICK_MS = 1_000
_ONE = "all"
# What was added to one series: pane, error lines and lines, and again. Plain values, because there
# may be very many.
SeriesCounts = tuple[tuple[int, int, int], ...]
GroupCounts = tuple[tuple[str, SeriesCounts], ...]
"""What was added to series of one group."""


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
        panes = sorted({part[1] for part in (*bundle.panes, *bundle.suspects)})
        now_ms = self._clock_ms()
        stored = gate.read()
        if stored:
            now = PaneGate.from_state(stored)
        else:
            now = PaneGate.begin(panes[-1], now_ms)
            tick.set(timestamp_of(now_ms + _TICK_MS))
        open_panes = {pane for pane in panes if not now.is_closed(pane, self._max_silent_panes)}
        for pane in sorted(open_panes, reverse=True):
            now.saw(pane, self._max_silent_panes)
        self._set(now, close, now_ms)
        if now.to_state() != stored:
            gate.write(now.to_state())

        bound = self._bound(keys, now, bundle)
        total: dict[int, list[int]] = {}
        of_keys: dict[str, list[tuple[int, int, int]]] = {}
        suspects = [(one.key, one.pane, 1, 1) for one in bundle.suspects if one.pane in open_panes]
        for key, pane, errors, lines in (*bundle.panes, *suspects):
            if not errors and pane not in open_panes:
                # Final windows stay as they are, and no error line is lost.
                continue
            counts = total.get(pane)
            if counts is None:
                counts = total[pane] = [0, 0]
            counts[0] += errors
            counts[1] += lines
            if key is not None:
                of_keys.setdefault(self._series(key, bound), []).append((pane, errors, lines))
        if total:
            yield TOTAL, ((TOTAL, tuple((pane, *counts) for pane, counts in total.items())),)
        groups: dict[str, list[tuple[str, SeriesCounts]]] = {}
        for series, added in of_keys.items():
            groups.setdefault(group_of_series(series), []).append((series, tuple(added)))
        for group, of_group in groups.items():
            yield group, tuple(of_group)
        if bundle.suspects:
            yield from self._decide(bundle.suspects, open_panes)

    def _bound(
        self, keys: userstate.AccumulatingRuntimeState, now: PaneGate, bundle: BundleCounts
    ) -> KeyBound | None:
        seen = [(part[0], part[1]) for part in (*bundle.panes, *bundle.suspects)]
        if all(key is None for key, _ in seen):
            return None
        bound = KeyBound(self._max_keys, keys.read() or {})
        for key, pane in seen:
            if key is not None:
                bound.admit(key, pane, closed=now.closed)
        if bound.changed:
            keys.write(bound.last_panes)
        return bound

    def _series(self, key: str, bound: KeyBound | None) -> str:
        if bound is not None and bound.has(key):
            return series_of_key(key)
        self._other_lines.inc()
        return series_of_key(OTHER)

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
        tick.set(timestamp_of(now_ms + _TICK_MS))
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
    _AWAY = userstate.ReadModifyWriteStateSpec("away", PickleCoder())
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
        for series, counts in added:
            yield from self._add(group, series, counts, now_ms)
        self._keep(group, state, away, on_time, final)

    def _add(
        self, group: SettlingGroup, series: str, added: SeriesCounts, now_ms: int
    ) -> Iterator[Result]:
        max_silent = self._max_silent_windows(series)
        now = group.series.get(series)
        if now is None:
            oldest = min(pane for pane, _, _ in added)
            now = group.series[series] = Settling.begin(oldest + 1, now_ms)
        before = (now.skipped, now.late_lines, now.too_late_lines)
        told: list[Told] = []
        for pane, errors, lines in added:
            counts = Counts(errors, lines)
            for index in self._grid.windows_of(pane):
                if index < now.away_before:
                    group.bring_back(series, index)
                told += now.add(index, counts, now_ms=now_ms, max_silent_windows=max_silent)
        yield from self._results(series, told)
        self._skipped.inc(now.skipped - before[0])
        if series == TOTAL:
            self._late_lines.inc(now.late_lines - before[1])
            self._lost_lines.inc(now.too_late_lines - before[2])

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
        for series, now in group.series.items():
            max_silent = self._max_silent_windows(series)
            now.reached_ms = now_ms
            while (
                not now.is_too_silent(max_silent) and self._on_time_ms(now.next_index) <= fired_ms
            ):
                yield from self._results(series, now.tell_next(max_silent))
            group.put_away(series)
        self._keep(group, state, away, on_time, final)

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
                group.drop(series)
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
        if group.away_changed:
            away.write(group.away)
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

    def _results(self, series: str, told: Iterable[Told]) -> Iterator[Result]:
        for index, counts, revision, final in told:
            yield Result(
                job=self._job,
                key=key_of_series(series),
                window_start_ms=self._grid.window_start_ms(index),
                window_end_ms=self._grid.window_end_ms(index),
                count=counts.errors,
                revision=revision,
                final=final,
                silence=silence_of(counts),
            )
