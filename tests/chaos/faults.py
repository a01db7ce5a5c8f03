"""Faults of processes: they end by SIGKILL, and others have taken their place in the end."""

from __future__ import annotations

import dataclasses
import time
from typing import Protocol

from tests.chaos.processes import descendants, kill, lives
from tests.chaos.stage import Stage, StageConfig
from tests.chaos.waiting import wait_until

_RESTART_SECONDS = 60.0
_RESUBMIT_SECONDS = 120.0
_SUBMITTING = ("building the graph", "submitting the job to Flink")
# Fast enough for what takes a tenth of a second.
_FAST_POLL_SECONDS = 0.005


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a fault needs of the stage.

    Attributes:
      high_availability: True: only with it; False: only without; None: either.
      brokers: of Kafka.
    """

    high_availability: bool | None = None
    brokers: int = 1

    def fits(self, config: StageConfig) -> bool:
        """Whether a stage has it."""
        return self.brokers == config.brokers and self.high_availability in (
            None,
            config.high_availability,
        )


class Fault(Protocol):
    """Something that breaks."""

    @property
    def name(self) -> str:
        """Of its kind, for reports."""
        ...

    @property
    def needs(self) -> Needs:
        """What it can be used with."""
        ...

    def strike(self, stage: Stage) -> None:
        """Breaks it, and returns when the fault is over as seen from the outside.

        Processes are back then; what the job makes of it is still to come.
        """
        ...


class KillHarness:
    """kill -9 of the job's Python part, which the TaskManager starts again."""

    name = "Python harness killed"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when another runs."""
        busy = busy_task_manager(stage)
        old = stage.processes.harnesses(busy)
        assert [] != old
        for pid in old:
            kill(pid)
        wait_until(
            # Not necessarily beside the same TaskManager.
            lambda: any(
                set(stage.processes.harnesses(name)) - set(old)
                for name in stage.processes.names("taskmanager-")
            ),
            what="another Python harness",
            timeout_seconds=_RESTART_SECONDS,
        )


class KillTaskManager:
    """kill -9 of the TaskManager that runs the job."""

    name = "TaskManager killed"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when the supervisor has started another."""
        stage.processes.wait_for_restart(stage.processes.kill(busy_task_manager(stage)))


class KillLeader:
    """kill -9 of the JobManager that leads, while another stands by."""

    name = "leading JobManager killed"
    needs = Needs(high_availability=True)

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when the supervisor has started another."""
        stage.running_job()
        stage.processes.wait_for_restart(stage.processes.kill(stage.processes.leader()))


class KillJobManager:
    """kill -9 of the only JobManager: the job is gone, and the driver submits it again."""

    name = "only JobManager killed"
    needs = Needs(high_availability=False)

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when the supervisor has started another."""
        stage.processes.wait_for_restart(stage.processes.kill("jobmanager-1"))


class KillDriver:
    """kill -9 of the driver with all that it has started."""

    name = "driver killed"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when another says that the job runs."""
        begin_ns = time.time_ns()
        kill_driver(stage)
        wait_until(
            lambda: stage.driver_sees_the_job(begin_ns),
            what="another driver to see the job",
            timeout_seconds=_RESUBMIT_SECONDS,
        )


class KillDriverWhileSubmitting:
    """kill -9 of the driver, its job server and its expansion service, in the middle of their work.

    The only JobManager is killed first, so that there is something to submit.
    """

    name = "JobManager killed, then the driver while it submits"
    needs = Needs(high_availability=False)

    def strike(self, stage: Stage) -> None:
        """Kills both; returns when another driver runs."""
        begin_ns = time.time_ns()
        stage.processes.wait_for_restart(stage.processes.kill("jobmanager-1"))

        def is_submitting() -> bool:
            status = stage.driver_status(begin_ns)
            return status is not None and status.stage in _SUBMITTING

        wait_until(
            is_submitting,
            what="the driver to submit",
            timeout_seconds=_RESUBMIT_SECONDS,
            poll_seconds=_FAST_POLL_SECONDS,
        )
        helpers = kill_driver(stage)
        assert len(helpers) >= 2


class KillFlink:
    """kill -9 of all at once: JobManagers, TaskManagers, Python, ZooKeeper and the driver."""

    name = "all of Flink and the driver killed"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills them; returns when the supervisor has started others."""
        stage.processes.wait_for_restart(kill_all(stage))


class KillSupervisor:
    """kill -9 of supervisord, with which all of its programs end, and a new start by hand."""

    name = "supervisord killed, started again by hand"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it; returns when the driver says that the job runs."""
        programs = [stage.processes.pid(name) for name in stage.processes.names()]
        kill(int((stage.deployment.folder / "supervisord.pid").read_text(encoding="ascii")))
        wait_until(
            lambda: not any(map(lives, programs)),
            what="the end of the supervisor's programs",
            timeout_seconds=_RESTART_SECONDS,
        )
        stage.start_deployment()
        stage.running_job()


def busy_task_manager(stage: Stage) -> str:
    """The name of the TaskManager that runs the job."""
    return stage.processes.busy_task_manager(stage.deployment.rest.urls, stage.running_job())


def kill_driver(stage: Stage) -> list[int]:
    """Kills the driver and its children; returns the children when another driver runs."""
    driver = stage.processes.pid("driver")
    children = descendants(driver)
    for pid in (driver, *children):
        kill(pid)
    stage.processes.wait_for_restart({"driver": driver})
    return children


def kill_all(stage: Stage) -> dict[str, int]:
    """Kills all programs and what they have started; returns the programs' processes."""
    before = {name: stage.processes.pid(name) for name in stage.processes.names()}
    everything = {*before.values(), *(one for pid in before.values() for one in descendants(pid))}
    for pid in everything:
        kill(pid)
    return before
