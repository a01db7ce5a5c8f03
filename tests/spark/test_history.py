"""The same records give the same output on the DirectRunner and on Spark, with both readers.

Compared are bytes: of results, dead letters and ledger. What may differ is the `detail` of a dead
letter: it names the time of the clock that its own was compared with.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from pipeline.dead_letter_source import PathDeadLetters
from pipeline.local.kafka_broker import EmbeddedKafka
from tests.chaos.waiting import now_ms, wait_until
from tests.full import FULL
from tests.mixed_records import (
    MAX_LINE_BYTES,
    PARTITIONS,
    TOPIC_SETTINGS,
    dead_letter_lines,
    expected_results,
    mixed_records,
    past_ms,
)
from tests.processes import (
    DEADLINE_SECONDS,
    environment_of,
    needs_proc,
    wait_until_none_is_left,
)
from tests.sending import Sent, send
from tests.spark.cluster import SparkCluster

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1_800), needs_proc]

COUNT = 300_000 if FULL else 30_000
SEED = 20261125
WINDOW_SECONDS, SLIDE_SECONDS = 15, 5
_MINUTE_MS = 60_000
_LOCAL = "local[2]"
_only_full = pytest.mark.skipif(not FULL, reason="takes long: ERROR_WINDOWS_FULL=1")
_LOG = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """All that a job wrote."""

    results: bytes
    dead_letters: list[str]
    ledger: bytes


class History:
    """A topic, and the job on it."""

    def __init__(self, kafka: EmbeddedKafka, folder: pathlib.Path, records: list[Sent]) -> None:
        self._kafka = kafka
        self._folder = folder
        self.records = records
        self.environment = environment_of(folder / "run")

    def command(self, *arguments: str) -> list[str]:
        """The command line of a job that shows no samples."""
        return [
            *(sys.executable, "-m", "pipeline", "direct"),
            f"--kafka_bootstrap_servers={self._kafka.bootstrap_servers}",
            "--input_topic=logs",
            "--group_by=service",
            f"--max_line_bytes={MAX_LINE_BYTES}",
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
            "--samples=0",
            *arguments,
        ]

    def run(self, name: str, *arguments: str) -> Outcome:
        """Runs the job to its end."""
        places = {what: self._folder / f"{name}-{what}" for what in ("output", "dead", "ledger")}
        began = time.monotonic()
        ran = subprocess.run(
            self.command(
                f"--output={places['output']}",
                f"--dead_letter={places['dead']}",
                f"--ledger={places['ledger']}",
                *arguments,
            ),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (0, "") == (ran.returncode, ran.stdout), ran.stderr
        _LOG.info("%s: %d records in %.0f s", name, COUNT, time.monotonic() - began)
        return Outcome(
            places["output"].read_bytes(),
            dead_letter_lines(PathDeadLetters(places["dead"])),
            places["ledger"].read_bytes(),
        )


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A Kafka with the topic `logs`; at the end no process of a job is left."""
    folder = tmp_path_factory.mktemp("history")
    records = mixed_records(SEED, COUNT, start_ms=past_ms(now_ms()))
    with EmbeddedKafka(folder / "kafka", ephemeral=True) as kafka:
        kafka.create_topic("logs", PARTITIONS, settings=TOPIC_SETTINGS)
        send(kafka, "logs", records)
        found = History(kafka, folder, records)
        yield found
        assert [] == wait_until_none_is_left(found.environment)


@pytest.fixture(scope="module")
def on_direct_runner(history: History) -> Outcome:
    """What the DirectRunner makes of the topic, which the reference model confirms."""
    outcome = history.run("direct", "--kafka_reader=native")
    expected = expected_results(
        history.records, window_seconds=WINDOW_SECONDS, slide_seconds=SLIDE_SECONDS
    )
    assert expected == [json.loads(line) for line in outcome.results.splitlines()]
    return outcome


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """A master and a worker; at the end neither they nor an executor is left."""
    folder = tmp_path_factory.mktemp("spark")
    # Not the run folder of the jobs, by which their own processes are found.
    environment = environment_of(folder / "run")
    with SparkCluster(folder / "cluster", environment).running() as running:
        yield running
    assert [] == wait_until_none_is_left(environment)


@pytest.mark.parametrize("reader", [pytest.param("beam", marks=_only_full), "native"])
def test_spark_in_one_process_gives_the_same(
    history: History, on_direct_runner: Outcome, reader: str
) -> None:
    """Two tasks at a time."""
    outcome = history.run(
        f"local-{reader}",
        "--runner=SparkRunner",
        f"--spark_master_url={_LOCAL}",
        f"--kafka_reader={reader}",
    )

    assert on_direct_runner == outcome


@_only_full
def test_a_past_range_on_spark(history: History) -> None:
    """A few minutes from the middle, as the DirectRunner counts them."""
    times_ms = sorted(one.timestamp_ms for one in history.records)
    middle_ms = times_ms[COUNT // 2] // _MINUTE_MS * _MINUTE_MS
    between = (f"--from_time={middle_ms}", f"--to_time={middle_ms + 2 * _MINUTE_MS}")
    expected = history.run("direct-range", "--kafka_reader=native", *between)
    outcome = history.run(
        "local-range",
        "--runner=SparkRunner",
        f"--spark_master_url={_LOCAL}",
        "--kafka_reader=native",
        *between,
    )

    windows = [json.loads(line) for line in outcome.results.splitlines()]
    assert (
        len({one["window_end"] for one in windows})
        == 1 + (2 * _MINUTE_MS // 1000 - WINDOW_SECONDS) // SLIDE_SECONDS
    )
    assert expected == outcome


@pytest.mark.parametrize("reader", ["beam", pytest.param("native", marks=_only_full)])
def test_a_spark_cluster_gives_the_same(
    history: History, on_direct_runner: Outcome, cluster: SparkCluster, reader: str
) -> None:
    """With the Python part in the command; afterwards the executors are gone."""
    outcome = history.run(
        f"cluster-{reader}",
        "--runner=SparkRunner",
        f"--spark_master_url={cluster.master}",
        f"--kafka_reader={reader}",
    )

    assert on_direct_runner == outcome
    wait_until(
        lambda: [0, []] == [cluster.state()[one] for one in ("coresused", "activeapps")],
        what="the executors to be gone",
        timeout_seconds=DEADLINE_SECONDS,
    )


@_only_full
@pytest.mark.parametrize("reader", ["beam", "native"])
def test_executors_start_the_python_part(
    history: History, on_direct_runner: Outcome, cluster: SparkCluster, reader: str
) -> None:
    """As on hosts that cannot reach the command."""
    worker = os.path.join(os.path.dirname(sys.executable), "error-windows-worker")
    outcome = history.run(
        f"workers-{reader}",
        "--runner=SparkRunner",
        f"--spark_master_url={cluster.master}",
        f"--kafka_reader={reader}",
        "--environment_type=PROCESS",
        f"--environment_config={json.dumps({'command': worker})}",
    )

    assert on_direct_runner == outcome


def test_ctrl_c_leaves_nothing(history: History) -> None:
    """While Spark starts: the command ends with one line and its exit code."""
    with subprocess.Popen(
        history.command("--runner=SparkRunner", f"--spark_master_url={_LOCAL}"),
        env=history.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stdout is not None
        assert job.stderr is not None
        assert any(line.startswith("reading") for line in job.stderr)
        job.send_signal(signal.SIGINT)
        assert "interrupted\n" == job.stderr.read()
        assert "" == job.stdout.read()
        assert 130 == job.wait(DEADLINE_SECONDS)
    assert [] == wait_until_none_is_left(history.environment)
