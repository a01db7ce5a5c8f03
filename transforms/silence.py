"""Gives every window on the grid a result, also when nothing was counted in it, and says why.

`no_input`: no line at all fell in the window. `no_errors`: lines did, but none was kept.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
from apache_beam.transforms import window

from transforms import metrics
from transforms.grid import Grid
from transforms.pane_range import EVERY_PANE, PaneRange
from transforms.panes import Counts
from transforms.results import NO_ERRORS, NO_INPUT, Result
from transforms.series import TOTAL, key_of_series

DEFAULT_MAX_SILENCE_SECONDS = 86_400
DEFAULT_SERIES_IDLE_SECONDS = 3_600


class WindowCounts(NamedTuple):
    """Counts of one window, by its index on the grid."""

    window_index: int
    counts: Counts


class FillSilence(beam.PTransform):
    """Turns the counts of windows that hold lines into results for every window on the grid.

    Input: PCollection[tuple[str, Counts]], by series, one element per series and sliding window
    that holds a line of it, bounded.

    Output: PCollection[Result], for the total from the first window that holds a line to the
    last, and for each other series from its first window until it has been quiet for
    `series_idle_seconds` or the total ends; ordered by window end within a series, all of
    them revision 0 and final (a bounded read has no late lines). Emitted when the whole input
    has been read. Nothing for an empty input.

    Zeros stop after `max_silence_seconds` without a line, until the next line: one forged event
    time would otherwise open millions of windows. What is left out is counted by
    `error_windows:silent_windows_skipped`.

    With `panes`: only windows that lie wholly in them. Zeros go on to the last of these, as on a
    live job, and may follow a line before the first.
    """

    def __init__(
        self,
        grid: Grid,
        job: str,
        max_silence_seconds: int = DEFAULT_MAX_SILENCE_SECONDS,
        series_idle_seconds: int = DEFAULT_SERIES_IDLE_SECONDS,
        panes: PaneRange = EVERY_PANE,
    ) -> None:
        super().__init__()
        self._grid = grid
        self._fn = _FillFn(grid, job, max_silence_seconds, series_idle_seconds, panes)

    def expand(self, counts: beam.PCollection[tuple[str, Counts]]) -> beam.PCollection[Result]:
        """Applies the transform."""
        by_series = (
            counts
            | "AttachWindow" >> beam.ParDo(_AttachWindowFn(self._grid))
            | "AllTime" >> beam.WindowInto(window.GlobalWindows())
        )
        last = (
            by_series
            | "WindowIndex" >> beam.Map(_window_index)
            | "Last" >> beam.CombineGlobally(max).without_defaults()
        )
        return (
            by_series
            | "Gather" >> beam.GroupByKey()
            | "Fill" >> beam.ParDo(self._fn, beam.pvalue.AsSingleton(last, default_value=None))
        )


def fill_silence(
    counted: Iterable[WindowCounts], *, max_silent_windows: int, last_index: int | None = None
) -> Iterator[WindowCounts | range]:
    """Yields the counted windows in order with the silent ones after each.

    A `range` in the output stands for silent windows that were left out, because a
    silence lasted longer than `max_silent_windows`.

    Args:
      counted: windows that hold lines, in any order.
      max_silent_windows: so many zeros follow a window at most.
      last_index: zeros go on to this window after the last that holds a line; None: there are none.
    """
    previous: int | None = None
    for current in sorted(counted):
        if previous is not None:
            yield from _zeros(previous, current.window_index, max_silent_windows)
            skipped = range(previous + 1 + max_silent_windows, current.window_index)
            if skipped:
                yield skipped
        yield current
        previous = current.window_index
    if previous is not None and last_index is not None:
        yield from _zeros(previous, last_index + 1, max_silent_windows)


def _zeros(after: int, before: int, most: int) -> Iterator[WindowCounts]:
    for window_index in range(after + 1, min(before, after + 1 + most)):
        yield WindowCounts(window_index, Counts(errors=0, lines=0))


def silence_of(errors: int, lines: int) -> str | None:
    """Why a window's count of error lines is 0, or None where it is not."""
    if errors:
        return None
    return NO_ERRORS if lines else NO_INPUT


class _AttachWindowFn(beam.DoFn):
    """Counts in sliding windows, each with its window's index on the grid beside it."""

    def __init__(self, grid: Grid) -> None:
        self._slide_micros = grid.slide_ms * 1000

    def process(
        self,
        element: tuple[str, Counts],
        bounds: window.IntervalWindow = beam.DoFn.WindowParam,
    ) -> Iterable[tuple[str, WindowCounts]]:
        """Gives one element for one."""
        series, counts = element
        yield series, WindowCounts(bounds.end.micros // self._slide_micros, counts)


def _window_index(element: tuple[str, WindowCounts]) -> int:
    return element[1].window_index


@beam.typehints.with_input_types(tuple[str, Iterable[WindowCounts]])
@beam.typehints.with_output_types(Result)
class _FillFn(beam.DoFn):
    def __init__(
        self,
        grid: Grid,
        job: str,
        max_silence_seconds: int,
        series_idle_seconds: int,
        panes: PaneRange,
    ) -> None:
        self._grid = grid
        self._job = job
        self._panes = panes
        self._max_silent_windows = max_silence_seconds // grid.slide_seconds
        self._idle_windows = series_idle_seconds // grid.slide_seconds
        self._skipped = metrics.counter(metrics.SILENT_WINDOWS_SKIPPED)

    def process(
        self, element: tuple[str, Iterable[WindowCounts]], last_index: int | None = None
    ) -> Iterator[Result]:
        series, counted = element
        is_total = series == TOTAL
        # The total of a read without bounds ends with the last line.
        range_end = self._panes.last_window
        last = last_index if range_end is None and not is_total else range_end
        filled = fill_silence(
            counted,
            max_silent_windows=self._max_silent_windows if is_total else self._idle_windows,
            last_index=last,
        )
        for item in filled:
            if isinstance(item, range):
                if is_total:
                    self._skipped.inc(len(self._told(item)))
                continue
            if not self._told(range(item.window_index, item.window_index + 1)):
                continue
            yield Result(
                job=self._job,
                key=key_of_series(series),
                window_start_ms=self._grid.window_start_ms(item.window_index),
                window_end_ms=self._grid.window_end_ms(item.window_index),
                count=item.counts.errors,
                revision=0,
                final=True,
                silence=silence_of(*item.counts),
            )

    def _told(self, windows: range) -> range:
        return self._panes.told(self._grid, windows)
