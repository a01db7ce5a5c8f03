"""The part of the report about lines at a steady rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def to_markdown(runs: Sequence[dict[str, Any]]) -> str:
    """A table of delays."""
    workload = runs[0]["workload"]
    lines = [
        "## At a steady rate\n",
        f"An open-loop producer, {workload['partitions']} partitions, windows of "
        f"{workload['window_seconds']} s every {workload['slide_seconds']} s. Seconds from the end "
        "of a window until its right count was told.\n",
        "| system | lines/s | for s | p50 | p99 | max | median of first / second half "
        "| cores | MB, all / Python | windows wrong |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        ordered = sorted(run["delays"])
        cells = [f"{quantile(ordered, share):.2f}" if ordered else "-" for share in (0.5, 0.99, 1)]
        halves = [run["median_first_half"], run["median_second_half"]]
        trend = " / ".join("-" if one is None else f"{one:.2f}" for one in halves)
        lines.append(
            f"| {run['system']} | {run['rate']:,} | {run['seconds']:g} | {' | '.join(cells)} "
            f"| {trend} | {run['cores']} | {run['peak_mb']:,} / {run['python_peak_mb']:,} "
            f"| {run['wrong']} of {run['windows']} |"
        )
    latest = max(run["producer_latest_seconds"] for run in runs)
    return "\n".join([*lines, "", f"The producer was at most {latest:.2f} s late.", ""])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that so large a share of sorted values does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]
