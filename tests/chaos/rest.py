"""What only the chaos tests ask of Flink's REST API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

from tests.chaos.waiting import NotInTimeError

_TIMEOUT_SECONDS = 10.0


def task_manager_ids(rest_urls: Sequence[str], job_id: str) -> set[str]:
    """The ids of the TaskManagers that run tasks of a job."""
    job = _get(rest_urls, f"/jobs/{job_id}")
    found = set()
    for vertex in job["vertices"]:
        path = f"/jobs/{job_id}/vertices/{vertex['id']}/taskmanagers"
        found |= {one["taskmanager-id"] for one in _get(rest_urls, path)["taskmanagers"]}
    return found


def _get(rest_urls: Sequence[str], path: str) -> Any:
    with requests.Session() as session:
        # A proxy is not for addresses of this machine.
        session.trust_env = False
        for url in rest_urls:
            try:
                reply = session.get(f"{url}{path}", timeout=_TIMEOUT_SECONDS)
            except requests.RequestException:
                continue
            if reply.ok:
                return reply.json()
    raise NotInTimeError(f"no JobManager answers {path}")
