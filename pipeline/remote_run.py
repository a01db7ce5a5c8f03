"""`./run_flink.sh --flink_master=http://host:port`: the job on a cluster of the user's."""

from __future__ import annotations

import argparse
import pathlib
import re
import sys
import urllib.parse

from pipeline.checkpoints import job_folder
from pipeline.config import STDOUT, WORKER, names_brokers
from pipeline.console import Progress, wants_table
from pipeline.errors import EXIT_DONE, ServiceError, UsageError
from pipeline.flink_rest import FlinkJob, FlinkRest, rest_url
from pipeline.flink_version import require_flink_version
from pipeline.job_start import check_input, prepare_job, prepare_output, require_no_live_job
from pipeline.launch_job import launch_job
from pipeline.live_config import (
    LiveConfig,
    cluster_dir,
    live_config_from_flags,
    note_reader,
    require_no_secret_flags,
)
from pipeline.logs import configure_logging

# Java's words for a worker that is not there; what it names as the cause leaves out which one.
_NO_PROGRAM = re.compile(r'Cannot run program "[^"]*"')


def run_on_cluster(flags: argparse.Namespace) -> int:
    """Puts the job on the cluster and returns; with `--attach` shows results until Ctrl-C.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    configure_logging(verbose=flags.verbose)
    rest = FlinkRest([rest_url(flags.flink_master)])
    _require_shared_places(flags)
    require_no_secret_flags(flags)
    # Found on the PATH of the TaskManagers.
    flags.worker_command = flags.worker_command or WORKER
    config = live_config_from_flags(flags)
    note_reader(flags)
    job = config.job.job
    with Progress() as progress:
        progress.stage(f"asking {rest.urls[0]}")
        require_flink_version(config, rest)
        runs = rest.live_job(job) is not None
        if not (runs and flags.attach):
            require_no_live_job(rest, job)
            progress.stage(f"asking {config.job.kafka.bootstrap_servers} for the topics")
            check_input(config)
            prepare_output(config)
            progress.clear()
            folder = remote_folder(flags, job)
            spec = prepare_job(folder, flags, rest.urls, own_properties=False)
            launched = launch_job(
                config,
                rest,
                folder=folder,
                not_before=spec.not_before,
                restore_from=spec.restore_from,
                show_progress=progress.stage,
            )
            if not launched.job.runs:
                raise _not_running(rest, launched.job)
            begun = f"from {launched.restored_from}" if launched.restored_from else "new"
            progress.stage(f"job {job} runs ({begun}) as {launched.job.id}")
        progress.clear()
    if flags.attach:
        _follow(config, flags.output_format)
    return EXIT_DONE


def remote_folder(flags: argparse.Namespace, job: str) -> pathlib.Path:
    """Where this machine keeps what it knows of a job on a cluster of the user's."""
    place = urllib.parse.quote(urllib.parse.urlsplit(rest_url(flags.flink_master)).netloc, safe="")
    return cluster_dir(flags) / "remote" / place / job_folder(job)


def _require_shared_places(flags: argparse.Namespace) -> None:
    if not names_brokers(flags):
        raise UsageError(
            "--kafka_bootstrap_servers",
            "missing",
            fix="A cluster of yours reads your Kafka: give the brokers, such as localhost:9092.",
        )
    if flags.checkpoint_dir is None:
        raise UsageError(
            "--checkpoint_dir",
            "missing",
            fix="Give a path that all hosts share, or s3://bucket/folder.",
        )
    if flags.output == STDOUT:
        raise UsageError(
            "--output",
            "a job on a cluster has no stdout here",
            got=STDOUT,
            fix="Give kafka:TOPIC, or a folder that all hosts share; --attach shows it.",
        )
    for flag, value in (("--dead_letter", flags.dead_letter), ("--ledger", flags.ledger)):
        if value == STDOUT:
            raise UsageError(
                flag,
                "a job on a cluster has no stderr here",
                got=STDOUT,
                fix="Give kafka:TOPIC, or a folder that all hosts share.",
            )


def _not_running(rest: FlinkRest, job: FlinkJob) -> ServiceError:
    """For a job that is on the cluster and fails again and again, or waits for slots."""
    from pipeline.runner import root_cause

    causes = rest.exceptions(job.id)
    fix = "correct what is wrong there"
    reason = "not all of its tasks have slots"
    if causes:
        no_program = _NO_PROGRAM.search(causes[0])
        reason = no_program[0] if no_program else root_cause(causes[0])
        if no_program:
            fix = "install this package on every TaskManager, or give --worker_command"
    return ServiceError(
        f"job {job.name}: it is on the cluster as {job.id}, and does not run ({reason}). "
        f"Flink goes on trying: {fix}; or `run_flink.sh cancel` it."
    )


def _follow(config: LiveConfig, output_format: str) -> None:
    from pipeline.result_source import PathResults, ResultSource
    from pipeline.watch import watch

    topic = config.output_topic
    source: ResultSource
    if topic is None:
        source = PathResults(pathlib.Path(config.output))
    else:
        from pipeline.results_topic import TopicResults

        source = TopicResults(topic, config.job.kafka.properties)
    print(f"results of {config.job.job} (Ctrl-C ends this, not the job)", file=sys.stderr)
    watch(source, as_table=wants_table(output_format), last=20, job=config.job.job)
