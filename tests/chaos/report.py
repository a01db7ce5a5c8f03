"""The report of a long run, in Markdown."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import statistics
from collections.abc import Sequence

from tests.chaos.judge import Verdict
from tests.chaos.recovery import Strike


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run did and found.

    Attributes:
      begin: of it, with a time zone.
      seconds: that it took, start and end of the cluster included.
      command: to repeat it.
      strikes: the faults that the job got over, in their order.
      planned: how many there were to be.
      lines: that were produced.
      results: that the job gave, repeated ones included.
      verdict: of the last comparison, None if there was none.
      failure: why it ended early, None if it did not.
    """

    begin: datetime.datetime
    seconds: float
    command: str
    strikes: Sequence[Strike]
    planned: int
    lines: int
    results: int
    verdict: Verdict | None
    failure: str | None

    @property
    def exact(self) -> bool:
        """Whether all strikes were made, and every window was right in the end."""
        return self.failure is None and self.verdict is not None and not self.verdict.differences


def to_markdown(run: Run) -> str:
    """The report of a run."""
    verdict = run.verdict
    facts = {
        "outcome": "exact" if run.exact else "NOT EXACT",
        "command": f"`{run.command}`",
        "begin": f"{run.begin:%Y-%m-%d %H:%M} UTC",
        "took": f"{run.seconds / 60:.0f} min",
        "machine": _machine(),
        "strikes": f"{len(run.strikes)} of {run.planned}",
        "lines produced": f"{run.lines:,}",
        "results written, repeated ones included": f"{run.results:,}",
        "windows compared": "none" if verdict is None else f"{verdict.windows:,}",
        "windows that differ": "unknown" if verdict is None else f"{len(verdict.differences):,}",
    }
    parts = ["| | |\n|---|---|", *(f"| {name} | {fact} |" for name, fact in facts.items()), ""]
    parts += _table(run.strikes)
    if run.failure is not None:
        parts += ["", f"It ended early: {run.failure}"]
    if verdict is not None and verdict.differences:
        parts += ["", *(f"- {difference}" for difference in verdict.differences)]
    return "\n".join(parts) + "\n"


def _table(strikes: Sequence[Strike]) -> list[str]:
    by_fault: dict[str, list[Strike]] = {}
    for strike in strikes:
        by_fault.setdefault(strike.fault, []).append(strike)
    head = "| fault | times | of it away, median s | recovery, median s | recovery, longest s |"
    lines = [head, "|---|---:|---:|---:|---:|"]
    for fault, group in sorted(by_fault.items(), key=lambda item: (-len(item[1]), item[0])):
        lines.append(_row(fault, group))
    if strikes:
        lines.append(_row("all", strikes))
    return lines


def _row(fault: str, strikes: Sequence[Strike]) -> str:
    away = statistics.median(strike.outage_seconds for strike in strikes)
    recoveries = [strike.recovery_seconds for strike in strikes]
    middle, longest = statistics.median(recoveries), max(recoveries)
    return f"| {fault} | {len(strikes)} | {away:.1f} | {middle:.1f} | {longest:.1f} |"


def _machine() -> str:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
