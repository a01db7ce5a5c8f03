"""The same records give the same table on the DirectRunner and on Flink, whatever is killed.

Compared are bytes: of results, dead letters and ledger. What may differ, and why:

- `revision` of a result: how often lines came after their window was told depends on how fast the
  topic is read; a bounded run tells every window once.
- `final` of a result, until the allowed lateness is over: a bounded run knows its end.
- windows after the last line, all of them empty: a live job goes on.
- `detail` of a dead letter: it names the time of the clock that its own was compared with.

The event times end a few minutes ago, and the allowed lateness of an hour is longer than the topic
takes to be read: so nothing is too late, and the table depends on the records only.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest

from pipeline.dead_letter_source import DeadLetterSource, PathDeadLetters, TopicDeadLetters
from pipeline.deployment import Deployment
from pipeline.errors import ServiceError
from pipeline.flink_rest import FlinkJob
from pipeline.kafka_client import read_topic
from pipeline.kafka_properties import KafkaProperties
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.result_source import PathResults
from pipeline.result_table import to_line
from pipeline.results_topic import TopicResults
from tests.chaos.processes import ClusterProcesses
from tests.chaos.results import ResultFollower, end_ms
from tests.chaos.waiting import NotInTimeError, now_ms, wait_until
from tests.flink.commands import Commands
from tests.full import FULL
from tests.mixed_records import (
    MAX_LINE_BYTES,
    PARTITIONS,
    TOPIC_SETTINGS,
    dead_letter_lines,
    expected_ledger,
    expected_results,
    mixed_records,
    past_ms,
    reason_of,
)
from tests.processes import (
    DEADLINE_SECONDS,
    environment_of,
    needs_proc,
    wait_until_none_is_left,
)
from tests.sending import Sent, send

pytestmark = [pytest.mark.flink, pytest.mark.timeout(1_800), needs_proc]

COUNT = 300_000 if FULL else 30_000
SEED = 20261125
WINDOW_SECONDS, SLIDE_SECONDS = 15, 5
TASK_MANAGER_KILLS, JOB_MANAGER_KILLS = (3, 1) if FULL else (1, 0)
# Of a poll of the connector: so few that the topic is still being read when something is killed.
RECORDS_PER_POLL = 100 if FULL else 4
START_SECONDS, SETTLE_SECONDS = 240, 600
# More than the rows of the ledger wait for.
_LATER_MS = 12_000
_LOG = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """All that a job tells, as sorted lines of JSON without what may differ."""

    results: list[str]
    dead_letters: list[str]
    ledger: list[str]


class Logs(NamedTuple):
    """A topic, what is in it, and what the DirectRunner makes of it."""

    kafka: EmbeddedKafka
    settings: tuple[str, ...]
    records: list[Sent]
    outcome: Outcome
    newest_ms: int

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of a job that reads it."""
        return (
            f"--kafka_bootstrap_servers={self.kafka.bootstrap_servers}",
            "--input_topic=logs",
            *self.settings,
        )

    @property
    def live_flags(self) -> tuple[str, ...]:
        """Those of a live job that reads it from its beginning."""
        return (*self.flags, "--samples=0", "--consumer_property=auto.offset.reset=earliest")

    @property
    def properties(self) -> KafkaProperties:
        """How a client connects."""
        return KafkaProperties({"bootstrap.servers": self.kafka.bootstrap_servers})


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logs]:
    """A Kafka with the topic `logs`, and a run of the job on the DirectRunner."""
    folder = tmp_path_factory.mktemp("same")
    records = mixed_records(SEED, COUNT, start_ms=past_ms(now_ms()))
    with EmbeddedKafka(folder / "kafka", ephemeral=True) as kafka:
        kafka.create_topic("logs", PARTITIONS, settings=TOPIC_SETTINGS)
        send(kafka, "logs", records)
        settings = (
            "--group_by=service",
            f"--max_line_bytes={MAX_LINE_BYTES}",
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
        )
        logs = Logs(kafka, settings, records, Outcome([], [], []), newest_ms=0)
        outcome = _run_direct(folder, logs.flags)
        newest_ms = end_ms(json.loads(outcome.results[-1]))
        yield logs._replace(outcome=outcome, newest_ms=newest_ms)


def _run_direct(folder: pathlib.Path, flags: tuple[str, ...]) -> Outcome:
    began = time.monotonic()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", *flags, "--samples=0"),
            f"--dead_letter={folder / 'dead.jsonl'}",
            f"--ledger={folder / 'ledger.jsonl'}",
        ],
        capture_output=True,
        check=False,
    )
    assert 0 == ran.returncode, ran.stderr.decode()
    _LOG.info("DirectRunner: %d records in %.0f s", COUNT, time.monotonic() - began)
    return Outcome(
        ran.stdout.decode().splitlines(),
        dead_letter_lines(PathDeadLetters(folder / "dead.jsonl")),
        _newest_rows((folder / "ledger.jsonl").read_bytes().splitlines()),
    )


def _newest_rows(lines: Iterable[bytes]) -> list[str]:
    """The last line of every row, in the order of their ids."""
    rows = {json.loads(line)["id"]: line.decode().rstrip() for line in lines}
    return [rows[name] for name in sorted(rows)]


def test_the_direct_runner_equals_the_reference(logs: Logs) -> None:
    """Every result, every dead letter, and a ledger that balances."""
    expected = expected_results(
        logs.records, window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
    )
    assert expected == [json.loads(line) for line in logs.outcome.results]
    assert {None, "no_input", "no_errors"} == {one["silence"] for one in expected}

    reasons = [reason for one in logs.records if (reason := reason_of(one)) is not None]
    letters = [json.loads(line) for line in logs.outcome.dead_letters]
    assert sorted(reasons) == sorted(one["reason"] for one in letters)

    rows = [json.loads(line) for line in logs.outcome.ledger]
    whole = [row for row in rows if row["minute"] is None]
    assert [True] * PARTITIONS == [row["balanced"] for row in whole]
    totals = expected_ledger(logs.records)
    assert totals == {field: sum(row[field] for row in whole) for field in totals}


class LiveOutcome:
    """What a live job has told so far."""

    def __init__(
        self,
        logs: Logs,
        results: ResultFollower,
        dead_letters: Callable[[], DeadLetterSource],
        ledger: Callable[[], Iterable[bytes]],
    ) -> None:
        """Reads nothing yet.

        Args:
          logs: what the job reads.
          results: of the job.
          dead_letters: where these are, from their beginning.
          ledger: its lines, from their beginning.
        """
        self._logs = logs
        self._results = results
        self._dead_letters = dead_letters
        self._ledger = ledger

    def results(self, *, final: bool = False) -> list[str]:
        """The settled table up to the newest line, as a bounded run would tell it.

        Args:
          final: what is not final stays so.
        """
        table = self._results.settled()
        after = [one for one in table if end_ms(one) > self._logs.newest_ms]
        assert {(0, "no_input")} >= {(one["count"], one["silence"]) for one in after}
        return [
            to_line(one | {"revision": 0, "final": one["final"] or not final})
            for one in table
            if end_ms(one) <= self._logs.newest_ms
        ]

    def counted(self) -> int:
        """Error lines in the table."""
        panes = WINDOW_SECONDS // SLIDE_SECONDS
        return sum(one["count"] for one in self._results.settled() if one["key"] is None) // panes

    def read(self) -> Outcome:
        """All of it."""
        return Outcome(
            self.results(), dead_letter_lines(self._dead_letters()), _newest_rows(self._ledger())
        )

    def wait_until_settled(self) -> None:
        """Waits until all is as on the DirectRunner, and still is a while later.

        What counts twice shows later only, and goes on to differ.
        """
        expected = self._logs.outcome

        def is_equal() -> bool:
            return self.results() == expected.results and self.read() == expected

        def is_settled() -> bool:
            if not is_equal():
                return False
            self.wait_a_while()
            return is_equal()

        with contextlib.suppress(NotInTimeError):
            wait_until(
                is_settled,
                what="the table of the DirectRunner",
                timeout_seconds=SETTLE_SECONDS,
                poll_seconds=0.5,
            )
        assert expected == self.read()

    def wait_a_while(self) -> None:
        """Waits for so many windows that the ledger of what was read before is told."""
        later_ms = now_ms() + _LATER_MS
        wait_until(
            lambda: self._results.newest_on_time_ms >= later_ms,
            what="a later window",
            timeout_seconds=SETTLE_SECONDS,
        )


@pytest.mark.skipif(not FULL, reason="takes long: ERROR_WINDOWS_FULL=1")
@pytest.mark.parametrize("reader", ["beam", "native"])
def test_flink_in_one_process_gives_the_same(
    logs: Logs, tmp_path: pathlib.Path, reader: str
) -> None:
    """With either reader; dead letters and ledger in folders."""
    environment = environment_of(tmp_path / "run")
    printed, dead, ledger = (tmp_path / name for name in ("results.jsonl", "dead", "ledger"))

    def rows() -> Iterator[bytes]:
        for path in ledger.glob("ledger-*.jsonl"):
            yield from (line for line in path.read_bytes().splitlines(True) if line[-1:] == b"\n")

    began = time.monotonic()
    with (
        printed.open("wb") as stdout,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "flink", "--flink_master=[local]"),
                *logs.live_flags,
                f"--kafka_reader={reader}",
                f"--dead_letter={dead}",
                f"--ledger={ledger}",
            ],
            env=environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        ) as job,
    ):
        assert job.stderr is not None
        assert any(line.startswith("counting") for line in job.stderr)
        with ResultFollower(PathResults(printed)) as results:
            live = LiveOutcome(logs, results, lambda: PathDeadLetters(dead), rows)
            live.wait_until_settled()
            _LOG.info(
                "Flink in one process, %s: settled after %.0f s", reader, time.monotonic() - began
            )
        job.send_signal(signal.SIGINT)
        job.stderr.read()
        assert 130 == job.wait(DEADLINE_SECONDS)
    assert [] == wait_until_none_is_left(environment)


def test_flink_whose_processes_are_killed_gives_the_same(
    logs: Logs, commands: Commands, tmp_path: pathlib.Path
) -> None:
    """Killed while it reads, with results, dead letters and ledger in topics.

    It reads a topic of its own that is filled between the kills: so there is something left to
    read after each of them, however fast it is.

    In the full run it also goes on with a shorter lateness, which makes all windows final: then
    only revisions differ.
    """
    deployment = Deployment(tmp_path / "run" / "flink")
    with EmbeddedKafka(tmp_path / "kafka", ephemeral=True) as kafka:
        kafka.create_topic("logs", PARTITIONS, settings=TOPIC_SETTINGS)
        logs = logs._replace(kafka=kafka)
        job = (
            *logs.live_flags,
            *(f"--{name}=kafka:{name}" for name in ("output", "dead_letter", "ledger")),
            f"--consumer_property=max.poll.records={RECORDS_PER_POLL}",
            "--checkpoint_interval_seconds=3",
        )
        began = time.monotonic()
        commands.run("start", *job)
        with ResultFollower(TopicResults("output", logs.properties)) as results:
            live = LiveOutcome(
                logs,
                results,
                lambda: TopicDeadLetters("dead_letter", logs.properties),
                lambda: (one.value() or b"" for one in read_topic("ledger", logs.properties)),
            )
            _kill_while_it_reads(deployment, live, logs)
            live.wait_until_settled()
            _LOG.info("Flink with kills: settled after %.0f s", time.monotonic() - began)

            if FULL:
                # The lateness is an hour; `test_live` has final windows and late lines always.
                commands.run("savepoint", "--cancel")
                commands.run("start", *job, "--allowed_lateness_seconds=1")
                wait_until(
                    lambda: live.results(final=True) == logs.outcome.results,
                    what="all windows to be final",
                    timeout_seconds=SETTLE_SECONDS,
                    poll_seconds=0.5,
                )
                live.wait_until_settled()
        commands.run("stop")


def _kill_while_it_reads(deployment: Deployment, live: LiveOutcome, logs: Logs) -> None:
    """The TaskManager with the job, so many times, then the JobManager.

    A part of the records is sent before the first of them, one before each, and one after the last.
    """
    processes = ClusterProcesses(deployment.supervisor)

    def running_job() -> FlinkJob | None:
        with contextlib.suppress(ServiceError):
            job = deployment.rest.live_job("errors")
            return job if job is not None and job.runs else None
        return None

    strikes = ["taskmanager"] * TASK_MANAGER_KILLS + ["jobmanager"] * JOB_MANAGER_KILLS
    part = -(-len(logs.records) // (len(strikes) + 2))
    parts = [logs.records[at : at + part] for at in range(0, len(logs.records), part)]
    errors = [expected_ledger(records)["counted"] for records in parts]
    send(logs.kafka, "logs", parts[0])
    for number, kind in enumerate(strikes, start=1):
        sent = sum(errors[:number])
        wait_until(
            lambda sent=sent: live.counted() == sent,
            what=f"{sent} error lines to be told",
            timeout_seconds=SETTLE_SECONDS,
        )
        job = wait_until(running_job, what="the job to run", timeout_seconds=START_SECONDS)
        name = (
            "jobmanager-1"
            if kind == "jobmanager"
            else processes.busy_task_manager(deployment.rest.urls, job)
        )
        send(logs.kafka, "logs", parts[number])
        before = processes.kill(name)
        told = live.counted()
        _LOG.info("%s killed when %d of %d error lines were told", name, told, sum(errors))
        processes.wait_for_restart(before)
    send(logs.kafka, "logs", parts[-1])
    # A TaskManager that has lost its JobManager works on for a while, up to the topic's end: what
    # it told is not what counts, but what the job tells that began again before that.
    wait_until(running_job, what="the job to run", timeout_seconds=START_SECONDS)
    live.wait_a_while()
