"""What a line costs in the transforms alone: records from memory through Beam, no Kafka.

    python -m benchmarks.transforms_speed --lines=2000000

Prints thousand lines per second of CPU time for each way to filter, making the records and what
Beam itself costs included. Each is measured in `--rounds` rounds, in a new order every round, and
beside them a pipeline that only makes the records.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.classify import LineRules
from transforms.filter import AtLeast, ContainsText, MatchesRegex
from transforms.formats import LineParser
from transforms.grid import Grid
from transforms.levels import Level
from transforms.panes import CountPanes
from transforms.records import Record

_START_MS = 1_764_000_000_000
_JSON = (
    b'{"time":"2025-11-24T16:00:00.123Z","level":"%s","service":"%s","msg":"request %d took 12 ms"}'
)
_LOGFMT = b'ts=2025-11-24T16:00:00Z level=%s service=%s msg="request %d took 12 ms"'
_APACHE = b"[Mon Nov 24 16:00:00.123456 2025] [core:%s] [pid 1:tid 2] [client 10.0.0.1:99] %s %d"
_MIXES = {"json": (_JSON,), "mixed": (_JSON, _LOGFMT, _APACHE)}
_CASES = {
    "records only": (None, "json"),
    "--contains=ERROR": (LineRules(ContainsText("ERROR"), LineParser("plain")), "mixed"),
    "--match='err(or)? '": (LineRules(MatchesRegex("err(or)? "), LineParser("plain")), "mixed"),
    "auto, --min_level=ERROR": (LineRules(AtLeast(Level.ERROR)), "mixed"),
    "auto, --group_by=service, JSON": (
        LineRules(AtLeast(Level.ERROR), group_by=("service",)),
        "json",
    ),
    "auto, --group_by=service, mixed": (
        LineRules(AtLeast(Level.ERROR), group_by=("service",)),
        "mixed",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(argv)
    measured: dict[str, list[float]] = {name: [] for name in _CASES}
    for round_number in range(arguments.rounds):
        order = list(_CASES)
        random.Random(round_number).shuffle(order)
        for name in order:
            measured[name].append(arguments.lines / run(name, arguments.lines) / 1000)
            print(f"{name}: {measured[name][-1]:.0f}", file=sys.stderr)
    print(
        f"Python {platform.python_version()}, {arguments.lines:,} lines, {arguments.rounds} rounds"
    )
    print()
    print("| what | thousand lines per CPU second, median (range) |")
    print("|---|---|")
    for name, rates in measured.items():
        low, high = min(rates), max(rates)
        print(f"| {name} | {statistics.median(rates):.0f} ({low:.0f}-{high:.0f}) |")
    return 0


def run(name: str, lines: int) -> float:
    """Seconds of CPU time that a run takes."""
    rules, mix = _CASES[name]
    started = time.process_time()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        records = pipeline | beam.Create([(mix, lines)]) | beam.FlatMapTuple(make_records)
        if rules is not None:
            counted = records | CountPanes(rules, Grid(30, 10), samples=10)
            _ = counted.counts | beam.Map(lambda _: None)
    return time.process_time() - started


def make_records(mix: str, lines: int) -> Iterator[Record]:
    """Records of an hour; a fifth are error lines, of ten services."""
    chance = random.Random(1)
    variants = [
        line
        % (b"error" if chance.random() < 0.2 else b"info", b"service-%d" % chance.randrange(10), n)
        for n, line in zip(range(2_000), itertools.cycle(_MIXES[mix]))
    ]
    for number in range(lines):
        yield Record(
            "logs",
            0,
            number,
            _START_MS + number * 3_600_000 // lines,
            None,
            variants[number % 2_000],
        )


if __name__ == "__main__":
    sys.exit(main())
