"""The few error lines that are shown of every slide."""

from __future__ import annotations

import itertools

import pytest

from transforms.grid import Grid
from transforms.samples import FirstLinesFn, SampleErrorLines

LINES = [(3, b"c"), (1, b"a"), (2, b"b"), (1, b"aa"), (9, b"z")]


@pytest.mark.parametrize("cut", range(len(LINES) + 1))
def test_the_first_lines_do_not_depend_on_how_the_work_was_divided(cut: int) -> None:
    """Any order and any split into bundles gives the same lines and the same total."""
    combine = FirstLinesFn(3)
    outcomes = set()
    for order in itertools.permutations(LINES):
        accumulators = []
        for part in (order[:cut], order[cut:]):
            accumulator = combine.create_accumulator()
            for line in part:
                accumulator = combine.add_input(accumulator, line)
            accumulators.append(accumulator)
        outcomes.add(combine.extract_output(combine.merge_accumulators(accumulators)))

    assert {(5, (b"a", b"aa", b"b"))} == outcomes


def test_a_sample_of_no_lines_is_refused() -> None:
    """Whoever wants no samples leaves the transform out."""
    with pytest.raises(ValueError, match="at least one line"):
        SampleErrorLines(Grid(30, 10), size=0)
