"""What a submission makes of what Flink says about a job that does not come to run."""

from __future__ import annotations

import pytest

from pipeline import submission
from pipeline.errors import JobFailedError, UsageError
from pipeline.flink_rest import FlinkJob
from pipeline.job_spec import live_parser
from pipeline.live_config import live_config_from_flags
from pipeline.submission import RestoreError

DAMAGED = (
    "org.apache.flink.util.FlinkException: Failed to rollback to checkpoint/savepoint\n"
    "Caused by: java.io.EOFException"
)

LOST = (
    "org.apache.flink.util.FlinkException: JobMaster failed\n"
    "Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint "
    "file:/chk-1. Cannot map checkpoint/savepoint state for operator 6cdc5bb954874d92 to the new "
    "program, because the operator is not available in the new program. If you want to allow to "
    "skip this, you can set the --allowNonRestoredState option on the CLI.\n\tat a.b"
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
    monkeypatch.setattr("pipeline.submission.time.sleep", lambda _: None)


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


def test_state_without_a_step_is_told_at_once() -> None:
    """Older checkpoints hold it too, so none of them is tried."""
    with pytest.raises(UsageError) as caught:
        submission._wait_until_it_runs(Cluster(LOST), "f00", "file:///chk-1")  # type: ignore[arg-type]

    expected = (
        "--checkpoint_dir: the checkpoint holds state of operator 6cdc5bb954874d92, which this job "
        "does not have, though none of its topics or other parts went. Start it with the version "
        "of this package that made the checkpoint; or use --fresh, and know what that loses."
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("restore_from", "may_lose", "expected"),
    [
        (None, False, []),
        ("file:///chk-1", False, ["savepoint_path"]),
        ("file:///chk-1", True, ["allow_non_restored_state", "savepoint_path"]),
    ],
)
def test_flink_may_skip_state_only_where_a_part_went(
    restore_from: str | None, may_lose: bool, expected: list[str]
) -> None:
    """Otherwise it is to refuse."""
    flags = live_parser("test").parse_args(
        ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
    )
    options = submission._options(
        live_config_from_flags(flags), "localhost:1", "file:///state", restore_from, may_lose
    )

    given = options.get_all_options(drop_default=True, retain_unknown_options=True)
    known = {"allow_non_restored_state", "savepoint_path"}
    assert expected == sorted(known & given.keys())
