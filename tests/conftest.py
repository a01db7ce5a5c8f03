"""Order of the tests, fast ones first, the signals that their processes hear, a Google Cloud."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.google_cloud import GoogleCloud

_TESTS = pathlib.Path(__file__).parent
# A marker says more about the time a test takes than the folder it is in.
_RANK_OF_MARKER = {"chaos": 7, "flink": 6, "spark": 6, "scripts": 5, "kafka": 4}
_RANK_OF_FOLDER = {
    "unit": 0,
    "streaming": 1,
    "scripts": 2,
    "integration": 3,
    "flink": 6,
    "spark": 6,
    "chaos": 7,
}
_RANK_OF_OTHERS = 3


def pytest_configure() -> None:
    """Lets the commands under test hear Ctrl-C, and has Hypothesis repeat itself.

    A shell starts what runs in the background with SIGINT ignored, and that is passed on;
    a signal that is handled here is a default one in the processes that tests start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The same cases in every run, however slow the machine is.
    settings.register_profile("tests", deadline=None, derandomize=True, database=None)
    settings.load_profile("tests")


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


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[GoogleCloud]:
    """A Google Cloud that Beam finds; logs go to a folder of the test."""
    # Loads Beam.
    from tests.google_cloud import GoogleCloud

    monkeypatch.setenv("ERROR_WINDOWS_RUN_DIR", str(tmp_path / "run"))
    with GoogleCloud().serving() as serving:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", serving.url)
        yield serving
