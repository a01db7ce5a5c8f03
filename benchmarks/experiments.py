"""What is measured: which systems count which lines, how often."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from benchmarks.backlog import Workload

OURS = (
    *("native on Flink", "native on Flink, parallelism 2", "native on DirectRunner"),
    *("beam on Flink", "beam on Flink, parallelism 2"),
    "beam on DirectRunner",
)
CEILINGS = ("bare loop", "bare loops", "bare consumer")
PEERS = (
    *("Beam textbook on Flink", "Flink SQL", "Flink SQL, parallelism 2", "Kafka Streams", "Spark"),
    *("Bytewax", "Quix Streams", "Pathway", "Faust"),
)
_SWEPT = ("native on Flink", "beam on Flink", "Flink SQL", "bare loop", "bare loops")
_LONG = ("native on Flink", "native on DirectRunner", "beam on Flink")
# Fewer lines say the same of systems that are slow and have no compiler to warm up.
_SLOW = {"Quix Streams": 5, "Faust": 20}


@dataclasses.dataclass(frozen=True)
class Variant:
    """One set of lines, the systems that count them, and how often.

    Attributes:
      experiment: the part of the report that it belongs to.
      label: what it is within its experiment.
      workload: the lines.
      systems: names of systems.
      rounds: how often each counts.
    """

    experiment: str
    label: str
    workload: Workload
    systems: tuple[str, ...]
    rounds: int


def lines_for(system: str, workload: Workload) -> Workload:
    """The lines that a system is to count: fewer where it is slow."""
    lines = workload.lines // _SLOW.get(system, 1)
    return dataclasses.replace(workload, lines=lines)


def plan(lines: int, rounds: int, sweep_rounds: int) -> list[Variant]:
    """All that is measured with a backlog."""
    base = Workload(lines=lines)
    # Half of them: these are many runs, of which each only stands beside its neighbours.
    swept = dataclasses.replace(base, lines=lines // 2)
    variants = [Variant("throughput", "", base, OURS + PEERS + CEILINGS, rounds)]

    longer = dataclasses.replace(base, lines=lines * 20 // 3)
    variants.append(Variant("long backlog", "", longer, _LONG, 1))

    def sweep(experiment: str, label: str, workload: Workload) -> None:
        variants.append(Variant(experiment, label, workload, _SWEPT, sweep_rounds))

    for window, slide in ((30, 10), (60, 10), (60, 1), (300, 1)):
        sweep(
            "windows",
            f"{window} s every {slide} s",
            dataclasses.replace(swept, window_seconds=window, slide_seconds=slide),
        )
    for keys in (1, 50, 5000):
        # Few windows, since every one of them is told for every key.
        sweep("keys", f"{keys:,}", dataclasses.replace(swept, keys=keys, span_seconds=300))
    for partitions in (1, 2, 4, 8):
        sweep("partitions", f"{partitions}", dataclasses.replace(swept, partitions=partitions))
    for share in (0.01, 0.2, 0.5):
        sweep("error share", f"{share:.0%}", dataclasses.replace(swept, error_share=share))
    for length in (90, 250, 1000):
        fewer = dataclasses.replace(swept, line_bytes=length, lines=swept.lines * 90 // length)
        sweep("line length", f"{length} bytes", fewer)
    for in_turn, label in (
        (False, "all partitions over all of the time"),
        (True, "partitions one after another in time"),
    ):
        late = dataclasses.replace(base, partitions=4, in_turn=in_turn, lateness_seconds=30)
        systems = OURS + PEERS + ("bare loop",)
        variants.append(Variant("catch-up", label, late, systems, 1))
    return variants


def experiments() -> list[str]:
    """The parts of the plan, in their order."""
    return list(dict.fromkeys(variant.experiment for variant in plan(1, 1, 1)))


def chosen(
    variants: Sequence[Variant], names: Sequence[str], systems: Sequence[str] | None
) -> list[Variant]:
    """The variants of these experiments, with these systems only."""
    return [
        dataclasses.replace(
            one,
            systems=tuple(name for name in one.systems if systems is None or name in systems),
        )
        for one in variants
        if one.experiment in names
    ]
