"""The whole job on records of every kind: series by key, dead letters, a ledger that balances."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

from pipeline.config import KAFKA_READERS
from pipeline.dead_letter_json import dead_letter_from_json
from pipeline.local.kafka_broker import EmbeddedKafka
from tests.integration.test_job import command, run_job
from tests.mixed_records import (
    MAX_LINE_BYTES,
    PARTITIONS,
    TOPIC_SETTINGS,
    expected_ledger,
    expected_results,
    mixed_records,
    reason_of,
)
from tests.sending import Sent, send

pytestmark = pytest.mark.kafka

START_MS = 1_764_000_000_000


@pytest.mark.parametrize("reader", KAFKA_READERS)
def test_every_record_is_counted_once_or_told_with_its_reason(
    kafka: EmbeddedKafka, topic: Callable[..., str], tmp_path: pathlib.Path, reader: str
) -> None:
    """Results of every series equal the reference; the rest are dead letters, byte for byte."""
    name = topic(PARTITIONS, TOPIC_SETTINGS)
    records = mixed_records(5, 20_000, start_ms=START_MS)
    send(kafka, name, records)

    ran = run_job(
        kafka,
        name,
        "--group_by=service",
        f"--max_line_bytes={MAX_LINE_BYTES}",
        f"--dead_letter={tmp_path / 'dead.jsonl'}",
        f"--ledger={tmp_path / 'ledger.jsonl'}",
        f"--kafka_reader={reader}",
    )

    assert expected_results(records) == ran.results

    letters = [
        dead_letter_from_json(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()
    ]
    useless = [one for one in records if reason_of(one) is not None]
    assert sorted(
        (reason_of(one) or "", one.timestamp_ms, one.value or b"") for one in useless
    ) == (sorted((one.reason, one.record.timestamp, one.record.value or b"") for one in letters))

    rows = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    whole = [row for row in rows if row["minute"] is None]
    assert [True] * PARTITIONS == [row["balanced"] for row in whole]
    expected = expected_ledger(records)
    assert expected == {field: sum(row[field] for row in whole) for field in expected}


def test_several_clusters_are_counted_together_and_apart(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """Two names for brokers, a topic of each; `kafka.source` is the key."""
    first, second = topic(1), topic(2)
    line = b"2025-11-24 16:00:00,000 ERROR [main] a.B - no"
    send(kafka, first, [Sent(START_MS + second_ms, line) for second_ms in (0, 1_000)])
    send(kafka, second, [Sent(START_MS + 2_000, line, partition=1)])

    servers = kafka.bootstrap_servers
    ran = run_job_on_sources(f"--source=eu={servers}/{first}", f"--source=us={servers}/{second}")

    newest = [(one["key"], one["count"]) for one in ran if one["window_end"].endswith("20Z")]
    assert [(None, 3), ("eu", 2), ("us", 1)] == newest


def run_job_on_sources(*sources: str) -> list[dict[str, object]]:
    """Runs the job on named clusters; returns its results."""
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", "--group_by=kafka.source", *sources],
        capture_output=True,
        timeout=240,
    )
    assert 0 == ran.returncode, ran.stderr.decode()
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_topics_are_found_by_pattern(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """All topics whose whole name matches are read, and no others."""
    name = topic(1)
    send(kafka, name, [Sent(START_MS, b"ERROR a")])

    ran = run_job(kafka, name, f"--input_topic_pattern={name[:-1]}.", "--samples=0")

    assert [1, 1, 1] == [one["count"] for one in ran.results]


HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\x1b]0;title\x07\u202e"


def test_log_text_reaches_no_terminal_as_it_is(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """In samples, in the table's keys, and in dead letters, on a pseudo-terminal."""
    name = topic(1)
    line = json.dumps({"level": "error", "who": HOSTILE, "msg": HOSTILE}).encode()
    raw = f"ERROR {HOSTILE}".encode()
    forged = Sent(START_MS - 10**12, raw)
    send(kafka, name, [Sent(START_MS, line), Sent(START_MS, raw), forged])
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(kafka, name, "--group_by=who", "--dead_letter=-", "--ledger=-"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as job:
        os.close(theirs)
        shown = b""
        # A pseudo-terminal ends with an error when nobody writes to it any more.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                shown += part
    os.close(ours)

    assert (0, True) == (job.returncode, b"\\x1b]52;c;aGk=" in shown)
    for payload in (b"\x1b]52", b"\x1b[2J", b"\x1b]0;", b"\x07", "\u202e".encode()):
        assert payload not in shown
