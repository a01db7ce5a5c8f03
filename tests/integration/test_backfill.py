"""A past range of a topic on a real Kafka, with both readers, beside the reference model."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient  # type: ignore[attr-defined]

from pipeline.backfill import read_times
from pipeline.config import KAFKA_READERS, config_from_flags
from pipeline.flags import build_parser
from pipeline.kafka_connection import KafkaConnection
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.offset_ranges import OffsetRange, find_ranges
from tests.reference import reference_backfill
from tests.sending import Sent, send

pytestmark = pytest.mark.kafka

START_MS = 1_450_575_000_000  # 2015-12-20T01:30:00Z
MINUTE_MS = 60_000
COUNT, MINUTES, PARTITIONS = 30_000, 60, 3
FROM_MS, TO_MS = START_MS + 20 * MINUTE_MS + 3_000, START_MS + 30 * MINUTE_MS
LATENESS_SECONDS = 120
FORGED_MS = 4_102_444_800_000  # 2100
# With an index entry for every few records.
SETTINGS = {
    "index.interval.bytes": "1024",
    "message.timestamp.after.max.ms": str(2**62),
}
# The command, which tells how far it is whenever it looks.
_TELLING = (
    "import sys; from pipeline import cli, read_progress; read_progress.LINE_SECONDS = 0; "
    "sys.exit(cli.main(sys.argv[1:]))"
)


def disordered() -> list[Sent]:
    """Lines of an hour, some of them up to two minutes late, and a silence at the start of a range.

    A few bear forged times.
    """
    chance = random.Random(5)
    records = []
    for number in range(COUNT):
        at_ms = START_MS + number * MINUTES * MINUTE_MS // COUNT
        time_ms = at_ms - chance.choice((0, 0, 0, 500, LATENESS_SECONDS * 1000))
        if number % 5_000 == 4_321:
            time_ms = FORGED_MS
        elif FROM_MS - MINUTE_MS < time_ms < FROM_MS + MINUTE_MS:
            continue
        value = b"level=error service=%d" if chance.random() < 0.2 else b"level=info service=%d"
        records.append(Sent(time_ms, value % chance.randrange(3), chance.randrange(PARTITIONS)))
    return records


def times(from_ms: int, to_ms: int) -> tuple[str, ...]:
    """The flags of a range."""
    return (
        f"--from_time={from_ms}",
        f"--to_time={to_ms}",
        f"--allowed_lateness_seconds={LATENESS_SECONDS}",
        "--series_idle_seconds=600",
    )


@pytest.fixture(scope="module")
def hour(kafka: EmbeddedKafka) -> tuple[str, list[Sent]]:
    """A topic with an hour of lines, and these."""
    name = kafka.create_topic("backfill-hour", PARTITIONS, settings=SETTINGS)
    records = disordered()
    send(kafka, name, records)
    return name, records


@pytest.mark.parametrize("reader", KAFKA_READERS)
def test_a_backfill_equals_the_reference_and_reads_what_it_needs(
    kafka: EmbeddedKafka, hour: tuple[str, list[Sent]], reader: str
) -> None:
    """Ten minutes of an hour in disorder; meanwhile it says how far it is."""
    name, records = hour
    ran = subprocess.run(
        [
            *(sys.executable, "-c", _TELLING, f"--kafka_reader={reader}", "--samples=0"),
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
            f"--input_topic={name}",
            "--group_by=service",
            *times(FROM_MS, TO_MS),
        ],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert 0 == ran.returncode, ran.stderr

    usable = [(one.timestamp_ms, one.value) for one in records if one.timestamp_ms != FORGED_MS]
    expected = reference_backfill(
        usable,
        FROM_MS,
        TO_MS,
        is_error=lambda line: b"error" in line,
        key_of=lambda line: line.rpartition(b"=")[2].decode(),
        series_idle_seconds=600,
    )
    results: list[dict[str, Any]] = [json.loads(line) for line in ran.stdout.splitlines()]
    assert expected == results
    assert "no_input" == results[0]["silence"]
    read = re.search(r"^reading ([\d,]+) records of", ran.stderr, re.MULTILINE)
    assert read is not None
    # Ten minutes, ten before them less a silence of two, and seven behind them.
    assert COUNT * 18 // 60 < int(read[1].replace(",", "")) < COUNT * 40 // 60
    phases = re.findall(r"^(\w+): [\d,]+ lines, (\d+) %", ran.stderr, re.MULTILINE)
    assert phases, ran.stderr
    assert ("counting" if reader == "beam" else "reading", "100") == phases[-1]


def test_what_retention_has_taken_of_a_range_is_told(
    kafka: EmbeddedKafka, topic: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The read begins with what is left; the range ends where it would."""
    name = topic(2)
    send(kafka, name, [Sent(START_MS + n * 1_000, b"ERROR", n % 2) for n in range(1_200)])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.delete_records([TopicPartition(name, 1, 50)]).values():
        future.result()
    config = config_from_flags(
        build_parser().parse_args(
            [
                f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
                f"--input_topic={name}",
                *times(START_MS + 90_000, START_MS + 300_000),
            ]
        )
    )

    ranges = find_ranges(
        KafkaConnection(config.kafka),
        config.kafka,
        config.limits,
        times=read_times(config),
        show_progress=lambda _: None,
    )

    # A minute before; behind it 120 s, half a second, and the five minutes of --max_future_seconds.
    assert [OffsetRange(name, 0, 15, 361), OffsetRange(name, 1, 50, 360)] == ranges
    expected = (
        "note: 1 of 2 partitions may no longer hold the beginning of the range: their first record "
        "is up to 11 s after --from_time (2015-12-20T01:31:41Z). Windows before that count what is "
        "left\n"
    )
    assert ("", expected) == capsys.readouterr()
