"""Checkpoints in an S3 store: the local cluster with moto's server, which is asked over HTTP."""

from __future__ import annotations

import contextlib
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from pipeline.checkpoints import CheckpointStore
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.ports import free_port
from pipeline.local.process import ManagedProcess
from pipeline.result_source import PathResults
from pipeline.s3_settings import S3Settings
from tests.chaos.judge import judge
from tests.chaos.producer import LineProducer
from tests.chaos.results import ResultFollower
from tests.chaos.waiting import wait_until
from tests.processes import environment_of, needs_proc, wait_until_none_is_left

pytestmark = [pytest.mark.flink, pytest.mark.timeout(900)]

BUCKET = "state"
WINDOW_SECONDS, SLIDE_SECONDS = 6, 2
READY_SECONDS, RESULT_SECONDS = 60, 240


@pytest.fixture
def endpoint(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a store with an empty bucket, and made-up keys in the environment."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "moto.server", "--host=127.0.0.1", f"--port={port}"]

    def is_made() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.put(f"{address}/{BUCKET}", timeout=10).ok
        return False

    with ManagedProcess.start("moto", argv, log_path=tmp_path / "moto.log"):
        wait_until(is_made, what="a bucket", timeout_seconds=READY_SECONDS)
        yield address


@pytest.fixture
def kafka(tmp_path: pathlib.Path) -> Iterator[EmbeddedKafka]:
    """A broker with the topic `logs` of two partitions."""
    with EmbeddedKafka(tmp_path / "kafka", ephemeral=True) as broker:
        broker.create_topic("logs", 2)
        yield broker


@needs_proc
def test_a_job_goes_on_from_s3(endpoint: str, kafka: EmbeddedKafka, tmp_path: pathlib.Path) -> None:
    """From a checkpoint after `cancel`, from a savepoint after `savepoint`, and is exact."""
    environment = environment_of(tmp_path / "run")

    def flink(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pipeline", "flink", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start() -> str:
        """Starts the job, the cluster where it does not run, and returns from what."""
        done = flink(
            "start",
            f"--checkpoint_dir=s3://{BUCKET}/checkpoints",
            f"--s3_endpoint={endpoint}",
            "--checkpoint_interval_seconds=2",
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            "--input_topic=logs",
            "--consumer_property=auto.offset.reset=earliest",
            f"--output={tmp_path / 'results'}",
            f"--window_seconds={WINDOW_SECONDS}",
            f"--slide_seconds={SLIDE_SECONDS}",
            "--samples=0",
        )
        assert 0 == done.returncode, done.stderr
        begun = re.search(r"^job errors runs \((?:from )?(.+)\) as", done.stderr, re.MULTILINE)
        assert begun is not None, done.stderr
        return begun[1]

    store = CheckpointStore.open(f"s3://{BUCKET}/checkpoints", S3Settings(endpoint))
    producer = LineProducer(kafka.bootstrap_servers, "logs", partitions=2, rate=100, seed=1)
    with contextlib.ExitStack() as stack:
        stack.callback(wait_until_none_is_left, environment)
        stack.callback(flink, "stop")
        stack.enter_context(producer)
        results = stack.enter_context(ResultFollower(PathResults(tmp_path / "results")))

        def wait_for_news() -> None:
            before = results.newest_on_time_ms
            wait_until(
                lambda: results.newest_on_time_ms > before,
                what="a result",
                timeout_seconds=RESULT_SECONDS,
            )

        assert "new" == start()
        wait_for_news()
        # A result is told before there is a checkpoint, where lines waited for the job.
        completed = wait_until(
            lambda: store.completed("errors"), what="a checkpoint", timeout_seconds=RESULT_SECONDS
        )
        [old] = {one.flink_job_id for one in completed}
        assert 0 == flink("cancel").returncode
        newest = store.completed("errors", flink_job_id=old)[0]

        assert newest.uri == start()
        wait_for_news()
        savepoint = flink("savepoint", "--cancel")
        prefix = f"s3://{BUCKET}/checkpoints/errors/savepoints/savepoint-"
        assert (0, prefix) == (savepoint.returncode, savepoint.stdout[: len(prefix)])

        assert savepoint.stdout.rstrip("\n") == start()
        truth = producer.finish()
        verdict = judge(
            results,
            truth,
            window_seconds=WINDOW_SECONDS,
            slide_seconds=SLIDE_SECONDS,
            settle_seconds=RESULT_SECONDS,
        )
        assert () == verdict.differences
    assert [] == wait_until_none_is_left(environment)
