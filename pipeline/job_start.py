"""What comes before a live job is submitted: its input and output are there, its flags kept."""

from __future__ import annotations

import argparse
import datetime
import pathlib
from collections.abc import Sequence

from pipeline.config import KAFKA_OUTPUT
from pipeline.errors import UsageError
from pipeline.flink_rest import FlinkRest
from pipeline.job_spec import JobSpec, absolute, kept_flags
from pipeline.kafka_connection import KafkaConnection
from pipeline.live_config import LiveConfig
from pipeline.output_topics import prepare_topics


def check_input(config: LiveConfig) -> None:
    """Asks the brokers for the topics.

    Raises:
      ServiceError, UsageError: no broker answers, or a topic does not exist.
    """
    for cluster in config.job.clusters:
        KafkaConnection(cluster).partitions()


def prepare_output(config: LiveConfig) -> None:
    """Makes the folders or topics that results, dead letters and ledger go to, if not there.

    Raises:
      ServiceError, UsageError: it cannot be made.
    """
    for flag, place in (
        ("--output", config.output),
        ("--dead_letter", config.dead_letter),
        ("--ledger", config.ledger),
    ):
        if place is not None and not place.startswith(KAFKA_OUTPUT):
            _make_folder(flag, place)
    prepare_topics(config.job, results=config.output_topic)


def _make_folder(flag: str, path: str) -> None:
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            flag,
            f"its folder cannot be made ({error.strerror})",
            got=path,
            fix="Choose another place.",
        ) from None


def prepare_job(
    folder: pathlib.Path,
    flags: argparse.Namespace,
    rest_urls: Sequence[str],
    *,
    own_properties: bool = True,
) -> JobSpec:
    """Writes what the driver is told, and later commands want to know; returns it.

    Args:
      folder: of the spec.
      flags: the job's.
      rest_urls: of its cluster.
      own_properties: see `job_spec.kept_flags`.

    Raises:
      UsageError: a flag is wrong.
    """
    fresh_since = None
    if flags.fresh or flags.restore_from:
        # What is older belongs to the history that is left behind.
        fresh_since = datetime.datetime.now(datetime.timezone.utc)
    restore_from = None if flags.restore_from is None else absolute(flags.restore_from)
    before = JobSpec.read(folder)
    same_job = before is not None and before.flags.get("job_name") == flags.job_name
    if fresh_since is None and before is not None and same_job:
        # Also where it began, for as long as it has made no checkpoint of its own.
        fresh_since, restore_from = before.not_before, before.restore_from
    folder.mkdir(parents=True, exist_ok=True)
    kept = kept_flags(flags, folder, own_properties=own_properties)
    spec = JobSpec(kept, tuple(rest_urls), fresh_since, restore_from)
    spec.write(folder)
    return spec


def require_no_live_job(rest: FlinkRest, job: str) -> None:
    """Fails if a job of the name runs.

    Raises:
      UsageError: it does.
    """
    live = rest.live_job(job)
    if live is not None:
        raise UsageError(
            "--job_name",
            f"a job of this name is {live.state} as {live.id}",
            got=job,
            fix="To change it: `run_flink.sh savepoint --cancel`, then start it again; "
            "or choose another name.",
        )
