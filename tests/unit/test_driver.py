"""The driver of a live job, look by look, with a cluster that the test plays."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import driver as module
from pipeline.driver import Driver, main
from pipeline.errors import ServiceError, UsageError
from pipeline.flink_rest import FlinkJob
from pipeline.job_spec import DriverStatus, JobSpec, live_parser
from pipeline.launch_job import Launched
from pipeline.local.supervisor import ProgramState

JOB = FlinkJob("f00", "errors", "RUNNING", 1, 4, 4)
RESTORE_FAILURE = "Could not restore keyed state backend"


class Stop(Exception):
    """Ends a driver from within its pause."""


class Cluster:
    """A cluster, in the place of `FlinkRest`, of `launch_job` and of the clock.

    Attributes:
      urls: of its JobManagers.
      remembered: its jobs, newest first.
      slots: how many it has.
      causes: what `exceptions` tells.
      outage: what every question ends in, None if it answers.
      cancelled: ids of jobs that were cancelled, in order.
      launches: options of the submissions, in order.
      launch_failure: what submissions end in, None if the job runs.
      pauses: lengths in seconds, in order.
      during_pause: is called in each pause with its number, from 1 on.
    """

    def __init__(self) -> None:
        self.urls: tuple[str, ...] = ("http://127.0.0.1:8081",)
        self.remembered: list[FlinkJob] = []
        self.slots = 2
        self.causes: list[str] = []
        self.outage: ServiceError | None = None
        self.cancelled: list[str] = []
        self.launches: list[dict[str, Any]] = []
        self.launch_failure: Exception | None = None
        self.pauses: list[float] = []
        self.during_pause: Callable[[int], None] = self._stop

    def jobs(self) -> list[FlinkJob]:
        """As `FlinkRest`."""
        if self.outage is not None:
            raise self.outage
        return list(self.remembered)

    def overview(self) -> dict[str, Any]:
        """As `FlinkRest`."""
        return {"slots-total": self.slots}

    def exceptions(self, _: str) -> list[str]:
        """As `FlinkRest`."""
        return self.causes

    def cancel(self, job_id: str) -> None:
        """As `FlinkRest`; the job has ended at once."""
        self.cancelled.append(job_id)
        self.set_state(job_id, "CANCELED")

    def set_state(self, job_id: str, state: str) -> None:
        """Lets a job come to a state."""
        self.remembered = [
            dataclasses.replace(job, state=state) if job.id == job_id else job
            for job in self.remembered
        ]

    def launch(self, *_: object, **options: Any) -> Launched:
        """In the place of `launch_job`."""
        self.launches.append(options)
        if self.launch_failure is not None:
            raise self.launch_failure
        options["show_progress"]("submitting the job to Flink")
        job = dataclasses.replace(JOB, id=f"new{len(self.launches)}")
        self.remembered.insert(0, job)
        return Launched(job, "file:///chk-7")

    def monotonic(self) -> float:
        """In the place of `time.monotonic`: time goes by in pauses only."""
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        """In the place of `time.sleep`."""
        self.pauses.append(seconds)
        self.during_pause(len(self.pauses))

    def _stop(self, _: int) -> None:
        raise Stop


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """An empty cluster with two slots; a driver ends in its first pause."""
    cluster = Cluster()
    monkeypatch.setattr(module, "FlinkRest", lambda _: cluster)
    monkeypatch.setattr(module, "launch_job", cluster.launch)
    monkeypatch.setattr(module, "unread_partitions", lambda _: None)
    monkeypatch.setattr(module, "time", cluster)
    return cluster


def spec(*arguments: str, **fields: Any) -> JobSpec:
    """What the driver is told."""
    flags = live_parser("test").parse_args(
        ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs", *arguments]
    )
    return JobSpec(
        vars(flags), ("http://127.0.0.1:8081",), None, **{"restore_from": None, **fields}
    )


def drive(folder: pathlib.Path, *arguments: str, **fields: Any) -> int | None:
    """The exit code of a driver; None if the test ended it."""
    try:
        return Driver(folder, spec(*arguments, **fields)).run()
    except Stop:
        return None


def status(folder: pathlib.Path) -> DriverStatus:
    """What the driver has told last."""
    found = DriverStatus.read(folder)
    assert found is not None
    return found


def test_a_job_that_is_not_there_is_submitted(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """With what the spec says of its checkpoints."""
    drive(tmp_path, restore_from="file:///chk-1")

    (options,) = cluster.launches
    assert (tmp_path, None, "file:///chk-1") == (
        options["folder"],
        options["not_before"],
        options["restore_from"],
    )
    assert DriverStatus("running", "new1", "file:///chk-7", 1) == status(tmp_path)


def test_a_job_that_is_there_is_left_alone(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """A driver that was killed finds it again; the count of submissions goes on."""
    DriverStatus("running", "f00", "file:///chk-7", 3).write(tmp_path)
    cluster.remembered = [JOB]

    drive(tmp_path)

    assert ([], DriverStatus("running", "f00", None, 3)) == (cluster.launches, status(tmp_path))


def test_jobs_of_other_names_do_not_count(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """They are neither watched nor cancelled."""
    cluster.remembered = [dataclasses.replace(JOB, name="web")]

    drive(tmp_path)

    assert (1, []) == (len(cluster.launches), cluster.cancelled)


def test_a_second_job_of_the_name_is_cancelled(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """A driver was killed between submission and first look; the newest stays."""
    older = dataclasses.replace(JOB, id="older", start_ms=0)
    cluster.remembered = [JOB, older]

    drive(tmp_path)

    assert (["older"], "f00", []) == (cluster.cancelled, status(tmp_path).job_id, cluster.launches)


def test_a_job_that_failed_for_good_is_submitted_again(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    """As one that went with its cluster."""

    def fail_or_forget(pause: int) -> None:
        if pause == 1:
            cluster.set_state("new1", "FAILED")
        elif pause == 2:
            cluster.remembered = []
        else:
            raise Stop

    cluster.during_pause = fail_or_forget

    drive(tmp_path)

    assert DriverStatus("running", "new3", "file:///chk-7", 3) == status(tmp_path)


def test_a_job_that_a_person_cancels_ends_the_driver(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    """Exit code 0, which its supervisor takes for an end."""
    cluster.during_pause = lambda _: cluster.set_state("new1", "CANCELED")

    assert 0 == drive(tmp_path)
    assert ("cancelled", "new1", 1) == (
        status(tmp_path).stage,
        status(tmp_path).job_id,
        len(cluster.launches),
    )


def test_a_job_that_was_cancelled_before_the_start_is_started(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    """Whoever starts the driver wants the job."""
    cluster.remembered = [dataclasses.replace(JOB, state="CANCELED")]

    drive(tmp_path)

    assert 1 == len(cluster.launches)


def test_a_cluster_without_slots_is_waited_for(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """TaskManagers start one after the other."""
    cluster.slots = 1

    def add_slots(pause: int) -> None:
        assert "waiting for the cluster" == status(tmp_path).stage
        if pause == 2:
            cluster.slots = 2
        elif pause == 3:
            raise Stop

    cluster.during_pause = lambda pause: add_slots(pause) if not cluster.launches else _stop()

    drive(tmp_path, "--parallelism=2")

    assert (3, 1) == (len(cluster.pauses), len(cluster.launches))


def _stop() -> None:
    raise Stop


def test_a_new_leader_has_time_to_take_over_the_jobs(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    """With two JobManagers a job that seems gone may only be on its way."""
    cluster.urls = ("http://127.0.0.1:1", "http://127.0.0.1:2")

    def take_over(pause: int) -> None:
        if pause == 1:
            cluster.remembered = [dataclasses.replace(JOB, state="INITIALIZING")]
        elif pause == 3:
            raise Stop

    cluster.during_pause = take_over

    drive(tmp_path)

    assert ([5.0, 1.0, 1.0], []) == (cluster.pauses, cluster.launches)
    assert "waiting for the job's tasks" == status(tmp_path).stage


def test_an_outage_is_waited_out(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """It is told meanwhile, and no longer afterwards."""
    cluster.outage = ServiceError("--flink_master: no JobManager answers")

    def come_back(pause: int) -> None:
        if pause == 2:
            raise Stop
        expected = ("waiting", "--flink_master: no JobManager answers")
        assert expected == (status(tmp_path).stage, status(tmp_path).error)
        cluster.outage = None

    cluster.during_pause = come_back

    drive(tmp_path)

    assert DriverStatus("running", "new1", "file:///chk-7", 1) == status(tmp_path)


def test_a_submission_that_fails_is_tried_again(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """No submission is counted that did not run."""
    cluster.launch_failure = ServiceError("none of 2 checkpoints can be restored")

    def repair(pause: int) -> None:
        if pause == 2:
            raise Stop
        assert "none of 2 checkpoints can be restored" == status(tmp_path).error
        cluster.launch_failure = None

    cluster.during_pause = repair

    drive(tmp_path)

    assert (2, 1, None) == (
        len(cluster.launches),
        status(tmp_path).submissions,
        status(tmp_path).error,
    )


def test_a_wrong_flag_ends_the_driver(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """Its supervisor is not to try again; whoever started the job reads why."""
    cluster.launch_failure = UsageError("--slide_seconds", "was 10", got=5, fix="Use --fresh.")

    assert 0 == drive(tmp_path)
    message = "--slide_seconds: was 10, got 5. Use --fresh."
    assert DriverStatus("given up", error=message) == status(tmp_path)


@pytest.mark.parametrize(
    ("causes", "cancelled"),
    [
        ([RESTORE_FAILURE] * 5, ["f00"]),
        ([RESTORE_FAILURE] * 9 + ["TaskManager lost"], ["f00"]),
        ([RESTORE_FAILURE] * 4, []),
        ([RESTORE_FAILURE] * 4 + ["TaskManager lost"], []),
        (["TaskManager lost"] + [RESTORE_FAILURE] * 5, []),
        (["TaskManager lost"] * 9, []),
        ([], []),
    ],
)
def test_a_job_that_restores_a_damaged_checkpoint_in_vain_is_taken_down(
    cluster: Cluster, tmp_path: pathlib.Path, causes: list[str], cancelled: list[str]
) -> None:
    """Flink would try the same one for ever; five times in a row is no passing reason."""
    cluster.remembered = [dataclasses.replace(JOB, state="RESTARTING", running_tasks=0)]
    cluster.causes = causes

    drive(tmp_path)

    assert cancelled == cluster.cancelled


def test_after_that_an_older_checkpoint_is_tried(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """Its own cancelling is not taken for a person's."""
    cluster.remembered = [dataclasses.replace(JOB, state="RESTARTING", running_tasks=0)]
    cluster.causes = [RESTORE_FAILURE] * 5
    cluster.during_pause = lambda pause: None if pause == 1 else _stop()

    assert drive(tmp_path) is None

    assert (["f00"], 1, "new1") == (
        cluster.cancelled,
        len(cluster.launches),
        status(tmp_path).job_id,
    )


class Programs:
    """Takes the place of the supervisor: notes which programs are stopped and started."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def __call__(self, _: pathlib.Path) -> Programs:
        """Of any folder."""
        return self

    def states(self) -> list[ProgramState]:
        """Those of a cluster with high availability."""
        names = ("driver", "jobmanager-1", "jobmanager-2", "taskmanager-1", "zookeeper")
        return [ProgramState(name, "RUNNING", 1, 0, 0) for name in names]

    def stop_program(self, name: str) -> None:
        """As `Supervisor`."""
        self.calls.append(("stop", name))

    def start_program(self, name: str) -> None:
        """As `Supervisor`."""
        self.calls.append(("start", name))


RESTARTS = [
    ("stop", "jobmanager-1"),
    ("start", "jobmanager-1"),
    ("stop", "jobmanager-2"),
    ("start", "jobmanager-2"),
]


@pytest.mark.parametrize(
    ("job_managers", "state", "pauses", "calls"),
    [
        (2, "CREATED", 91, []),
        (2, "CREATED", 92, RESTARTS),
        (2, "CREATED", 182, RESTARTS),
        (2, "CREATED", 183, RESTARTS * 2),
        (2, "RUNNING", 300, []),
        (1, "CREATED", 300, []),
    ],
)
def test_job_managers_that_quarrel_are_started_anew(
    cluster: Cluster,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    job_managers: int,
    state: str,
    pauses: int,
    calls: list[tuple[str, str]],
) -> None:
    """When the job has not run for more than 90 s; one alone has nobody to quarrel with."""
    programs = Programs()
    monkeypatch.setattr(module, "Supervisor", programs)
    cluster.urls = cluster.urls * job_managers
    cluster.remembered = [dataclasses.replace(JOB, state=state)]
    cluster.during_pause = lambda pause: None if pause < pauses else _stop()

    drive(tmp_path)

    assert calls == programs.calls


def test_without_a_job_there_is_nothing_to_drive(tmp_path: pathlib.Path) -> None:
    """One line, and no loop."""
    with pytest.raises(ServiceError) as caught:
        main([str(tmp_path)])

    assert f"job: none is to be run, got {str(tmp_path)!r}. Start one." == str(caught.value)


def test_the_command_drives_the_job_of_its_folder(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    """It reads the spec that the start has left there."""
    spec("--job_name=web").write(tmp_path)
    cluster.remembered = [dataclasses.replace(JOB, name="web")]
    cluster.during_pause = lambda _: cluster.set_state("f00", "CANCELED")

    assert 0 == main([str(tmp_path)])


def test_partitions_that_nobody_reads_are_told_once(
    cluster: Cluster,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The brokers are asked every five minutes; the same answer is not told again."""
    asked: list[float] = []

    def unread(_: object) -> str | None:
        asked.append(cluster.monotonic())
        return "partitions are not read"

    def pause(number: int) -> None:
        if number == 700:
            raise Stop

    monkeypatch.setattr(module, "unread_partitions", unread)
    cluster.during_pause = pause
    cluster.remembered = [JOB]

    drive(tmp_path)

    assert [0.0, 300.0, 600.0] == asked
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["partitions are not read"] == told
