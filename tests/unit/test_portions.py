"""Offset ranges in portions, spread over tasks."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from pipeline.offset_ranges import OffsetRange
from pipeline.portions import CreateSpread, in_portions


def test_portions_hold_the_same_offsets() -> None:
    """Every offset once, in order, and none of an empty range."""
    ranges = [
        OffsetRange("logs", 0, 5, 12),
        OffsetRange("logs", 1, 0, 0),
        OffsetRange("logs", 2, 3, 6),
        OffsetRange("logs", 3, 7, 9),
    ]

    assert [
        OffsetRange("logs", 0, 5, 8),
        OffsetRange("logs", 0, 8, 11),
        OffsetRange("logs", 0, 11, 12),
        OffsetRange("logs", 2, 3, 6),
        OffsetRange("logs", 3, 7, 9),
    ] == in_portions(ranges, 3)


def test_spread_elements_are_all_there() -> None:
    """Equal ones too."""
    with beam.Pipeline() as pipeline:
        found = pipeline | CreateSpread([b"a", b"b", b"a"])
        assert_that(found, equal_to([b"a", b"a", b"b"]))


def test_no_elements() -> None:
    """As of topics without a record."""
    with beam.Pipeline() as pipeline:
        assert_that(pipeline | CreateSpread([]), equal_to([]))
