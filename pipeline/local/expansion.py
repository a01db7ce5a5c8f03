"""The Java expansion service: expands `ReadFromKafka` and runs its Java part on this machine.

One process does both: with `--alsoStartLoopbackWorker` the service is a worker pool for
the Java SDK too, which the DirectRunner uses. It dies with the command that started it.
"""

from __future__ import annotations

import os
import pathlib
import types

import grpc

from pipeline.errors import ServiceError
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.pathing_jar import write_pathing_jar
from pipeline.local.ports import free_port
from pipeline.local.process import ManagedProcess, tail

_MAIN_CLASS = "org.apache.beam.sdk.expansion.service.ExpansionService"
_START_TIMEOUT_SECONDS = 60.0
_CHECK_SECONDS = 0.25
_LOG_LINES = 5
# Lower case, as gRPC reads it.
_GRPC_EXEMPT = "no_grpc_proxy"


class ExpansionService:
    """A Java process that serves expansion requests; a context manager.

    `start` returns as soon as the process runs, so that the caller can go on while the
    Java machine warms up; `address` waits until it answers.

    Raises:
      JavaNotFoundError: no Java fits.
      JarsMissingError: modules are neither in the cache nor to be had.
    """

    def __init__(self, log_path: pathlib.Path) -> None:
        self._log_path = log_path
        self._process: ManagedProcess | None = None
        self._port = 0

    def start(self) -> None:
        """Starts the process, fetching the modules first if the cache lacks them."""
        _reach_loopback_without_proxy()
        java = find_java()
        pathing_jar = write_pathing_jar(fetch_jars("beam"), main_class=_MAIN_CLASS)
        self._port = free_port()
        self._process = ManagedProcess.start(
            "expansion-service",
            [
                str(java.executable),
                # Quick to start: a bounded read on one machine is over before the second
                # compiler would pay, and Python, not Java, is what limits it.
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-jar",
                str(pathing_jar),
                str(self._port),
                f"--filesToStage={pathing_jar}",
                "--alsoStartLoopbackWorker",
            ],
            log_path=self._log_path,
            env=java_environment(java),
        )

    def address(self) -> str:
        """`host:port` of the service, once it answers.

        Raises:
          ServiceError: it ended, or did not answer within a minute.
        """
        if self._process is None:
            raise RuntimeError("start the expansion service first")
        address = f"localhost:{self._port}"
        with grpc.insecure_channel(address) as channel:
            ready = grpc.channel_ready_future(channel)
            waited_seconds = 0.0
            while waited_seconds < _START_TIMEOUT_SECONDS:
                try:
                    ready.result(timeout=_CHECK_SECONDS)
                except grpc.FutureTimeoutError:
                    waited_seconds += _CHECK_SECONDS
                    if self._process.poll() is not None:
                        break
                else:
                    return address
        reason = "; ".join(tail(self._log_path, _LOG_LINES).splitlines()) or "it wrote no log"
        raise ServiceError(
            f"Java expansion service: it does not answer ({reason}). See {self._log_path}."
        )

    def stop(self) -> None:
        """Ends the process; harmless when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> ExpansionService:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.stop()


def _reach_loopback_without_proxy() -> None:
    """Keeps gRPC off a proxy on the way to this machine.

    gRPC takes `http_proxy` for every address; Beam opens its channels to the service and to
    its workers without a way to say otherwise.
    """
    given = os.environ.get(_GRPC_EXEMPT, os.environ.get("no_proxy", ""))
    exempt = [name for name in given.split(",") if name]
    os.environ[_GRPC_EXEMPT] = ",".join([*exempt, "localhost", "127.0.0.1"])
