"""Beam's Flink job server: translates graphs for a cluster, or runs them in itself."""

from __future__ import annotations

import pathlib

from pipeline.local.flink_config import OPEN_PACKAGES, job_settings, write_config
from pipeline.local.java_service import JavaService
from pipeline.local.ports import free_ports

LOCAL_MASTER = "[local]"


class FlinkJobServer(JavaService):
    """The job server on loopback; `address` is its job endpoint.

    Args:
      log_path: its stdout and stderr, appended to.
      artifacts_dir: where jobs put the files that workers fetch.
      flink_master: `host:port` of a cluster's REST API; `[local]`: Flink's mini-cluster
        inside this process.
      handles_lines: whether a mini-cluster reads the lines themselves; else only Python does, and
        Java passes on what was counted. Without meaning for a cluster.
      conf_dir: for Flink settings of the jobs that Beam has no option for; written.
      jar: Beam's own, for the cluster's version of Flink, in the place of the locked modules.
    """

    def __init__(
        self,
        log_path: pathlib.Path,
        artifacts_dir: pathlib.Path,
        flink_master: str = LOCAL_MASTER,
        *,
        handles_lines: bool = True,
        conf_dir: pathlib.Path | None = None,
        jar: pathlib.Path | None = None,
    ) -> None:
        job_port, artifact_port = free_ports(2)
        configured = []
        # A graph is translated once, and counts are few: only lines gain from the second compiler,
        # which takes as much time as all else in the first half of a minute.
        is_busy = flink_master == LOCAL_MASTER and handles_lines
        quick = [] if is_busy else ["-XX:TieredStopAtLevel=1"]
        if conf_dir is not None:
            configured = [f"--flink-conf-dir={write_config(conf_dir, job_settings())}"]
        super().__init__(
            "Flink job server",
            jar_set="flink",
            main_class="org.apache.beam.runners.flink.FlinkJobServerDriver",
            port=job_port,
            java_options=[*OPEN_PACKAGES, *quick],
            arguments=[
                f"--flink-master={flink_master}",
                "--job-host=localhost",
                f"--job-port={job_port}",
                f"--artifact-port={artifact_port}",
                "--expansion-port=0",
                f"--artifacts-dir={artifacts_dir}",
                *configured,
            ],
            log_path=log_path,
            jar=jar,
        )
