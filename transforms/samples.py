"""Takes a few error lines of every slide, to show what the counts are made of."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.transforms import window

from transforms.beam_time import timestamp_of
from transforms.grid import Grid

# A sample is for a person's eye; a line of a megabyte is not.
MAX_SAMPLE_BYTES = 1_000

_Stamped = tuple[int, bytes]
_Accumulator = tuple[int, list[_Stamped]]


class Sample(NamedTuple):
    """Error lines of one pane.

    Attributes:
      pane_end_ms: exclusive end of the pane, milliseconds since the epoch.
      total: how many error lines the pane holds.
      lines: the first of them by event time, cut to `MAX_SAMPLE_BYTES`, as bytes.
    """

    pane_end_ms: int
    total: int
    lines: tuple[bytes, ...]


class PaneSample(NamedTuple):
    """The first error lines of one pane and bundle.

    Attributes:
      pane: index of the pane on the grid.
      total: how many error lines of it the bundle holds.
      lines: event time in milliseconds and the line, cut to `MAX_SAMPLE_BYTES`, in this order.
    """

    pane: int
    total: int
    lines: tuple[tuple[int, bytes], ...]


class SampleErrorLines(beam.PTransform):
    """Takes the first `size` error lines of every pane, by event time and then by bytes.

    Input: PCollection[PaneSample] (`CountPanes`).
    Output: PCollection[Sample], one per pane that holds an error line, when the pane closes.
    """

    def __init__(self, grid: Grid, size: int) -> None:
        super().__init__()
        if size <= 0:
            raise ValueError(f"a sample holds at least one line, not {size}")
        self._grid = grid
        self._size = size

    def expand(self, bundles: beam.PCollection[PaneSample]) -> beam.PCollection[Sample]:
        """Applies the transform."""
        return (
            bundles
            | "StampPane" >> beam.ParDo(_StampPaneFn(self._grid))
            | "Slides" >> beam.WindowInto(window.FixedWindows(self._grid.slide_seconds))
            | "First" >> beam.CombineGlobally(_MergeFirstLinesFn(self._size)).without_defaults()
            | "AttachPane" >> beam.ParDo(_AttachPaneFn())
        )


class FirstLinesFn(beam.CombineFn):
    """Keeps the `size` smallest (event time in milliseconds, line) pairs and counts all."""

    def __init__(self, size: int) -> None:
        self._size = size

    def create_accumulator(self) -> _Accumulator:
        """Nothing seen."""
        return 0, []

    def add_input(self, accumulator: _Accumulator, element: _Stamped) -> _Accumulator:
        """Takes one line in."""
        return self.add_inputs(accumulator, [element])

    def add_inputs(self, accumulator: _Accumulator, elements: Sequence[_Stamped]) -> _Accumulator:
        """Takes lines in, and cuts those that are kept; cheap for a line after the lines kept."""
        total, kept = accumulator
        if len(kept) == self._size:
            latest_ms = kept[-1][0]
            added = [element for element in elements if element[0] <= latest_ms]
        else:
            added = list(elements)
        if added:
            first = sorted(added)[: self._size]
            kept = sorted([*kept, *((time_ms, line[:MAX_SAMPLE_BYTES]) for time_ms, line in first)])
        return total + len(elements), kept[: self._size]

    def merge_accumulators(self, accumulators: Iterable[_Accumulator]) -> _Accumulator:
        """Keeps the smallest of all."""
        total = 0
        kept: list[_Stamped] = []
        for count, lines in accumulators:
            total += count
            kept += lines
        return total, sorted(kept)[: self._size]

    def extract_output(self, accumulator: _Accumulator) -> tuple[int, tuple[bytes, ...]]:
        """(how many lines, the lines kept in order)."""
        total, kept = accumulator
        return total, tuple(line for _, line in kept)


class _MergeFirstLinesFn(FirstLinesFn):
    """Takes what bundles kept, instead of lines."""

    def add_input(self, accumulator: _Accumulator, element: Any) -> _Accumulator:
        return self.merge_accumulators([accumulator, element])

    def add_inputs(self, accumulator: _Accumulator, elements: Iterable[Any]) -> _Accumulator:
        return self.merge_accumulators([accumulator, *elements])


@beam.typehints.with_output_types(tuple[int, list[tuple[int, bytes]]])
class _StampPaneFn(beam.DoFn):
    """Moves what a bundle kept into its pane."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def process(self, element: PaneSample) -> Iterable[window.TimestampedValue]:
        kept = (element.total, list(element.lines))
        yield window.TimestampedValue(kept, timestamp_of(self._grid.pane_end_ms(element.pane) - 1))


class _AttachPaneFn(beam.DoFn):
    def process(
        self,
        element: tuple[int, tuple[bytes, ...]],
        bounds: window.IntervalWindow = beam.DoFn.WindowParam,
    ) -> Iterable[Sample]:
        total, lines = element
        yield Sample(bounds.end.micros // 1000, total, lines)
