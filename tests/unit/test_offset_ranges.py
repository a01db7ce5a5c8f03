"""Which records a bounded read takes."""

from __future__ import annotations

import pytest

from pipeline.offset_ranges import OffsetRange, take_evenly


@pytest.mark.parametrize(
    ("available", "wanted", "expected"),
    [
        ([10, 10], 8, [4, 4]),
        ([10, 10], 9, [5, 4]),
        ([1, 10, 10], 9, [1, 4, 4]),
        ([100, 1], 50, [49, 1]),
        ([0, 0, 7], 5, [0, 0, 5]),
        ([3, 4], 100, [3, 4]),
        ([5], 5, [5]),
        ([], 5, []),
        ([0], 5, [0]),
    ],
)
def test_a_limit_is_shared_evenly_and_met_exactly(
    available: list[int], wanted: int, expected: list[int]
) -> None:
    """Small partitions are taken whole, the rest in equal shares, up to the limit."""
    assert expected == take_evenly(available, wanted)


@pytest.mark.parametrize("wanted", [1, 2, 3, 99, 1000, 1001, 5000])
def test_no_more_than_wanted_and_no_more_than_there(wanted: int) -> None:
    """The sum is the limit or all there is, and no partition gives more than it has."""
    available = [0, 1, 2, 500, 3, 494]

    taken = take_evenly(available, wanted)

    assert min(wanted, 1000) == sum(taken)
    assert all(took <= there for took, there in zip(taken, available, strict=True))


def test_the_size_of_a_range_is_its_offsets() -> None:
    """From start, inclusive, to stop, exclusive."""
    assert 7 == OffsetRange("t", 0, 3, 10).size
