"""Shares out a bounded read among the tasks of a cluster: offset ranges in portions, spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam

from pipeline.offset_ranges import OffsetRange


class CreateSpread(beam.PTransform):
    """`beam.Create` whose elements do not all come in one task.

    `Create` shuffles them for that, but Beam's Spark runner gives a shuffle without keys as many
    tasks as came before it, which is one. It goes by keys only.

    Output: PCollection of the elements, bounded.
    """

    def __init__(self, elements: Iterable[Any]) -> None:
        super().__init__()
        self._elements = list(elements)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return (
            begin
            | "Numbered" >> beam.Create(enumerate(self._elements), reshuffle=False)
            | "ByNumber" >> beam.GroupByKey()
            | "Spread" >> beam.FlatMap(_values)
        )


def in_portions(ranges: Iterable[OffsetRange], offsets: int) -> list[OffsetRange]:
    """The same offsets in ranges of at most so many."""
    return [
        one._replace(start=start, stop=min(start + offsets, one.stop))
        for one in ranges
        for start in range(one.start, one.stop, offsets)
    ]


def _values(numbered: tuple[int, Iterable[Any]]) -> Iterable[Any]:
    return numbered[1]
