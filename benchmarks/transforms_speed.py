"""What a line costs in the transforms alone: records from memory through Beam, no Kafka.

    python -m benchmarks.transforms_speed --lines=2000000

Prints thousand lines per second of CPU time for each way to filter, once for records that come one
by one, as from Beam's own Kafka connector, and once for batches of a thousand, as from the native
reader. Making them and what Beam itself costs are included; a pipeline that only makes them stands
beside. Each is measured in `--rounds` rounds, in a new order every round.
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

from transforms.batch_records import BatchRecords
from transforms.batches import RecordBatch
from transforms.classify import LineRules
from transforms.filter import AtLeast, ContainsText, MatchesRegex
from transforms.formats import LineParser
from transforms.grid import Grid
from transforms.levels import Level
from transforms.panes import CountPanes
from transforms.records import Record

_START_MS = 1_764_000_000_000
_BATCH_RECORDS = 1_000
_JSON = (
    b'{"time":"2025-11-24T16:00:00.123Z","level":"%s","service":"%s","msg":"request %d took 12 ms"}'
)
_LOGFMT = b'ts=2025-11-24T16:00:00Z level=%s service=%s msg="request %d took 12 ms"'
_APACHE = b"[Mon Nov 24 16:00:00.123456 2025] [core:%s] [pid 1:tid 2] [client 10.0.0.1:99] %s %d"
_MIXES = {"json": (_JSON,), "mixed": (_JSON, _LOGFMT, _APACHE)}
_CASES = {
    "nothing": (None, "json"),
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
    measured: dict[tuple[str, bool], list[float]] = {
        (name, batched): [] for name in _CASES for batched in (False, True)
    }
    for round_number in range(arguments.rounds):
        order = list(measured)
        random.Random(round_number).shuffle(order)
        for name, batched in order:
            rate = arguments.lines / run(name, arguments.lines, batched=batched) / 1000
            measured[name, batched].append(rate)
            print(f"{name}, {'batches' if batched else 'records'}: {rate:.0f}", file=sys.stderr)
    print(
        f"Python {platform.python_version()}, {arguments.lines:,} lines, {arguments.rounds} "
        "rounds; thousand lines per CPU second, median (range):"
    )
    print()
    print("| what | records one by one | batches |")
    print("|---|---|---|")
    for name in _CASES:
        print(f"| {name} | {_cell(measured[name, False])} | {_cell(measured[name, True])} |")
    return 0


def _cell(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


def run(name: str, lines: int, *, batched: bool) -> float:
    """Seconds of CPU time that a run takes."""
    rules, mix = _CASES[name]
    started = time.process_time()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        begin = pipeline | beam.Create([(mix, lines)])
        if batched:
            batches = begin | beam.FlatMapTuple(make_batches)
        else:
            batches = begin | beam.FlatMapTuple(make_records) | BatchRecords()
        if rules is not None:
            counted = batches | CountPanes(rules, Grid(30, 10), samples=10)
            _ = counted.counts | beam.Map(lambda _: None)
    return time.process_time() - started


def make_variants(mix: str) -> list[bytes]:
    """Two thousand lines; a fifth are error lines, of ten services."""
    chance = random.Random(1)
    return [
        line
        % (b"error" if chance.random() < 0.2 else b"info", b"service-%d" % chance.randrange(10), n)
        for n, line in zip(range(2_000), itertools.cycle(_MIXES[mix]))
    ]


def make_batches(mix: str, lines: int) -> Iterator[RecordBatch]:
    """Batches of the records of `make_records`."""
    variants = make_variants(mix) * 2
    for start in range(0, lines, _BATCH_RECORDS):
        offsets = range(start, min(start + _BATCH_RECORDS, lines))
        nothing = [None] * len(offsets)
        times_ms = [_START_MS + number * 3_600_000 // lines for number in offsets]
        first = start % 2_000
        values = variants[first : first + len(offsets)]
        yield RecordBatch("logs", 0, offsets, times_ms, values, nothing, [()] * len(offsets))


def make_records(mix: str, lines: int) -> Iterator[Record]:
    """Records of an hour."""
    variants = make_variants(mix)
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
