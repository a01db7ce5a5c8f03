"""From what a live job starts: "get or create", with a check that the state fits."""

from __future__ import annotations

import dataclasses
import datetime
import logging

from pipeline.checkpoints import Checkpoint, CheckpointStore
from pipeline.errors import UsageError
from pipeline.job_record import JobRecord, incompatible, other_versions
from pipeline.live_config import MAX_PARALLELISM, LiveConfig
from pipeline.s3_settings import S3Settings

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class StartPoint:
    """What a job may go on from.

    Attributes:
      checkpoint_uri: the folder of its checkpoints, as Flink takes it.
      candidates: checkpoints and savepoints, the best first; empty: the job starts new.
    """

    checkpoint_uri: str
    candidates: tuple[Checkpoint, ...]


def find_start(
    config: LiveConfig,
    *,
    not_before: datetime.datetime | None,
    restore_from: str | None,
) -> StartPoint:
    """Looks for what the job can go on from, newest first.

    Args:
      config: the checked configuration.
      not_before: checkpoints that are older do not count.
      restore_from: a checkpoint or savepoint that counts whatever its age, after those; it may
        be gone when there are newer ones.

    Raises:
      UsageError: the checkpoints were made by a job of another shape, or there is no other than
        `restore_from`, and that is none.
      ServiceError: the store cannot be read.
    """
    store = open_store(config)
    job = config.job.job
    found = [
        checkpoint
        for checkpoint in store.completed(job)
        if not_before is None or checkpoint.modified >= not_before
    ]
    if restore_from is not None:
        try:
            found.append(store.named(restore_from))
        except UsageError as error:
            if not found:
                raise
            _LOG.warning("%s", error)
    if found:
        old = JobRecord.read(store, job)
        new = JobRecord.of(config.job, max_parallelism=MAX_PARALLELISM)
        if old is not None:
            problem = incompatible(old, new)
            if problem is not None:
                raise _not_fitting(problem)
            note = other_versions(old, new)
            if note is not None:
                _LOG.warning("%s", note)
    return StartPoint(store.job(job).uri(), tuple(found))


def record_shape(config: LiveConfig) -> None:
    """Keeps the shape of the job beside its checkpoints, before it makes the first.

    Raises:
      ServiceError, UsageError: the store cannot be written.
    """
    JobRecord.of(config.job, max_parallelism=MAX_PARALLELISM).write(
        open_store(config), config.job.job
    )


def open_store(config: LiveConfig) -> CheckpointStore:
    """The store of the job's checkpoints.

    Raises:
      UsageError: `--checkpoint_dir` is no place for them.
    """
    s3 = S3Settings(config.s3_endpoint) if config.s3_endpoint else None
    return CheckpointStore.open(config.checkpoint_dir, s3)


def _not_fitting(problem: str) -> UsageError:
    flag, _, rest = problem.partition(": ")
    text, _, fix = rest.partition(". ")
    return UsageError(flag, text, fix=fix)
