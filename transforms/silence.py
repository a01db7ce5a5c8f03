"""Gives every window on the grid a result, also when nothing was counted in it, and says why.

`no_input`: no line at all fell in the window. `no_errors`: lines did, but none was kept.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.transforms import window

from transforms import metrics
from transforms.grid import Grid
from transforms.panes import Counts
from transforms.results import NO_ERRORS, NO_INPUT, Result

DEFAULT_MAX_SILENCE_SECONDS = 86_400


class WindowCounts(NamedTuple):
    """Counts of one window, by its index on the grid."""

    window_index: int
    counts: Counts


class FillSilence(beam.PTransform):
    """Turns the counts of windows that hold lines into results for every window on the grid.

    Input: PCollection[Counts], one element per sliding window that holds a line, bounded.

    Output: PCollection[Result], from the first window that holds a line to the last,
    ordered by window end within one bundle, all of them revision 0 and final (a bounded
    read has no late lines). Emitted when the whole input has been read. Nothing for an
    empty input.

    A silence longer than `max_silence_seconds` is not filled: one forged event time
    would otherwise open millions of windows. What is left out is counted by
    `error_windows:silent_windows_skipped`.
    """

    def __init__(
        self,
        grid: Grid,
        job: str,
        max_silence_seconds: int = DEFAULT_MAX_SILENCE_SECONDS,
    ) -> None:
        super().__init__()
        self._grid = grid
        self._job = job
        self._max_silence_seconds = max_silence_seconds

    def expand(self, counts: beam.PCollection[Counts]) -> beam.PCollection[Result]:
        """Applies the transform."""
        return (
            counts
            | "AttachWindow" >> beam.ParDo(AttachWindowFn(self._grid))
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
            | "Gather" >> beam.combiners.ToList()
            | "Fill" >> beam.ParDo(_FillFn(self._grid, self._job, self._max_silence_seconds))
        )


def fill_silence(
    counted: Iterable[WindowCounts], *, max_silent_windows: int
) -> Iterator[WindowCounts | int]:
    """Yields the counted windows in order with the silent ones between them.

    An `int` in the output stands for that many silent windows that were left out,
    because a silence lasted longer than `max_silent_windows`.
    """
    previous: int | None = None
    for current in sorted(counted):
        if previous is not None:
            silent = current.window_index - previous - 1
            if silent > max_silent_windows:
                yield silent
            else:
                for window_index in range(previous + 1, current.window_index):
                    yield WindowCounts(window_index, Counts(errors=0, lines=0))
        yield current
        previous = current.window_index


def silence_of(counts: Counts) -> str | None:
    """Why a window's count is 0, or None where it is not."""
    if counts.errors:
        return None
    return NO_ERRORS if counts.lines else NO_INPUT


class AttachWindowFn(beam.DoFn):
    """Counts in sliding windows, each with its window's index on the grid beside it."""

    def __init__(self, grid: Grid) -> None:
        self._slide_micros = grid.slide_ms * 1000

    def process(
        self,
        element: Counts,
        bounds: window.IntervalWindow = beam.DoFn.WindowParam,
    ) -> Iterable[WindowCounts]:
        """Gives one element for one."""
        yield WindowCounts(bounds.end.micros // self._slide_micros, element)


class _FillFn(beam.DoFn):
    def __init__(self, grid: Grid, job: str, max_silence_seconds: int) -> None:
        self._grid = grid
        self._job = job
        self._max_silent_windows = max_silence_seconds // grid.slide_seconds
        self._skipped = metrics.counter(metrics.SILENT_WINDOWS_SKIPPED)

    def process(self, element: list[WindowCounts]) -> Iterator[Result]:
        for item in fill_silence(element, max_silent_windows=self._max_silent_windows):
            if isinstance(item, int):
                self._skipped.inc(item)
            else:
                yield Result(
                    job=self._job,
                    key=None,
                    window_start_ms=self._grid.window_start_ms(item.window_index),
                    window_end_ms=self._grid.window_end_ms(item.window_index),
                    count=item.counts.errors,
                    revision=0,
                    final=True,
                    silence=silence_of(item.counts),
                )
