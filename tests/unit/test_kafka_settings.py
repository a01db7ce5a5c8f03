"""The broker's settings file."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import pytest

from pipeline.local.kafka_settings import server_properties


def _settings(
    log_dir: str, controller_ports: Sequence[int] = (20002,), broker_id: int = 1
) -> dict[str, str]:
    text = server_properties(pathlib.Path(log_dir), 20001, controller_ports, broker_id=broker_id)
    return dict(line.split("=", 1) for line in text.splitlines())


def test_only_this_machine_reaches_the_broker() -> None:
    """Every address is the loopback one."""
    settings = _settings("/data")
    assert "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002" == settings["listeners"]
    assert "PLAINTEXT://127.0.0.1:20001" == settings["advertised.listeners"]
    assert "1@127.0.0.1:20002" == settings["controller.quorum.voters"]


def test_three_brokers_are_one_quorum_and_each_has_its_own_address() -> None:
    """All know the same voters; a broker listens at its own ports only."""
    settings = _settings("/data", (20002, 20003, 20004), broker_id=2)
    assert ("2", "1@127.0.0.1:20002,2@127.0.0.1:20003,3@127.0.0.1:20004") == (
        settings["node.id"],
        settings["controller.quorum.voters"],
    )
    assert "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20003" == settings["listeners"]
    assert "broker,controller" == settings["process.roles"]


@pytest.mark.parametrize(
    ("controller_ports", "replicas", "in_sync"),
    [((20002,), "1", "1"), ((20002, 20003, 20004), "3", "2")],
)
def test_of_three_brokers_one_may_die(
    controller_ports: tuple[int, ...], replicas: str, in_sync: str
) -> None:
    """Topics and Kafka's own ones have three replicas then, and two must have a record."""
    settings = _settings("/data", controller_ports)
    assert {
        "default.replication.factor": replicas,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "share.coordinator.state.topic.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.min.isr": in_sync,
    } == {
        key: value
        for key, value in settings.items()
        if key.endswith((".replication.factor", ".min.isr", ".insync.replicas"))
    }


@pytest.mark.parametrize(
    ("controller_ports", "asks"), [((20002,), "true"), ((20002, 20003, 20004), "false")]
)
def test_the_last_of_three_ends_without_asking_the_others(
    controller_ports: tuple[int, ...], asks: str
) -> None:
    """There is nobody left to ask when all are stopped."""
    assert asks == _settings("/data", controller_ports)["controlled.shutdown.enable"]


def test_nothing_is_deleted_and_no_topic_appears_by_itself() -> None:
    """Old events stay, and a mistyped topic is an error."""
    settings = _settings("/data")
    assert ("-1", "-1", "false") == (
        settings["log.retention.ms"],
        settings["log.retention.bytes"],
        settings["auto.create.topics.enable"],
    )


def test_folder_names_survive_javas_properties_format() -> None:
    """Backslashes and letters beyond ASCII are escaped, in UTF-16 units."""
    assert "/a b/\\u00e9\\ud83d\\ude00\\\\n" == _settings("/a b/é😀\\n")["log.dirs"]
