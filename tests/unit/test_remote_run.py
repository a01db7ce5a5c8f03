"""What a submission to a cluster of the user's says when the job does not run there."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline import remote_run
from pipeline.flink_rest import FlinkJob, FlinkRest

_JOB = FlinkJob("f00", "errors", "RESTARTING", start_ms=0, running_tasks=0, tasks=4)
_NO_WORKER = """\
java.lang.Exception: Exception while filtering
\tat org.example.Task.run
Caused by: java.io.IOException: Cannot run program "error-windows-worker": error=2, No such file
\tat java.base/java.lang.ProcessBuilder.start
Caused by: java.io.IOException: error=2, No such file or directory
"""


@dataclasses.dataclass
class _Rest(FlinkRest):
    """Knows only why a job failed."""

    causes: list[str]

    def exceptions(self, job_id: str) -> list[str]:
        """The causes given, for the one job."""
        return self.causes if job_id == _JOB.id else []


@pytest.mark.parametrize(
    ("causes", "reason", "fix"),
    [
        (
            [_NO_WORKER, "older"],
            'Cannot run program "error-windows-worker"',
            "install this package on every TaskManager, or give --worker_command",
        ),
        (
            ["java.lang.Exception: a\nCaused by: org.example.TimeoutException: no broker\n\tat b"],
            "org.example.TimeoutException: no broker",
            "correct what is wrong there",
        ),
        ([], "not all of its tasks have slots", "correct what is wrong there"),
    ],
)
def test_a_job_that_does_not_run(causes: list[str], reason: str, fix: str) -> None:
    """The cause in one line, and that the job is there nevertheless."""
    error = remote_run._not_running(_Rest(causes), _JOB)
    expected = (
        f"job errors: it is on the cluster as f00, and does not run ({reason}). "
        f"Flink goes on trying: {fix}; or `run_flink.sh cancel` it."
    )
    assert (1, expected) == (error.exit_code, str(error))
