"""The Java services of a bounded run: the expansion service, and on Spark the job server."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.config import JobConfig
from pipeline.local.expansion import ExpansionService
from pipeline.local.folders import run_dir
from pipeline.local.spark_job_server import SparkJobServer
from pipeline.spark import SparkRun

# A task on Spark holds all its records in memory where Beam's connector reads them.
_TASK_OFFSETS = 50_000
# Every task costs some 0.1 s: a worker is told anew what to do.
_FEWEST_TASKS, _MOST_TASKS = 4, 500


class JavaSide(NamedTuple):
    """What has been started; it may not answer yet.

    Attributes:
      expansion: None where Beam is to start its own, or none is needed.
      job_server: None on the DirectRunner.
    """

    expansion: ExpansionService | None
    job_server: SparkJobServer | None


def spark_log_path() -> pathlib.Path:
    """The log of the Spark job server, in which Spark logs too."""
    return run_dir() / "logs" / "spark-job-server.log"


@contextlib.contextmanager
def started_java(config: JobConfig, spark: SparkRun | None, *, offsets: int) -> Iterator[JavaSide]:
    """Starts what a run needs, and ends it.

    Args:
      config: the checked configuration.
      spark: where the job runs on Spark; None: it does not.
      offsets: how many are to be read.

    Raises:
      JavaNotFoundError: no Java fits.
      JarsMissingError: modules are neither in the cache nor to be had.
    """
    logs = run_dir() / "logs"
    expansion = job_server = None
    with contextlib.ExitStack() as stack:
        if spark is not None:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="spark-", dir=run_dir())
            )
            job_server = stack.enter_context(
                SparkJobServer(
                    spark_log_path(),
                    pathlib.Path(folder),
                    spark.master,
                    parallelism=min(max(offsets // _TASK_OFFSETS, _FEWEST_TASKS), _MOST_TASKS),
                    on_loopback=spark.on_loopback,
                )
            )
        if config.java_runtime == "locked" and config.needs_java:
            expansion = stack.enter_context(
                ExpansionService(logs / "expansion-service.log", on_spark=spark is not None)
            )
        yield JavaSide(expansion, job_server)
