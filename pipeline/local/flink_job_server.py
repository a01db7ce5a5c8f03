"""Beam's Flink job server with Flink's mini-cluster inside: a live runner in one process."""

from __future__ import annotations

import pathlib

from pipeline.local.java_service import JavaService
from pipeline.local.ports import free_ports

# What Flink opens by reflection on Java 17 and later, as its own start scripts list it.
_OPENED_PACKAGES = (
    "java.lang",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "sun.nio.ch",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)


class FlinkJobServer(JavaService):
    """The job server on loopback; `address` is its job endpoint.

    Args:
      log_path: its stdout and stderr, appended to.
      artifacts_dir: where jobs put the files that workers fetch.
    """

    def __init__(self, log_path: pathlib.Path, artifacts_dir: pathlib.Path) -> None:
        job_port, artifact_port = free_ports(2)
        super().__init__(
            "Flink job server",
            jar_set="flink",
            main_class="org.apache.beam.runners.flink.FlinkJobServerDriver",
            port=job_port,
            java_options=[
                f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES
            ],
            arguments=[
                "--flink-master=[local]",
                "--job-host=localhost",
                f"--job-port={job_port}",
                f"--artifact-port={artifact_port}",
                "--expansion-port=0",
                f"--artifacts-dir={artifacts_dir}",
            ],
            log_path=log_path,
        )
