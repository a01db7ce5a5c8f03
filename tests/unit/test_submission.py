"""What a submission makes of what Flink says about a job that does not come to run."""

from __future__ import annotations

import pytest

from pipeline import submission
from pipeline.errors import JobFailedError
from pipeline.flink_rest import FlinkJob
from pipeline.submission import RestoreError

DAMAGED = (
    "org.apache.flink.util.FlinkException: Failed to rollback to checkpoint/savepoint\n"
    "Caused by: java.io.EOFException"
)


class Cluster:
    """A job that has ended, and whose cause is told at the third question only."""

    def __init__(self, *causes: str) -> None:
        self._causes = list(causes)
        self.questions = 0

    def jobs(self) -> list[FlinkJob]:
        """As `FlinkRest`."""
        return [FlinkJob("f00", "errors", "FAILED", 1, 0, 4)]

    def exceptions(self, _: str) -> list[str]:
        """As `FlinkRest`, which remembers an answer for some seconds."""
        self.questions += 1
        return self._causes if self.questions > 2 else []


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission.time, "sleep", lambda _: None)


def test_a_job_that_ends_before_its_cause_is_told_is_waited_for() -> None:
    """Only the cause tells a damaged checkpoint from another failure."""
    cluster = Cluster(DAMAGED)

    with pytest.raises(RestoreError, match=r"cannot go on from it \(java\.io\.EOFException\)"):
        submission._wait_until_it_runs(cluster, "f00", "file:///chk-1")  # type: ignore[arg-type]
    assert 3 == cluster.questions


def test_a_job_that_started_new_has_no_checkpoint_to_blame() -> None:
    """Whatever the words are."""
    with pytest.raises(JobFailedError, match=r"the job failed on Flink: java\.io\.EOFException"):
        submission._wait_until_it_runs(Cluster(DAMAGED), "f00", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (DAMAGED, True),
        ("Could not restore keyed state backend", True),
        ("Connection refused", False),
    ],
)
def test_failures_to_restore_are_told_from_others(words: str, expected: bool) -> None:
    """In the words of Flink 1.19."""
    assert expected == submission.says_restore_failed(words)
