"""`python -m tests.chaos --kills=100 --seed=N`: breaks a live job again and again, and compares.

Exit code 0: every strike was got over and every window is exact; 1: not so; 130: Ctrl-C.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import pathlib
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence

from confluent_kafka import KafkaException

from pipeline.errors import ErrorWindowsError
from tests.chaos.judge import Verdict, judge_so_far
from tests.chaos.recovery import Strike, strike_and_recover
from tests.chaos.report import Run, to_markdown
from tests.chaos.schedule import Planned, draw_schedule
from tests.chaos.stage import SLIDE_SECONDS, WINDOW_SECONDS, Stage, StageConfig

_COMPARE_EVERY = 20


class _Progress:
    """What has been done, readable also after a failure."""

    def __init__(self) -> None:
        self.strikes: list[Strike] = []
        self.lines = 0
        self.results = 0
        self.verdict: Verdict | None = None
        self.failure: str | None = None


def main(argv: Sequence[str]) -> int:
    """Runs a schedule and writes its report; returns the exit code."""
    flags = _parse(argv)
    seed = secrets.randbelow(1_000_000) if flags.seed is None else flags.seed
    config = StageConfig(
        high_availability=flags.high_availability,
        rate=flags.rate,
        seed=seed,
        reader=flags.kafka_reader,
    )
    schedule = draw_schedule(flags.kills, seed=seed, high_availability=flags.high_availability)
    command = _command(flags, seed)
    _say(command)
    # The clients of a broker that is killed have much to say.
    logging.basicConfig(level=logging.CRITICAL)
    begin, start = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    progress = _Progress()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-", dir=flags.folder))
    try:
        with Stage(folder, config) as stage:
            _run(stage, schedule, progress)
    except (AssertionError, ErrorWindowsError, KafkaException) as error:
        progress.failure = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        _say(f"interrupted; logs and records: {folder}")
        return 130
    run = Run(
        begin=begin,
        seconds=time.monotonic() - start,
        command=command,
        strikes=progress.strikes,
        planned=len(schedule),
        lines=progress.lines,
        results=progress.results,
        verdict=progress.verdict,
        failure=progress.failure,
    )
    report = to_markdown(run)
    sys.stdout.write(report)
    if flags.report is not None:
        flags.report.write_text(report, encoding="utf-8")
    if not run.exact:
        _say(f"logs and records: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _run(stage: Stage, schedule: Sequence[Planned], progress: _Progress) -> None:
    _say(f"the job runs; logs in {stage.deployment.folder}")
    try:
        for number, (fault, pause_seconds) in enumerate(schedule, start=1):
            strike = strike_and_recover(stage, fault)
            progress.strikes.append(strike)
            _say(f"{number}/{len(schedule)} {fault.name}: {strike.recovery_seconds:.1f} s")
            stage.pause(pause_seconds)
            if number % _COMPARE_EVERY == 0:
                progress.verdict = _compare_so_far(stage)
                if progress.verdict.differences:
                    return
        _, progress.verdict = stage.finish()
    finally:
        progress.lines = stage.producer.produced
        progress.results = stage.results.count


def _compare_so_far(stage: Stage) -> Verdict:
    # Before the oldest line that may still be on its way to the brokers.
    until_ms = stage.producer.complete_until_ms()
    verdict = judge_so_far(
        stage.results,
        stage.producer.acknowledged(),
        until_ms=until_ms,
        window_seconds=WINDOW_SECONDS,
        slide_seconds=SLIDE_SECONDS,
    )
    _say(f"so far: {verdict.windows:,} windows, {len(verdict.differences):,} differ")
    return verdict


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how many faults")
    parser.add_argument("--seed", type=int, help="of the schedule (default: a random one)")
    parser.add_argument("--high_availability", action="store_true")
    parser.add_argument("--rate", type=int, default=200, help="lines a second")
    parser.add_argument("--kafka_reader", default=StageConfig.reader, help="beam or native")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE.md", help="also there")
    parser.add_argument("--folder", type=pathlib.Path, help="for a new folder with all files")
    return parser.parse_args(argv)


def _command(flags: argparse.Namespace, seed: int) -> str:
    words = ["python", "-m", "tests.chaos", f"--kills={flags.kills}", f"--seed={seed}"]
    words += ["--high_availability"] if flags.high_availability else []
    words += [f"--rate={flags.rate}"] if flags.rate != StageConfig.rate else []
    words += (
        [f"--kafka_reader={flags.kafka_reader}"] if flags.kafka_reader != StageConfig.reader else []
    )
    return shlex.join(words)


def _say(text: str) -> None:
    sys.stderr.write(f"{datetime.datetime.now(datetime.timezone.utc):%H:%M:%S} {text}\n")
