"""The start of a live job, with submissions that the test plays."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import launch_job as module
from pipeline import submission
from pipeline.checkpoints import Checkpoint
from pipeline.config import NATIVE_READER
from pipeline.errors import ErrorWindowsError, JobFailedError, ServiceError
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.job_spec import live_parser
from pipeline.launch_job import Launched, launch_job
from pipeline.live_config import LiveConfig, live_config_from_flags
from pipeline.resume import StartPoint
from pipeline.submission import RestoreError

TIME = datetime.datetime(2026, 11, 22, 10, 0, 5, tzinfo=datetime.timezone.utc)
JOB = FlinkJob("f00", "errors", "RUNNING", 1, 4, 4)


class Starts:
    """What there is to start from, what each start ends in, and what was done.

    Attributes:
      candidates: addresses of checkpoints, the best first.
      damaged: those that Flink cannot restore.
      failure: what every other start ends in, None if it runs.
      losing: those that hold state of parts that went.
      submitted: checkpoints of the submissions, in order.
      expands: of every start, whether Java expands anything.
      may_lose: of each submission, whether it may lose state.
      recorded: how often the record of the job was kept.
    """

    def __init__(self, config: LiveConfig, folder: pathlib.Path) -> None:
        self.config = config
        self._folder = folder
        self.candidates: list[str] = []
        self.damaged: set[str] = set()
        self.losing: set[str] = set()
        self.may_lose: list[bool] = []
        self.failure: ErrorWindowsError | None = None
        self.submitted: list[str | None] = []
        self.recorded = 0
        self.told: list[str] = []
        self.expands: list[bool] = []

    def find(self, _: LiveConfig, **options: object) -> StartPoint:
        """In the place of `find_start`."""
        assert {"logs": 2} == options["partitions"]
        found = [Checkpoint(uri, "checkpoint", 1, TIME, "f00") for uri in self.candidates]
        return StartPoint("file:///state/errors", tuple(found), losing=frozenset(self.losing))

    def record(self, _: LiveConfig, __: StartPoint) -> None:
        """In the place of `keep_record`."""
        self.recorded += 1

    def submit(self, *_: object, **options: Any) -> FlinkJob:
        """In the place of `submit`."""
        assert "file:///state/errors" == options["checkpoint_uri"]
        self.submitted.append(options["restore_from"])
        self.may_lose.append(options["may_lose_state"])
        if options["restore_from"] in self.damaged:
            raise RestoreError("checkpoint: Flink cannot go on from it (EOFException).")
        if self.failure is not None:
            raise self.failure
        return JOB

    def launch(self) -> Launched:
        """Starts the job."""
        rest = FlinkRest(["http://127.0.0.1:8081"])
        return launch_job(self.config, rest, folder=self._folder, show_progress=self.told.append)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Starts:
    """Starts without Java and Flink."""
    flags = live_parser("test").parse_args(
        ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
    )
    starts = Starts(live_config_from_flags(flags), tmp_path)

    @contextlib.contextmanager
    def java(*_: object, expands: bool) -> Iterator[tuple[None, None]]:
        starts.expands.append(expands)
        yield None, None

    monkeypatch.setattr(module, "_java", java)
    monkeypatch.setattr(module, "count_partitions", lambda _: {"logs": 2})
    monkeypatch.setattr(module, "find_start", starts.find)
    monkeypatch.setattr(module, "keep_record", starts.record)
    monkeypatch.setattr(submission, "submit", starts.submit)
    return starts


def test_without_checkpoints_the_job_starts_new(starts: Starts) -> None:
    """Its record is kept first."""
    assert Launched(JOB, None) == starts.launch()
    assert ([None], 1) == (starts.submitted, starts.recorded)


def test_java_expands_only_what_java_reads(starts: Starts) -> None:
    """A service more takes seconds to start."""
    starts.launch()
    kafka = dataclasses.replace(starts.config.job.kafka, reader=NATIVE_READER)
    job = dataclasses.replace(starts.config.job, clusters=(kafka,))
    starts.config = dataclasses.replace(starts.config, job=job)
    starts.launch()
    assert [True, False] == starts.expands


def test_the_job_goes_on_from_the_newest_checkpoint(starts: Starts) -> None:
    """Its record is brought up to date first."""
    starts.candidates = ["file:///chk-2", "file:///chk-1"]

    assert Launched(JOB, "file:///chk-2") == starts.launch()
    assert (["file:///chk-2"], 1) == (starts.submitted, starts.recorded)
    assert "looking for checkpoints" == starts.told[0]
    assert starts.told[1].startswith("going on from file:///chk-2 (")


def test_only_a_checkpoint_with_parts_that_went_may_lose_state(starts: Starts) -> None:
    """Each is looked at by itself: an older one may hold a topic that a newer one does not."""
    starts.candidates = ["file:///chk-2", "file:///chk-1"]
    starts.damaged = {"file:///chk-2"}
    starts.losing = {"file:///chk-1"}

    starts.launch()

    assert [False, True] == starts.may_lose


def test_a_damaged_checkpoint_is_passed_over_for_the_next_older(
    starts: Starts, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines since then are read again; the log says which one it was."""
    starts.candidates = ["file:///chk-3", "file:///chk-2", "file:///chk-1"]
    starts.damaged = {"file:///chk-3", "file:///chk-2"}

    assert Launched(JOB, "file:///chk-1") == starts.launch()

    assert starts.candidates == starts.submitted
    expected = [
        f"{uri}: checkpoint: Flink cannot go on from it (EOFException)."
        for uri in ("file:///chk-3", "file:///chk-2")
    ]
    assert expected == [record.getMessage() for record in caplog.records]


def test_when_all_are_damaged_the_job_does_not_start_new(starts: Starts) -> None:
    """Counts would be lost in silence: a person decides that."""
    starts.candidates = ["file:///chk-2", "file:///chk-1"]
    starts.damaged = set(starts.candidates)

    with pytest.raises(ServiceError) as caught:
        starts.launch()

    message = (
        "--checkpoint_dir: none of 2 checkpoints can be restored, the newest from "
        "2026-11-22 10:00:05 UTC (checkpoint: Flink cannot go on from it (EOFException).) "
        "Use --from=PATH for another one, or --fresh: reading then begins at the newest records, "
        "and what came between is counted in no window."
    )
    assert message == str(caught.value)
    assert starts.candidates == starts.submitted


def test_another_failure_is_no_reason_for_an_older_checkpoint(starts: Starts) -> None:
    """A cluster without slots has nothing to do with the state."""
    starts.candidates = ["file:///chk-2", "file:///chk-1"]
    starts.failure = JobFailedError("the job failed on Flink: no slots")

    with pytest.raises(JobFailedError):
        starts.launch()

    assert ["file:///chk-2"] == starts.submitted
