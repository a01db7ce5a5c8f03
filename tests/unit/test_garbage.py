"""How often Python looks for garbage in a process that counts."""

from __future__ import annotations

import gc

import pytest

from transforms.garbage import search_rarely


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((700, 10, 10), (10_000, 20, 20)),
        ((50_000, 5, 100), (50_000, 20, 100)),
        # The user has switched it off.
        ((0, 10, 10), (0, 10, 10)),
    ],
)
def test_thresholds_are_raised_only(
    before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    """What the user chose on purpose stays."""
    kept = gc.get_threshold()
    try:
        gc.set_threshold(*before)
        search_rarely()
        assert after == gc.get_threshold()
    finally:
        gc.set_threshold(*kept)
