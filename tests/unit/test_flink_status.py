"""What `run_flink.sh status` shows of a cluster that the test plays."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from pipeline import flink_status
from pipeline.deployment import Deployment
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.flink_status import show_status as _show_status
from pipeline.job_spec import DriverStatus
from pipeline.local.supervisor import ProgramState

NOW_SECONDS = 1_795_341_600
CHECKPOINTS: dict[str, Any] = {
    "counts": {"completed": 3, "failed": 0},
    "latest": {
        "completed": {
            "external_path": "file:///state/errors/chk-3",
            "state_size": 12_345,
            "latest_ack_timestamp": (NOW_SECONDS - 7) * 1000,
        },
        "failed": None,
    },
}
NONE_YET = {
    "counts": {"completed": 0, "failed": 2},
    "latest": {"completed": None, "failed": {"failure_message": "disk full\x1b[2J"}},
}


class Rest(FlinkRest):
    """A cluster with the jobs given."""

    def __init__(self, *jobs: FlinkJob, checkpoints: dict[str, Any] | None = None) -> None:
        super().__init__(["http://127.0.0.1:8081", "http://127.0.0.1:8082"])
        self._jobs = list(jobs)
        self._checkpoints = checkpoints or CHECKPOINTS

    def overview(self) -> dict[str, Any]:
        """As Flink 1.19 answers."""
        return {
            "taskmanagers": 2,
            "slots-total": 4,
            "slots-available": 3,
            "flink-version": "1.19.3",
        }

    def jobs(self) -> list[FlinkJob]:
        """The jobs."""
        return self._jobs

    def checkpoints(self, _: str) -> dict[str, Any]:
        """Of any job."""
        return self._checkpoints


def show_status(
    rest: Rest, deployment: Deployment | None, *, as_json: bool, warning: str | None = None
) -> int:
    """Shows it, with one warning for every job."""
    return _show_status(rest, deployment, as_json=as_json, warning_of=lambda _: warning)


def job(**fields: Any) -> FlinkJob:
    """A job that runs for two minutes."""
    known = {
        "id": "f00",
        "name": "errors",
        "state": "RUNNING",
        "start_ms": (NOW_SECONDS - 120) * 1000,
        "running_tasks": 4,
        "tasks": 4,
    }
    return FlinkJob(**{**known, **fields})


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flink_status, "_now_seconds", lambda: float(NOW_SECONDS))


@pytest.fixture
def deployment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A local cluster with one process that runs and one that waits."""
    deployment = Deployment(tmp_path)
    states = [
        ProgramState("driver", "STOPPED", 0, 0, 0),
        ProgramState("jobmanager-1", "RUNNING", 4711, 3700, 0),
    ]
    monkeypatch.setattr(deployment.supervisor, "states", lambda: states)
    return deployment


def test_a_cluster_of_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    """Its slots, its live jobs and their checkpoints; ended jobs are left out."""
    ended = job(id="old", state="CANCELED")

    assert 0 == show_status(Rest(job(), ended), None, as_json=False)

    expected = (
        "Flink 1.19.3 at http://127.0.0.1:8081, http://127.0.0.1:8082: "
        "2 TaskManagers, 3 of 4 slots free\n"
        "job errors: RUNNING, 4 of 4 tasks run, as f00, for 0:02:00\n"
        "  last checkpoint 0:00:07 ago, 12,345 bytes: file:///state/errors/chk-3\n"
    )
    assert (expected, "") == tuple(capsys.readouterr())


def test_checkpoints_that_fail_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason of the last; what Flink quotes does not reach the terminal as it is."""
    show_status(Rest(job(name="a\x1bb"), checkpoints=NONE_YET), None, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert "  no checkpoint yet; failed so far: 2, the last: disk full\\x1b[2J" == lines[2]
    assert lines[1].startswith("job a\\x1bb: RUNNING")


def test_a_warning_is_shown_with_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of topics come from outside."""
    show_status(Rest(job()), None, as_json=False, warning="not read: \x1b[2J")
    assert "  warning: not read: \\x1b[2J" == capsys.readouterr().out.splitlines()[-1]

    show_status(Rest(job()), None, as_json=True, warning="not read")
    assert "not read" == json.loads(capsys.readouterr().out)["jobs"][0]["warning"]


def test_a_local_cluster_shows_its_processes_and_its_driver(
    deployment: Deployment, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With pid files, and what the driver waits for."""
    DriverStatus("waiting", error="no slots\x1b[2J").write(tmp_path)

    show_status(Rest(), deployment, as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert ["process", "state", "pid", "for", "pid", "file"] == lines[0].split()
    assert ["driver", "STOPPED", "-", "0:00:00", str(tmp_path / "driver.pid")] == lines[1].split()
    expected = ["jobmanager-1", "RUNNING", "4711", "1:01:40", str(tmp_path / "jobmanager-1.pid")]
    assert expected == lines[2].split()
    assert ["no job runs", "driver: waiting: no slots\\x1b[2J"] == lines[-2:]


def test_json_is_one_object(
    deployment: Deployment, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that the tables show, for scripts."""
    DriverStatus("running", "f00").write(tmp_path)

    assert 0 == show_status(Rest(job()), deployment, as_json=True)

    expected = {
        "running": True,
        "rest_urls": ["http://127.0.0.1:8081", "http://127.0.0.1:8082"],
        "flink_version": "1.19.3",
        "task_managers": 2,
        "slots": 4,
        "slots_available": 3,
        "programs": [
            {
                "name": name,
                "state": state,
                "pid": pid,
                "seconds": seconds,
                "file": str(tmp_path / f"{name}.pid"),
                "log": str(tmp_path / f"{name}.log"),
            }
            for name, state, pid, seconds in (
                ("driver", "STOPPED", 0, 0),
                ("jobmanager-1", "RUNNING", 4711, 3700),
            )
        ],
        "jobs": [
            {
                "id": "f00",
                "name": "errors",
                "state": "RUNNING",
                "running_tasks": 4,
                "tasks": 4,
                "seconds": 120,
                "checkpoints": 3,
                "failed_checkpoints": 0,
                "last_checkpoint": "file:///state/errors/chk-3",
                "last_checkpoint_bytes": 12_345,
                "last_checkpoint_seconds_ago": 7,
                "last_failure": None,
                "warning": None,
            }
        ],
        "driver": {"stage": "running", "error": None},
    }
    assert expected == json.loads(capsys.readouterr().out)
