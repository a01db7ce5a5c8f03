"""From what a live job starts, with real files."""

from __future__ import annotations

import datetime
import logging
import os
import pathlib

import pytest

from pipeline.errors import UsageError
from pipeline.job_record import JobRecord
from pipeline.job_spec import live_parser
from pipeline.live_config import LiveConfig, live_config_from_flags
from pipeline.resume import find_start, keep_record, open_store

OLD, NEW = "0" * 31 + "1", "f" * 31 + "2"
MAGIC = bytes.fromhex("4960672d")
START = datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.timezone.utc)


def config(state: pathlib.Path, *arguments: str) -> LiveConfig:
    """A job that keeps its state in a folder."""
    flags = live_parser("test").parse_args(
        [
            "--kafka_bootstrap_servers=localhost:9092",
            "--input_topic=logs",
            f"--checkpoint_dir={state}",
            *arguments,
        ]
    )
    return live_config_from_flags(flags)


def record_shape(config: LiveConfig) -> None:
    """What a new start leaves beside its checkpoints."""
    found = find_start(
        config, not_before=datetime.datetime.max.replace(tzinfo=START.tzinfo), restore_from=None
    )
    keep_record(config, found)


def put(folder: pathlib.Path, seconds: int) -> str:
    """Makes a completed checkpoint so long after START; returns its address."""
    folder.mkdir(parents=True)
    metadata = folder / "_metadata"
    metadata.write_bytes(MAGIC)
    time = START.timestamp() + seconds
    os.utime(metadata, (time, time))
    return f"file://{folder}"


def start(
    config: LiveConfig, *, not_before: int | None = None, restore_from: str | None = None
) -> list[str]:
    """Addresses of what the job may go on from."""
    time = None if not_before is None else START + datetime.timedelta(seconds=not_before)
    found = find_start(config, not_before=time, restore_from=restore_from)
    return [candidate.uri for candidate in found.candidates]


def test_a_first_start_is_new(tmp_path: pathlib.Path) -> None:
    """There is nothing to go on from; the place for checkpoints is known."""
    found = find_start(config(tmp_path / "state"), not_before=None, restore_from=None)

    assert ((), f"file://{tmp_path}/state/errors") == (found.candidates, found.checkpoint_uri)


def test_the_newest_comes_first(tmp_path: pathlib.Path) -> None:
    """Older ones follow, for the case that it is damaged."""
    older = put(tmp_path / "errors" / OLD / "chk-40", 1)
    newer = put(tmp_path / "errors" / NEW / "chk-3", 2)

    assert [newer, older] == start(config(tmp_path))


def test_what_is_older_than_a_fresh_start_does_not_count(tmp_path: pathlib.Path) -> None:
    """One made at that very moment does."""
    put(tmp_path / "errors" / OLD / "chk-1", 1)
    newer = put(tmp_path / "errors" / NEW / "chk-1", 2)

    assert [newer] == start(config(tmp_path), not_before=2)


def test_a_savepoint_asked_for_counts_whatever_its_age(tmp_path: pathlib.Path) -> None:
    """But the job's own checkpoints since are newer."""
    savepoint = put(tmp_path / "elsewhere", 1)
    state = tmp_path / "state"
    assert [savepoint] == start(config(state), not_before=2, restore_from=savepoint)

    own = put(state / "errors" / NEW / "chk-1", 3)

    assert [own, savepoint] == start(config(state), not_before=2, restore_from=savepoint)


def test_a_savepoint_that_is_gone_is_needed_only_where_nothing_newer_is(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weeks later the job must still be able to go on from its own checkpoints."""
    with pytest.raises(UsageError) as caught:
        start(config(tmp_path), restore_from="/gone")
    message = (
        "--from: no such checkpoint, got '/gone'. "
        "Give the folder of a checkpoint (chk-<n>) or of a savepoint."
    )
    assert message == str(caught.value)

    own = put(tmp_path / "errors" / NEW / "chk-1", 3)

    assert [own] == start(config(tmp_path), restore_from="/gone")
    assert [message] == [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--slide_seconds=5",
            "--slide_seconds: the checkpoint was made with 10, got 5. Use --fresh (open windows "
            "lose what was counted before) or another --job_name.",
        ),
        (
            "--window_seconds=60",
            "--window_seconds: the checkpoint was made with 30, got 60. Use --fresh (open windows "
            "lose what was counted before) or another --job_name.",
        ),
    ],
)
def test_state_of_another_shape_is_refused(
    tmp_path: pathlib.Path, argument: str, message: str
) -> None:
    """Counts per 10 seconds would be added up as counts per 5."""
    record_shape(config(tmp_path))
    put(tmp_path / "errors" / OLD / "chk-1", 1)

    with pytest.raises(UsageError) as caught:
        start(config(tmp_path, argument))

    assert message == str(caught.value)


def test_a_fresh_start_may_have_any_shape(tmp_path: pathlib.Path) -> None:
    """It goes on from nothing."""
    record_shape(config(tmp_path))
    put(tmp_path / "errors" / OLD / "chk-1", 1)

    assert [] == start(config(tmp_path, "--slide_seconds=5"), not_before=2)


def test_another_version_of_beam_is_told_and_tried(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Flink finds out whether it can read the state."""
    job = config(tmp_path)
    old = JobRecord(30, 10, beam_version="2.69.0", python_sdk="2.69.0", max_parallelism=128)
    old.write(open_store(job), "errors")
    own = put(tmp_path / "errors" / OLD / "chk-1", 1)

    assert [own] == start(job)

    now = JobRecord.of(job)
    expected = (
        "the checkpoint was made with "
        f"Beam for Java 2.69.0, now {now.beam_version}; Beam for Python 2.69.0, "
        f"now {now.python_sdk}"
    )
    assert [(logging.WARNING, expected)] == [
        (record.levelno, record.getMessage()) for record in caplog.records
    ]


def test_the_shape_is_kept_beside_the_checkpoints(tmp_path: pathlib.Path) -> None:
    """Before the first of them is made; a start of the same shape goes on."""
    job = config(tmp_path, "--window_seconds=20", "--slide_seconds=5")

    record_shape(job)

    record = JobRecord.read(open_store(job), "errors")
    assert record is not None
    assert (20, 5, 128) == (record.window_seconds, record.slide_seconds, record.max_parallelism)
    own = put(tmp_path / "errors" / OLD / "chk-1", 1)
    assert [own] == start(job)


def losing(config: LiveConfig, *, restore_from: str | None = None) -> frozenset[str]:
    """What of the checkpoints may hold more state than the job has a place for; kept at once."""
    found = find_start(config, not_before=None, restore_from=restore_from)
    keep_record(config, found)
    return found.losing


def test_state_may_be_lost_only_where_a_part_went(tmp_path: pathlib.Path) -> None:
    """The topic's own is then lost on purpose; a label that changed must not cost any."""
    both = config(tmp_path, "--input_topic=audit")
    record_shape(both)
    own = put(tmp_path / "errors" / OLD / "chk-1", 1)

    assert frozenset() == losing(both)
    assert frozenset() == losing(config(tmp_path, "--input_topic=audit,more"))
    assert {own} == losing(both)
    assert {own} == losing(config(tmp_path))
    # A second try, before the job has made a checkpoint without the topic.
    assert {own} == losing(config(tmp_path))
    after = datetime.datetime.now(tz=START.tzinfo) - START + datetime.timedelta(hours=1)
    newer = put(tmp_path / "errors" / NEW / "chk-2", int(after.total_seconds()))
    assert [newer, own] == start(config(tmp_path))
    assert {own} == losing(config(tmp_path))


def test_nothing_is_known_of_a_checkpoint_from_elsewhere(tmp_path: pathlib.Path) -> None:
    """It may be of another job: state may be lost, as the user asked for it."""
    job = config(tmp_path / "state")
    record_shape(job)
    savepoint = put(tmp_path / "elsewhere", 1)

    assert {savepoint} == losing(job, restore_from=savepoint)


def test_nothing_is_known_where_the_record_names_no_parts(tmp_path: pathlib.Path) -> None:
    """Records of earlier versions; the next one does."""
    job = config(tmp_path)
    JobRecord(30, 10, "2.70.0", "2.77.0", 128).write(open_store(job), "errors")
    own = put(tmp_path / "errors" / OLD / "chk-1", 1)

    assert {own} == losing(job)

    record = JobRecord.read(open_store(job), "errors")
    assert record is not None
    assert (("output:folder", "samples", "topic:logs"), "2.70.0") == (
        record.parts,
        record.beam_version,
    )


def test_a_record_is_written_only_when_something_changed(tmp_path: pathlib.Path) -> None:
    """A job that goes on as it was leaves it alone."""
    job = config(tmp_path)
    record_shape(job)
    put(tmp_path / "errors" / OLD / "chk-1", 1)

    assert find_start(job, not_before=None, restore_from=None).record is None


def test_a_fresh_start_over_a_damaged_record(tmp_path: pathlib.Path) -> None:
    """That is the way out that its message names."""
    job = config(tmp_path)
    open_store(job).job("errors").write("job.json", b"{")

    record_shape(job)

    assert JobRecord.of(job) == JobRecord.read(open_store(job), "errors")


def test_partitions_are_kept(tmp_path: pathlib.Path) -> None:
    """As many as there are at a new start, and when a topic joins."""
    job = config(tmp_path)
    found = find_start(job, not_before=None, restore_from=None, partitions={"logs": 2})

    assert found.record is not None
    assert {"logs": 2} == found.record.partitions
