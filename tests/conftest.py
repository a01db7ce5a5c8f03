"""Order of the tests: what is fast and near the code first, what breaks services last."""

from __future__ import annotations

import pathlib

import pytest

_TESTS = pathlib.Path(__file__).parent
# A marker says more about the time a test takes than the folder it is in.
_RANK_OF_MARKER = {"chaos": 7, "flink": 6, "scripts": 5, "kafka": 4}
_RANK_OF_FOLDER = {
    "unit": 0,
    "streaming": 1,
    "scripts": 2,
    "integration": 3,
    "flink": 6,
    "chaos": 7,
}
_RANK_OF_OTHERS = 3


def rank(item: pytest.Item) -> int:
    """The place of a test's group in the order, the first being 0."""
    for marker, place in _RANK_OF_MARKER.items():
        if item.get_closest_marker(marker) is not None:
            return place
    folder = item.path.relative_to(_TESTS).parts[0]
    return _RANK_OF_FOLDER.get(folder, _RANK_OF_OTHERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests by group; within a group they stay in the order of their files."""
    items.sort(key=rank)
