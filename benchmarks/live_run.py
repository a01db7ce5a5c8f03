r"""A live run on a local Flink cluster: delay of the results, memory, size of checkpoints.

    python -m benchmarks.live_run --rate=5000 --minutes=12 --report=delay.md
    python -m benchmarks.live_run --rate=2000 --minutes=61 --report=soak.md \
        --allowed_lateness_seconds=600

Starts a Kafka, a Flink cluster and a producer of its own, counts with 30 s windows every 10 s,
and ends all of it. Other flags are the job's. The delay of a result is the time its record was
written to the results topic less the end of its window. Needs Linux: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

from confluent_kafka import Consumer, TopicPartition

from pipeline.deployment import Deployment, cluster_config_from_flags
from pipeline.job_spec import live_parser
from pipeline.job_start import prepare_job, prepare_output
from pipeline.live_config import live_config_from_flags
from pipeline.live_demo import demo_producer
from pipeline.local.kafka_broker import EmbeddedKafka

_TOPIC, _RESULTS = "logs", "counts"
_PARTITIONS = 2
_SAMPLE_SECONDS = 30.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# The first windows are told while the job still catches up.
_WARM_UP_WINDOWS = 6


@dataclasses.dataclass
class Usage:
    """What was seen at one time: seconds since the start, MB by process, checkpoint bytes."""

    seconds: float
    megabytes: dict[str, float]
    checkpoint_bytes: int


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it and prints a report; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--rate", type=int, default=5000, help="lines a second")
    parser.add_argument("--minutes", type=float, default=12, help="how long lines come")
    parser.add_argument("--report", type=pathlib.Path, help="file for the report")
    arguments, job_flags = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory(prefix="live-run-") as folder:
        report = run(pathlib.Path(folder), arguments.rate, arguments.minutes, job_flags)
    print(report)
    if arguments.report is not None:
        arguments.report.write_text(report + "\n", encoding="utf-8")
    return 0


def run(folder: pathlib.Path, rate: int, minutes: float, job_flags: Sequence[str] = ()) -> str:
    """Runs the job, with these flags, for so long and returns the report, in Markdown."""
    with EmbeddedKafka(folder / "kafka") as kafka, contextlib.ExitStack() as stack:
        kafka.create_topic(_TOPIC, _PARTITIONS)
        flags = live_parser("live_run").parse_args(
            [
                f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
                f"--input_topic={_TOPIC}",
                f"--output=kafka:{_RESULTS}",
                f"--run_dir={folder / 'flink'}",
                *job_flags,
            ]
        )
        config = live_config_from_flags(flags)
        prepare_output(config)
        deployment = Deployment(folder / "flink")
        stack.callback(deployment.supervisor.stop)
        deployment.start(
            cluster_config_from_flags(flags), with_kafka=False, detached=False, show_progress=_say
        )
        prepare_job(deployment.folder, flags, deployment.rest.urls)
        stack.enter_context(demo_producer(kafka.bootstrap_servers, _TOPIC, rate))
        deployment.start_driver()
        deployment.wait_for_job(_say)
        _say("running")
        started = time.monotonic()
        usages = []
        while time.monotonic() - started < minutes * 60:
            time.sleep(_SAMPLE_SECONDS)
            usages.append(_usage(deployment, kafka, time.monotonic() - started))
            _say(json.dumps(dataclasses.asdict(usages[-1])))
        delays = _delays(kafka.bootstrap_servers)
        checkpoints = deployment.rest.checkpoints(_job_id(deployment))["counts"]
    return _report(rate, minutes, job_flags, delays, usages, checkpoints)


def _usage(deployment: Deployment, kafka: EmbeddedKafka, seconds: float) -> Usage:
    megabytes = {"kafka": _megabytes(kafka.process.pid)}
    for state in deployment.supervisor.states():
        if state.pid:
            megabytes[state.name] = _megabytes(state.pid)
            for number, pid in enumerate(_workers_of(state.pid), start=1):
                megabytes[f"{state.name} worker {number}"] = _megabytes(pid)
    latest = deployment.rest.checkpoints(_job_id(deployment))["latest"]["completed"]
    return Usage(round(seconds), megabytes, latest["state_size"] if latest else 0)


def _job_id(deployment: Deployment) -> str:
    job = deployment.rest.live_job("errors")
    if job is None:
        raise RuntimeError("the job is gone")
    return job.id


def _megabytes(pid: int) -> float:
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return round(pages * _PAGE_BYTES / 1e6, 1)


def _workers_of(pid: int) -> list[int]:
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text("ascii", "replace")
                if int(stat[stat.rindex(")") + 2 :].split()[1]) == pid:
                    found.append(int(folder.name))
    return sorted(found)


def _delays(bootstrap_servers: str) -> list[float]:
    """Seconds from the end of each window to its first result, the first windows left out."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "live-run"})
    partition = TopicPartition(_RESULTS, 0, 0)
    end = consumer.get_watermark_offsets(partition)[1]
    consumer.assign([partition])
    delays: dict[str, float] = {}
    while True:
        message = consumer.poll(10)
        if message is None:
            break
        result = json.loads(message.value() or b"")
        window_end = datetime.datetime.fromisoformat(result["window_end"].replace("Z", "+00:00"))
        written_ms = message.timestamp()[1]
        delays.setdefault(result["id"], written_ms / 1000 - window_end.timestamp())
        if (message.offset() or 0) + 1 >= end:
            break
    consumer.close()
    return list(delays.values())[_WARM_UP_WINDOWS:]


def _report(
    rate: int,
    minutes: float,
    job_flags: Sequence[str],
    delays: list[float],
    usages: list[Usage],
    checkpoints: dict[str, int],
) -> str:
    ordered = sorted(delays)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [
        f"{rate:,} lines a second for {minutes:g} minutes, {_PARTITIONS} partitions, windows of "
        f"30 s every 10 s, {today}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, everything on one machine"
        f"{''.join(f', {flag}' for flag in job_flags)}.",
        "",
        f"Delay of {len(ordered)} results after the end of their windows: median "
        f"{statistics.median(ordered):.2f} s, 95 % within {_quantile(ordered, 0.95):.2f} s, "
        f"slowest {ordered[-1]:.2f} s.",
        "",
        f"Checkpoints: {checkpoints['completed']} completed, {checkpoints['failed']} failed.",
        "",
    ]
    marks = [usages[round(index * (len(usages) - 1) / 6)] for index in range(7)]
    names = sorted({name for usage in usages for name in usage.megabytes})
    lines.append("| MB resident after | " + " | ".join(f"{m.seconds / 60:.0f} min" for m in marks))
    lines[-1] += " |"
    lines.append("|---" * (len(marks) + 1) + "|")
    for name in names:
        cells = [f"{mark.megabytes.get(name, 0):.0f}" for mark in marks]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    cells = [f"{mark.checkpoint_bytes / 1000:.0f}" for mark in marks]
    lines.append("| checkpoint, kB | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, round(share * len(ordered)))]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
