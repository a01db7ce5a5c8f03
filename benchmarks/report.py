r"""Makes docs/performance.md and its plot from what was measured.

    python -m benchmarks.report raw.json [more.json ...] --output=docs/performance.md

Only what stands in the files is told. Of several files each adds its runs; the machine is that of
the first, and files of another machine are refused.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import sustained_report
from benchmarks.experiments import OURS
from benchmarks.plot import bars

Run = dict[str, Any]

_YARDSTICK = "bare consumer"
_HEAD = """\
# Performance

What this job and what one would take instead do on one machine, measured by
[benchmarks](benchmarks.md#the-job-and-what-one-would-take-instead), which says how. Written by
`python -m benchmarks.report`; nothing here is estimated.
"""
_SWEEPS = {
    "windows": "Window and slide",
    "keys": "Keys",
    "partitions": "Partitions",
    "error share": "Share of error lines",
    "line length": "Length of lines",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page and the plot; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", type=pathlib.Path, nargs="+", help="written by benchmarks.compare")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("docs/performance.md"))
    parser.add_argument("--note", default="", help="what a reader has to know beside the numbers")
    arguments = parser.parse_args(argv)
    raw = merge([json.loads(path.read_text("utf-8")) for path in arguments.raw])
    plot = arguments.output.with_suffix(".svg")
    arguments.output.write_text(to_markdown(raw, plot.name, arguments.note), encoding="utf-8")
    plot.write_text(to_plot(raw), encoding="utf-8")
    return 0


def merge(files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All runs of several measurements of one machine."""
    first = dict(files[0])
    first["runs"] = [run for file in files for run in file["runs"]]
    first["sustained"] = [run for file in files for run in file.get("sustained", [])]
    first["not_run"] = {name: why for file in files for name, why in file["not_run"].items()}
    first["date"] = " to ".join(sorted({file["date"] for file in files}))
    if any(file["machine"] != first["machine"] for file in files):
        raise ValueError("the files are of different machines")
    return first


def to_markdown(raw: dict[str, Any], plot: str, note: str = "") -> str:
    """The page."""
    parts = [_HEAD, _machine(raw)]
    if note:
        parts.append(f"**{note}**\n")
    by_experiment: dict[str, list[Run]] = {}
    for run in raw["runs"]:
        by_experiment.setdefault(run["experiment"], []).append(run)
    if "throughput" in by_experiment:
        parts += [_throughput(by_experiment["throughput"], raw["systems"], plot)]
    if raw["not_run"]:
        parts.append("Could not be run here:\n")
        parts += [f"- {name}: {why}" for name, why in sorted(raw["not_run"].items())]
        parts.append("")
    if raw.get("sustained"):
        parts.append(sustained_report.to_markdown(raw["sustained"]))
    if "long backlog" in by_experiment:
        parts.append(_long_backlog(by_experiment["long backlog"]))
    if "catch-up" in by_experiment:
        parts.append(_catch_up(by_experiment["catch-up"]))
    for experiment, title in _SWEEPS.items():
        if experiment in by_experiment:
            parts.append(_sweep(title, by_experiment[experiment]))
    return "\n".join(parts).rstrip("\n") + "\n"


def to_plot(raw: dict[str, Any]) -> str:
    """The rates of all systems, the fastest first; wrong ones are left out."""
    rows = []
    for name, runs in _by_system(raw["runs"], "throughput").items():
        if all(run["exact"] for run in runs):
            rates = rates_of(runs)
            row = name, statistics.median(rates), min(rates), max(rates), name in OURS
            rows.append(row)
    rows.sort(key=lambda row: -row[1])
    return bars("Thousand lines a second, median and range", rows)


def rates_of(runs: Sequence[Run]) -> list[float]:
    """Thousand lines a second of each run."""
    return [run["lines"] / run["seconds"] / 1000 for run in runs]


def _by_system(runs: Sequence[Run], experiment: str | None = None) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if experiment in (None, run["experiment"]):
            found.setdefault(run["system"], []).append(run)
    return found


def _machine(raw: dict[str, Any]) -> str:
    machine = raw["machine"]
    loads = [run["load"] for run in raw["runs"]]
    busy = f" Load, all of it included: {min(loads):g} to {max(loads):g}." if loads else ""
    return (
        f"{raw['date']}. {machine['processor']}, {machine['cores']} cores, {machine['memory']} of "
        f"memory, {machine['system']}, Python {machine['python']}, Java {machine['java']}. Kafka "
        f"runs on the same cores.{busy}\n"
    )


def _throughput(runs: list[Run], systems: dict[str, str], plot: str) -> str:
    grouped = _by_system(runs)
    workload = max((run["workload"] for run in runs), key=lambda one: one["lines"])
    rounds = max(len(one) for one in grouped.values())
    yardstick = None
    if _YARDSTICK in grouped:
        yardstick = statistics.median(rates_of(grouped[_YARDSTICK]))
    lines = [
        "## A backlog\n",
        f"{workload['lines']:,} lines of {workload['line_bytes']} bytes in "
        f"{workload['partitions']} partitions, {workload['error_share']:.0%} of them error lines, "
        f"windows of {workload['window_seconds']} s every {workload['slide_seconds']} s, "
        f"{'one round' if rounds == 1 else f'{rounds} rounds'}.\n",
        f"![Rates of all systems]({plot})\n",
        "| system | thousand lines/s, median (range) | of the bare consumer | start, s "
        "| CPU s, starting / counting | MB, all / Python | table |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, of_system in sorted(grouped.items(), key=lambda one: -_median_rate(one[1])):
        rate = _median_rate(of_system)
        share = f"{rate / yardstick:.0%}" if yardstick and rate else "-"
        fewer = of_system[0]["lines"]
        note = f" ({fewer:,} lines)" if fewer != workload["lines"] else ""
        starting = statistics.median(
            one["cpu_seconds"] - one["run_cpu_seconds"] for one in of_system
        )
        counting = statistics.median(one["run_cpu_seconds"] for one in of_system)
        lines.append(
            f"| {name}{note} | {_rates(of_system)} | {share} "
            f"| {statistics.median(one['start_seconds'] for one in of_system):.1f} "
            f"| {starting:.1f} / {counting:.1f} "
            f"| {_memory(of_system)} | {_right(of_system)} |"
        )
    lines += ["", *(f"- {name}: {what}." for name, what in systems.items() if name in grouped), ""]
    return "\n".join(lines)


def _long_backlog(runs: list[Run]) -> str:
    lines = [
        "## A long backlog\n",
        f"{_counts(runs)} lines in {_partitions(runs)} partitions, else as above.\n",
        "| system | thousand lines/s | MB, all / Python | table |",
        "|---|---|---|---|",
    ]
    for name, of_system in _by_system(runs).items():
        lines.append(
            f"| {name} | {_rates(of_system)} | {_memory(of_system)} | {_right(of_system)} |"
        )
    return "\n".join([*lines, ""])


def _catch_up(runs: list[Run]) -> str:
    workload = runs[0]["workload"]
    lines = [
        "## Catching up\n",
        f"{_counts(runs)} lines in {_partitions(runs)} partitions, lines up to "
        f"{workload['lateness_seconds']} s out of order allowed, for every system. "
        "Thousand lines/s where the table is right.\n",
        *_by_label(runs),
        "",
    ]
    return "\n".join(lines)


def _sweep(title: str, runs: list[Run]) -> str:
    lines = [
        f"## {title}\n",
        f"Thousand lines/s, median (range); {_counts(runs)} lines in {_partitions(runs)} "
        "partitions.\n",
        *_by_label(runs),
        "",
    ]
    return "\n".join(lines)


def _by_label(runs: Sequence[Run]) -> list[str]:
    """A table with a row for every system and a column for every label."""
    labels = list(dict.fromkeys(run["label"] for run in runs))
    rows = ["| system | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for name, of_system in _by_system(runs).items():
        cells = [_cell([one for one in of_system if one["label"] == label]) for label in labels]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def _counts(runs: Sequence[Run]) -> str:
    """How many lines, from the fewest to the most."""
    counts = {run["lines"] for run in runs}
    return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))


def _partitions(runs: Sequence[Run]) -> str:
    counts = {run["workload"]["partitions"] for run in runs}
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))


def _median_rate(runs: Sequence[Run]) -> float:
    """What a table is sorted by: a system that is wrong comes last."""
    return statistics.median(rates_of(runs)) if all(run["exact"] for run in runs) else 0.0


def _rates(runs: Sequence[Run]) -> str:
    if not all(run["exact"] for run in runs):
        return "-"
    rates = rates_of(runs)
    median = statistics.median(rates)
    return (
        f"{median:,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
        if len(rates) > 1
        else f"{median:,.0f}"
    )


def _memory(runs: Sequence[Run]) -> str:
    """The most megabytes in any run: of all processes, and of those that run Python."""
    everything, python = (max(run[peak] for run in runs) for peak in ("peak_mb", "python_peak_mb"))
    return f"{everything:,.0f} / {python:,.0f}"


def _cell(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    right = _right(runs)
    return f"{_rates(runs)}, exact" if right == "exact" else right


def _right(runs: Sequence[Run]) -> str:
    """`exact`, or how wrong the worst run was; one that was given up is not called wrong."""
    wrong = [run for run in runs if not run["exact"]]
    if not wrong:
        return "exact"
    lost, extra = max(run["lost"] for run in wrong), max(run["extra"] for run in wrong)
    which = f" in {len(wrong)} of {len(runs)}" if len(runs) > 1 else ""
    what = [f"{lost:.1%} lost"] * (lost > 0) + [f"{extra:.1%} too many"] * (extra > 0)
    if all(run["end"] == "timeout" for run in wrong):
        seconds = max(run["seconds"] + run["start_seconds"] for run in wrong)
        return f"not done{which} in {seconds:,.0f} s"
    return f"**wrong**{which}: {', '.join(what)}"


if __name__ == "__main__":
    sys.exit(main())
