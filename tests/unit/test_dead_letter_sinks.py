"""Sinks of dead letters and of the ledger, to files and folders."""

from __future__ import annotations

import datetime
import json
import pathlib

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from pipeline.dead_letter_json import dead_letter_from_json
from pipeline.dead_letter_sinks import WriteDeadLetters, WriteDeadLettersToFolder
from pipeline.dead_letter_source import PathDeadLetters
from pipeline.errors import UsageError
from pipeline.ledger_sinks import WriteLedger, WriteLedgerToFolder
from transforms import metrics
from transforms.dead_letters import NO_VALUE, TIMESTAMP, DeadLetter
from transforms.ledger import LedgerRow, Tally
from transforms.records import Record

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z
LETTERS = [
    DeadLetter(Record("a", 0, 9, MINUTE, None, None), NO_VALUE, "no value"),
    DeadLetter(Record("a", 0, 10, 2**62, b"k", b"\xff"), TIMESTAMP, "far ahead"),
    DeadLetter(Record("a", 2, 1, -1, None, b""), TIMESTAMP, "far behind"),
    DeadLetter(Record("b", 0, 0, MINUTE, b"", b"\n"), TIMESTAMP, "ahead"),
]


def row(partition: int, minute_ms: int | None) -> LedgerRow:
    """A row of the ledger."""
    return LedgerRow("errors", "logs", partition, minute_ms, Tally(counted=2), 4, 5)


ROWS = [row(0, MINUTE), row(0, MINUTE + 60_000), row(0, None), row(1, -60_000), row(1, None)]


def run(elements: list[object], sink: beam.PTransform) -> dict[str, int]:
    """Writes elements in reverse with a pipeline and returns its counters."""
    pipeline = TestPipeline()
    # As in the job: elements are in windows of their own, not in order.
    _ = (
        pipeline
        | beam.Create(list(reversed(elements)))
        | beam.WindowInto(beam.window.FixedWindows(10))
        | sink
    )
    finished = pipeline.run()
    finished.wait_until_finish()
    return metrics.counted(finished)


def test_a_file_of_dead_letters_is_ordered_by_place(tmp_path: pathlib.Path) -> None:
    """Offsets as numbers; an older file is replaced."""
    path = tmp_path / "dead.jsonl"
    path.write_text("older\n")

    counters = run([*LETTERS], WriteDeadLetters(str(path)))

    assert {metrics.DEAD_LETTERS_WRITTEN: 4} == counters
    assert LETTERS == [dead_letter_from_json(line) for line in path.read_text().splitlines()]
    assert [path] == list(tmp_path.iterdir())


def test_a_run_without_dead_letters_gives_an_empty_file(tmp_path: pathlib.Path) -> None:
    """It says that there were none."""
    path = tmp_path / "dead.jsonl"

    run([], WriteDeadLetters(str(path)))

    assert "" == path.read_text()


def test_a_folder_of_dead_letters_is_named_after_the_day_of_writing(tmp_path: pathlib.Path) -> None:
    """A forged time opens no file of its own."""
    folder = tmp_path / "dead"
    days = [datetime.datetime.now(datetime.timezone.utc).date()]

    counters = run([*LETTERS], WriteDeadLettersToFolder(str(folder)))

    days.append(datetime.datetime.now(datetime.timezone.utc).date())
    assert {metrics.DEAD_LETTERS_WRITTEN: 4} == counters
    assert sorted(LETTERS) == sorted(PathDeadLetters(folder).read_all())
    assert {path.name[:24] for path in folder.iterdir()} <= {f"dead-letters-{day}-" for day in days}


def test_a_file_of_the_ledger_is_ordered_with_whole_partitions_last(tmp_path: pathlib.Path) -> None:
    """By topic, partition and minute."""
    path = tmp_path / "ledger.jsonl"

    counters = run([*ROWS], WriteLedger(str(path)))

    assert {metrics.LEDGER_ROWS_WRITTEN: 5} == counters
    assert [one.to_json() for one in ROWS] == path.read_text().splitlines()


def test_a_folder_of_the_ledger_holds_every_row(tmp_path: pathlib.Path) -> None:
    """As JSON lines."""
    run([*ROWS], WriteLedgerToFolder(str(tmp_path)))

    (path,) = tmp_path.iterdir()
    assert path.name.startswith("ledger-")
    ids = sorted(json.loads(line)["id"] for line in path.read_text().splitlines())
    assert sorted(one.id for one in ROWS) == ids


@pytest.mark.parametrize(
    ("sink", "flag"),
    [(WriteDeadLettersToFolder, "--dead_letter"), (WriteLedgerToFolder, "--ledger")],
)
def test_a_folder_that_is_not_local_is_refused(
    sink: type[WriteDeadLettersToFolder], flag: str
) -> None:
    """With the flag that names it."""
    with pytest.raises(UsageError) as caught:
        sink("s3://bucket/dead")

    assert str(caught.value).startswith(f"{flag}: not a folder of a local or shared file system")
