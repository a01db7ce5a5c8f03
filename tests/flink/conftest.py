"""Commands that leave no process behind."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.flink.commands import Commands
from tests.processes import environment_of, wait_until_none_is_left


@pytest.fixture
def commands(tmp_path: pathlib.Path) -> Iterator[Commands]:
    """Commands whose processes are all gone at the end."""
    environment = environment_of(tmp_path / "run")
    found = Commands(environment)
    try:
        yield found
    finally:
        found.run("stop")
    assert [] == wait_until_none_is_left(environment)
