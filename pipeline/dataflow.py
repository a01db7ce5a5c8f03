"""`--runner=DataflowRunner`: the job on Google Cloud Dataflow.

Everything that can be known before the graph is built is asked for first: the form of the flags,
the buckets, project and region, a job of the same name, the topics. The job then runs by itself;
this command ends, or follows what Dataflow says of it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.backfill import read_times
from pipeline.config import KAFKA_OUTPUT, JobConfig, config_from_flags
from pipeline.console import Progress
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.flags import job_name
from pipeline.kafka_connection import KafkaConnection, with_topics
from pipeline.kafka_properties import is_secret
from pipeline.live_config import require_no_secret_flags
from pipeline.local.expansion import ExpansionService
from pipeline.local.folders import run_dir
from pipeline.logs import configure_logging
from pipeline.offset_ranges import find_ranges
from pipeline.output_topics import prepare_topics

if TYPE_CHECKING:
    from pipeline.dataflow_service import DataflowService
    from pipeline.dataflow_submission import Ranges

_STORAGE = "gs://"


def run_on_dataflow(flags: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    """Submits the job and returns; with `--attach` shows what Dataflow says of it until it ends.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    config = config_from_flags(flags, job=job_name(beam_arguments))
    require_no_secret_flags(flags)
    live = is_live(config)
    require_shared_places(config, live=live)
    with Progress() as progress:
        progress.stage("loading Beam")
        from pipeline.dataflow_options import dataflow_options

        options = dataflow_options(beam_arguments, job=config.job, live=live)
        require_secrets_on_workers(config, options)
        progress.stage("asking Google Cloud for the buckets and the job")
        require_cloud(config, options)
        progress.stage(f"asking {config.kafka.bootstrap_servers} for the topics")
        config, ranges = _input(config, live, progress)
        prepare_topics(config, results=_topic(config.output.path))
        progress.clear()
        with _java(config, progress.stage) as java:
            progress.stage("building the graph, and staging what workers need")
            from pipeline.dataflow_submission import follow, submit

            job = submit(config, options, ranges, java.address() if java else "")
        progress.clear()
        if job.id is None:
            print(f"the graph of {config.job} is at {job.place}", file=sys.stderr)
            return EXIT_DONE
        print(f"job {config.job} is on Dataflow as {job.id}: {job.place}", file=sys.stderr)
        if flags.attach:
            follow(job)
    return EXIT_DONE


def is_live(config: JobConfig) -> bool:
    """Whether the job has no end: no limit of the read and no time is given."""
    limits = config.limits
    unlimited = limits.max_num_records is None and limits.max_read_time_seconds is None
    return unlimited and not config.panes.is_bounded


def require_shared_places(config: JobConfig, *, live: bool) -> None:
    """Fails for a place that no worker can write to.

    Raises:
      UsageError: it is stdout, or a file of this machine, or one that the job cannot add to.
    """
    output = config.output
    for flag, place in (
        ("--output", output.path),
        ("--dead_letter", output.dead_letter),
        ("--ledger", output.ledger),
    ):
        if place is None or place.startswith(KAFKA_OUTPUT):
            continue
        if live:
            problem = (
                "a live job adds to its output for ever, which files in a bucket do not allow"
                if place.startswith(_STORAGE)
                else "a worker of Dataflow has no such place"
            )
            raise UsageError(flag, problem, got=place, fix="Give kafka:TOPIC.")
        if not place.startswith(_STORAGE):
            raise UsageError(
                flag,
                "a worker of Dataflow has no such place",
                got=place,
                fix="Give kafka:TOPIC, or a file in a bucket, such as gs://bucket/counts.jsonl.",
            )


def require_secrets_on_workers(config: JobConfig, options: Any) -> None:
    """Fails where the job would refer to a file of secrets that workers cannot have.

    Raises:
      UsageError: the settings hold a secret, and the job runs in one of Beam's own images.
    """
    from pipeline.dataflow_options import has_own_images

    secrets = secret_settings(config)
    if secrets and not has_own_images(options, java=config.needs_java):
        flags = "--sdk_container_image"
        if config.needs_java:
            flags += " and --sdk_harness_container_image_overrides"
        raise UsageError(
            "--consumer_config",
            f"it holds a secret ({secrets[0]}), which stays out of the job, and Beam's own images "
            "have no such file",
            got=config.properties_path,
            fix=f"Give images that have it at this path: {flags} (docs/dataflow.md).",
        )


def secret_settings(config: JobConfig) -> list[str]:
    """The names of the settings that are secrets."""
    names = (key for cluster in config.clusters for key in cluster.properties)
    return sorted({name for name in names if is_secret(name)})


def require_cloud(config: JobConfig, options: Any) -> None:
    """Fails where Google Cloud would, before anything slow starts.

    Raises:
      UsageError: a bucket, the project or the region is not to be had, or a job of the name
        runs that is not to be updated, or none that is.
      ServiceError: Google Cloud does not answer.
    """
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    from pipeline.dataflow_service import DataflowService

    cloud = options.view_as(GoogleCloudOptions)
    service = DataflowService(options)
    places = {"--temp_location": cloud.temp_location, "--staging_location": cloud.staging_location}
    places |= {"--template_location": cloud.template_location, "--output": config.output.path}
    places |= {"--dead_letter": config.output.dead_letter, "--ledger": config.output.ledger}
    for flag, place in places.items():
        if place is not None and place.startswith(_STORAGE):
            service.require_bucket(flag, place)
    _require_name(service, config.job, update=cloud.update, template=cloud.template_location)


def _require_name(
    service: DataflowService, name: str, *, update: bool, template: str | None
) -> None:
    from pipeline.dataflow_service import state_name

    # Also when its answer does not matter: it tells a wrong project or region.
    active = service.active_job(name)
    if update:
        state = "none of this name" if active is None else state_name(active)
        if state != "RUNNING":
            # Beam would look for it for ever.
            raise UsageError(
                "--update",
                f"there is no running job to update ({state})",
                got=name,
                fix="Leave --update away, or correct --job_name.",
            )
    elif active is not None and template is None:
        # What makes a template is itself a job of that name.
        raise UsageError(
            "--job_name",
            f"a job of this name is {state_name(active)} as {active.id}",
            got=name,
            fix="Add --update to change it, or choose another name.",
        )


def _input(config: JobConfig, live: bool, progress: Progress) -> tuple[JobConfig, Ranges | None]:
    """The configuration with the topics by name, and what of them to read; None: all to come."""
    # No one sees samples there.
    config = dataclasses.replace(config, output=dataclasses.replace(config.output, samples=0))
    if live:
        return with_topics(config), None
    return config, {
        cluster.name: find_ranges(
            KafkaConnection(cluster),
            cluster,
            config.limits,
            times=read_times(config),
            show_progress=progress.stage,
        )
        for cluster in config.clusters
    }


@contextlib.contextmanager
def _java(
    config: JobConfig, show_progress: Callable[[str], None]
) -> Iterator[ExpansionService | None]:
    if not config.needs_java:
        yield None
        return
    jar = None
    if config.java_runtime == "beam":
        from pipeline.local.beam_jars import fetch_expansion_jar

        jar = fetch_expansion_jar(show_progress)
    log_path = run_dir() / "logs" / "expansion-service.log"
    with ExpansionService(log_path, in_containers=True, jar=jar) as service:
        yield service


def _topic(place: str) -> str | None:
    return place.removeprefix(KAFKA_OUTPUT) if place.startswith(KAFKA_OUTPUT) else None
