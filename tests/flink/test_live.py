"""Live counting inside one process, `--flink_master=[local]`: real Kafka, real Flink."""

from __future__ import annotations

import json
import logging
import pathlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from pipeline.dead_letter_source import PathDeadLetters
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from pipeline.result_table import ResultTable, settled_form, to_line
from tests.chaos.judge import differences
from tests.chaos.results import end_ms
from tests.chaos.waiting import now_ms, wait_until
from tests.full import FULL
from tests.processes import (
    DEADLINE_SECONDS,
    count_threads,
    environment_of,
    needs_proc,
    started_by,
    wait_until_none_is_left,
)
from tests.reference import reference_results
from transforms.dead_letters import TOO_LATE

pytestmark = pytest.mark.flink

WINDOW_SECONDS, SLIDE_SECONDS, SILENCE_SECONDS = (30, 10, 180) if FULL else (6, 2, 20)
LATENESS_SECONDS = 20
SILENCE_THREADS = 60
"""Pools grow to their size; a thread for each bundle would be hundreds."""
RATE = 100
LINES = RATE * SLIDE_SECONDS * 7
# The others come after them: a window with lines and no error is among theirs.
_WITH_ERRORS = LINES * 2 // 7
_LOG = logging.getLogger(__name__)


@pytest.fixture
def kafka(tmp_path: pathlib.Path) -> Iterator[EmbeddedKafka]:
    """A broker with the topic `logs` of two partitions."""
    with EmbeddedKafka(tmp_path / "kafka", ephemeral=True) as broker:
        broker.create_topic("logs", 2)
        yield broker


def _records(sent: list[tuple[int, bytes]]) -> Iterator[Record]:
    """Lines of the present, each up to 3 s older than the one before may be; noted in `sent`."""
    chance = random.Random(7)
    for number in range(LINES):
        timestamp_ms = now_ms() - chance.choice((0, 0, 0, 500, 3_000))
        is_error = number < _WITH_ERRORS and number % 5 == 0
        line = b"[ERROR] no" if is_error else b"[INFO] yes"
        sent.append((timestamp_ms, line))
        yield Record(value=line, timestamp_ms=timestamp_ms, partition=number % 2)


def _add_partition(kafka: EmbeddedKafka) -> int:
    """Gives the topic one more; its number."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for made in admin.create_partitions([NewPartitions("logs", 3)]).values():
        made.result()
    return 2


class Printed:
    """Results of a command as it prints them, with the moments at which they came."""

    def __init__(self, stdout: IO[str]) -> None:
        self._stdout = stdout
        self._table = ResultTable()
        self.delays_ms: dict[int, int] = {}

    def read_until(self, is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Reads results up to the first for which this is true, and returns it."""
        for line in self._stdout:
            result = json.loads(line)
            self._table.add(result)
            if result["revision"] == 0 and not result["final"]:
                self.delays_ms[end_ms(result)] = now_ms() - end_ms(result)
            if is_enough(result):
                return dict(result)
        raise AssertionError("the command has ended")

    def settled(self) -> list[dict[str, Any]]:
        """What a reader has kept by now."""
        return self._table.settled()


def _backfill(kafka: EmbeddedKafka, from_ms: int, to_ms: int) -> list[str]:
    """What the bounded job prints of a range."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pipeline", "--kafka_reader=native", "--samples=0"),
            *(f"--kafka_bootstrap_servers={kafka.bootstrap_servers}", "--input_topic=logs"),
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
            f"--allowed_lateness_seconds={LATENESS_SECONDS}",
            *(f"--from_time={from_ms}", f"--to_time={to_ms}"),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert 0 == ran.returncode, ran.stderr
    return ran.stdout.splitlines()


@needs_proc
@pytest.mark.timeout(600)
@pytest.mark.parametrize("reader", ["beam", "native"])
def test_live_results_settle_to_the_reference_through_a_silence(
    kafka: EmbeddedKafka, tmp_path: pathlib.Path, reader: str
) -> None:
    """Windows come out while lines come in, late lines amend them, and silence gives zeros.

    Zeros go on, each window told on time, until a line comes, which shows in the next window; for
    the native reader it comes in a partition that is new. What comes after its window was final
    is a dead letter. Ctrl-C leaves nothing.

    Nothing piles up: there are as many threads after the silence as before. A backfill of a range
    that was counted equals its settled results byte for byte.
    """
    environment = environment_of(tmp_path / "run")
    sent: list[tuple[int, bytes]] = []
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "flink", "--flink_master=[local]"),
            *("--samples=0", "--input_topic=logs", f"--kafka_reader={reader}"),
            f"--dead_letter={tmp_path / 'dead'}",
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            "--consumer_property=auto.offset.reset=earliest",
            "--consumer_property=metadata.max.age.ms=1000",
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
            f"--allowed_lateness_seconds={LATENESS_SECONDS}",
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        assert any(line.startswith("counting") for line in job.stderr)
        produce_records(kafka.bootstrap_servers, "logs", _records(sent), records_per_second=RATE)
        partition = _add_partition(kafka) if reader == "native" else 0
        expected = reference_results(
            sent, window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
        )
        printed = Printed(job.stdout)
        last_ms = end_ms(expected[-1])
        silent_ms = last_ms + max(SILENCE_SECONDS, LATENESS_SECONDS + SLIDE_SECONDS) * 1000
        printed.read_until(lambda one: one["revision"] == 0 and end_ms(one) >= last_ms)
        threads = count_threads(environment)
        printed.read_until(lambda one: one["revision"] == 0 and end_ms(one) >= silent_ms)
        threads_more = count_threads(environment) - threads
        silent = [one for one in printed.settled() if last_ms < end_ms(one) <= silent_ms]

        late = (sent[0][0], b"[ERROR] too late")
        error = (now_ms(), b"[ERROR] again")
        for (time_ms, line), where in ((late, 0), (error, partition)):
            record = Record(value=line, timestamp_ms=time_ms, partition=where)
            produce_records(kafka.bootstrap_servers, "logs", [record])
        shown = printed.read_until(lambda one: one["count"] > 0 and end_ms(one) > silent_ms)
        end = end_ms(shown) + (WINDOW_SECONDS - SLIDE_SECONDS) * 1000
        printed.read_until(lambda one: one["revision"] == 0 and end_ms(one) >= end)
        dead_letters = wait_until(
            lambda: list(PathDeadLetters(tmp_path / "dead").read_all()),
            what="a dead letter",
            timeout_seconds=DEADLINE_SECONDS,
        )
        job.send_signal(signal.SIGINT)
        stderr = job.stderr.read()
        assert 130 == job.wait(DEADLINE_SECONDS)

    table = {one["id"]: one for one in printed.settled()}
    assert expected == [table[one["id"]] | {"revision": 0} for one in expected]
    assert {"no_errors", None} == {one["silence"] for one in expected}
    assert [(0, "no_input")] * len(silent) == [(one["count"], one["silence"]) for one in silent]
    assert list(range(last_ms, silent_ms, SLIDE_SECONDS * 1000)) == [
        end_ms(one) - SLIDE_SECONDS * 1000 for one in silent
    ]
    assert 0 < end_ms(shown) - error[0] <= SLIDE_SECONDS * 1000
    assert [] == differences(
        reference_results(
            [*sent, error], window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
        ),
        printed.settled(),
    )
    # Behind the line that came too late: a backfill reads all at once, and would count it.
    from_ms = (late[0] // (SLIDE_SECONDS * 1000) + 1) * SLIDE_SECONDS * 1000 - 500
    to_ms = last_ms + SLIDE_SECONDS * 1000
    settled = [
        to_line(settled_form(one))
        for one in printed.settled()
        if one["final"] and from_ms <= end_ms(one) - WINDOW_SECONDS * 1000 and end_ms(one) <= to_ms
    ]
    windows = (to_ms - from_ms) // (SLIDE_SECONDS * 1000) - WINDOW_SECONDS // SLIDE_SECONDS + 1
    assert windows == len(settled)
    assert settled == _backfill(kafka, from_ms, to_ms)
    assert [(TOO_LATE, *late)] == [
        (one.reason, one.record.timestamp, one.record.value) for one in dead_letters
    ]
    assert threads_more < SILENCE_THREADS
    assert "interrupted\n" == stderr
    assert [] == wait_until_none_is_left(environment)
    delays = sorted(printed.delays_ms[end_ms(one)] for one in silent)
    _LOG.info(
        "%d windows of silence, told %d to %d ms after their ends, median %d; "
        "the line after it in revision %d of its window, %d ms after its end, %d ms after the "
        "line; %d threads more",
        *(len(silent), delays[0], delays[-1], delays[len(delays) // 2]),
        *(shown["revision"], printed.delays_ms[end_ms(shown)], end_ms(shown) - error[0]),
        threads_more,
    )


@needs_proc
def test_a_killed_command_leaves_nothing(tmp_path: pathlib.Path) -> None:
    """Flink, Kafka and the expansion service end with the command, also after kill -9."""
    environment = environment_of(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "flink", "--flink_master=[local]", "--samples=0"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stderr is not None
        assert any(line.startswith("counting") for line in job.stderr)
        assert len(started_by(environment)) >= 4
        job.kill()
        assert -signal.SIGKILL == job.wait(DEADLINE_SECONDS)

    assert [] == wait_until_none_is_left(environment)


def test_a_live_job_without_an_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Bounds belong to the DirectRunner."""
    from pipeline.cli import main

    assert 2 == main(["flink", "--max_read_time=5"])
    expected = "error: --max_read_time: a live job has no end. Use run_direct.sh.\n"
    assert ("", expected) == capsys.readouterr()
