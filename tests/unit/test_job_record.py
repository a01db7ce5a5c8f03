"""What checkpoints were made with, and which starts are refused for it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import pathlib
from typing import Any

import pytest

from pipeline.checkpoints import CheckpointStore
from pipeline.errors import UsageError
from pipeline.job_record import (
    UNRECORDED,
    JobRecord,
    graph_parts,
    other_versions,
    require_same_shape,
)
from pipeline.job_spec import live_parser
from pipeline.live_config import LiveConfig, live_config_from_flags

RECORD = JobRecord(
    window_seconds=30,
    slide_seconds=10,
    beam_version="2.70.0",
    python_sdk="2.77.0",
    max_parallelism=128,
)
NOW = datetime.datetime(2026, 11, 22, 10, 0, tzinfo=datetime.timezone.utc)
MINUTE = datetime.timedelta(minutes=1)


def config(*arguments: str) -> LiveConfig:
    """A live job of the topic `logs` on a cluster of the user's."""
    known = ["--kafka_bootstrap_servers=localhost:9092", "--flink_master=http://flink:8081"]
    return live_config_from_flags(live_parser("test").parse_args([*known, *arguments]))


@pytest.mark.parametrize("runtime", ["locked", "beam"])
def test_of_a_configuration(runtime: str) -> None:
    """The grid comes from the job's flags, the versions from what is installed and locked."""
    job = config(
        "--input_topic=logs",
        "--window_seconds=60",
        "--slide_seconds=5",
        f"--java_runtime={runtime}",
    )
    record = JobRecord.of(job, partitions={"logs": 2})
    python_sdk = importlib.metadata.version("apache-beam")
    java = "2.70.0" if runtime == "locked" else python_sdk
    parts = ("output:folder", "samples", "topic:logs")
    assert JobRecord(60, 5, java, python_sdk, 128, parts, partitions={"logs": 2}) == record


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--samples=0"], ("output:folder", "topic:logs")),
        (
            ["--output=kafka:counts", "--input_topic=audit"],
            ("output:kafka", "samples", "topic:audit", "topic:logs"),
        ),
    ],
)
def test_parts_of_the_graph(arguments: list[str], expected: tuple[str, ...]) -> None:
    """Topics, samples, and where results go, in an order that the flags do not change."""
    assert expected == graph_parts(config("--input_topic=logs", *arguments))


def test_the_file(tmp_path: pathlib.Path) -> None:
    """`job.json` in the job's folder is the record; nothing else is left there."""
    store = CheckpointStore.open(str(tmp_path))
    RECORD.write(store, "a/b")
    folder = tmp_path / "a%2Fb"
    expected = {
        "format": 4,
        "window_seconds": 30,
        "slide_seconds": 10,
        "beam_version": "2.70.0",
        "python_sdk": "2.77.0",
        "max_parallelism": 128,
        "parts": None,
        "gone": {},
        "partitions": None,
    }
    assert expected == json.loads((folder / "job.json").read_text("utf-8"))
    assert ["job.json"] == [path.name for path in folder.iterdir()]
    assert RECORD == JobRecord.read(store, "a/b")


def test_parts_and_partitions_are_kept(tmp_path: pathlib.Path) -> None:
    """As they were, times in UTC."""
    store = CheckpointStore.open(str(tmp_path))
    record = dataclasses.replace(
        RECORD, parts=("samples", "topic:a"), gone={"topic:b": NOW}, partitions={"a": 3}
    )
    record.write(store, "errors")
    assert record == JobRecord.read(store, "errors")
    fields = json.loads((tmp_path / "errors" / "job.json").read_text("utf-8"))
    expected = (["samples", "topic:a"], {"topic:b": "2026-11-22T10:00:00+00:00"}, {"a": 3})
    assert expected == (fields["parts"], fields["gone"], fields["partitions"])


def test_a_record_of_before_names_no_parts(tmp_path: pathlib.Path) -> None:
    """It is read all the same."""
    store = CheckpointStore.open(str(tmp_path))
    fields = {"format": 4, **dataclasses.asdict(RECORD)}
    for name in ("parts", "gone", "partitions"):
        del fields[name]
    store.job("errors").write("job.json", json.dumps(fields).encode())
    assert RECORD == JobRecord.read(store, "errors")


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
    fields = {"format": 4, **dataclasses.asdict(RECORD), "later": None}
    store.job("errors").write("job.json", json.dumps(fields).encode())
    assert RECORD == JobRecord.read(store, "errors")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b'{"format":4,', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"{}", "format None, known is 4"),
        (b'{"format":2}', "format 2, known is 4"),
        (b'{"format":4}', "window_seconds is None"),
        (b'{"format":4,"window_seconds":"30"}', "window_seconds is '30'"),
        (b'{"format":4,"window_seconds":true}', "window_seconds is True"),
        (b'{"format":4,"window_seconds":30,"slide_seconds":0}', "slide_seconds is 0"),
        (
            b'{"format":4,"window_seconds":30,"slide_seconds":10,"beam_version":""}',
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
    ("fields", "problem"),
    [
        ({"parts": "samples"}, "parts is 'samples'"),
        ({"parts": [1]}, "parts is [1]"),
        ({"gone": ["samples"]}, "gone is ['samples']"),
        ({"gone": {"samples": "soon"}}, "gone is {'samples': 'soon'}"),
        ({"gone": {"samples": None}}, "gone is {'samples': None}"),
        (
            {"gone": {"samples": "2026-11-22T10:00:00"}},
            "gone is {'samples': '2026-11-22T10:00:00'}",
        ),
        ({"partitions": [3]}, "partitions is [3]"),
        ({"partitions": {"logs": 0}}, "logs is 0"),
    ],
)
def test_damaged_parts(tmp_path: pathlib.Path, fields: dict[str, object], problem: str) -> None:
    """The optional fields are checked as the others are."""
    store = CheckpointStore.open(str(tmp_path))
    content = {"format": 4, **dataclasses.asdict(RECORD), **fields}
    store.job("errors").write("job.json", json.dumps(content).encode())
    with pytest.raises(UsageError) as caught:
        JobRecord.read(store, "errors")
    assert f"the record of job 'errors' is unusable ({problem})" in str(caught.value)


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
    fields: dict[str, Any] = {field: got}
    with pytest.raises(UsageError) as caught:
        require_same_shape(RECORD, dataclasses.replace(RECORD, **fields))
    assert message == str(caught.value)


def test_other_versions_are_a_note() -> None:
    """Beam's own versions do not keep a job from going on, but are told."""
    newer = dataclasses.replace(RECORD, beam_version="2.76.0", python_sdk="2.78.0")
    expected = (
        "the checkpoint was made with Beam for Java 2.70.0, now 2.76.0; Beam for Python 2.77.0, "
        "now 2.78.0"
    )
    require_same_shape(RECORD, newer)
    assert expected == other_versions(RECORD, newer)
    assert other_versions(RECORD, RECORD) is None


def test_a_part_that_went_is_remembered_until_it_comes_back() -> None:
    """Checkpoints of before hold its state, later ones do not; clocks may differ by a minute."""
    both = dataclasses.replace(RECORD, parts=("topic:a", "topic:b"))
    one = dataclasses.replace(RECORD, parts=("topic:a",))
    assert both == both.continued(both, NOW)

    later = both.continued(one, NOW)

    assert dataclasses.replace(one, gone={"topic:b": NOW}) == later
    assert later == later.continued(one, NOW + 9 * MINUTE)
    seen = [later.outgrew(NOW + n * MINUTE) for n in (-100, 0, 1, 2)]
    assert [True, True, True, False] == seen
    assert both == later.continued(both, NOW + 9 * MINUTE)


def test_without_a_list_of_parts_any_may_have_gone() -> None:
    """As it is with records of before: state may be lost, but not of the checkpoints after."""
    later = RECORD.continued(dataclasses.replace(RECORD, parts=("topic:a",)), NOW)

    assert ({UNRECORDED: NOW}, ("topic:a",)) == (later.gone, later.parts)
    assert (True, False) == (later.outgrew(NOW), later.outgrew(NOW + 2 * MINUTE))


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (None, None, None),
        (None, {"a": 2}, {"a": 2}),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1, "gone": 5}, {"a": 2, "new": 3}, {"a": 1, "new": 3}),
    ],
)
def test_readers_of_a_topic_stay_as_many_as_they_were(
    was: dict[str, int] | None, now: dict[str, int] | None, expected: dict[str, int] | None
) -> None:
    """Only a topic that comes at this start gets one for each partition there is."""
    old, new = (dataclasses.replace(RECORD, partitions=count) for count in (was, now))

    assert expected == old.continued(new, NOW).partitions
