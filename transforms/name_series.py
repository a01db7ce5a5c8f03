"""Names the series of what bundles counted, for reads that end: the total, and one per key."""

from collections.abc import Iterable, Iterator

import apache_beam as beam
from apache_beam.transforms.window import TimestampedValue

from transforms.beam_time import timestamp_of
from transforms.grid import Grid
from transforms.key_bound import OTHER
from transforms.panes import BundleCounts, Counts
from transforms.series import TOTAL, series_of_key


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
            | "ByFirstPane" >> beam.Map(_by_first_pane)
            | "FirstKeys" >> beam.combiners.Top.Smallest(self._max_keys)
            | "Keys" >> beam.Map(_keys)
        )
        return bundles | "Name" >> beam.ParDo(_NameFn(self._grid), beam.pvalue.AsSingleton(kept))


def _first_panes(bundle: BundleCounts) -> Iterable[tuple[str, int]]:
    first: dict[str, int] = {}
    for key, pane, _, _ in bundle.panes:
        if key is not None:
            first[key] = min(pane, first.get(key, pane))
    return first.items()


def _by_first_pane(element: tuple[str, int]) -> tuple[int, str]:
    key, pane = element
    return pane, key


def _keys(first: list[tuple[int, str]]) -> frozenset[str]:
    return frozenset(key for _, key in first)


@beam.typehints.with_input_types(BundleCounts)
@beam.typehints.with_output_types(tuple[str, Counts])
class _NameFn(beam.DoFn):
    def __init__(self, grid: Grid) -> None:
        self._grid = grid

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
            last_ms = self._grid.pane_end_ms(pane) - 1
            yield TimestampedValue((name, Counts(errors, lines)), timestamp_of(last_ms))
