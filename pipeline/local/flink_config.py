"""The settings of a Flink cluster on this machine: `config.yaml`, memory, Java options."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping

from pipeline.local.ports import LOOPBACK

# Three, so that a damaged newest checkpoint leaves two to go on from.
_RETAINED_CHECKPOINTS = 3

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
OPEN_PACKAGES = tuple(
    f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED_PACKAGES
)

_MEBIBYTE = 1 << 20
# A TaskManager does not start without all of these. Flink's start scripts work them out of
# taskmanager.memory.process.size (org.apache.flink.runtime.util.bash.BashJavaUtils); here they
# are fixed, with room for KafkaIO's fetches and little for what this job does not use.
_TASK_MANAGER_MEBIBYTES = {
    "taskmanager.memory.task.heap.size": 384,
    "taskmanager.memory.task.off-heap.size": 64,
    "taskmanager.memory.framework.heap.size": 128,
    "taskmanager.memory.framework.off-heap.size": 128,
    "taskmanager.memory.network.min": 64,
    "taskmanager.memory.network.max": 64,
    "taskmanager.memory.managed.size": 128,
    "taskmanager.memory.jvm-metaspace.size": 256,
    "taskmanager.memory.jvm-overhead.min": 192,
    "taskmanager.memory.jvm-overhead.max": 192,
}


@dataclasses.dataclass(frozen=True)
class FlinkPorts:
    """Ports of one JobManager, all on loopback."""

    rest: int
    rpc: int
    blob: int


def job_manager_java_options() -> list[str]:
    """For the Java machine of a JobManager."""
    return ["-Xmx512m", "-XX:MaxMetaspaceSize=256m", *_common_java_options()]


def task_manager_java_options() -> list[str]:
    """For the Java machine of a TaskManager: what its memory settings promise."""
    size = _TASK_MANAGER_MEBIBYTES
    heap = size["taskmanager.memory.task.heap.size"]
    heap += size["taskmanager.memory.framework.heap.size"]
    direct = size["taskmanager.memory.task.off-heap.size"]
    direct += size["taskmanager.memory.framework.off-heap.size"]
    direct += size["taskmanager.memory.network.max"]
    metaspace = size["taskmanager.memory.jvm-metaspace.size"]
    return [
        f"-Xms{heap}m",
        f"-Xmx{heap}m",
        f"-XX:MaxDirectMemorySize={direct}m",
        f"-XX:MaxMetaspaceSize={metaspace}m",
        *_common_java_options(),
    ]


def _common_java_options() -> list[str]:
    return [
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        *OPEN_PACKAGES,
    ]


def task_manager_memory() -> list[str]:
    """Arguments of a TaskManager: `-D key=value` for each part of its memory."""
    arguments = ["-D", "taskmanager.cpu.cores=1.0"]
    for key, mebibytes in _TASK_MANAGER_MEBIBYTES.items():
        arguments += ["-D", f"{key}={mebibytes * _MEBIBYTE}b"]
    return arguments


def cluster_settings(extra: Mapping[str, object]) -> dict[str, object]:
    """What JobManagers and TaskManagers of a cluster share; `extra` beats it."""
    return {
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        # Nobody may run code of theirs by uploading a jar.
        "web.submit.enable": False,
        # A submission brings the job's modules along, all of which are on the class path: read
        # again for every job, each would take 50 MB of metaspace that is not given back.
        "classloader.resolve-order": "parent-first",
        "state.checkpoints.num-retained": _RETAINED_CHECKPOINTS,
        # A dead process is noticed by its closed connection; a silent one by these.
        "heartbeat.interval": 2_000,
        "heartbeat.timeout": 20_000,
        # On a loaded machine the default of 10 s fails submissions.
        "pekko.ask.timeout": "60 s",
        **extra,
    }


def job_manager_settings(ports: FlinkPorts) -> dict[str, object]:
    """What is a JobManager's own."""
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": ports.rpc,
        "rest.port": ports.rest,
        "rest.bind-port": ports.rest,
        "blob.server.port": ports.blob,
    }


def high_availability_settings(zookeeper_port: int, storage_uri: str) -> dict[str, object]:
    """For JobManagers that stand in for each other, and TaskManagers that follow the leader."""
    return {
        "high-availability.type": "zookeeper",
        "high-availability.zookeeper.quorum": f"{LOOPBACK}:{zookeeper_port}",
        "high-availability.storageDir": storage_uri,
        "high-availability.cluster-id": "/error-windows",
        # A JobManager that was killed leads for so long; a ZooKeeper that was away for longer
        # may leave two that lead (CURATOR-696).
        "high-availability.zookeeper.client.session-timeout": 15_000,
        # A ZooKeeper that is away for a moment is no reason to restart the job.
        "high-availability.zookeeper.client.tolerate-suspended-connections": True,
    }


def job_settings() -> dict[str, object]:
    """Of a job, where Beam has no option for it."""
    # A store that is full or away must not end the job: it goes on, and tries again.
    return {"execution.checkpointing.tolerable-failed-checkpoints": 2_147_483_647}


def write_config(folder: pathlib.Path, settings: Mapping[str, object]) -> pathlib.Path:
    """Writes `config.yaml` into a folder, for this user only, and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    # JSON strings, numbers and booleans are YAML.
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in sorted(settings.items()))
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return folder
