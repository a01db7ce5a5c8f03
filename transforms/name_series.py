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
    for pane, keys, _, _ in bundle.panes:
        for key in keys:
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
        for pane, keys, errors, lines in element.panes:
            moment = timestamp_of(self._grid.pane_end_ms(pane) - 1)
            yield TimestampedValue((TOTAL, Counts(sum(errors), sum(lines))), moment)
            others = [0, 0]
            for key, own_errors, own_lines in zip(keys, errors, lines, strict=True):
                if key in own:
                    counts = Counts(own_errors, own_lines)
                    yield TimestampedValue((series_of_key(key), counts), moment)
                elif key is not None:
                    others[0] += own_errors
                    others[1] += own_lines
            if others[1]:
                yield TimestampedValue((series_of_key(OTHER), Counts(*others)), moment)
