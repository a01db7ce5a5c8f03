"""`error-windows flink-driver`: keeps a live job running on the local cluster.

A supervisor runs it beside the cluster, and starts it again when it ends. It submits the job
of the run folder where the cluster does not run it: at the start, after the whole cluster was
gone, and after the job failed for good; every time from the newest checkpoint. It keeps
nothing in memory that it needs, so it may be killed at any time.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import time
from collections.abc import Sequence

from pipeline.errors import EXIT_DONE, ErrorWindowsError, ServiceError, UsageError
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.job_spec import CANCELLED, GIVEN_UP, JOB_RUNS, DriverStatus, JobSpec
from pipeline.launch_job import launch_job
from pipeline.live_config import live_config_from_flags
from pipeline.local.flink_cluster import JOB_MANAGER_PREFIX
from pipeline.local.supervisor import Supervisor
from pipeline.unread_partitions import unread_partitions

_POLL_SECONDS = 1.0
# A JobManager that has just begun to lead first takes over the jobs of the one before.
_TAKE_OVER_SECONDS = 5.0
_CANCELED = "CANCELED"
_STARTING = "waiting for the job's tasks"
# A restored state that fails once may fail for a passing reason; so often it does not.
_RESTORE_FAILURES_IN_A_ROW = 5
# Longer than any recovery takes.
_QUARREL_SECONDS = 90.0
_PARTITIONS_CHECK_SECONDS = 300.0
_LOG = logging.getLogger(__name__)


def main(argv: Sequence[str]) -> int:
    """Drives the job of the run folder given; returns when a person cancelled it.

    Raises:
      ErrorWindowsError: the job cannot be started; a supervisor tries again.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    folder = pathlib.Path(argv[0])
    spec = JobSpec.read(folder)
    if spec is None:
        raise ServiceError(f"job: none is to be run, got {str(folder)!r}. Start one.")
    return Driver(folder, spec).run()


class Driver:
    """Looks at the cluster again and again, and submits the job when it is not there."""

    def __init__(self, folder: pathlib.Path, spec: JobSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._config = live_config_from_flags(spec.namespace())
        self._rest = FlinkRest(spec.rest_urls)
        before = DriverStatus.read(folder)
        self._status = DriverStatus("starting", submissions=before.submissions if before else 0)
        self._job_id: str | None = None
        self._ran_at = time.monotonic()
        self._partitions_checked_at: float | None = None
        self._warning: str | None = None

    def run(self) -> int:
        """Goes on until a person cancels the job, or it cannot be started at all."""
        while True:
            try:
                if not self._look():
                    self._tell(CANCELLED, job_id=None)
                    return EXIT_DONE
            except UsageError as error:
                # No later try can end otherwise, so none is to be made.
                self._tell(GIVEN_UP, error=str(error))
                _LOG.error("%s", error)
                return EXIT_DONE
            except ErrorWindowsError as error:
                self._tell("waiting", error=str(error))
                _LOG.warning("%s", error)
            self._restart_job_managers()
            time.sleep(_POLL_SECONDS)

    def _restart_job_managers(self) -> None:
        """Ends a quarrel of several JobManagers about which of them leads, which never ends itself.

        After an outage of ZooKeeper two may lead at once, and the job gets no slots (CURATOR-696,
        in the Curator that Flink 1.19 brings). What they have to know is kept; a start costs
        seconds.
        """
        if self._status.stage == JOB_RUNS or len(self._rest.urls) == 1:
            self._ran_at = time.monotonic()
        elif time.monotonic() - self._ran_at > _QUARREL_SECONDS:
            _LOG.warning("the job has not run for long: starting the JobManagers anew")
            supervisor = Supervisor(self._folder)
            names = [state.name for state in supervisor.states()]
            for name in names:
                if name.startswith(JOB_MANAGER_PREFIX):
                    supervisor.stop_program(name)
                    supervisor.start_program(name)
            self._ran_at = time.monotonic()

    def _look(self) -> bool:
        """Sees to it that the job runs; False if a person cancelled it."""
        jobs = self._named(self._rest.jobs())
        live = [job for job in jobs if not job.ended]
        for superfluous in live[1:]:
            # Submitted by a driver that was killed before it could see it.
            _LOG.warning("cancelling %s, a second job of the same name", superfluous.id)
            self._rest.cancel(superfluous.id)
        if live:
            self._watch(live[0])
            return True
        if jobs and jobs[0].state == _CANCELED and jobs[0].id == self._job_id:
            return False
        self._tell("waiting for the cluster")
        if self._cluster_is_ready():
            self._submit()
        return True

    def _named(self, jobs: list[FlinkJob]) -> list[FlinkJob]:
        return [job for job in jobs if job.name == self._config.job.job]

    def _cluster_is_ready(self) -> bool:
        """Whether slots are there, and still no job after a leader had time to take over."""
        if self._rest.overview()["slots-total"] < self._config.parallelism:
            return False
        if len(self._rest.urls) > 1:
            time.sleep(_TAKE_OVER_SECONDS)
        return not any(not job.ended for job in self._named(self._rest.jobs()))

    def _watch(self, job: FlinkJob) -> None:
        stage = JOB_RUNS if job.runs else _STARTING
        if self._job_id != job.id or self._status.stage != stage:
            self._job_id = job.id
            self._tell(stage, job_id=job.id)
        if job.runs:
            self._warn_of_unread_partitions()
        else:
            self._give_up_on_damaged_state(job)

    def _warn_of_unread_partitions(self) -> None:
        """Says in the log, once, that a topic has partitions that the job does not read."""
        now, before = time.monotonic(), self._partitions_checked_at
        if before is not None and now - before < _PARTITIONS_CHECK_SECONDS:
            return
        self._partitions_checked_at = now
        warning = unread_partitions(self._config)
        if warning is not None and warning != self._warning:
            _LOG.warning("%s", warning)
        self._warning = warning

    def _give_up_on_damaged_state(self, job: FlinkJob) -> None:
        """Ends a job that tries a checkpoint in vain again and again, which Flink does for ever."""
        from pipeline.submission import says_restore_failed

        causes = self._rest.exceptions(job.id)[:_RESTORE_FAILURES_IN_A_ROW]
        if len(causes) == _RESTORE_FAILURES_IN_A_ROW and all(map(says_restore_failed, causes)):
            _LOG.warning("the newest checkpoint cannot be restored, so an older one is tried")
            self._rest.cancel(job.id)
            self._job_id = None

    def _submit(self) -> None:
        _LOG.info("submitting the job")
        launched = launch_job(
            self._config,
            self._rest,
            folder=self._folder,
            not_before=self._spec.not_before,
            restore_from=self._spec.restore_from,
            show_progress=self._tell,
        )
        self._job_id = launched.job.id
        self._status = dataclasses.replace(
            self._status,
            restored_from=launched.restored_from,
            submissions=self._status.submissions + 1,
        )
        self._tell(JOB_RUNS if launched.job.runs else _STARTING, job_id=launched.job.id)

    def _tell(self, stage: str, *, job_id: str | None = None, error: str | None = None) -> None:
        if (stage, error) != (self._status.stage, self._status.error):
            _LOG.info("%s", stage)
        self._status = dataclasses.replace(
            self._status, stage=stage, job_id=job_id or self._job_id, error=error
        )
        self._status.write(self._folder)
