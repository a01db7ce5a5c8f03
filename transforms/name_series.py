"""Names the series of what bundles counted, for reads that end: the total, and one per key."""

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Timestamp

from transforms.grid import Grid
from transforms.key_bound import OTHER
from transforms.panes import TOTAL, BundleCounts, Counts
from transforms.series import series_of_key


class NameSeries(beam.PTransform):
    """Gives every partial count its series, and every key beyond the bound that of `other`.

    Input: PCollection[BundleCounts] (`CountPanes`), bounded.

    Output: PCollection[tuple[str, Counts]]: what a bundle counted in a pane, once for the total and
    once for the series of its key, with event time inside the pane. The `max_keys` keys whose
    lines come first by event time have series of their own, at equal times those that are first
    as text; so the choice depends on the records only. Without grouping there is only the total.
    """

    def __init__(self, grid: Grid, max_keys: int | None) -> None:
        """Makes the transform; `max_keys` None: no grouping."""
        super().__init__()
        self._grid = grid
        self._max_keys = max_keys

    def expand(self, bundles: beam.PCollection[BundleCounts]) -> beam.PCollection:
        """Applies the transform."""
        if self._max_keys is None:
            return bundles | "Name" >> beam.ParDo(_NameFn(self._grid))
        kept = (
            bundles
            | "FirstPanes" >> beam.FlatMap(_first_panes)
            | "FirstPane" >> beam.CombinePerKey(min)
            | "FirstKeys" >> beam.CombineGlobally(_FirstKeysFn(self._max_keys))
        )
        return bundles | "Name" >> beam.ParDo(_NameFn(self._grid), beam.pvalue.AsSingleton(kept))


def _first_panes(bundle: BundleCounts) -> Iterable[tuple[str, int]]:
    first: dict[str, int] = {}
    for key, pane, _, _ in bundle.panes:
        if key is not None:
            first[key] = min(pane, first.get(key, pane))
    return first.items()


class _FirstKeysFn(beam.CombineFn):
    """The keys that come first, from (key, first pane)."""

    def __init__(self, size: int) -> None:
        self._size = size

    def create_accumulator(self) -> list[tuple[int, str]]:
        return []

    def add_input(
        self, accumulator: list[tuple[int, str]], element: tuple[str, int]
    ) -> list[tuple[int, str]]:
        accumulator.append((element[1], element[0]))
        return accumulator if len(accumulator) < 2 * self._size else self.compact(accumulator)

    def merge_accumulators(self, accumulators: Any) -> list[tuple[int, str]]:
        return self.compact([one for accumulator in accumulators for one in accumulator])

    def compact(self, accumulator: list[tuple[int, str]]) -> list[tuple[int, str]]:
        return nsmallest(self._size, accumulator)

    def extract_output(self, accumulator: list[tuple[int, str]]) -> frozenset[str]:
        return frozenset(key for _, key in nsmallest(self._size, accumulator))


@beam.typehints.with_input_types(BundleCounts)
@beam.typehints.with_output_types(tuple[str, Counts])
class _NameFn(beam.DoFn):
    def __init__(self, grid: Grid) -> None:
        self._slide_ms = grid.slide_ms

    def process(
        self, element: BundleCounts, own: frozenset[str] = frozenset()
    ) -> Iterator[TimestampedValue]:
        added: dict[tuple[str, int], list[int]] = {}
        for key, pane, errors, lines in element.panes:
            names = [TOTAL]
            if key is not None:
                names.append(series_of_key(key if key in own else OTHER))
            for name in names:
                counts = added.setdefault((name, pane), [0, 0])
                counts[0] += errors
                counts[1] += lines
        for (name, pane), (errors, lines) in added.items():
            last_ms = (pane + 1) * self._slide_ms - 1
            yield TimestampedValue((name, Counts(errors, lines)), Timestamp(micros=last_ms * 1000))
