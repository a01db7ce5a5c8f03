"""Plays the runner for all steps of the live job: state, timers, watermark and clock.

Elements go through every step at once; the watermark reaches the steps one after the other, and
no step sees one that is ahead of an element still on its way, as with a real runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms.batch_records import BatchRecordsFn
from transforms.beam_time import timestamp_of
from transforms.classify import LineRules
from transforms.dead_letters import DeadLetter
from transforms.grid import Grid
from transforms.keep_ledger import _KeepFn
from transforms.ledger import LedgerRow
from transforms.live import ClosePanes, _ClosePanesFn, _SettleFn
from transforms.panes import CountPanesFn
from transforms.records import Record
from transforms.results import Result
from transforms.timing import Timing


class Cell:
    """A state: a value, or a bag of values."""

    def __init__(self) -> None:
        self.value: Any = None
        self.bag: list[Any] = []

    def read(self) -> Any:
        """The value last written, or the bag."""
        return self.bag if self.bag else self.value

    def write(self, value: Any) -> None:
        """Keeps a value."""
        self.value = value

    def add(self, value: Any) -> None:
        """Puts a value into the bag."""
        self.bag.append(value)

    def clear(self) -> None:
        """Forgets all."""
        self.value, self.bag = None, []


class Bag(Cell):
    """A bag, which is empty and not absent when nothing is in it."""

    def read(self) -> Any:
        """All values."""
        return self.bag


class Alarm:
    """A timer; it holds the last time set for every tag."""

    def __init__(self) -> None:
        self._times: dict[str, Timestamp] = {}

    def set(self, at: Timestamp, dynamic_timer_tag: str = "") -> None:
        """Sets the timer, also when it is set already."""
        self._times[dynamic_timer_tag] = at

    def due(self, at: Timestamp) -> Timestamp | None:
        """The first time up to this one that it is set for."""
        first = min(self._times.values(), default=None)
        return first if first is not None and first <= at else None

    def take_due(self, at: Timestamp) -> list[Timestamp]:
        """All such times in their order; they are forgotten."""
        due = {tag: time for tag, time in self._times.items() if time <= at}
        for tag in due:
            del self._times[tag]
        return sorted(due.values())


class LiveChain:
    """The live job on one machine, from records to results, dead letters and ledger.

    Attributes:
      results: all results so far.
      dead_letters: all dead letters so far.
      rows: the newest row of the ledger by id.
    """

    def __init__(
        self, rules: LineRules, grid: Grid, timing: Timing, *, max_keys: int = 1_000
    ) -> None:
        self.now_ms = 0
        self.watermark_ms: int | None = None
        self.results: list[Result] = []
        self.dead_letters: list[DeadLetter] = []
        self.rows: dict[str, LedgerRow] = {}
        lateness_seconds = timing.allowed_lateness_ms // 1000
        self._batch = BatchRecordsFn()
        self._count = CountPanesFn(rules, grid, 0, "", lateness_seconds, self._clock)
        self._close = _ClosePanesFn(grid, timing, max_keys, self._clock)
        self._settle = _SettleFn(grid, "errors", timing, self._clock)
        self._keep = _KeepFn("errors", lateness_seconds // 60 + 60, self._clock)
        self._gate, self._keys, self._close_timer, self._gate_tick = (
            Cell(),
            Cell(),
            Alarm(),
            Alarm(),
        )
        self._groups: dict[str, tuple[Cell, Bag, Alarm, Alarm, Alarm]] = {}
        self._ledgers: dict[tuple[str, int], tuple[Cell, Bag, Cell, Alarm]] = {}

    def _clock(self) -> int:
        return self.now_ms

    def bundle(self, records: Iterable[Record]) -> None:
        """Lets a bundle of records through all steps."""
        self._batch.start_bundle()
        batches = [batch for record in records for batch in self._batch.process(record)]
        batches += [_value(batch) for batch in self._batch.finish_bundle()]
        self._count.start_bundle()
        outputs = [output for batch in batches for output in self._count.process(batch)]
        outputs += self._count.finish_bundle()
        for output in outputs:
            self._route(output)
        for output in outputs:
            value = _value(output)
            if not isinstance(output, beam.pvalue.TaggedOutput):
                for closed in self._close.process(
                    ("all", value), self._gate, self._keys, self._close_timer, self._gate_tick
                ):
                    self._route(closed)
                    if not isinstance(closed, beam.pvalue.TaggedOutput):
                        cells = self._groups.setdefault(
                            closed[0], (Cell(), Bag(), Alarm(), Alarm(), Alarm())
                        )
                        self.results += self._settle.process(closed, *cells)

    def _route(self, output: Any) -> None:
        if not isinstance(output, beam.pvalue.TaggedOutput):
            return
        value = _value(output)
        if output.tag in (CountPanesFn.DEAD_LETTERS, ClosePanes.DEAD_LETTERS):
            self.dead_letters.append(value)
        elif output.tag in (CountPanesFn.SPANS, ClosePanes.SPANS):
            cells = self._ledgers.setdefault(value[0], (Cell(), Bag(), Cell(), Alarm()))
            self._keep.process(value, cells[1], cells[2], cells[3])

    def watermark(self, at_ms: int) -> None:
        """Moves the watermark on, in all steps; the clock goes with it where it is behind."""
        self.watermark_ms = at_ms
        self.now_ms = max(self.now_ms, at_ms)
        self._fire_timers()

    def _fire_timers(self) -> None:
        if self.watermark_ms is None:
            return
        at = timestamp_of(self.watermark_ms)
        while due := self._close_timer.take_due(at):
            for fired in due:
                self._close.close_panes(fired, self._gate, self._close_timer)
        for name, (state, away, on_time, final, _) in self._groups.items():
            self.results += fire_until(at, self._settle, name, state, away, on_time, final)

    def clock(self, at_ms: int) -> None:
        """Lets the clock go on to a time, tick by tick; the watermark stands still."""
        while self.now_ms < at_ms:
            self.now_ms = min(self.now_ms + 1_000, at_ms)
            now = timestamp_of(self.now_ms)
            if self._gate_tick.take_due(now):
                self._close.look_at_the_clock(self._gate, self._close_timer, self._gate_tick)
            for name, cells in self._groups.items():
                if cells[-1].take_due(now):
                    self.results += self._settle.look_at_the_clock(name, *cells)
            self._fire_timers()
            self.tell_ledger()

    def tell_ledger(self, *, now: bool = False) -> None:
        """Brings the ledger up to date, where its timer is due, or everywhere."""
        for place, (ledger, new, ticking, tick) in self._ledgers.items():
            if tick.take_due(timestamp_of(self.now_ms)) or now:
                for row in self._keep.tell(place, ledger, new, ticking):
                    self.rows[row.id] = row

    def table(self) -> dict[tuple[str | None, int], Result]:
        """The result of every series and window that came last, by key and window end in ms."""
        return {(one.key, one.window_end_ms): one for one in self.results}


def fire_until(
    at: Timestamp,
    settle: _SettleFn,
    name: str,
    state: Any,
    away: Any,
    on_time: Alarm,
    final: Alarm,
) -> Iterator[Result]:
    """Fires the event-time timers of a group, in rounds, and yields the results.

    What is set while others fire comes in the next round, as on Flink in the next bundle.
    """
    while due := [(fired, settle.emit_on_time) for fired in on_time.take_due(at)] + [
        (fired, settle.emit_final) for fired in final.take_due(at)
    ]:
        for fired, fire in sorted(due, key=lambda one: one[0]):
            yield from fire(fired, name, state, away, on_time, final)


def _value(output: Any) -> Any:
    value = output.value if isinstance(output, beam.pvalue.TaggedOutput) else output
    return value.value if isinstance(value, WindowedValue) else value
