"""A Flink cluster of real processes on this machine: which programs it is made of."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping

from pipeline.errors import ServiceError
from pipeline.local.flink_config import (
    FlinkPorts,
    cluster_settings,
    high_availability_settings,
    job_manager_java_options,
    job_manager_settings,
    task_manager_java_options,
    task_manager_memory,
    write_config,
)
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java, java_environment
from pipeline.local.ports import LOOPBACK, free_ports, is_free
from pipeline.local.program import Program

SLOTS = 2
JOB_MANAGER_PREFIX = "jobmanager-"
_DEFAULT_REST_PORT = 8081
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# ZooKeeper as Flink ships it, shaded.
_ZOOKEEPER = "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer"
_STATE_FILE = "cluster.json"


@dataclasses.dataclass(frozen=True)
class FlinkCluster:
    """The programs of a cluster, in the order of their start, and where it answers.

    Attributes:
      programs: `zookeeper` (with high availability), `jobmanager-N`, `taskmanager-N`.
      rest_urls: of the JobManagers' REST API and web UI; with several, any answers for all.
      task_managers: how many there are.
    """

    programs: tuple[Program, ...]
    rest_urls: tuple[str, ...]
    task_managers: int


def prepare_cluster(
    folder: pathlib.Path,
    *,
    high_availability: bool,
    task_managers: int,
    rest_port: int | None = None,
    settings: Mapping[str, object] | None = None,
) -> FlinkCluster:
    """Writes the configuration of a cluster and returns what to run; starts nothing.

    Ports stay the same from start to start where they are still free.

    Args:
      folder: of the cluster: configuration, temporary files, ports.
      high_availability: ZooKeeper and two JobManagers instead of one JobManager.
      task_managers: how many, each with `SLOTS` slots.
      rest_port: of the first JobManager; None for 8081 if it is free, else a free one.
      settings: more of Flink's, such as those of a metrics reporter.

    Raises:
      JavaNotFoundError, JarsMissingError: there is nothing to run it with.
      ServiceError: the port is taken.
    """
    folder = folder.absolute()
    job_managers = 2 if high_availability else 1
    ports = _choose_ports(folder, job_managers, rest_port)
    java = find_java()
    environment = dict(java_environment(java))
    class_path = os.pathsep.join(str(jar) for jar in fetch_jars("flink"))

    def program(name: str, java_options: list[str], arguments: list[str]) -> Program:
        scratch = folder / "tmp" / name
        options = [*java_options, f"-Djava.io.tmpdir={scratch}", "-cp", class_path, *arguments]
        argv = (str(java.executable), *options)
        return Program(name, argv, environment, scratch_dir=scratch)

    def flink_config(name: str, own: Mapping[str, object]) -> str:
        scratch = {"io.tmp.dirs": str(folder / "tmp" / name)}
        return str(write_config(folder / "conf" / name, {**shared, **own, **scratch}))

    programs = []
    shared = cluster_settings(settings or {})
    if high_availability:
        shared |= high_availability_settings(ports.zookeeper[0], (folder / "ha").as_uri())
        programs.append(
            program(
                "zookeeper",
                ["-Xmx128m", "-XX:+UseSerialGC"],
                [
                    _ZOOKEEPER,
                    "--zkConfigFile",
                    str(_write_zookeeper_config(folder / "zookeeper", ports.zookeeper)),
                    "--peerId",
                    "1",
                ],
            )
        )
    for number, own in enumerate(ports.job_managers, start=1):
        name = f"{JOB_MANAGER_PREFIX}{number}"
        config = flink_config(name, job_manager_settings(own))
        arguments = [_JOB_MANAGER, "--configDir", config]
        if high_availability:
            # The address that a leader publishes; else Flink takes the machine's name.
            arguments += ["--host", LOOPBACK]
        programs.append(program(name, job_manager_java_options(), arguments))
    for number in range(1, task_managers + 1):
        name = f"taskmanager-{number}"
        own_settings = {
            "jobmanager.rpc.address": LOOPBACK,
            "jobmanager.rpc.port": ports.job_managers[0].rpc,
            "rest.port": ports.job_managers[0].rest,
            "taskmanager.numberOfTaskSlots": SLOTS,
        }
        arguments = [_TASK_MANAGER, "--configDir", flink_config(name, own_settings)]
        arguments += task_manager_memory()
        programs.append(program(name, task_manager_java_options(), arguments))
    return FlinkCluster(
        tuple(programs),
        tuple(f"http://{LOOPBACK}:{own.rest}" for own in ports.job_managers),
        task_managers,
    )


@dataclasses.dataclass(frozen=True)
class _Ports:
    job_managers: tuple[FlinkPorts, ...]
    zookeeper: tuple[int, int, int]


def _choose_ports(folder: pathlib.Path, job_managers: int, rest_port: int | None) -> _Ports:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _STATE_FILE
    numbers: list[int] = []
    if path.is_file():
        try:
            numbers = [int(number) for number in json.loads(path.read_text("ascii"))["ports"]]
        except (ValueError, KeyError, TypeError):
            numbers = []
    if len(numbers) != 9 or not all(is_free(number) for number in numbers):
        numbers = free_ports(9)
        if is_free(_DEFAULT_REST_PORT):
            numbers[0] = _DEFAULT_REST_PORT
    if rest_port is not None:
        _require_free(rest_port)
        if rest_port in numbers:
            # Whatever had it takes the other one.
            numbers[numbers.index(rest_port)] = numbers[0]
        numbers[0] = rest_port
    path.write_text(json.dumps({"ports": numbers}) + "\n", encoding="ascii")
    first, second = FlinkPorts(*numbers[:3]), FlinkPorts(*numbers[3:6])
    zookeeper = (numbers[6], numbers[7], numbers[8])
    return _Ports((first, second)[:job_managers], zookeeper)


def _require_free(rest_port: int) -> None:
    try:
        free = is_free(rest_port)
    except PermissionError:
        raise ServiceError(
            f"--rest_port: this user may not use it, got {rest_port}. Choose one above 1023."
        ) from None
    if not free:
        raise ServiceError(
            f"--rest_port: something listens there already, got {rest_port}. "
            "Stop that program or choose another port."
        )


def _write_zookeeper_config(folder: pathlib.Path, ports: tuple[int, int, int]) -> pathlib.Path:
    client_port, peer_port, election_port = ports
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    settings = {
        "dataDir": data,
        "clientPort": client_port,
        "clientPortAddress": LOOPBACK,
        "server.1": f"{LOOPBACK}:{peer_port}:{election_port}",
        "tickTime": 1000,
        "initLimit": 10,
        "syncLimit": 5,
        "admin.enableServer": "false",
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 1,
    }
    path = folder / "zoo.cfg"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), "utf-8")
    return path
