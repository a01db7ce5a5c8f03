"""Finds what a command under test has started and whether it is gone."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

_T = TypeVar("_T")

DEADLINE_SECONDS = 60
_POLL_SECONDS = 0.05
_PROC = pathlib.Path("/proc")
needs_proc = pytest.mark.skipif(not _PROC.is_dir(), reason="looks for processes in /proc")


def environment_of(run_dir: pathlib.Path) -> dict[str, str]:
    """The user's environment with a run folder of its own, by which processes are found."""
    return {**os.environ, "ERROR_WINDOWS_RUN_DIR": str(run_dir)}


def started_by(environment: dict[str, str]) -> list[str]:
    """Command lines of the processes that carry the run folder in their environment."""
    return [
        line.replace("\0", " ")
        for line in _look(
            environment, lambda folder: (folder / "cmdline").read_text("utf-8", "replace")
        )
        if line
    ]


def count_threads(environment: dict[str, str]) -> int:
    """Threads of all these processes together."""
    return sum(_look(environment, lambda folder: len(list((folder / "task").iterdir()))))


def _look(environment: dict[str, str], read: Callable[[pathlib.Path], _T]) -> list[_T]:
    mark = f"ERROR_WINDOWS_RUN_DIR={environment['ERROR_WINDOWS_RUN_DIR']}".encode()
    found = []
    for folder in _PROC.iterdir():
        try:
            if folder.name.isdecimal() and mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(read(folder))
        except OSError:
            continue  # It ended while we looked, or is not ours to look into.
    return found


def wait_until_none_is_left(environment: dict[str, str]) -> list[str]:
    """Looks at the process table until nothing is left, or the deadline has come."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (left := started_by(environment)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left
