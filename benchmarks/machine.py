"""What the measuring was done on."""

from __future__ import annotations

import datetime
import os
import pathlib
import platform

from pipeline.local.java import find_java


def describe() -> dict[str, str]:
    """Processor, cores, memory, kernel, Python and Java."""
    return {
        "processor": _first_value("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "java": str(find_java().major_version),
    }


def today() -> str:
    """The date, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def load() -> float:
    """How many processes ran or waited to run, on average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _first_value(path: str, name: str) -> str:
    for line in pathlib.Path(path).read_text("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
