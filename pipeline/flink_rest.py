"""Flink's REST API, as far as the job needs it.

https://nightlies.apache.org/flink/flink-docs-release-1.19/docs/ops/rest_api/
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Sequence
from typing import Any

import requests

from pipeline.errors import ServiceError, UsageError
from pipeline.local.ports import LOOPBACK_HOSTS

_TIMEOUT_SECONDS = 30.0
_SAVEPOINT_DONE = "COMPLETED"
# The job is over in one of these, and will not come back by itself.
ENDED_STATES = ("FINISHED", "CANCELED", "FAILED")
RUNNING = "RUNNING"


@dataclasses.dataclass(frozen=True)
class FlinkJob:
    """A job on a cluster.

    Attributes:
      id: Flink's, new with every submission.
      name: the job's name.
      state: Flink's word: RUNNING, RESTARTING, FAILING, CANCELED, ...
      start_ms: when it was submitted, milliseconds since the epoch.
      running_tasks: tasks that run.
      tasks: all tasks.
    """

    id: str
    name: str
    state: str
    start_ms: int
    running_tasks: int
    tasks: int

    @property
    def runs(self) -> bool:
        """Whether every task of it runs."""
        return self.state == RUNNING and self.tasks == self.running_tasks

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in ENDED_STATES


class FlinkRestError(ServiceError):
    """The cluster answered, and said no."""


class FlinkRest:
    """The JobManagers of one cluster; any of them answers for all.

    Raises (every method):
      ServiceError: no JobManager answers.
      FlinkRestError: one answered with an error.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(url.rstrip("/") for url in urls)
        self._session = requests.Session()
        if all(_is_loopback(url) for url in self.urls):
            # A proxy is not for addresses of this machine.
            self._session.trust_env = False

    def overview(self) -> dict[str, Any]:
        """Slots, TaskManagers, jobs by state, and Flink's version."""
        found: dict[str, Any] = self._request("GET", "/overview")
        return found

    def jobs(self) -> list[FlinkJob]:
        """All jobs the cluster remembers, newest first."""
        found = [
            FlinkJob(
                id=job["jid"],
                name=job["name"],
                state=job["state"],
                start_ms=job["start-time"],
                running_tasks=job["tasks"]["running"],
                tasks=job["tasks"]["total"],
            )
            for job in self._request("GET", "/jobs/overview")["jobs"]
        ]
        return sorted(found, key=lambda job: job.start_ms, reverse=True)

    def live_job(self, name: str) -> FlinkJob | None:
        """The newest job of a name that has not ended, None if there is none."""
        return next((job for job in self.jobs() if job.name == name and not job.ended), None)

    def exceptions(self, job_id: str) -> list[str]:
        """Why the job failed, newest first, each with its stack trace."""
        found = self._request("GET", f"/jobs/{job_id}/exceptions")
        entries = found.get("exceptionHistory", {}).get("entries", [])
        texts = [str(entry["stacktrace"]) for entry in entries]
        root = found.get("root-exception")
        return texts or ([str(root)] if root else [])

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Counts of checkpoints, and the latest completed, failed and restored one."""
        found: dict[str, Any] = self._request("GET", f"/jobs/{job_id}/checkpoints")
        return found

    def cancel(self, job_id: str) -> None:
        """Asks for the end of a job; its retained checkpoints stay."""
        self._request("PATCH", f"/jobs/{job_id}?mode=cancel")

    def start_savepoint(self, job_id: str, folder_uri: str, *, cancel_job: bool) -> str:
        """Asks for a savepoint and returns the id to ask about it with.

        `/stop` is not used: it closes open windows before their time.
        """
        body = {"target-directory": folder_uri, "cancel-job": cancel_job}
        reply = self._request("POST", f"/jobs/{job_id}/savepoints", body)
        return str(reply["request-id"])

    def savepoint(self, job_id: str, request_id: str) -> str | None:
        """Where a savepoint is, None while it is being made.

        Raises:
          FlinkRestError: it failed.
        """
        reply = self._request("GET", f"/jobs/{job_id}/savepoints/{request_id}")
        if reply["status"]["id"] != _SAVEPOINT_DONE:
            return None
        failure = reply["operation"].get("failure-cause")
        if failure is not None:
            lines = [line for line in str(failure["stack-trace"]).splitlines() if line.strip()]
            causes = [line for line in lines if line.startswith("Caused by")] or lines[:1]
            raise FlinkRestError(f"savepoint: Flink could not make it ({causes[-1]}).")
        return str(reply["operation"]["location"])

    def _request(self, method: str, path: str, body: object = None) -> Any:
        failure: Exception | None = None
        for url in self.urls:
            try:
                reply = self._session.request(
                    method, f"{url}{path}", json=body, timeout=_TIMEOUT_SECONDS
                )
            except requests.RequestException as error:
                failure = error
                continue
            if reply.status_code == 503:
                # No leader is elected, or it is only just starting.
                failure = requests.HTTPError("503 Service Unavailable")
                continue
            if not reply.ok:
                raise FlinkRestError(f"Flink: it refused {method} {path} ({_reason(reply)}).")
            try:
                return reply.json() if reply.content else {}
            except ValueError:
                raise FlinkRestError(
                    f"--flink_master: no JobManager of Flink answers there, got {url!r}. "
                    "Correct the address."
                ) from None
        raise ServiceError(
            f"--flink_master: no JobManager answers ({type(failure).__name__}), "
            f"got {', '.join(self.urls)!r}. Start the cluster or correct the address."
        )


def rest_url(flink_master: str) -> str:
    """`http://host:port` of what `--flink_master` names.

    Raises:
      UsageError: it is no such address.
    """
    text = flink_master if "//" in flink_master else f"http://{flink_master}"
    if "@" in text:
        # Not shown: it holds a password, mostly.
        raise UsageError(
            "--flink_master",
            "a user in the address, which is not offered",
            fix="Write it like http://host:8081.",
        )
    try:
        parsed = urllib.parse.urlsplit(text)
        usable = parsed.scheme in ("http", "https") and parsed.hostname and parsed.port
        usable = usable and not parsed.path.strip("/")
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            "--flink_master",
            "not the address of a JobManager",
            got=flink_master,
            fix="Write it like http://host:8081, or [local].",
        )
    return f"{parsed.scheme}://{parsed.netloc}"


def _is_loopback(url: str) -> bool:
    return urllib.parse.urlsplit(url).hostname in LOOPBACK_HOSTS


def _reason(reply: requests.Response) -> str:
    try:
        errors = reply.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {reply.status_code}"
    # The second one, where there is one, is the whole stack trace.
    return str(errors[0]).splitlines()[0][:300] if errors else f"HTTP status {reply.status_code}"
