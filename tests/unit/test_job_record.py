"""What checkpoints were made with, and which starts are refused for it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib

import pytest

from pipeline.checkpoints import CheckpointStore
from pipeline.config import config_from_flags
from pipeline.errors import UsageError
from pipeline.flags import build_parser
from pipeline.job_record import JobRecord, incompatible, other_versions

RECORD = JobRecord(
    window_seconds=30,
    slide_seconds=10,
    beam_version="2.70.0",
    python_sdk="2.77.0",
    max_parallelism=128,
)


@pytest.mark.parametrize("runtime", ["locked", "beam"])
def test_of_a_configuration(runtime: str) -> None:
    """The grid comes from the job's flags, the versions from what is installed and locked."""
    arguments = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
    arguments += ["--window_seconds=60", "--slide_seconds=5", f"--java_runtime={runtime}"]
    record = JobRecord.of(
        config_from_flags(build_parser().parse_args(arguments)), max_parallelism=8
    )
    python_sdk = importlib.metadata.version("apache-beam")
    java = "2.70.0" if runtime == "locked" else python_sdk
    assert JobRecord(60, 5, java, python_sdk, 8) == record


def test_the_file(tmp_path: pathlib.Path) -> None:
    """`job.json` in the job's folder is the record; nothing else is left there."""
    store = CheckpointStore.open(str(tmp_path))
    RECORD.write(store, "a/b")
    folder = tmp_path / "a%2Fb"
    expected = {
        "format": 1,
        "window_seconds": 30,
        "slide_seconds": 10,
        "beam_version": "2.70.0",
        "python_sdk": "2.77.0",
        "max_parallelism": 128,
    }
    assert expected == json.loads((folder / "job.json").read_text("utf-8"))
    assert ["job.json"] == [path.name for path in folder.iterdir()]
    assert RECORD == JobRecord.read(store, "a/b")


def test_a_newer_record_takes_the_place(tmp_path: pathlib.Path) -> None:
    """A fresh start with another shape writes its own."""
    store = CheckpointStore.open(str(tmp_path))
    RECORD.write(store, "errors")
    newer = dataclasses.replace(RECORD, window_seconds=60)
    newer.write(store, "errors")
    assert newer == JobRecord.read(store, "errors")


def test_no_record(tmp_path: pathlib.Path) -> None:
    """A job that never started has none."""
    assert JobRecord.read(CheckpointStore.open(str(tmp_path)), "errors") is None


def test_fields_of_later_versions(tmp_path: pathlib.Path) -> None:
    """Fields that are not known are passed over."""
    store = CheckpointStore.open(str(tmp_path))
    fields = {"format": 1, **dataclasses.asdict(RECORD), "later": None}
    store.job("errors").write("job.json", json.dumps(fields).encode())
    assert RECORD == JobRecord.read(store, "errors")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b'{"format":1,', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"{}", "format None, known is 1"),
        (b'{"format":2}', "format 2, known is 1"),
        (b'{"format":1}', "window_seconds is None"),
        (b'{"format":1,"window_seconds":"30"}', "window_seconds is '30'"),
        (b'{"format":1,"window_seconds":true}', "window_seconds is True"),
        (b'{"format":1,"window_seconds":30,"slide_seconds":0}', "slide_seconds is 0"),
        (
            b'{"format":1,"window_seconds":30,"slide_seconds":10,"beam_version":""}',
            "beam_version is ''",
        ),
    ],
)
def test_a_damaged_record(tmp_path: pathlib.Path, content: bytes, problem: str) -> None:
    """It is an error, not a job without a record: the checkpoints may be of any shape."""
    store = CheckpointStore.open(str(tmp_path))
    store.job("errors").write("job.json", content)
    with pytest.raises(UsageError) as caught:
        JobRecord.read(store, "errors")
    expected = (
        f"--checkpoint_dir: the record of job 'errors' is unusable ({problem}), got "
        f"'file://{tmp_path}/errors/job.json'. Put it back from a copy, or use --fresh or another "
        "--job_name."
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("field", "was", "got"),
    [("window_seconds", 30, 60), ("slide_seconds", 10, 5), ("max_parallelism", 128, 8)],
)
def test_another_shape_is_refused(field: str, was: int, got: int) -> None:
    """The line names the flag, both values, and the two ways on."""
    message = (
        f"--{field}: the checkpoint was made with {was}, got {got}. Use --fresh (open windows lose "
        "what was counted before) or another --job_name."
    )
    assert message == incompatible(RECORD, dataclasses.replace(RECORD, **{field: got}))


def test_other_versions_are_a_note() -> None:
    """Beam's own versions do not keep a job from going on, but are told."""
    newer = dataclasses.replace(RECORD, beam_version="2.76.0", python_sdk="2.78.0")
    expected = (
        "the checkpoint was made with Beam for Java 2.70.0, now 2.76.0; Beam for Python 2.77.0, "
        "now 2.78.0"
    )
    assert (None, expected) == (incompatible(RECORD, newer), other_versions(RECORD, newer))
    assert (None, None) == (incompatible(RECORD, RECORD), other_versions(RECORD, RECORD))
