"""Columns of numbers as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.packed import pack, unpack

LEAST, MOST = -(1 << 63), (1 << 63) - 1


@given(st.lists(st.integers(LEAST, MOST)))
@example([LEAST, MOST, 0, -1])
@example([MOST, MOST])
def test_every_column_comes_back(numbers: list[int]) -> None:
    """Whatever the numbers, as numbers that can be changed."""
    again = unpack(pack(np.array(numbers, np.int64)))

    assert numbers == again.tolist()
    assert np.int64 == again.dtype
    again += 0


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([7, 7, 7], (3, 7, "", b"")),
        ([-3, 252], (2, -3, "<u1", b"\x00\xff")),
        ([-3, 253], (2, -3, "<u2", b"\x00\x00\x00\x01")),
        ([1 << 40, (1 << 40) + 65_536], (2, 1 << 40, "<u4", bytes(6) + b"\x01\x00")),
    ],
)
def test_numbers_that_are_close_take_few_bytes(
    numbers: list[int], expected: tuple[int, int, str, bytes]
) -> None:
    """A type that holds the differences from the least one; nothing if there are none."""
    assert expected == pack(np.array(numbers, np.int64))
