"""`error-windows explain` on a real Kafka."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from pipeline.local.kafka_broker import EmbeddedKafka
from tests.integration.test_job import ERROR, INFO, START_MS
from tests.sending import Sent, send

pytestmark = pytest.mark.kafka


def explain(kafka: EmbeddedKafka, place: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pipeline",
            "explain",
            place,
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            *flags,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_records_are_fetched_and_judged(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """One that counts, one that does not; offsets and partitions that are not there."""
    name = topic(1)
    send(kafka, name, [Sent(START_MS, ERROR), Sent(START_MS + 5, INFO)])

    told = [json.loads(explain(kafka, f"{name}[0]@{offset}").stdout) for offset in (0, 1)]
    assert ["counted", "filtered_out"] == [one["outcome"] for one in told]
    assert [ERROR.decode(), INFO.decode()] == [one["line"] for one in told]

    missing = explain(kafka, f"{name}[0]@2")
    assert (2, "") == (missing.returncode, missing.stdout)
    assert missing.stderr == (
        "error: TOPIC[PARTITION]@OFFSET: not in the partition any more, or not yet; offsets: "
        f"0 to 1, got '{name}[0]@2'. Give the place of a record.\n"
    )
    no_partition = explain(kafka, f"{name}[4]@0")
    assert "the topic has 1 partitions, from 0 on" in no_partition.stderr


def test_a_person_is_told_in_words(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """A table on a terminal, or when asked for."""
    name = topic(1)
    send(kafka, name, [Sent(START_MS, ERROR)])

    told = explain(kafka, f"{name}[0]@0", "--output_format=table", "--group_by=kafka.partition")

    lines = told.stdout.splitlines()
    assert f"{name}[0]@0: counted: it is an error line" == lines[0]
    assert "  key         0" in lines
    assert 3 == sum(line.startswith("  window ") for line in lines)


def test_an_aborted_record_is_there_only_if_the_job_reads_it(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """The job's isolation.level decides; the mark after it is never a record."""
    name = topic(1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(name, b"ERROR aborted")
    producer.flush()
    producer.abort_transaction()
    uncommitted = "--consumer_property=isolation.level=read_uncommitted"

    read = explain(kafka, f"{name}[0]@0", uncommitted)
    unread = [explain(kafka, f"{name}[0]@0"), explain(kafka, f"{name}[0]@1", uncommitted)]

    assert "ERROR aborted" == json.loads(read.stdout)["line"]
    assert [
        (
            2,
            "error: TOPIC[PARTITION]@OFFSET: the offset holds no record: compacted, or of a "
            f"transaction, got '{name}[0]@{offset}'. Give the place of a record.\n",
        )
        for offset in (0, 1)
    ] == [(one.returncode, one.stderr) for one in unread]
