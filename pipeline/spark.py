"""`--runner=SparkRunner`: where the job runs on Spark, and whether it can.

Checked before anything starts: the master's address and whether it answers, where the Python part
runs, and whether its output can be seen from here. Spark counts what has an end; live jobs run on
Flink.
"""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.config import STDOUT, JobConfig
from pipeline.errors import ServiceError, UsageError
from pipeline.flags import beam_flag, runner_name
from pipeline.kafka_properties import is_secret, read_properties_file
from pipeline.kafka_secrets import secret_in_job_error
from pipeline.local.ports import LOOPBACK_HOSTS

MASTER_FLAG = "--spark_master_url"
DEFAULT_MASTER = "local[*]"
LOOPBACK_ENVIRONMENT = "LOOPBACK"
PROCESS_ENVIRONMENT = "PROCESS"
_LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)(,[1-9]\d*)?\])?")
_STANDALONE = re.compile(r"spark://([^/\s]+)")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):(\d{1,5})")
_CONNECT_SECONDS = 5.0
# In the words of Beam 2.70 and Spark 3.5.
_NOT_SET_ASIDE = "does not have a registered bundle checkpoint handler"
_STOPPED = "stopped SparkContext"


class SparkRun(NamedTuple):
    """Where a job runs on Spark.

    Attributes:
      master: `local[N]`, Spark inside the job server, or `spark://host:port[,host:port]`.
      environment: Beam's name for where the Python part runs: `LOOPBACK` is this process, with
        `PROCESS` executors start it beside themselves.
    """

    master: str
    environment: str

    @property
    def is_local(self) -> bool:
        """Whether Spark runs inside the job server."""
        return _LOCAL.fullmatch(self.master) is not None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of every master; none where Spark runs inside the job server."""
        return _addresses(self.master)

    @property
    def on_loopback(self) -> bool:
        """Whether all of Spark is on this machine."""
        return all(host.strip("[]") in LOOPBACK_HOSTS for host, _ in self.addresses)

    @property
    def in_this_process(self) -> bool:
        """Whether the Python part is, so that what it writes is seen from here."""
        return self.environment == LOOPBACK_ENVIRONMENT


def spark_run(beam_arguments: Sequence[str]) -> SparkRun | None:
    """Where flags for Beam say that the job runs on Spark; None where it does not.

    Raises:
      UsageError: the master's address is none.
    """
    if runner_name(beam_arguments) not in ("spark", "sparkrunner"):
        return None
    master = beam_flag(MASTER_FLAG, beam_arguments) or DEFAULT_MASTER
    if _LOCAL.fullmatch(master) is None and not _addresses(master):
        raise UsageError(
            MASTER_FLAG,
            "not Spark in one process or a standalone master",
            got=master,
            fix="Write it like local[2] or spark://host:7077.",
        )
    run = SparkRun(master, LOOPBACK_ENVIRONMENT)
    default = LOOPBACK_ENVIRONMENT if run.on_loopback else PROCESS_ENVIRONMENT
    environment = beam_flag("--environment_type", beam_arguments) or default
    return run._replace(environment=environment.upper())


def fit_to_spark(config: JobConfig, run: SparkRun) -> JobConfig:
    """The configuration for Spark.

    Raises:
      UsageError: something cannot be had there.
    """
    if config.java_runtime != "locked":
        raise UsageError(
            "--java_runtime",
            "Spark is one of the locked modules",
            got=config.java_runtime,
            fix="Leave it away.",
        )
    if not run.is_local:
        _require_secrets_in_file(config)
    if run.in_this_process:
        return config
    for flag, place, what in (
        ("--output", config.output.path, "stdout"),
        ("--dead_letter", config.output.dead_letter, "stderr"),
        ("--ledger", config.output.ledger, "stderr"),
    ):
        if place == STDOUT:
            raise UsageError(
                flag,
                f"workers on other hosts have no {what} here",
                got=STDOUT,
                fix="Give a path that all hosts share, or, with all of Spark on this machine, "
                "--environment_type=LOOPBACK.",
            )
    # They go through a file of this machine.
    return dataclasses.replace(config, output=dataclasses.replace(config.output, samples=0))


def _require_secrets_in_file(config: JobConfig) -> None:
    """Refuses secrets that would have to travel inside the job."""
    path = config.properties_path
    of_file = {} if path is None else read_properties_file("--consumer_config", path)
    for cluster in config.clusters:
        for key, value in cluster.properties.items():
            if is_secret(key) and of_file.get(key) != value:
                raise secret_in_job_error(key)


def require_master(run: SparkRun) -> None:
    """Fails where no master can be reached: Spark itself would try for a minute.

    Raises:
      ServiceError: none answers.
    """
    reason = ""
    for host, port in run.addresses:
        try:
            with socket.create_connection((host.strip("[]"), port), timeout=_CONNECT_SECONDS):
                return
        except socket.gaierror:
            reason = "unknown host"
        except TimeoutError:
            reason = "no answer"
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
    if run.addresses:
        raise ServiceError(
            f"{MASTER_FLAG}: no Spark master answers ({reason}), got {run.master!r}. "
            "Check that one runs there; without the flag Spark runs inside this command."
        )


def known_failure(message: str) -> str | None:
    """What a failure of Beam's Spark runner means, where its words do not say so."""
    if _NOT_SET_ASIDE in message:
        return (
            "the brokers gave nothing for seconds, and Beam's Spark runner cannot set a read "
            "aside; check them, or use --kafka_reader=native"
        )
    if _STOPPED in message:
        return (
            f"Spark ended the application: what answers at {MASTER_FLAG} is no master of Spark "
            "3.5, or somebody killed it"
        )
    return None


def _addresses(master: str) -> list[tuple[str, int]]:
    listed = _STANDALONE.fullmatch(master)
    found = []
    for one in listed[1].split(",") if listed else ():
        match = _HOST_AND_PORT.fullmatch(one)
        if match is None or not 0 < int(match[2]) < 65536:
            return []
        found.append((match[1], int(match[2])))
    return found
