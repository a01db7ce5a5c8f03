"""How a measured system is told what to do, and tells its counts.

It is a process of its own, in an environment of its own, so this file needs nothing but Python.
What to count is in a JSON file that the environment variable SETTINGS_VARIABLE names. On stdout
it writes a line for every count it knows, `window-end-in-ms count key`, the key being empty where
all lines are counted together. A later line for the same window and key replaces an earlier
one. It may end, or go on: whoever started it ends it once all counts are there, or none comes.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Mapping

SETTINGS_VARIABLE = "BENCHMARK_SETTINGS"
WORD = b"ERROR"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a system is to count."""

    servers: str
    topic: str
    partitions: int
    window_ms: int
    slide_ms: int
    lateness_ms: int
    """How much older than the newest a line may be and still count."""
    keyed: bool
    """Count by the records' keys, instead of all lines together."""
    folder: str
    """For files of its own; deleted afterwards."""
    live: bool = False
    """Go on after the end of the topic. Not all systems can."""


def read_settings() -> Settings:
    """What this process is to count."""
    return Settings(**json.loads(pathlib.Path(os.environ[SETTINGS_VARIABLE]).read_text("utf-8")))


def tell(end_ms: int, count: int, key: str = "") -> None:
    """Writes one count."""
    # Some systems take sys.stdout for their log.
    print(end_ms, count, key, file=sys.__stdout__, flush=True)


def tell_panes(settings: Settings, panes: Mapping[tuple[int, str], int]) -> None:
    """Writes the windows that panes come to; a pane is (start // slide, key)."""
    windows: collections.Counter[tuple[int, str]] = collections.Counter()
    for (pane, key), count in panes.items():
        for end in range(pane + 1, pane + 1 + settings.window_ms // settings.slide_ms):
            windows[end, key] += count
    lines = [f"{end * settings.slide_ms} {count} {key}" for (end, key), count in windows.items()]
    print("\n".join(lines), flush=True)
