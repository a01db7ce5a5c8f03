"""Beam's Spark job server: runs a graph as a Spark application, whose driver it is."""

from __future__ import annotations

import pathlib

from pipeline.local.java_service import JavaService
from pipeline.local.ports import LOOPBACK, free_ports

# What Spark's own launcher opens on Java 17 (org.apache.spark.launcher.JavaModuleOptions).
_OPENED_PACKAGES = (
    *("java.io", "java.lang", "java.lang.invoke", "java.lang.reflect", "java.net", "java.nio"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref"),
    *("sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)
OPEN_PACKAGES = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES
)


class SparkJobServer(JavaService):
    """The job server on loopback; `address` is its job endpoint.

    Args:
      log_path: its stdout and stderr, appended to.
      folder: for files of one run, Spark's own among them.
      master: of Spark; `local[N]`: Spark inside this process.
      parallelism: so many tasks has a step after a shuffle.
      on_loopback: whether nobody on another host has to reach the driver.
    """

    def __init__(
        self,
        log_path: pathlib.Path,
        folder: pathlib.Path,
        master: str,
        *,
        parallelism: int,
        on_loopback: bool,
    ) -> None:
        job_port, artifact_port = free_ports(2)
        settings = {
            "spark.default.parallelism": str(parallelism),
            "spark.local.dir": str(folder),
            # It would listen on all addresses, without a password, for as long as the job runs.
            "spark.ui.enabled": "false",
        }
        if on_loopback:
            settings |= {"spark.driver.bindAddress": LOOPBACK, "spark.driver.host": LOOPBACK}
        super().__init__(
            "Spark job server",
            jar_set="spark",
            main_class="org.apache.beam.runners.spark.SparkJobServerDriver",
            port=job_port,
            java_options=[
                *OPEN_PACKAGES,
                *(f"-D{key}={value}" for key, value in settings.items()),
            ],
            arguments=[
                f"--spark-master-url={master}",
                "--job-host=localhost",
                f"--job-port={job_port}",
                f"--artifact-port={artifact_port}",
                "--expansion-port=0",
                f"--artifacts-dir={folder / 'artifacts'}",
            ],
            log_path=log_path,
        )
