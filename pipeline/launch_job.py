"""Starts a live job on a cluster: from the newest checkpoint that Flink can go on from, or new."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import pathlib
import urllib.parse
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline.errors import ErrorWindowsError, ServiceError
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.flink_version import require_flink_version
from pipeline.kafka_connection import with_topics
from pipeline.live_config import LiveConfig
from pipeline.local.beam_jars import BeamJars, fetch_beam_jars
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer
from pipeline.resume import find_start, keep_record
from pipeline.unread_partitions import count_partitions

_LOG = logging.getLogger(__name__)


class Launched(NamedTuple):
    """A job that runs.

    Attributes:
      job: on Flink.
      restored_from: the checkpoint it went on from, None if it started new.
    """

    job: FlinkJob
    restored_from: str | None


def launch_job(
    config: LiveConfig,
    rest: FlinkRest,
    *,
    folder: pathlib.Path,
    not_before: datetime.datetime | None = None,
    restore_from: str | None = None,
    show_progress: Callable[[str], None],
) -> Launched:
    """Submits the job and returns when it runs.

    A checkpoint that Flink cannot restore is passed over for the next older one; all of them
    damaged is an error, because to start new would silently lose counts.

    Args:
      config: the checked configuration.
      rest: of the cluster, which answers.
      folder: for logs and artifacts.
      not_before: checkpoints that are older do not count.
      restore_from: a checkpoint or savepoint to go on from if there is no newer one.
      show_progress: is told what is being done.

    Raises:
      ErrorWindowsError: the job does not run; the text says why.
    """
    if any(cluster.topic_pattern is not None for cluster in config.job.clusters):
        show_progress("asking for the topics")
        config = dataclasses.replace(config, job=with_topics(config.job))
    show_progress("looking for checkpoints")
    start = find_start(
        config,
        not_before=not_before,
        restore_from=restore_from,
        partitions=count_partitions(config.job),
    )
    jars = fetch_java(config, rest, show_progress)
    with _java(folder, rest.urls[0], jars, expands=config.job.needs_java) as java:
        expansion, job_server = java
        # Loads Beam, while the Java services warm up.
        from pipeline.submission import RestoreError, submit

        def run(checkpoint_uri: str | None) -> Launched:
            job = submit(
                config,
                rest,
                expansion=expansion,
                job_server=job_server,
                checkpoint_uri=start.checkpoint_uri,
                restore_from=checkpoint_uri,
                may_lose_state=checkpoint_uri in start.losing,
                show_progress=show_progress,
            )
            return Launched(job, checkpoint_uri)

        keep_record(config, start)
        if not start.candidates:
            return run(None)
        failure: ErrorWindowsError | None = None
        for candidate in start.candidates:
            age = datetime.datetime.now(datetime.timezone.utc) - candidate.modified
            show_progress(f"going on from {candidate.uri} ({age.total_seconds():.0f} s old)")
            try:
                return run(candidate.uri)
            except RestoreError as error:
                _LOG.warning("%s: %s", candidate.uri, error)
                failure = error
    raise ServiceError(
        f"--checkpoint_dir: none of {len(start.candidates)} checkpoints can be restored, "
        f"the newest from {start.candidates[0].modified:%Y-%m-%d %H:%M:%S} UTC ({failure}) "
        "Use --from=PATH for another one, or --fresh: reading then begins at the newest records, "
        "and what came between is counted in no window."
    )


def fetch_java(
    config: LiveConfig, rest: FlinkRest, show_progress: Callable[[str], None]
) -> BeamJars | None:
    """Beam's own jars for the cluster's version of Flink; None where the locked modules are used.

    Raises:
      UsageError: there are none for that version.
      ServiceError: the cluster does not answer.
      JarsMissingError: they cannot be had.
    """
    if config.job.java_runtime == "locked":
        return None
    return fetch_beam_jars(require_flink_version(config, rest), show_progress)


@contextlib.contextmanager
def _java(
    folder: pathlib.Path, rest_url: str, jars: BeamJars | None, *, expands: bool
) -> Iterator[tuple[ExpansionService | None, FlinkJobServer]]:
    folder.mkdir(parents=True, exist_ok=True)
    master = urllib.parse.urlsplit(rest_url).netloc
    expansion_service = ExpansionService(
        folder / "expansion-service.log",
        embedded=True,
        jar=jars.expansion if jars else None,
    )
    with (
        expansion_service if expands else contextlib.nullcontext() as expansion,
        FlinkJobServer(
            folder / "job-server.log",
            folder / "artifacts",
            flink_master=master,
            conf_dir=folder / "conf" / "client",
            jar=jars.job_server if jars else None,
        ) as job_server,
    ):
        yield expansion, job_server
