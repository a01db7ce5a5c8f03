"""Columns of whole numbers in few bytes: most are close to each other, often all the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

Packed = tuple[int, int, str, bytes]
"""How many numbers, the least of them, and what each is above it: type (`numpy`) and bytes."""

_TYPES = (("<u1", 1 << 8), ("<u2", 1 << 16), ("<u4", 1 << 32))


def pack(numbers: Numbers) -> Packed:
    """One column as plain values."""
    if not len(numbers):
        return 0, 0, "", b""
    least = int(numbers.min())
    most = int(numbers.max()) - least
    if not most:
        return len(numbers), least, "", b""
    kind = next((kind for kind, stop in _TYPES if most < stop), "<u8")
    # Differences of the largest numbers wrap around, here and back.
    return len(numbers), least, kind, (numbers - least).astype(kind).tobytes()


def unpack(packed: Packed) -> Numbers:
    """The column that `pack` was given."""
    length, least, kind, data = packed
    if not kind:
        return np.full(length, least, np.int64)
    return np.frombuffer(data, kind).astype(np.int64) + least
