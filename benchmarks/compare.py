r"""Counts a backlog with this job and with what one would take instead, and writes what came out.

    python -m benchmarks.compare --json=raw.json
    python -m benchmarks.compare --quick --json=raw.json
    python -m benchmarks.compare --experiments=throughput --systems="native on Flink,bare loop"

Starts a Kafka of its own and fills topics with seeded lines. Other systems are installed in
environments of their own, in the cache folder. All count ERROR lines in sliding windows; each
table is compared with the one that plain arithmetic gives. The order of the systems is a new one
in every round. What was measured is written after every run, so an interrupted measurement can be
reported too; `python -m benchmarks.report` makes the report. Needs Linux; docs/benchmarks.md says
how it measures.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import experiments, machine
from benchmarks.backlog import Backlog, Workload, fill
from benchmarks.installing import NotInstalledError
from benchmarks.running import Outcome, end_on_signals, run
from benchmarks.systems import ALL, BY_NAME
from pipeline.errors import ErrorWindowsError
from pipeline.local.kafka_admin import delete_topic
from pipeline.local.kafka_broker import EmbeddedKafka

_QUICK_LINES = 300_000


def main(argv: Sequence[str] | None = None) -> int:
    """Measures; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_LINES:,} lines, one round")
    parser.add_argument("--lines", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sweep_rounds", type=int, default=2, help="rounds of the sweeps")
    parser.add_argument(
        "--experiments",
        default=",".join(experiments.experiments()),
        help="separated by commas",
    )
    parser.add_argument("--systems", help="separated by semicolons; all, if not given")
    parser.add_argument("--timeout_seconds", type=float, default=600.0, help="for one run")
    parser.add_argument("--idle_seconds", type=float, default=60.0, help="without any progress")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("benchmarks.json"))
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.lines, arguments.rounds, arguments.sweep_rounds = _QUICK_LINES, 1, 1
    systems = arguments.systems.split(";") if arguments.systems else None
    for name in systems or ():
        if name not in BY_NAME:
            parser.error(f"--systems: no such system: {name}; there are {'; '.join(BY_NAME)}")
    variants = experiments.chosen(
        experiments.plan(arguments.lines, arguments.rounds, arguments.sweep_rounds),
        arguments.experiments.split(","),
        systems,
    )
    end_on_signals()
    with contextlib.suppress(KeyboardInterrupt):
        measure(variants, arguments)
        return 0
    return 130


def measure(variants: Sequence[experiments.Variant], arguments: argparse.Namespace) -> None:
    """Runs all of it, and writes the file of raw results after every run."""
    report = Raw(arguments.json)
    with (
        tempfile.TemporaryDirectory(prefix="compare-", ignore_cleanup_errors=True) as folder,
        EmbeddedKafka(pathlib.Path(folder) / "kafka", ephemeral=True) as kafka,
    ):
        for variant in variants:
            topics: dict[Workload, Backlog] = {}
            for name in variant.systems:
                workload = experiments.lines_for(name, variant.workload)
                if workload not in topics:
                    _say(f"filling a topic with {workload.lines:,} lines")
                    topic = f"logs-{variants.index(variant)}-{len(topics)}"
                    topics[workload] = fill(kafka, topic, workload)
            for round_number in range(variant.rounds):
                order = list(variant.systems)
                random.Random(round_number).shuffle(order)
                for name in order:
                    if variant.workload.keys and not BY_NAME[name].keyed:
                        continue
                    backlog = topics[experiments.lines_for(name, variant.workload)]
                    report.add(
                        variant,
                        round_number,
                        name,
                        _outcome(name, backlog, kafka, arguments),
                        backlog,
                    )
            for backlog in topics.values():
                delete_topic(kafka.bootstrap_servers, backlog.topic)


def _outcome(
    name: str, backlog: Backlog, kafka: EmbeddedKafka, arguments: argparse.Namespace
) -> Outcome | str:
    """What came out, or why it cannot be run here."""
    try:
        return run(
            BY_NAME[name],
            backlog,
            kafka.process.pid,
            timeout_seconds=arguments.timeout_seconds,
            idle_seconds=arguments.idle_seconds,
        )
    except (NotInstalledError, ErrorWindowsError, OSError) as error:
        return str(error)


class Raw:
    """The file of raw results."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._content: dict[str, Any] = {
            "date": machine.today(),
            "machine": machine.describe(),
            "systems": {system.name: system.what for system in ALL},
            "runs": [],
            "not_run": {},
        }

    def add(
        self,
        variant: experiments.Variant,
        round_number: int,
        system: str,
        outcome: Outcome | str,
        backlog: Backlog,
    ) -> None:
        """Adds one run, and writes all of them."""
        if isinstance(outcome, str):
            self._content["not_run"][system] = outcome
            _say(f"{system}: not run: {outcome}")
        else:
            run_ = {
                "experiment": variant.experiment,
                "label": variant.label,
                "round": round_number,
                "system": system,
                "lines": backlog.workload.lines,
                "workload": dataclasses.asdict(backlog.workload),
                "load": machine.load(),
                **dataclasses.asdict(outcome),
            }
            self._content["runs"].append(run_)
            _say(_line(variant, system, backlog, outcome))
        text = json.dumps(self._content, indent=1)
        self._path.write_text(text + "\n", encoding="utf-8")


def _line(variant: experiments.Variant, system: str, backlog: Backlog, outcome: Outcome) -> str:
    rate = backlog.workload.lines / outcome.seconds / 1000 if outcome.seconds > 0 else 0.0
    right = "exact" if outcome.exact else f"WRONG ({outcome.end}), lost {outcome.lost:.2%}"
    return (
        f"{time.strftime('%H:%M:%S')} {variant.experiment} {variant.label} {system}: "
        f"{rate:,.0f} thousand/s, {outcome.seconds:.1f} s after {outcome.start_seconds:.1f} s, "
        f"{outcome.run_cpu_seconds:.1f} CPU s, {outcome.peak_mb:,.0f} MB, {right}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
