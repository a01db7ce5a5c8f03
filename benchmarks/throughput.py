r"""How fast a backlog is counted: this job with both readers, the textbook form, bare loops.

    python -m benchmarks.throughput --lines=3000000 --rounds=5 --report=throughput.md

Starts a Kafka of its own and fills a topic, timestamps spread over the last half hour. Every
system counts ERROR lines in windows of 30 s every 10 s; its table is compared with one that plain
arithmetic gives, and a wrong one is reported as wrong. The order is a new one in every round.
Measured is the time from the first result (bare loops: from the first record) to the last one, so
starting is not in it; CPU seconds are of all processes but the broker's, from start to end; the
memory is the most that Python processes held together. Needs Linux.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import datetime
import json
import multiprocessing
import os
import pathlib
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from confluent_kafka import Consumer, Producer, TopicPartition

from pipeline.local.kafka_broker import EmbeddedKafka
from tests.chaos.processes import descendants

Table = dict[int, int]

_WINDOW_MS, _SLIDE_MS = 30_000, 10_000
_SPAN_MS = 1_800_000
_LINES = [
    b"2025-11-24 16:00:00,%03d %s [main] com.example.checkout.Service - request %06d took 12 ms"
    % (number % 1000, b"ERROR" if number % 5 == 0 else b"INFO", number)
    for number in range(1_000)
]
_TOPIC = "logs"
_SAMPLE_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Backlog:
    """What is to be counted."""

    servers: str
    partitions: int
    lines: int
    expected: Table


@dataclasses.dataclass
class Outcome:
    """What a system did."""

    seconds: float
    exact: bool
    cpu_seconds: float = 0.0
    python_megabytes: float = 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=3_000_000)
    parser.add_argument("--partitions", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--systems", default=",".join(_SYSTEMS), help="separated by commas")
    parser.add_argument("--report", type=pathlib.Path, help="file for the report")
    arguments = parser.parse_args(argv)
    names = arguments.systems.split(",")
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    with (
        tempfile.TemporaryDirectory(prefix="throughput-") as folder,
        EmbeddedKafka(pathlib.Path(folder) / "kafka", ephemeral=True) as kafka,
    ):
        backlog = fill(kafka, arguments.lines, arguments.partitions)
        for round_number in range(arguments.rounds):
            order = list(names)
            random.Random(round_number).shuffle(order)
            for name in order:
                outcome = measure(_SYSTEMS[name], backlog)
                outcomes[name].append(outcome)
                rate = backlog.lines / outcome.seconds / 1000
                print(f"{name}: {rate:.0f}k/s {outcome}", file=sys.stderr, flush=True)
    report = to_markdown(arguments, outcomes)
    print(report)
    if arguments.report is not None:
        arguments.report.write_text(report + "\n", encoding="utf-8")
    return 0


def fill(kafka: EmbeddedKafka, lines: int, partitions: int) -> Backlog:
    """Writes the lines, and one at the end of every partition that closes all windows."""
    kafka.create_topic(_TOPIC, partitions)
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "linger.ms": 50,
            "batch.num.messages": 20_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    start_ms = time.time_ns() // 1_000_000 - _SPAN_MS - 120_000
    start_ms -= start_ms % _SLIDE_MS
    errors: collections.Counter[int] = collections.Counter()
    panes = set()
    for number in range(lines):
        time_ms = start_ms + number * _SPAN_MS // lines
        line = _LINES[number % 1_000]
        panes.add(time_ms // _SLIDE_MS)
        if b"ERROR" in line:
            errors[time_ms // _SLIDE_MS] += 1
        while True:
            try:
                producer.produce(_TOPIC, line, partition=number % partitions, timestamp=time_ms)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()
    for partition in range(partitions):
        producer.produce(
            _TOPIC, b"INFO end", partition=partition, timestamp=start_ms + _SPAN_MS + 60_000
        )
    producer.flush()
    return Backlog(kafka.bootstrap_servers, partitions, lines, _windows(errors, panes))


def _windows(errors: dict[int, int], panes: set[int]) -> Table:
    """Window end in ms to errors, of windows that hold a line."""
    size = _WINDOW_MS // _SLIDE_MS
    ends = range(min(panes) + 1, max(panes) + size + 1)
    return {
        end * _SLIDE_MS: sum(errors.get(pane, 0) for pane in range(end - size, end)) for end in ends
    }


def measure(system: Callable[[Backlog], tuple[float, Table]], backlog: Backlog) -> Outcome:
    """Runs a system, and watches its processes."""
    usage = Usage()
    with usage.watched():
        seconds, table = system(backlog)
    expected = backlog.expected
    exact = expected == {end: table.get(end) for end in expected}
    return Outcome(seconds, exact, usage.cpu_seconds, usage.python_megabytes)


class Usage:
    """CPU seconds and memory of this process's descendants, those there before left out."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.python_megabytes = 0.0
        self._cpu: dict[int, float] = {}

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Looks several times a second while it is entered."""
        before, stop = set(descendants(os.getpid())), threading.Event()
        thread = threading.Thread(target=self._watch, args=(before, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.cpu_seconds = sum(self._cpu.values())

    def _watch(self, before: set[int], stop: threading.Event) -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            held = 0.0
            for pid in set(descendants(os.getpid())) - before:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
                    fields = stat[stat.rindex(")") + 2 :].split()
                    ticks = int(fields[11]) + int(fields[12])
                    self._cpu[pid] = ticks / os.sysconf("SC_CLK_TCK")
                    if "python" in os.path.basename(os.readlink(f"/proc/{pid}/exe")):
                        held += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
            self.python_megabytes = max(self.python_megabytes, held)


def direct(reader: str) -> Callable[[Backlog], tuple[float, Table]]:
    """This job, bounded, on the DirectRunner; all of it, from start to end."""

    def run(backlog: Backlog) -> tuple[float, Table]:
        started = time.monotonic()
        ran = subprocess.run(
            [*_job(backlog, reader), "--samples=0"],
            capture_output=True,
            text=True,
            check=True,
        )
        return time.monotonic() - started, _table(ran.stdout.splitlines())

    return run


def flink(reader: str, *more: str) -> Callable[[Backlog], tuple[float, Table]]:
    """This job, live, on Flink inside one process."""

    def run(backlog: Backlog) -> tuple[float, Table]:
        command = [
            *_job(backlog, reader, "flink"),
            "--flink_master=[local]",
            "--consumer_property=auto.offset.reset=earliest",
            "--samples=0",
            *more,
        ]
        seconds, lines = _follow(
            command, lambda line: _end_of(json.loads(line)) >= max(backlog.expected)
        )
        return seconds, _table(lines)

    return run


def _follow(command: Sequence[str], is_last: Callable[[str], bool]) -> tuple[float, list[str]]:
    """Runs a command until it has printed the last line; seconds from the first, and the lines."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as job:
        assert job.stdout is not None
        lines: list[str] = []
        begun = 0.0
        for line in job.stdout:
            begun = begun or time.monotonic()
            lines.append(line)
            if is_last(line):
                break
        seconds = time.monotonic() - begun
        job.send_signal(signal.SIGINT)
        job.stdout.read()
    return seconds, lines


def bare_loop(backlog: Backlog) -> tuple[float, Table]:
    """One Python process, a consumer, and a dict of panes."""
    seconds, errors, panes = _bare((backlog, range(backlog.partitions)))
    return seconds, _windows(errors, panes)


def bare_loops(backlog: Backlog) -> tuple[float, Table]:
    """The same, a process per partition."""
    total: collections.Counter[int] = collections.Counter()
    every: set[int] = set()
    context = multiprocessing.get_context("spawn")
    with context.Pool(backlog.partitions) as pool:
        parts = pool.map(
            _bare, [(backlog, range(one, one + 1)) for one in range(backlog.partitions)]
        )
    for _, errors, panes in parts:
        total.update(errors)
        every |= panes
    return max(seconds for seconds, _, _ in parts), _windows(total, every)


def _bare(task: tuple[Backlog, range]) -> tuple[float, collections.Counter[int], set[int]]:
    backlog, partitions = task
    consumer = Consumer(
        {
            "bootstrap.servers": backlog.servers,
            "group.id": "bare",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.min.bytes": 1_000_000,
            "queued.min.messages": 500_000,
            "queued.max.messages.kbytes": 262_144,
        }
    )
    consumer.assign([TopicPartition(_TOPIC, one, 0) for one in partitions])
    errors: collections.Counter[int] = collections.Counter()
    panes: set[int] = set()
    begun, ended = 0.0, 0
    while ended < len(partitions):
        for message in consumer.consume(500, 1.0):
            if message.error() is not None:
                ended += 1
                continue
            begun = begun or time.monotonic()
            value = message.value() or b""
            pane = message.timestamp()[1] // _SLIDE_MS
            if value != b"INFO end":
                panes.add(pane)
            if b"ERROR" in value:
                errors[pane] += 1
    seconds = time.monotonic() - begun
    consumer.close()
    return seconds, errors, panes


def textbook(backlog: Backlog) -> tuple[float, Table]:
    """The job as Beam's documentation would write it, on Flink inside one process."""
    command = [sys.executable, "-m", "benchmarks.textbook", backlog.servers, _TOPIC]
    seconds, lines = _follow(command, lambda line: int(line.split()[0]) >= max(backlog.expected))
    table: Table = {}
    for end, count in map(str.split, lines):
        table[int(end)] = table.get(int(end), 0) + int(count)
    return seconds, table


def _job(backlog: Backlog, reader: str, *words: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pipeline", *words),
        f"--kafka_bootstrap_servers={backlog.servers}",
        f"--input_topic={_TOPIC}",
        f"--kafka_reader={reader}",
        "--contains=ERROR",
        "--output_format=json",
    ]


def _table(lines: Sequence[str]) -> Table:
    """The highest count of every window."""
    table: Table = {}
    for line in lines:
        result = json.loads(line)
        end = _end_of(result)
        table[end] = max(table.get(end, 0), result["count"])
    return table


def _end_of(result: dict[str, str]) -> int:
    text = result["window_end"].replace("Z", "+00:00")
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


_SYSTEMS: dict[str, Callable[[Backlog], tuple[float, Table]]] = {
    "native on Flink": flink("native"),
    "beam on Flink": flink("beam"),
    "textbook on Flink": textbook,
    "native on DirectRunner": direct("native"),
    "beam on DirectRunner": direct("beam"),
    "bare loop": bare_loop,
    "bare loops": bare_loops,
}


def to_markdown(arguments: argparse.Namespace, outcomes: dict[str, list[Outcome]]) -> str:
    """The report."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    text = [
        f"{arguments.lines:,} lines of about 85 bytes in {arguments.partitions} partitions, a "
        f"fifth ERROR, {arguments.rounds} rounds, {today}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, broker on the same machine.",
        "",
        "| system | thousand lines/s, median (range) | CPU seconds | Python MB | table |",
        "|---|---|---|---|---|",
    ]
    for name, of_system in outcomes.items():
        rates = [arguments.lines / one.seconds / 1000 for one in of_system]
        wrong = sum(not one.exact for one in of_system)
        text.append(
            f"| {name} | {statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f}) "
            f"| {statistics.median(one.cpu_seconds for one in of_system):.0f} "
            f"| {max(one.python_megabytes for one in of_system):,.0f} "
            f"| {f'wrong in {wrong}' if wrong else 'exact'} |"
        )
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
