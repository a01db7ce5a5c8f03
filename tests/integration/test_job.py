"""The whole job, as a command, on a real Kafka, beside the reference model."""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from pipeline.config import KAFKA_READERS
from pipeline.local.kafka_broker import EmbeddedKafka
from tests.reference import has_word_error, reference_results
from tests.sending import Sent, send

pytestmark = pytest.mark.kafka

START_MS = 1_450_575_983_000  # 2015-12-20T01:46:23Z
ERROR = b"[Sun Dec 20 01:46:23 2015] [ERROR] [client 1.2.3.4.5.6] Directory index forbidden"
INFO = b"[Sun Dec 20 01:46:23 2015] [INFO] ERROR_COUNT=0"


class Ran(NamedTuple):
    """What a run of the command left."""

    results: list[dict[str, Any]]
    stdout: str
    stderr: str


def run_job(kafka: EmbeddedKafka, topics: str, *arguments: str, exit_code: int = 0) -> Ran:
    """Runs the command to its end, results on stdout, and checks its exit code."""
    ran = subprocess.run(command(kafka, topics, *arguments), capture_output=True, timeout=240)
    stdout = ran.stdout.decode()
    assert exit_code == ran.returncode, ran.stderr.decode()
    return Ran([json.loads(line) for line in stdout.splitlines()], stdout, ran.stderr.decode())


def command(kafka: EmbeddedKafka, topics: str, *arguments: str) -> list[str]:
    """The job's command line."""
    return [
        sys.executable,
        "-m",
        "pipeline",
        f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
        f"--input_topic={topics}",
        *arguments,
    ]


@contextlib.contextmanager
def running_job(
    kafka: EmbeddedKafka, topics: str, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs, without samples; its stderr can be followed line by line."""
    with subprocess.Popen(
        command(kafka, topics, "--samples=0", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        yield job


def has_said(job: subprocess.Popen[str], text: str) -> bool:
    """Reads the job's stderr until a line begins with the text."""
    assert job.stderr is not None
    return any(line.startswith(text) for line in job.stderr)


def expected(records: Sequence[Sent], **changes: Any) -> list[dict[str, Any]]:
    """What the reference model makes of the records."""
    return reference_results(((record.timestamp_ms, record.value) for record in records), **changes)


def last_summary(stderr: str) -> str:
    """The summary without its seconds."""
    lines = [line for line in stderr.splitlines() if line.startswith("read ")]
    return re.sub(r", [\d.]+ s$", "", lines[-1])


@pytest.mark.parametrize(
    ("partitions", "reader"), [(1, "native"), (2, "beam"), (8, "beam"), (8, "native")]
)
def test_counts_equal_the_reference_for_200_000_lines(
    kafka: EmbeddedKafka, topic: Callable[..., str], partitions: int, reader: str
) -> None:
    """Disordered lines over half an hour, half of them in the first partition."""
    name = topic(partitions)
    chance = random.Random(partitions)
    records = [
        Sent(
            timestamp_ms=START_MS + number * 9 + chance.randrange(-20_000, 20_000),
            value=ERROR if chance.random() < 0.2 else INFO,
            partition=chance.choice((0, chance.randrange(partitions))),
        )
        for number in range(200_000)
    ]
    send(kafka, name, records)

    ran = run_job(kafka, name, "--samples=0", f"--kafka_reader={reader}")

    errors = sum(record.value == ERROR for record in records)
    assert expected(records) == ran.results
    assert (
        f"read 200,000 lines from {partitions} partition{'s' * (partitions > 1)} of {name}: "
        f"{errors:,} error lines, {len(ran.results)} windows"
    ) == last_summary(ran.stderr)


@pytest.mark.parametrize("reader", KAFKA_READERS)
def test_odd_records_are_counted_or_told_and_never_a_crash(
    kafka: EmbeddedKafka, topic: Callable[..., str], reader: str
) -> None:
    """No UTF-8, empty, a megabyte, keys, headers, tombstones, 1970 and a gap of minutes."""
    name = topic(2)
    records = [
        Sent(START_MS, b"\xff\xfe ERROR \x00\x1b[31m", 0, b"key"),
        Sent(START_MS + 1, b"", 1),
        Sent(START_MS + 2, None, 0, b"key"),
        Sent(START_MS + 3, None, 1, b"\xff", (("h", b"\x00"), ("h", b"2"))),
        Sent(START_MS + 4, b"x" * 1_000_000 + b" ERROR", 1, b"", (("empty", b""),)),
        Sent(START_MS + 5, b"x" * 1_000_000, 0),
        Sent(START_MS + 200_000, "ERROR größer 日本".encode(), 1),
        Sent(0, ERROR, 0),
        Sent(START_MS + 10_000, ERROR * 3, 0),
    ]
    send(kafka, name, records)

    ran = run_job(
        kafka,
        name,
        "--max_silence_seconds=600",
        "--max_past_seconds=10000000000",
        f"--kafka_reader={reader}",
    )

    assert expected(records, max_silence_seconds=600) == ran.results
    assert f"read 7 lines from 2 partitions of {name}: 5 error lines" in ran.stderr
    assert "note: 2 records without a value (tombstones)" in ran.stderr
    assert "    \\xff\\xfe ERROR \\x00\\x1b[31m\n" in ran.stderr
    assert "\x1b" not in ran.stderr


def test_several_topics_are_counted_together(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """A comma list and a repeated flag name topics of different partitions; one may be empty."""
    names = [topic(1), topic(3), topic(2)]
    first = [Sent(START_MS + number * 700, ERROR) for number in range(50)]
    second = [Sent(START_MS + number * 900, INFO, number % 3) for number in range(50)]
    send(kafka, names[0], first)
    send(kafka, names[1], second)

    ran = run_job(kafka, ",".join(names[:2]), f"--input_topic={names[2]}", "--job_name=web")

    assert expected([*first, *second], job="web") == ran.results


def test_window_slide_filter_and_file_are_options(
    kafka: EmbeddedKafka, topic: Callable[..., str], tmp_path: pathlib.Path
) -> None:
    """A minute every five seconds, another text, into a file that replaces an older one."""
    name = topic(2)
    records = [
        Sent(START_MS + number * 1_300, b"payment failed" if number % 3 else INFO, number % 2)
        for number in range(100)
    ]
    send(kafka, name, records)
    path = tmp_path / "counts.jsonl"
    path.write_text("older\n")

    ran = run_job(
        kafka,
        name,
        "--window_seconds=60",
        "--slide_seconds=5",
        "--contains=payment failed",
        "--samples=1",
        f"--output={path}",
    )

    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert "" == ran.stdout
    assert found == expected(
        records,
        window_seconds=60,
        slide_seconds=5,
        is_error=lambda line: line == b"payment failed",
    )
    assert ["counts.jsonl"] == [entry.name for entry in tmp_path.iterdir()]
    assert "    payment failed\n" in ran.stderr


def test_an_empty_topic_has_no_windows(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """The grid begins with the first line."""
    name = topic(2)

    ran = run_job(kafka, name)

    assert "" == ran.stdout
    assert f"read 0 lines from 2 partitions of {name}: 0 error lines, 0 windows" == last_summary(
        ran.stderr
    )


def test_max_num_records_waits_for_the_records_and_takes_no_more(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """With fewer records than asked for, the job says that it waits, and goes on when they come."""
    name = topic(2)
    early = [Sent(START_MS + number, ERROR, 0) for number in range(3)]
    late = [Sent(START_MS + 60_000 + number, ERROR, 1) for number in range(10)]
    send(kafka, name, early)

    with running_job(kafka, name, "--max_num_records=10") as job:
        assert has_said(job, "waiting for records: 3 of 10 are there")
        send(kafka, name, late)
        stdout, stderr = job.communicate(timeout=120)

    assert expected([*early, *late[:7]]) == [json.loads(line) for line in stdout.splitlines()]
    assert f"read 10 lines from 2 partitions of {name}" in stderr


def test_max_read_time_takes_what_arrives_in_time(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """Records that come while the job waits are read; it ends by itself."""
    name = topic(1)
    records = [Sent(START_MS, ERROR)]

    with running_job(kafka, name, "--max_read_time=8") as job:
        assert has_said(job, "waiting for records: 0 are there")
        send(kafka, name, records)
        stdout, _ = job.communicate(timeout=120)

    assert expected(records) == [json.loads(line) for line in stdout.splitlines()]


def test_a_topic_that_grows_meanwhile_is_read_up_to_the_end_found(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """The job ends although producers go on, with exactly the records that it announced."""
    name = topic(1)
    records = [Sent(START_MS + number * 100, ERROR) for number in range(1_000)]
    send(kafka, name, records)

    with running_job(kafka, name) as job:
        assert has_said(job, "reading 1,000 records")
        send(kafka, name, records)
        stdout, _ = job.communicate(timeout=120)

    assert expected(records) == [json.loads(line) for line in stdout.splitlines()]


@pytest.mark.parametrize("reader", KAFKA_READERS)
def test_transactions_are_read_as_the_consumer_setting_says(
    kafka: EmbeddedKafka, topic: Callable[..., str], reader: str
) -> None:
    """With read_committed an aborted transaction gives no lines, and the gaps are told."""
    name = topic(1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    producer.init_transactions()
    committed = [Sent(START_MS + number, ERROR) for number in range(5)]
    for records, end in (
        (committed[:3], producer.commit_transaction),
        ([Sent(START_MS, ERROR)] * 4, producer.abort_transaction),
        (committed[3:], producer.commit_transaction),
    ):
        producer.begin_transaction()
        for record in records:
            producer.produce(name, record.value, timestamp=record.timestamp_ms)
        # An aborted batch would otherwise never be sent.
        producer.flush()
        end()

    ran = run_job(
        kafka,
        name,
        "--consumer_property=isolation.level=read_committed",
        f"--kafka_reader={reader}",
    )

    assert expected(committed) == ran.results
    # Four aborted records and three markers.
    assert (
        "note: 7 offsets held no record (compacted, or the marker of a transaction)" in ran.stderr
    )


def test_a_missing_topic_is_told_with_the_near_names(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """Told before Java starts, with exit code 2; nothing is created by asking."""
    name = topic(1)

    ran = run_job(kafka, f"{name}x", exit_code=2)

    assert "" == ran.stdout
    assert (
        f"error: --input_topic: no such topic, got '{name}x'. Did you mean '{name}'"
    ) in ran.stderr.splitlines()[-1]


def test_the_words_of_the_reference_are_those_of_these_lines() -> None:
    """The lines used here mean what their names say."""
    assert (True, False) == (has_word_error(ERROR), has_word_error(INFO))
