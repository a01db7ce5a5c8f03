"""Faults of checkpoints: interrupted, damaged, or with no place to go to."""

from __future__ import annotations

import pathlib
import re
import time

from tests.chaos.faults import Needs, busy_task_manager, kill_all
from tests.chaos.processes import kill
from tests.chaos.stage import Stage
from tests.chaos.waiting import wait_until

NO_STORE_SECONDS = 30.0
_CHECKPOINT_SECONDS = 120.0
_TRIES = 10
# A checkpoint of a small job takes some tens of milliseconds.
_FAST_POLL_SECONDS = 0.001
_CHECKPOINT = re.compile(r"chk-([0-9]+)")
_METADATA = "_metadata"


class KillDuringCheckpoint:
    """kill -9 of the TaskManager while a checkpoint is being made, which then never ends.

    Flink makes the folder of a checkpoint when it begins and writes `_metadata` into it as the
    last thing; between the two the TaskManager is killed.
    """

    name = "TaskManager killed during a checkpoint"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Kills it, again if the checkpoint was complete before; returns when it is back."""
        for _ in range(_TRIES):
            busy = busy_task_manager(stage)
            pid = stage.processes.pid(busy)
            interrupted = wait_for_begun_checkpoint(stage)
            kill(pid)
            stage.processes.wait_for_restart({busy: pid})
            if not (interrupted / _METADATA).exists():
                return
        raise AssertionError(f"no checkpoint was interrupted in {_TRIES} tries")


class DamageNewestCheckpoint:
    """The newest checkpoint loses half of its `_metadata`, and all of Flink is killed.

    First killed and then damaged, before anything can read it: nothing newer comes between.
    Without high availability, because ZooKeeper points to a copy of what is in the folder.
    """

    name = "newest checkpoint damaged, all of Flink killed"
    needs = Needs(high_availability=False)

    def strike(self, stage: Stage) -> None:
        """Kills and damages; returns when the job runs from an older checkpoint."""
        wait_until(
            lambda: len(completed_checkpoints(stage)) >= 2,
            what="two checkpoints",
            timeout_seconds=_CHECKPOINT_SECONDS,
        )
        begin_ns = time.time_ns()
        before = kill_all(stage)
        *_, older, newest = completed_checkpoints(stage)
        metadata = newest / _METADATA
        content = metadata.read_bytes()
        metadata.write_bytes(content[: len(content) // 2])
        stage.processes.wait_for_restart(before)
        stage.running_job()
        status = wait_until(
            lambda: stage.driver_sees_the_job(begin_ns),
            what="the driver to see the job",
            timeout_seconds=_CHECKPOINT_SECONDS,
        )
        assert older.as_uri() == status.restored_from


class NoPlaceForCheckpoints:
    """The folder of the job's checkpoints is away, and a file is in its place.

    It stands for every store that refuses to be written: no permission would stop root. The
    job must go on, and make checkpoints again when the folder is back.
    """

    name = f"no place for checkpoints for {NO_STORE_SECONDS:.0f} s"
    needs = Needs()

    def strike(self, stage: Stage) -> None:
        """Takes the folder away; returns when a checkpoint was made after it is back."""
        job = stage.running_job()
        folder = stage.checkpoints
        aside = folder.with_name(f"{folder.name}.aside")
        folder.rename(aside)
        try:
            folder.touch()
            stage.pause(NO_STORE_SECONDS)
        finally:
            folder.unlink()
            aside.rename(folder)
        failed = stage.deployment.rest.checkpoints(job.id)["counts"]["failed"]
        assert failed > 0
        newest = completed_checkpoints(stage)[-1:]
        wait_until(
            lambda: completed_checkpoints(stage)[-1:] != newest,
            what="a checkpoint",
            timeout_seconds=_CHECKPOINT_SECONDS,
        )
        # The same job: it was not restarted for want of checkpoints.
        assert job.id == stage.running_job().id


def wait_for_begun_checkpoint(stage: Stage) -> pathlib.Path:
    """The folder of a checkpoint that has just begun."""
    before = set(_checkpoints(stage))

    def look() -> pathlib.Path | None:
        new = [folder for folder in _checkpoints(stage) if folder not in before]
        return new[-1] if new else None

    return wait_until(
        look,
        what="the begin of a checkpoint",
        timeout_seconds=_CHECKPOINT_SECONDS,
        poll_seconds=_FAST_POLL_SECONDS,
    )


def completed_checkpoints(stage: Stage) -> list[pathlib.Path]:
    """The folders of completed checkpoints, oldest first."""
    found = []
    for folder in _checkpoints(stage):
        try:
            found.append(((folder / _METADATA).stat().st_mtime_ns, folder))
        except FileNotFoundError:
            continue  # Not complete, or deleted meanwhile.
    return [folder for _, folder in sorted(found)]


def _checkpoints(stage: Stage) -> list[pathlib.Path]:
    return [path for path in stage.checkpoints.glob("*/chk-*") if _CHECKPOINT.fullmatch(path.name)]
