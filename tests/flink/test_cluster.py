"""The local cluster of real processes, by the commands a user types."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.result_source import PathResults
from tests.chaos.judge import judge
from tests.chaos.producer import LineProducer
from tests.chaos.results import ResultFollower
from tests.chaos.waiting import now_ms, wait_until
from tests.flink.commands import Commands
from tests.processes import (
    DEADLINE_SECONDS,
    environment_of,
    needs_proc,
    started_by,
    wait_until_none_is_left,
)
from tests.sending import Sent, send

pytestmark = [pytest.mark.flink, pytest.mark.timeout(900), needs_proc]

WINDOW_SECONDS, SLIDE_SECONDS = 6, 2
SEEN_WINDOWS = 3
EXPIRING = 20
"""Lines of a topic, sent in a moment."""


@pytest.fixture
def kafka(tmp_path: pathlib.Path) -> Iterator[EmbeddedKafka]:
    """A broker with `logs`, of two partitions, `expiring`, and `idle`, without a record."""
    with EmbeddedKafka(tmp_path / "kafka", ephemeral=True) as broker:
        broker.create_topic("logs", 2)
        broker.create_topic("expiring")
        broker.create_topic("idle")
        yield broker


def test_a_job_is_exact_through_rescaling_savepoints_and_a_changed_graph(
    kafka: EmbeddedKafka, commands: Commands, tmp_path: pathlib.Path
) -> None:
    """Parallelism 1, 2 and 1 again, a savepoint to start from, one more topic, other samples.

    What retention deletes while the job is stopped is missing in the ledger, and nothing else is.
    """
    run_dir = tmp_path / "run" / "flink"

    def expiring() -> dict[str, Any]:
        rows = [
            json.loads(line)
            for path in (tmp_path / "ledger").glob("ledger-*.jsonl")
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
        whole = [one for one in rows if one["id"] == "errors/expiring/0/*"]
        return max(whole, key=lambda one: int(one["read"]), default={"read": 0})

    def send_expiring() -> None:
        send(kafka, "expiring", [Sent(now_ms(), b"[INFO] this goes away")] * EXPIRING)

    def wait_for_ledger(read: int) -> None:
        wait_until(
            lambda: expiring()["read"] == read,
            what=f"{read} lines in the ledger",
            timeout_seconds=DEADLINE_SECONDS,
        )

    job = [
        f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
        "--consumer_property=auto.offset.reset=earliest",
        f"--window_seconds={WINDOW_SECONDS}",
        f"--slide_seconds={SLIDE_SECONDS}",
        "--checkpoint_interval_seconds=3",
        f"--ledger={tmp_path / 'ledger'}",
    ]
    producer = LineProducer(kafka.bootstrap_servers, "logs", partitions=2, rate=200, seed=1)
    with producer:
        commands.run("start", *job, "--input_topic=logs,expiring")
        send_expiring()
        names = [one["name"] for one in commands.status()["programs"]]
        assert ["driver", "jobmanager-1", "taskmanager-1"] == names
        for one in commands.status()["programs"]:
            assert f"{one['pid']}\n" == pathlib.Path(one["file"]).read_text()
        with ResultFollower(PathResults(run_dir / "results")) as results:
            commands.run("start", *job, "--input_topic=logs,expiring", code=2)  # It runs already.
            commands.run("rescale", "2")
            wait_for_ledger(EXPIRING)
            backup, _ = commands.run("savepoint")
            savepoint, _ = commands.run("savepoint", "--cancel")
            assert [True, True] == [
                uri.startswith((run_dir / "checkpoints/errors/savepoints").as_uri()[:6])
                for uri in (backup, savepoint)
            ]
            assert [] == commands.status()["jobs"]
            send_expiring()
            _delete_records(kafka, "expiring", before=EXPIRING + EXPIRING // 2)
            wrong = [
                *job[:2],
                "--window_seconds=8",
                "--slide_seconds=2",
                "--input_topic=logs,expiring",
            ]
            _, refused = commands.run("start", *wrong, code=1)
            assert "error: --window_seconds: the checkpoint was made with 6, got 8." in refused
            changed = ["--input_topic=logs,expiring,idle", "--samples=0", "--parallelism=2"]
            _, told = commands.run("start", *job, *changed)
            assert f"({_from(savepoint)})" in told
            commands.run("rescale", "1")
            wait_for_ledger(EXPIRING + EXPIRING // 2)
            verdict = judge(
                results,
                producer.finish(),
                window_seconds=WINDOW_SECONDS,
                slide_seconds=SLIDE_SECONDS,
            )
    assert () == verdict.differences
    hole = [EXPIRING, EXPIRING + EXPIRING // 2 - 1]
    row = {"missing": EXPIRING // 2, "holes": [hole], "repeated": 0, "balanced": True}
    assert row == {name: expiring()[name] for name in row}


def _delete_records(kafka: EmbeddedKafka, topic: str, *, before: int) -> None:
    """As retention does."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for done in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        done.result()


def _from(location: str) -> str:
    """How `start` names a savepoint that Flink names `file:/...`."""
    return f"from {location.strip().replace('file:/', 'file:///')}"


def test_run_flink_shows_live_windows_goes_on_after_ctrl_c_and_leaves_nothing(
    tmp_path: pathlib.Path,
) -> None:
    """With nothing given: a Kafka, a cluster, lines, and their windows; twice."""
    environment = environment_of(tmp_path / "run")
    begun = []
    for _ in range(2):
        with subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pipeline",
                "flink",
                "--samples=0",
                "--slide_seconds=2",
                "--window_seconds=6",
                "--checkpoint_interval_seconds=2",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as job:
            assert job.stdout is not None
            assert job.stderr is not None
            begun.append(next(line for line in job.stderr if line.startswith("counting")))
            on_time = (json.loads(line) for line in job.stdout)
            counts = [one["count"] for one, _ in zip(on_time, range(SEEN_WINDOWS), strict=False)]
            names = {path.name for path in (tmp_path / "run/flink").glob("*.pid")}
            assert len(started_by(environment)) >= len(names)
            job.send_signal(signal.SIGINT)
            # Results that came meanwhile would fill the pipe.
            job.communicate(timeout=DEADLINE_SECONDS)
            assert 130 == job.returncode
        assert [] == wait_until_none_is_left(environment)
        assert max(counts) > 0
        expected = {"driver.pid", "jobmanager-1.pid", "kafka.pid", "taskmanager-1.pid"}
        assert expected == names - {"supervisord.pid"}
    assert begun[0].startswith("counting (new)")
    assert begun[1].startswith("counting (from file:///")


def test_a_killed_command_leaves_nothing(tmp_path: pathlib.Path) -> None:
    """The supervisor and all that it runs end with the command, also after kill -9."""
    environment = environment_of(tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "flink", "--samples=0"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        assert job.stderr is not None
        assert any(line.startswith("submitting") for line in job.stderr)
        assert len(started_by(environment)) >= 6
        job.kill()
        assert -signal.SIGKILL == job.wait(DEADLINE_SECONDS)

    assert [] == wait_until_none_is_left(environment)
