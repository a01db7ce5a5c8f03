"""What `run_flink.sh status` shows: processes, jobs, checkpoints."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from pipeline.deployment import Deployment
from pipeline.errors import EXIT_DONE
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.job_spec import DriverStatus
from pipeline.local.tables import print_table
from transforms.escape import escape_terminal


def show_status(
    rest: FlinkRest,
    deployment: Deployment | None,
    *,
    as_json: bool,
    warning_of: Callable[[str], str | None],
) -> int:
    """Prints how a cluster is; returns the exit code.

    Args:
      rest: of the cluster.
      deployment: of the local cluster, None for one of the user's.
      as_json: one JSON object instead of tables.
      warning_of: what a person should know of a job of that name, None if there is nothing.

    Raises:
      ServiceError: no JobManager answers.
    """
    status = _status(rest, deployment, warning_of)
    if as_json:
        print(json.dumps(status))
        return EXIT_DONE
    if status["programs"]:
        print_table(
            ("process", "state", "pid", "for", "pid file"),
            [
                (one["name"], one["state"], one["pid"] or "-", _span(one["seconds"]), one["file"])
                for one in status["programs"]
            ],
        )
        print()
    print(
        f"Flink {status['flink_version']} at {', '.join(status['rest_urls'])}: "
        f"{status['task_managers']} TaskManagers, {status['slots_available']} of "
        f"{status['slots']} slots free"
    )
    for job in status["jobs"]:
        print(
            f"job {escape_terminal(job['name'])}: {job['state']}, {job['running_tasks']} of "
            f"{job['tasks']} tasks run, as {job['id']}, for {_span(job['seconds'])}"
        )
        print(_checkpoint_line(job))
        if job["warning"] is not None:
            print(escape_terminal(f"  warning: {job['warning']}"))
    if not status["jobs"]:
        print("no job runs")
    driver = status["driver"]
    if driver is not None:
        error = f": {driver['error']}" if driver["error"] else ""
        print(escape_terminal(f"driver: {driver['stage']}{error}"))
    return EXIT_DONE


def _status(
    rest: FlinkRest, deployment: Deployment | None, warning_of: Callable[[str], str | None]
) -> dict[str, Any]:
    overview = rest.overview()
    programs: list[dict[str, Any]] = []
    driver = None
    if deployment is not None:
        for state in deployment.supervisor.states():
            programs.append(
                {
                    "name": state.name,
                    "state": state.state,
                    "pid": state.pid,
                    "seconds": state.seconds,
                    "file": str(deployment.supervisor.pid_path(state.name)),
                    "log": str(deployment.supervisor.log_path(state.name)),
                }
            )
        found = DriverStatus.read(deployment.folder)
        driver = None if found is None else {"stage": found.stage, "error": found.error}
    return {
        "running": True,
        "rest_urls": list(rest.urls),
        "flink_version": overview["flink-version"],
        "task_managers": overview["taskmanagers"],
        "slots": overview["slots-total"],
        "slots_available": overview["slots-available"],
        "programs": programs,
        "jobs": [
            {**_job(rest, job), "warning": warning_of(job.name)}
            for job in rest.jobs()
            if not job.ended
        ],
        "driver": driver,
    }


def _job(rest: FlinkRest, job: FlinkJob) -> dict[str, Any]:
    found = rest.checkpoints(job.id)
    completed = found["latest"]["completed"]
    failed = found["latest"]["failed"]
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "running_tasks": job.running_tasks,
        "tasks": job.tasks,
        "seconds": int(_now_seconds() - job.start_ms / 1000),
        "checkpoints": found["counts"]["completed"],
        "failed_checkpoints": found["counts"]["failed"],
        "last_checkpoint": None if completed is None else completed["external_path"],
        "last_checkpoint_bytes": None if completed is None else completed["state_size"],
        "last_checkpoint_seconds_ago": None
        if completed is None
        else int(_now_seconds() - completed["latest_ack_timestamp"] / 1000),
        "last_failure": None if failed is None else failed.get("failure_message"),
    }


def _checkpoint_line(job: dict[str, Any]) -> str:
    if job["last_checkpoint"] is None:
        line = "  no checkpoint yet"
    else:
        line = (
            f"  last checkpoint {_span(job['last_checkpoint_seconds_ago'])} ago, "
            f"{job['last_checkpoint_bytes']:,} bytes: {job['last_checkpoint']}"
        )
    if job["failed_checkpoints"]:
        line += f"; failed so far: {job['failed_checkpoints']}"
        line += f", the last: {job['last_failure']}" if job["last_failure"] else ""
    return escape_terminal(line)


def _span(seconds: int) -> str:
    return str(datetime.timedelta(seconds=max(0, seconds)))


def _now_seconds() -> float:
    return datetime.datetime.now(datetime.timezone.utc).timestamp()
