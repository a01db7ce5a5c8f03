"""The processes behind a local cluster: who is a child of whom, who leads, who works."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal

from pipeline.flink_rest import FlinkJob
from pipeline.local.supervisor import Supervisor
from tests.chaos.rest import task_manager_ids
from tests.chaos.waiting import NotInTimeError, wait_until

_PROC = pathlib.Path("/proc")
_HARNESS = "apache_beam.runners.worker.sdk_worker_main"
_RESTART_SECONDS = 60.0
# The first words of every process in its log, in Flink 1.19's words.
_JOB_MANAGER_BANNER = "Starting StandaloneSessionClusterEntrypoint (Version"
_TASK_MANAGER_BANNER = "Starting TaskManager (Version"
# Said by the REST endpoint, which takes part in the election with all the rest of its process.
_LEADS = "was granted leadership with leaderSessionID="
_LEADS_NO_LONGER = "DispatcherRestEndpoint - http://[^ ]+ lost leadership"
_RESOURCE_ID = re.compile(r"Starting TaskManager with ResourceID: (\S+)")


class ClusterProcesses:
    """What runs under a supervisor.

    Args:
      supervisor: of the cluster.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def names(self, prefix: str = "") -> list[str]:
        """The programs whose names begin so."""
        return [one.name for one in self._supervisor.states() if one.name.startswith(prefix)]

    def pid(self, name: str) -> int:
        """The process of a program, 0 if it is down."""
        return next(one.pid for one in self._supervisor.states() if one.name == name)

    def kill(self, *names: str) -> dict[str, int]:
        """Ends programs with SIGKILL; returns the processes that they were."""
        pids = {name: self.pid(name) for name in names}
        for pid in pids.values():
            kill(pid)
        return pids

    def wait_for_restart(self, before: dict[str, int]) -> None:
        """Waits until the supervisor has started new processes in place of others."""

        def are_back() -> bool:
            now = {one.name: one.pid for one in self._supervisor.states()}
            return all(now[name] not in (0, pid) for name, pid in before.items())

        wait_until(
            are_back, what=f"restart of {', '.join(before)}", timeout_seconds=_RESTART_SECONDS
        )

    def leader(self) -> str:
        """The JobManager that leads.

        Told from the logs, each of which says when its process begins to lead and when it
        ends; asked while the job runs, there is exactly one.
        """
        for name in self.names("jobmanager-"):
            log = self._log_of_this_process(name, _JOB_MANAGER_BANNER)
            granted = log.rfind(_LEADS)
            lost = [found.start() for found in re.finditer(_LEADS_NO_LONGER, log)]
            if granted > max(lost, default=-1):
                return name
        raise NotInTimeError("no JobManager leads")

    def busy_task_manager(self, rest_urls: tuple[str, ...], job: FlinkJob) -> str:
        """The TaskManager that runs the job's tasks, or the first of several."""
        busy = task_manager_ids(rest_urls, job.id)
        for name in self.names("taskmanager-"):
            log = self._log_of_this_process(name, _TASK_MANAGER_BANNER)
            own = _RESOURCE_ID.search(log)
            if own is not None and own.group(1) in busy:
                return name
        raise NotInTimeError(f"no TaskManager is one of {sorted(busy)}")

    def harnesses(self, task_manager: str) -> list[int]:
        """The processes of the job's Python part that a TaskManager has started."""
        return [pid for pid in descendants(self.pid(task_manager)) if _HARNESS in command_line(pid)]

    def _log_of_this_process(self, name: str, banner: str) -> str:
        log = self._supervisor.log_path(name).read_text(encoding="utf-8", errors="replace")
        return log[max(0, log.rfind(banner)) :]


def kill(pid: int) -> None:
    """Sends SIGKILL; a process that is gone is no error."""
    send(pid, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Sends a signal; a process that is gone is no error."""
    if pid <= 0:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def descendants(ancestor: int) -> list[int]:
    """The children of a process, their children and so on."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            parent = _parent_of(int(folder.name))
            if parent is not None:
                children.setdefault(parent, []).append(int(folder.name))
    found, todo = [], [ancestor]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found


def command_line(pid: int) -> str:
    """A process's arguments with blanks between; empty for one that is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def lives(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def _parent_of(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[str]:
    """State, parent and what follows of `/proc/PID/stat`; empty for a process that is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()
