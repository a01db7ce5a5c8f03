"""A checkpoint that falls in the moment in which a job is given its partitions."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.produce import Record, produce_records
from tests.chaos.results import end_ms
from tests.chaos.waiting import now_ms
from tests.processes import DEADLINE_SECONDS, environment_of, needs_proc, wait_until_none_is_left

pytestmark = pytest.mark.flink

_PARTITIONS = 8
# So often that many fall in any moment.
_PROGRAM = """
import sys
import pipeline.live
from pipeline.cli import main

pipeline.live.CHECKPOINT_INTERVAL_MS = 10
sys.exit(main())
"""


@needs_proc
@pytest.mark.timeout(300)
def test_every_partition_is_read_whenever_a_checkpoint_is_taken(tmp_path: pathlib.Path) -> None:
    """What a step gives while a checkpoint is taken reaches the next one, though it was its last.

    It used not to: one or more partitions were never read, and no window that holds their lines was
    right.
    """
    environment = environment_of(tmp_path / "run")
    time_ms = now_ms() - 60_000
    with EmbeddedKafka(tmp_path / "kafka", ephemeral=True) as kafka:
        kafka.create_topic("logs", _PARTITIONS)
        records = [
            Record(value=b"[ERROR] one", timestamp_ms=time_ms, partition=partition)
            for partition in range(_PARTITIONS)
        ]
        produce_records(kafka.bootstrap_servers, "logs", records)
        with subprocess.Popen(
            [
                *(sys.executable, "-c", _PROGRAM, "flink", "--flink_master=[local]"),
                *("--samples=0", "--input_topic=logs", "--kafka_reader=native"),
                f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
                "--consumer_property=auto.offset.reset=earliest",
                *("--window_seconds=2", "--slide_seconds=2"),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as job:
            assert job.stdout is not None
            results = map(json.loads, job.stdout)
            # Windows go on to the present: what is still missing then never comes.
            until_ms = now_ms()
            counts = []
            for result in results:
                counts.append(result["count"])
                if max(counts) == _PARTITIONS or end_ms(result) > until_ms:
                    break
            job.send_signal(signal.SIGINT)
            job.stdout.read()
            job.wait(DEADLINE_SECONDS)
    assert _PARTITIONS == max(counts)
    assert [] == wait_until_none_is_left(environment)
