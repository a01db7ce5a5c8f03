"""Counts lines and error lines per pane, where they are read, once per line.

A window is the sum of its panes, so the cost of a line does not depend on how many
windows it falls in.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms import window
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from transforms import metrics
from transforms.grid import Grid

# Forged event times must not make a bundle's table of panes grow without end.
MAX_PANES_PER_BUNDLE = 10_000


class Counts(NamedTuple):
    """What was counted in a stretch of event time: error lines, and lines of any kind."""

    errors: int
    lines: int


class CountPanes(beam.PTransform):
    """Counts lines and error lines per pane.

    Input: a dict of two PCollections of lines, `lines` (all of them) and `errors` (those
    that the filter kept), with event time as timestamps, in the global window.

    Output: PCollection[Counts], partial counts: one element per bundle and pane,
    stamped with the latest event time that it counts (so it is inside its pane and no
    more behind the watermark than the line it stands for). Emitted at the end of every bundle.
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid

    def expand(self, inputs: Any) -> beam.PCollection[Counts]:
        """Applies the transform (Beam checks types of single PCollections only)."""
        lines = inputs["lines"] | "CountLines" >> beam.ParDo(
            _CountPerPaneFn(self._grid, Counts(errors=0, lines=1), metrics.LINES_READ)
        )
        errors = inputs["errors"] | "CountErrorLines" >> beam.ParDo(
            _CountPerPaneFn(self._grid, Counts(errors=1, lines=0), metrics.ERROR_LINES)
        )
        return (lines, errors) | "Flatten" >> beam.Flatten()


class SumCountsFn(beam.CombineFn):
    """Adds up Counts."""

    def create_accumulator(self) -> tuple[int, int]:
        """Nothing counted."""
        return 0, 0

    def add_input(self, accumulator: tuple[int, int], element: Counts) -> tuple[int, int]:
        """Adds one partial count."""
        return accumulator[0] + element[0], accumulator[1] + element[1]

    def merge_accumulators(self, accumulators: Iterable[tuple[int, int]]) -> tuple[int, int]:
        """Adds up accumulators."""
        errors = lines = 0
        for accumulator in accumulators:
            errors += accumulator[0]
            lines += accumulator[1]
        return errors, lines

    def extract_output(self, accumulator: tuple[int, int]) -> Counts:
        """The sum."""
        return Counts(*accumulator)


@beam.typehints.with_output_types(Counts)
class _CountPerPaneFn(beam.DoFn):
    """Counts elements per pane in memory and emits the counts when the bundle ends.

    `unit` is what one element adds.
    """

    def __init__(self, grid: Grid, unit: Counts, counter_name: str) -> None:
        self._grid = grid
        self._unit = unit
        self._counter = metrics.counter(counter_name)
        self._counts: dict[int, int] = {}
        self._latest: dict[int, int] = {}

    def start_bundle(self) -> None:
        self._counts = {}
        self._latest = {}

    def process(
        self,
        element: Any,
        timestamp: Timestamp = beam.DoFn.TimestampParam,
    ) -> Iterable[WindowedValue]:
        micros = timestamp.micros
        pane = self._grid.pane_of(micros)
        counts = self._counts
        if pane in counts:
            counts[pane] += 1
            if micros > self._latest[pane]:
                self._latest[pane] = micros
            return ()
        counts[pane] = 1
        self._latest[pane] = micros
        return tuple(self._flush()) if len(counts) > MAX_PANES_PER_BUNDLE else ()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from self._flush()

    def _flush(self) -> Iterator[WindowedValue]:
        counts, latest = self._counts, self._latest
        self._counts, self._latest = {}, {}
        self._counter.inc(sum(counts.values()))
        for pane, count in counts.items():
            yield WindowedValue(
                Counts(self._unit.errors * count, self._unit.lines * count),
                Timestamp(micros=latest[pane]),
                (window.GlobalWindow(),),
            )
