"""A Java service of Beam's on this machine: one process, one gRPC port on loopback."""

from __future__ import annotations

import os
import pathlib
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

import grpc

from pipeline.errors import ServiceError
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.pathing_jar import write_pathing_jar
from pipeline.local.process import ManagedProcess, tail

if TYPE_CHECKING:
    from typing_extensions import Self

_START_TIMEOUT_SECONDS = 60.0
_CHECK_SECONDS = 0.25
_LOG_LINES = 5
# Lower case, as gRPC reads it.
_GRPC_EXEMPT = "no_grpc_proxy"
# What stands for the jar that a service is started from, in its arguments.
PATHING_JAR = "{{JAR}}"
# And for all jars that hold its classes, with commas: where the class path of one is worth nothing.
REAL_JARS = "{{JARS}}"


class JavaService:
    """A process that ends with the command that started it; a context manager.

    `start` returns as soon as the process runs, so that the caller can go on while the
    Java machine warms up; `address` waits until it answers.

    Args:
      name: what to call it in messages.
      jar_set: the locked set of modules it runs on.
      main_class: what to start.
      jar: one that holds all of it and starts by itself, in the place of the locked set.
      port: where it listens.
      java_options: for the Java machine.
      arguments: for the service; `PATHING_JAR` and `REAL_JARS` in them are replaced.
      log_path: its stdout and stderr, appended to.
    """

    def __init__(
        self,
        name: str,
        *,
        jar_set: str,
        main_class: str,
        port: int,
        java_options: Sequence[str],
        arguments: Sequence[str],
        log_path: pathlib.Path,
        jar: pathlib.Path | None = None,
    ) -> None:
        self._name = name
        self._jar_set = jar_set
        self._main_class = main_class
        self._jar = jar
        self._port = port
        self._java_options = java_options
        self._arguments = arguments
        self._log_path = log_path
        self._process: ManagedProcess | None = None

    def start(self) -> None:
        """Starts the process, fetching the modules first if the cache lacks them.

        Raises:
          JavaNotFoundError: no Java fits.
          JarsMissingError: modules are neither in the cache nor to be had.
        """
        _reach_loopback_without_proxy()
        java = find_java()
        if self._jar is None:
            jars = fetch_jars(self._jar_set)
            jar = write_pathing_jar(jars, main_class=self._main_class)
        else:
            jar, jars = self._jar, [self._jar]
        real_jars = ",".join(map(str, jars))
        self._process = ManagedProcess.start(
            self._name,
            [
                str(java.executable),
                "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                *self._java_options,
                "-jar",
                str(jar),
                *(
                    argument.replace(PATHING_JAR, str(jar)).replace(REAL_JARS, real_jars)
                    for argument in self._arguments
                ),
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
            raise RuntimeError(f"start the {self._name} first")
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
        raise ServiceError(f"{self._name}: it does not answer ({reason}). See {self._log_path}.")

    def stop(self) -> None:
        """Ends the process; harmless when it does not run."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
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
    os.environ[_GRPC_EXEMPT] = ",".join(dict.fromkeys([*exempt, "localhost", "127.0.0.1"]))
