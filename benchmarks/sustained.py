r"""Lines at a steady rate, and how long after the end of its window each count is told.

    python -m benchmarks.sustained --rate=100000 --seconds=120 --json=sustained.json

The producer is a process of its own that does not wait for anybody (open_loop.py). It begins with
a trickle; once the system has told its first count, the rate begins. Measured are the windows
that end while it lasts, the first ones left out; a count is told when the right number is
there, which is also when a later revision amends it. The table is compared with what was produced.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import machine
from benchmarks.backlog import Backlog, Workload, windows_of
from benchmarks.installing import NotInstalledError
from benchmarks.running import Session, Told, end_on_signals
from benchmarks.systems import BY_NAME, SYSTEMS_THAT_RUN_LIVE
from pipeline.errors import ErrorWindowsError
from pipeline.local.kafka_broker import EmbeddedKafka

_START_TIMEOUT_SECONDS = 180.0
# At first, windows reach back to before the system read at all, and a JVM compiles.
_WARM_UP_SECONDS = 40.0
_AFTER_SECONDS = 15.0
_STOP_SECONDS = 60.0
_SLIDE_SECONDS = 1
_SHOWN_WINDOWS = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Measures; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=100_000, help="lines a second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--systems", default=";".join(SYSTEMS_THAT_RUN_LIVE))
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("sustained.json"))
    arguments = parser.parse_args(argv)
    end_on_signals()
    raw: dict[str, Any] = {
        "date": machine.today(),
        "machine": machine.describe(),
        "systems": {},
        "runs": [],
        "not_run": {},
        "sustained": [],
    }
    with (
        tempfile.TemporaryDirectory(prefix="sustained-", ignore_cleanup_errors=True) as folder,
        EmbeddedKafka(pathlib.Path(folder) / "kafka", ephemeral=True) as kafka,
    ):
        for number, name in enumerate(arguments.systems.split(";")):
            topic = kafka.create_topic(f"live-{number}", Workload.partitions)
            try:
                measured = measure(name, kafka, topic, arguments.rate, arguments.seconds)
            except (
                NotInstalledError,
                ErrorWindowsError,
                OSError,
                subprocess.TimeoutExpired,
            ) as error:
                raw["not_run"][name] = f"at a steady rate: {error}"
                print(f"{name}: {error}", file=sys.stderr, flush=True)
            else:
                raw["sustained"].append(measured)
                print(json.dumps(measured), file=sys.stderr, flush=True)
            arguments.json.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(
    name: str, kafka: EmbeddedKafka, topic: str, rate: int, seconds: float
) -> dict[str, Any]:
    """One system at one rate.

    Raises:
      TimeoutError: it tells nothing.
      TimeoutExpired: the producer does not end.
      NotInstalledError, ErrorWindowsError: it cannot be had here.
    """
    workload = Workload(lines=0, slide_seconds=_SLIDE_SECONDS, lateness_seconds=1)
    backlog = Backlog(kafka.bootstrap_servers, topic, workload, 0, {})
    told = Told(BY_NAME[name], {}, keyed=False)
    producer_words = [sys.executable, "-m", "benchmarks.open_loop", kafka.bootstrap_servers, topic]
    producer_words += [str(workload.partitions), str(rate), str(seconds)]
    with (
        subprocess.Popen(
            producer_words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as producer,
        contextlib.ExitStack() as exits,
    ):
        exits.callback(producer.kill)
        session = exits.enter_context(Session(BY_NAME[name], backlog, told, live=True))
        _wait_for_first(told, session)
        cpu_before = session.usage.cpu_seconds()
        _tell_producer(producer)
        time.sleep(seconds)
        cpu_seconds = session.usage.cpu_seconds() - cpu_before
        time.sleep(_AFTER_SECONDS)
        _tell_producer(producer)
        produced = json.loads(producer.communicate(timeout=_STOP_SECONDS)[0])
        load = machine.load()
        peak_mb, python_peak_mb = session.usage.peak_mb, session.usage.python_peak_mb
        delays = _delays(told, workload, produced)
        said = session.said() if delays["wrong"] else ""
    return {
        "system": name,
        "rate": rate,
        "seconds": seconds,
        "workload": dataclasses.asdict(workload),
        "load": load,
        "producer_latest_seconds": produced["latest_seconds"],
        "cores": round(cpu_seconds / seconds, 2),
        "peak_mb": round(peak_mb),
        "python_peak_mb": round(python_peak_mb),
        "said": said,
        **delays,
    }


def _wait_for_first(told: Told, session: Session) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while told.changed_at is None:
        if time.monotonic() > deadline or session.process.poll() is not None:
            raise TimeoutError(f"no count was told: {session.said()}")
        time.sleep(0.1)


def _tell_producer(producer: subprocess.Popen[str]) -> None:
    assert producer.stdin is not None
    producer.stdin.write("\n")
    producer.stdin.flush()


def _delays(told: Told, workload: Workload, produced: dict[str, Any]) -> dict[str, Any]:
    """Delays of the right counts, and how many counts are wrong."""
    panes = {(int(second), ""): count for second, count in produced["errors"].items()}
    expected = windows_of(panes, workload.window_seconds // _SLIDE_SECONDS, 1000)
    begin_ms = (produced["begun"] + _WARM_UP_SECONDS) * 1000
    measured = [at for at in expected if begin_ms < at[0] < produced["ended"] * 1000]
    right = sorted(at for at in measured if told.table.get(at) == expected[at])
    delays = [told.told_at[at][1] - at[0] / 1000 for at in right]
    first = [told.told_at[at][0] - at[0] / 1000 for at in right]
    half = len(delays) // 2
    # Copied, because a live system goes on telling.
    newest = max(list(told.table))[0]
    return {
        "windows": len(measured),
        "wrong": len(measured) - len(right),
        # What to look at first: end of the window, what is right, and what was told.
        "wrong_windows": [
            (at[0], expected[at], told.table.get(at)) for at in sorted(set(measured) - set(right))
        ][:_SHOWN_WINDOWS],
        "newest_told_seconds_before_the_end": round(produced["ended"] - newest / 1000, 1),
        "delays": [round(delay, 3) for delay in delays],
        "first_told": [round(delay, 3) for delay in first],
        "median_first_half": round(statistics.median(delays[:half]), 3) if half else None,
        "median_second_half": round(statistics.median(delays[half:]), 3) if half else None,
    }


if __name__ == "__main__":
    sys.exit(main())
