"""From what a live job starts: "get or create", with a check that the state fits."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Mapping

from pipeline.checkpoints import Checkpoint, CheckpointStore
from pipeline.errors import UsageError
from pipeline.job_record import JobRecord, other_versions, require_same_shape
from pipeline.live_config import LiveConfig
from pipeline.s3_settings import S3Settings

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class StartPoint:
    """What a job may go on from.

    Attributes:
      checkpoint_uri: the folder of its checkpoints, as Flink takes it.
      candidates: checkpoints and savepoints, the best first; empty: the job starts new.
      record: what is to be kept beside the checkpoints, None if it is there already.
      losing: addresses of the candidates that may hold state of parts that the job has no more.
    """

    checkpoint_uri: str
    candidates: tuple[Checkpoint, ...]
    record: JobRecord | None = None
    losing: frozenset[str] = frozenset()


def find_start(
    config: LiveConfig,
    *,
    not_before: datetime.datetime | None,
    restore_from: str | None,
    partitions: Mapping[str, int] | None = None,
) -> StartPoint:
    """Looks for what the job can go on from, newest first.

    Args:
      config: the checked configuration.
      not_before: checkpoints that are older do not count.
      restore_from: a checkpoint or savepoint that counts whatever its age, after those; it may
        be gone when there are newer ones.
      partitions: how many every topic has now, None if that is not known.

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
    uri = store.job(job).uri()
    new = JobRecord.of(config, partitions=partitions)
    now = datetime.datetime.now(datetime.timezone.utc)
    if not found:
        # What went before tells of checkpoints that --from may name later.
        old = _readable_record(store, job)
        gone = {} if old is None else old.continued(new, now).gone
        return StartPoint(uri, (), dataclasses.replace(new, gone=gone))
    kept = JobRecord.read(store, job)
    if kept is not None:
        require_same_shape(kept, new)
        note = other_versions(kept, new)
        if note is not None:
            _LOG.warning("%s", note)
    old = kept or dataclasses.replace(new, parts=None, partitions=None)
    record = old.continued(new, now)
    losing = frozenset(
        checkpoint.uri
        for checkpoint in found
        # Of what comes from elsewhere nothing is known.
        if record.outgrew(checkpoint.modified) or not checkpoint.uri.startswith(f"{uri}/")
    )
    return StartPoint(uri, tuple(found), None if record == kept else record, losing)


def keep_record(config: LiveConfig, start: StartPoint) -> None:
    """Keeps what the job is made of beside its checkpoints, before it makes one as such.

    Raises:
      ServiceError, UsageError: the store cannot be written.
    """
    if start.record is not None:
        start.record.write(open_store(config), config.job.job)


def open_store(config: LiveConfig) -> CheckpointStore:
    """The store of the job's checkpoints.

    Raises:
      UsageError: `--checkpoint_dir` is no place for them.
    """
    s3 = S3Settings(config.s3_endpoint) if config.s3_endpoint else None
    return CheckpointStore.open(config.checkpoint_dir, s3)


def _readable_record(store: CheckpointStore, job: str) -> JobRecord | None:
    try:
        return JobRecord.read(store, job)
    except UsageError:
        # --fresh is what its message advises.
        return None
