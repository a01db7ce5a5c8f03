"""The checked configuration of a live job: a job, and how it lives on Flink."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys

from pipeline.arguments import whole_number
from pipeline.config import (
    KAFKA_OUTPUT,
    NATIVE_READER,
    STDOUT,
    WORKER,
    JobConfig,
    config_from_flags,
)
from pipeline.errors import UsageError
from pipeline.flink_version import check_flink_version
from pipeline.kafka_properties import is_secret
from pipeline.kafka_secrets import secret_in_job_error
from pipeline.local.flink_job_server import LOCAL_MASTER
from pipeline.local.folders import run_dir

MAX_PARALLELISM = 128
_NO_END = "a live job has no end"
_NO_RANGE = "a live job counts what comes, and no past range"
_OF_BOUNDED_READS = {
    "--max_num_records": _NO_END,
    "--max_read_time": _NO_END,
    "--from_time": _NO_RANGE,
    "--to_time": _NO_RANGE,
}


@dataclasses.dataclass(frozen=True)
class LiveConfig:
    """All that a live job is told.

    Attributes:
      job: the job itself; read limits do not count.
      parallelism: of every step, at most `MAX_PARALLELISM`.
      disable_metrics: whether to do without Beam's metrics on a cluster.
      checkpoint_dir: a path or `s3://` URI that all hosts share.
      checkpoint_interval_seconds: between the starts of two checkpoints.
      s3_endpoint: of the store behind `s3://`, None for Amazon's.
      output: `kafka:TOPIC` or a folder.
      dead_letter: the same for dead letters; None: they are only counted.
      ledger: the same for the ledger.
      follows: whether the command shows the results itself.
      properties_path: the file that holds the consumer's secrets, the same on all hosts.
      worker_command: what TaskManagers start for the Python part.
      flink_version: minor version of the cluster, None for whatever it reports.
    """

    job: JobConfig
    parallelism: int
    disable_metrics: bool
    checkpoint_dir: str
    checkpoint_interval_seconds: int
    s3_endpoint: str | None
    output: str
    dead_letter: str | None
    ledger: str | None
    follows: bool
    properties_path: str | None
    worker_command: str
    flink_version: str | None = None

    @property
    def output_topic(self) -> str | None:
        """The topic that results go to, None for a folder."""
        if self.output.startswith(KAFKA_OUTPUT):
            return self.output.removeprefix(KAFKA_OUTPUT)
        return None


def live_config_from_flags(flags: argparse.Namespace) -> LiveConfig:
    """Checks the flags of a live job.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    for flag, problem in _OF_BOUNDED_READS.items():
        if getattr(flags, flag.removeprefix("--")) is not None:
            raise UsageError(flag, problem, fix="Use run_direct.sh.")
    job = config_from_flags(flags, job=flags.job_name)
    if job.java_runtime != "locked" and flags.flink_master in (None, LOCAL_MASTER):
        raise UsageError(
            "--java_runtime",
            "Flink on this machine is one of the locked modules",
            got=job.java_runtime,
            fix="Leave it away, or name a cluster of yours with --flink_master.",
        )
    check_flink_version(flags.flink_version, java_runtime=job.java_runtime)
    parallelism = whole_number("--parallelism", flags.parallelism)
    if parallelism > MAX_PARALLELISM:
        raise UsageError(
            "--parallelism",
            f"more than {MAX_PARALLELISM}, which state is divided into",
            got=parallelism,
            fix="Choose less.",
        )
    folder = cluster_dir(flags)
    follows = flags.output == STDOUT
    return LiveConfig(
        job=job,
        parallelism=parallelism,
        disable_metrics=flags.disable_metrics,
        checkpoint_dir=flags.checkpoint_dir or str(folder / "checkpoints"),
        checkpoint_interval_seconds=whole_number(
            "--checkpoint_interval_seconds", flags.checkpoint_interval_seconds
        ),
        s3_endpoint=flags.s3_endpoint,
        output=_output("--output", flags.output, folder / "results"),
        dead_letter=None
        if flags.dead_letter is None
        else _output("--dead_letter", flags.dead_letter, folder / "dead-letters"),
        ledger=_ledger(flags.ledger, folder),
        follows=follows,
        properties_path=flags.consumer_config,
        worker_command=flags.worker_command or _installed_worker(),
        flink_version=flags.flink_version,
    )


def require_no_secret_flags(flags: argparse.Namespace) -> None:
    """Refuses secrets that would have to travel inside the job.

    Raises:
      UsageError: a `--consumer_property` is a secret.
    """
    for assignment in flags.consumer_property or ():
        key = assignment.partition("=")[0].strip()
        if is_secret(key):
            raise secret_in_job_error(key)


def cluster_dir(flags: argparse.Namespace) -> pathlib.Path:
    """The folder of the local cluster: `--run_dir`, else `flink` in the run folder."""
    given = flags.run_dir
    return pathlib.Path(given).absolute() if given else run_dir() / "flink"


def _output(flag: str, value: str, own: pathlib.Path) -> str:
    if value == STDOUT:
        return str(own)
    if value.startswith(KAFKA_OUTPUT):
        return value
    path = pathlib.Path(value)
    if path.exists() and not path.is_dir():
        raise UsageError(
            flag,
            "a file, where a live job needs a folder for its files",
            got=value,
            fix="Give a folder, or kafka:TOPIC.",
        )
    return str(path.absolute())


def _ledger(value: str | None, folder: pathlib.Path) -> str | None:
    if value == STDOUT:
        raise UsageError(
            "--ledger",
            "a live job tells its rows again and again",
            got=value,
            fix="Give a folder, or kafka:TOPIC.",
        )
    return None if value is None else _output("--ledger", value, folder)


def _installed_worker() -> str:
    return str(pathlib.Path(sys.executable).parent / WORKER)


def note_reader(flags: argparse.Namespace) -> None:
    """Says on stderr what a live job with the native reader costs on the locked Flink runner."""
    if flags.kafka_reader == NATIVE_READER:
        print(
            "note: --kafka_reader=native on a live job: Flink's runner of Beam 2.70 keeps about a "
            "kilobyte of state for every call of the reader, several a second "
            "(apache/beam#27648). For more than a day use --kafka_reader=beam",
            file=sys.stderr,
        )
