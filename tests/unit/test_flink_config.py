"""Settings of a Flink cluster on this machine."""

from __future__ import annotations

import json
import pathlib
import re
import stat

import pytest

from pipeline.local import flink_config
from pipeline.local.flink_config import FlinkPorts

MEBIBYTE = 1 << 20


def parse(path: pathlib.Path) -> dict[str, object]:
    """The settings of a `config.yaml`: every line a key and a value in JSON, which is YAML."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def memory() -> dict[str, str]:
    """What a TaskManager is told of its memory."""
    arguments = flink_config.task_manager_memory()
    assert ["-D"] * (len(arguments) // 2) == arguments[::2]
    return dict(argument.split("=", 1) for argument in arguments[1::2])


def test_settings_are_read_back_as_they_were(tmp_path: pathlib.Path) -> None:
    """Paths with anything in them, booleans and numbers; sorted, so that files can be compared."""
    settings: dict[str, object] = {
        "io.tmp.dirs": "/a b/#1: 'x' \"y\" \\ größe",
        "web.submit.enable": False,
        "rest.port": 8081,
    }

    folder = flink_config.write_config(tmp_path / "conf" / "jobmanager-1", settings)

    path = folder / "config.yaml"
    assert tmp_path / "conf" / "jobmanager-1" == folder
    assert settings == parse(path)
    assert sorted(settings) == list(parse(path))


def test_settings_are_for_this_user_only(tmp_path: pathlib.Path) -> None:
    """They may hold what others should not see."""
    folder = flink_config.write_config(tmp_path, {"a": 1})

    assert 0o600 == stat.S_IMODE((folder / "config.yaml").stat().st_mode)


def test_settings_are_replaced(tmp_path: pathlib.Path) -> None:
    """Nothing of an earlier start is left."""
    flink_config.write_config(tmp_path, {"a": 1, "b": 2})

    assert {"c": 3} == parse(flink_config.write_config(tmp_path, {"c": 3}) / "config.yaml")


def test_everything_listens_on_loopback_and_nobody_uploads_jars() -> None:
    """Whoever reaches Flink's REST API could else run code."""
    settings = flink_config.cluster_settings({})
    settings |= flink_config.job_manager_settings(FlinkPorts(rest=1, rpc=2, blob=3))

    hosts = {key: value for key, value in settings.items() if re.search("host|address", key)}

    expected = {
        "jobmanager.bind-host",
        "jobmanager.rpc.address",
        "rest.address",
        "rest.bind-address",
        "taskmanager.bind-host",
        "taskmanager.host",
    }
    assert dict.fromkeys(expected, "127.0.0.1") == hosts
    assert settings["web.submit.enable"] is False


def test_settings_of_the_caller_beat_the_own_ones() -> None:
    """And come beside them where there are none."""
    extra = {"heartbeat.timeout": 5, "s3.endpoint": "http://localhost:9000"}

    settings = flink_config.cluster_settings(extra)

    assert extra == {key: settings[key] for key in extra}
    assert 3 == settings["state.checkpoints.num-retained"]


def test_ports_of_a_job_manager_are_fixed() -> None:
    """Each is where the other processes and later commands look for it."""
    expected = {
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": 2,
        "rest.port": 1,
        "rest.bind-port": 1,
        "blob.server.port": 3,
    }

    assert expected == flink_config.job_manager_settings(FlinkPorts(rest=1, rpc=2, blob=3))


def test_high_availability_goes_through_zookeeper() -> None:
    """Its address, and the folder for what it has no room for."""
    settings = flink_config.high_availability_settings(2181, "file:///run/ha")

    expected = {
        "high-availability.type": "zookeeper",
        "high-availability.zookeeper.quorum": "127.0.0.1:2181",
        "high-availability.storageDir": "file:///run/ha",
    }
    assert expected == {key: settings[key] for key in expected}


def test_a_checkpoint_that_fails_does_not_end_the_job() -> None:
    """A store that is full or away is an outage, not a reason to stop counting."""
    expected = {"execution.checkpointing.tolerable-failed-checkpoints": 2**31 - 1}

    assert expected == flink_config.job_settings()


def test_the_java_machine_of_a_task_manager_holds_what_its_settings_promise() -> None:
    """Heap, direct memory and metaspace are what Flink's parts add up to."""
    told = {
        key.removeprefix("taskmanager.memory."): int(value.removesuffix("b")) // MEBIBYTE
        for key, value in memory().items()
        if key.startswith("taskmanager.memory.")
    }
    heap = told["task.heap.size"] + told["framework.heap.size"]
    direct = told["task.off-heap.size"] + told["framework.off-heap.size"] + told["network.max"]

    options = flink_config.task_manager_java_options()

    expected = [
        f"-Xms{heap}m",
        f"-Xmx{heap}m",
        f"-XX:MaxDirectMemorySize={direct}m",
        f"-XX:MaxMetaspaceSize={told['jvm-metaspace.size']}m",
    ]
    assert expected == options[:4]


def test_a_task_manager_is_told_all_that_it_asks_for() -> None:
    """Flink 1.19 does not start one without these (TaskExecutorResourceUtils)."""
    sizes = ["task.heap.size", "task.off-heap.size", "network.min", "network.max", "managed.size"]
    expected = {"taskmanager.cpu.cores", *(f"taskmanager.memory.{size}" for size in sizes)}

    assert expected <= set(memory())
    assert memory()["taskmanager.memory.network.min"] == memory()["taskmanager.memory.network.max"]


@pytest.mark.parametrize(
    "options",
    [flink_config.job_manager_java_options(), flink_config.task_manager_java_options()],
)
def test_a_java_machine_without_memory_ends(options: list[str]) -> None:
    """One that goes on with half its threads gone would never be started again."""
    assert "-XX:+ExitOnOutOfMemoryError" in options
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in options
