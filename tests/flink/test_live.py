"""Live counting inside one process, `--flink_master=[local]`: real Kafka, real Flink."""

from __future__ import annotations

import json
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from pipeline.result_table import ResultTable
from tests.processes import (
    DEADLINE_SECONDS,
    environment_of,
    needs_proc,
    started_by,
    wait_until_none_is_left,
)
from tests.reference import reference_results

pytestmark = pytest.mark.flink

WINDOW_SECONDS, SLIDE_SECONDS, LATENESS_SECONDS = 6, 2, 20
RATE, LINES = 100, 1_500
SILENT_WINDOWS = 3


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
        timestamp_ms = int(time.time() * 1000) - chance.choice((0, 0, 0, 500, 3_000))
        line = b"[ERROR] no" if number % 5 == 0 else b"[INFO] yes"
        sent.append((timestamp_ms, line))
        yield Record(value=line, timestamp_ms=timestamp_ms, partition=number % 2)


def _is_settled(results: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    """Whether every expected window is final, and some silent ones behind them are out."""
    final = {result["window_end"] for result in results if result["final"]}
    last = expected[-1]["window_end"]
    silent = {result["window_end"] for result in results if result["window_end"] > last}
    return len(silent) >= SILENT_WINDOWS and all(one["window_end"] in final for one in expected)


@needs_proc
@pytest.mark.parametrize("reader", ["beam", "native"])
def test_live_results_settle_to_the_reference_and_ctrl_c_leaves_nothing(
    kafka: EmbeddedKafka, tmp_path: pathlib.Path, reader: str
) -> None:
    """Windows come out while lines come in, late lines amend them, and silence gives zeros."""
    environment = environment_of(tmp_path / "run")
    sent: list[tuple[int, bytes]] = []
    results: list[dict[str, Any]] = []
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "flink", "--flink_master=[local]"),
            *("--samples=0", "--input_topic=logs", f"--kafka_reader={reader}"),
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            "--consumer_property=auto.offset.reset=earliest",
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
        expected = reference_results(
            sent, window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
        )
        for line in job.stdout:
            results.append(json.loads(line))
            if _is_settled(results, expected):
                break
        job.send_signal(signal.SIGINT)
        stderr = job.stderr.read()
        assert 130 == job.wait(DEADLINE_SECONDS)

    kept = ResultTable()
    for result in results:
        kept.add(result)
    table = {result["id"]: result for result in kept.settled()}
    assert expected == [table[one["id"]] | {"revision": 0} for one in expected]
    silent = [one for one in results if one["window_end"] > expected[-1]["window_end"]]
    assert {(0, "no_input")} == {(one["count"], one["silence"]) for one in silent}
    assert "interrupted\n" == stderr
    assert [] == wait_until_none_is_left(environment)


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
