"""Folders, ports and settings of Kafka brokers, and the programs that they are."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from pipeline.errors import ServiceError, UsageError
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.kafka_folder import (
    BrokerFiles,
    BrokerState,
    ClusterState,
    folder_errors,
    new_cluster_id,
    require_none_runs,
    require_usable_name,
)
from pipeline.local.kafka_settings import server_properties
from pipeline.local.ports import free_port, free_ports, is_free
from pipeline.local.program import Program

BROKER_COUNTS = (1, 3)
MAIN_CLASS = "kafka.Kafka"
_LAST_PORT = 65535
# Measured: the first two take 40 % off the time until the broker answers (5.5 s to 3.3 s).
_JVM_OPTIONS = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


@dataclasses.dataclass(frozen=True)
class PreparedKafka:
    """Brokers that are ready to be run.

    Attributes:
      programs: one a broker, in the order of their ids from 1 on: `kafka`, or `kafka-1`,
        `kafka-2`, `kafka-3`. SIGTERM ends them cleanly.
      bootstrap_servers: their addresses in the same order, `host:port[,host:port]`.
      cluster_id: Kafka's id of the cluster.
    """

    programs: tuple[Program, ...]
    bootstrap_servers: str
    cluster_id: str


def lay_out_kafka(
    data_dir: pathlib.Path, *, brokers: int | None = None, port: int | None = None
) -> PreparedKafka:
    """Chooses ports and writes settings; the storage is left to `kafka_prepare`.

    Arguments and errors as in `kafka_prepare.prepare_kafka`.
    """
    require_usable_name(data_dir)
    state = ClusterState.read(data_dir)
    count = _broker_count(data_dir, state, brokers)
    require_none_runs(data_dir)
    command, environment = _java_command()
    with folder_errors(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
        state = _choose_ports(state, count, port)
        state.write(data_dir)
        for broker_id, broker in enumerate(state.brokers, start=1):
            files = BrokerFiles.of(data_dir, broker_id, count)
            files.folder.mkdir(exist_ok=True)
            text = server_properties(
                files.records,
                broker.port,
                [one.controller_port for one in state.brokers],
                broker_id=broker_id,
            )
            files.settings.write_text(text, encoding="ascii")
    return _prepared(data_dir, state, command, environment)


def load_prepared(data_dir: pathlib.Path) -> PreparedKafka:
    """What an earlier `lay_out_kafka` of this folder returned; changes nothing.

    Raises:
      ServiceError: the folder was never prepared.
      JavaNotFoundError, JarsMissingError: there is nothing to run the brokers with.
    """
    state = ClusterState.read(data_dir)
    if state is None:
        raise ServiceError(
            f"kafka: nothing was ever started there, got {str(data_dir)!r}. "
            "Start Kafka first, or choose its folder."
        )
    return _prepared(data_dir, state, *_java_command())


def _java_command() -> tuple[tuple[str, ...], dict[str, str]]:
    """Java with its options, to be followed by a main class, and its environment."""
    java = find_java()
    class_path = os.pathsep.join(str(jar) for jar in fetch_jars("kafka"))
    # Names of files that are not ASCII need a locale that has them.
    environment = {**java_environment(java), "LC_ALL": "C.UTF-8"}
    return (str(java.executable), *_JVM_OPTIONS, "-cp", class_path), environment


def _prepared(
    data_dir: pathlib.Path,
    state: ClusterState,
    command: tuple[str, ...],
    environment: Mapping[str, str],
) -> PreparedKafka:
    files = BrokerFiles.of_all(data_dir, len(state.brokers))
    programs = tuple(
        Program(one.name, (*command, MAIN_CLASS, str(one.settings)), environment) for one in files
    )
    return PreparedKafka(programs, state.bootstrap_servers, state.cluster_id)


def _broker_count(data_dir: pathlib.Path, state: ClusterState | None, wanted: int | None) -> int:
    if wanted is not None and wanted not in BROKER_COUNTS:
        raise UsageError("--brokers", "neither 1 nor 3", got=wanted, fix="Choose one of the two.")
    if state is None:
        return wanted or 1
    there = len(state.brokers)
    if wanted not in (None, there):
        raise UsageError(
            "--brokers",
            f"the folder {str(data_dir)!r} was made for {there}",
            got=wanted,
            fix="Choose another folder, or delete this one with its records.",
        )
    return there


def _choose_ports(state: ClusterState | None, count: int, wanted: int | None) -> ClusterState:
    if state is None:
        ports = free_ports(count)
        state = ClusterState(
            new_cluster_id(), tuple(BrokerState(port, port, formatted=False) for port in ports)
        )
    ports = [broker.port for broker in state.brokers]
    if wanted is not None:
        ports = list(range(wanted, wanted + count))
    for port in ports:
        _require_free_port(port)
    # Nobody else knows the controllers' ports, so they may change.
    taken = set(ports)
    brokers = []
    for port, broker in zip(ports, state.brokers, strict=True):
        controller_port = broker.controller_port
        while controller_port in taken or not is_free(controller_port):
            controller_port = free_port()
        taken.add(controller_port)
        brokers.append(dataclasses.replace(broker, port=port, controller_port=controller_port))
    return dataclasses.replace(state, brokers=tuple(brokers))


def _require_free_port(port: int) -> None:
    if port > _LAST_PORT:
        raise UsageError(
            "--port", "not a port", got=port, fix=f"Each broker has one; {_LAST_PORT} is the last."
        )
    try:
        free = is_free(port)
    except PermissionError:
        raise UsageError(
            "--port", "not allowed for this user", got=port, fix="Choose one above 1023."
        ) from None
    if not free:
        raise UsageError(
            "--port",
            "something listens there already",
            got=port,
            fix="Stop that program or choose another port.",
        )
