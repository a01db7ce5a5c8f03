"""A standalone Spark cluster of real processes from the locked modules, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.ports import LOOPBACK, free_ports
from pipeline.local.process import ManagedProcess
from tests.chaos.waiting import wait_until

START_SECONDS = 120.0
_CORES = 2
# An executor holds the Java part of the job too.
_MEMORY = "1g"


class SparkCluster:
    """A master and workers that run; `master` is what `--spark_master_url` takes."""

    def __init__(self, folder: pathlib.Path, environment: dict[str, str]) -> None:
        """Starts nothing.

        Args:
          folder: of its files.
          environment: of its processes, beside what Spark needs.
        """
        self._folder = folder
        self._port, self._web_port = free_ports(2)
        java = find_java()
        self._java = str(java.executable)
        self._environment = {
            **environment,
            **java_environment(java),
            "SPARK_HOME": str(folder),
            "SPARK_SCALA_VERSION": "2.12",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            # Their web servers would listen on all addresses.
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_MASTER_HOST": LOOPBACK,
            # For `error-windows-worker`.
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), environment["PATH"]]),
        }

    @property
    def master(self) -> str:
        """`spark://host:port`."""
        return f"spark://{LOOPBACK}:{self._port}"

    def state(self) -> dict[str, Any]:
        """What the master says of workers and applications."""
        url = f"http://{LOOPBACK}:{self._web_port}/json/"
        with urllib.request.urlopen(url, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    @contextlib.contextmanager
    def running(self, *, workers: int = 1) -> Iterator[SparkCluster]:
        """Starts all, and returns when the master has its workers; ends all."""
        jars = self._folder / "jars"
        jars.mkdir(parents=True)
        for jar in fetch_jars("spark"):
            (jars / jar.name).symlink_to(jar)
        with contextlib.ExitStack() as stack:
            places = ("--port", str(self._port), "--webui-port", str(self._web_port))
            stack.enter_context(self._start("master", "master.Master", *places))
            wait_until(self._answers, what="the master", timeout_seconds=START_SECONDS)
            for number in range(workers):
                options = ("--cores", str(_CORES), "--memory", _MEMORY, "--webui-port", "0")
                stack.enter_context(
                    self._start(f"worker-{number}", "worker.Worker", *options, self.master)
                )
            wait_until(
                lambda: self.state()["aliveworkers"] == workers,
                what="the workers",
                timeout_seconds=START_SECONDS,
            )
            yield self

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.state()["status"] == "ALIVE")
        return False

    def _start(self, name: str, main_class: str, *arguments: str) -> ManagedProcess:
        command = [
            *(self._java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
            *("-cp", f"{self._folder / 'jars'}/*", f"org.apache.spark.deploy.{main_class}"),
            *("--host", LOOPBACK, *arguments),
        ]
        return ManagedProcess.start(
            name, command, log_path=self._folder / f"{name}.log", env=self._environment
        )
