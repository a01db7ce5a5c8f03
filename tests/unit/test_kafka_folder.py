"""A broker's folder: its state, its default place, and what a log says of a failure."""

from __future__ import annotations

import pathlib
import re

import pytest

from pipeline.errors import ServiceError
from pipeline.local.folders import RUN_DIR_VARIABLE
from pipeline.local.kafka_folder import (
    BrokerFiles,
    BrokerState,
    ClusterState,
    default_data_dir,
    find_running,
    new_cluster_id,
)
from pipeline.local.kafka_log import failure_reason, log_size

_STATE = ClusterState(
    "abc",
    (
        BrokerState(20001, 20002, formatted=True),
        BrokerState(20003, 20004, formatted=False),
        BrokerState(20005, 20006, formatted=True),
    ),
)


def test_state_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    """A later start finds what an earlier one left, and no draft."""
    _STATE.write(tmp_path)
    assert _STATE == ClusterState.read(tmp_path)
    assert ["broker.json"] == [path.name for path in tmp_path.iterdir()]


def test_no_state_in_a_new_folder(tmp_path: pathlib.Path) -> None:
    """Nothing was ever started there."""
    assert ClusterState.read(tmp_path) is None
    assert find_running(tmp_path) is None


def test_state_of_the_time_of_one_broker_is_understood(tmp_path: pathlib.Path) -> None:
    """Folders made before there could be three keep working."""
    (tmp_path / "broker.json").write_text(
        '{"cluster_id": "abc", "port": 20001, "controller_port": 20002, "formatted": true}\n'
    )
    state = ClusterState("abc", (BrokerState(20001, 20002, formatted=True),))
    assert state == ClusterState.read(tmp_path)


def test_addresses_of_all_brokers() -> None:
    """In the order of their ids."""
    assert "127.0.0.1:20001,127.0.0.1:20003,127.0.0.1:20005" == _STATE.bootstrap_servers


def test_the_only_broker_lives_in_the_folder_itself(tmp_path: pathlib.Path) -> None:
    """As it did before there could be three; a log elsewhere has the name given."""
    files = BrokerFiles.of(tmp_path, 1, 1)
    assert ("kafka", tmp_path / "data", tmp_path / "broker.log") == (
        files.name,
        files.records,
        files.log,
    )
    assert tmp_path / "logs" / "demo.log" == files.log_beside(tmp_path / "logs" / "demo.log")


def test_each_of_three_brokers_has_a_folder_and_a_log(tmp_path: pathlib.Path) -> None:
    """They are told apart by their ids."""
    files = BrokerFiles.of_all(tmp_path, 3)
    assert ["kafka-1", "kafka-2", "kafka-3"] == [one.name for one in files]
    assert [tmp_path / number / "data" for number in "123"] == [one.records for one in files]
    assert [tmp_path / f"demo-{number}.log" for number in "123"] == [
        one.log_beside(tmp_path / "demo.log") for one in files
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"cluster_id": "a", "port": "x"}',
        '{"cluster_id": "a", "brokers": []}',
        '{"cluster_id": "a", "brokers": [{"port": 1}]}',
    ],
)
def test_damaged_state_is_one_line(tmp_path: pathlib.Path, text: str) -> None:
    """It says which file, and what to do."""
    path = tmp_path / "broker.json"
    path.write_text(text)
    with pytest.raises(ServiceError) as caught:
        ClusterState.read(tmp_path)
    assert re.fullmatch(
        rf"kafka: its state file cannot be read \(.*\), got {re.escape(repr(str(path)))}\. "
        r"Choose another folder, or delete this one with its records\.",
        str(caught.value),
    )


def test_state_without_a_live_process_is_no_running_broker(tmp_path: pathlib.Path) -> None:
    """A stopped broker leaves its state for the next start."""
    _STATE.write(tmp_path)
    assert find_running(tmp_path) is None


def test_default_folder_is_in_the_run_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All commands look for the local broker in the same place."""
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(tmp_path))
    assert tmp_path / "kafka" == default_data_dir()


def test_cluster_ids_have_kafkas_form() -> None:
    """22 characters of URL-safe base64, never starting like an option."""
    ids = {new_cluster_id() for _ in range(500)}
    assert 500 == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", one) for one in ids)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (b"", ""),
        (b"[main] WARN kafka.Kafka$ - all is well\n", ""),
        (b"[main] ERROR kafka.Kafka$ - Exiting.\n", "[main] ERROR kafka.Kafka$ - Exiting"),
        (
            b"[main] ERROR kafka.Kafka$ - Exiting\n"
            b"org.apache.kafka.common.KafkaException: Socket server failed to bind\n"
            b"\tat kafka.network.Acceptor.openServerSocket(SocketServer.scala:1)\n"
            b"Caused by: java.net.BindException: Address already in use\n"
            b"\tat java.base/sun.nio.ch.Net.bind0(Native Method)\n"
            b"[shutdown-hook] WARN bye\n",
            "java.net.BindException: Address already in use",
        ),
        (
            b"Terminating due to java.lang.OutOfMemoryError: Java heap space\n",
            "java.lang.OutOfMemoryError: Java heap space",
        ),
        (b"a.b.CException: \x1b[2J \xff\n", "a.b.CException: \\x1b[2J \\xff"),
    ],
)
def test_reason_of_a_failure(tmp_path: pathlib.Path, log: bytes, reason: str) -> None:
    """The innermost exception, else an ERROR line; made safe to print."""
    path = tmp_path / "log"
    path.write_bytes(log)
    assert reason == failure_reason(path, 0)


def test_reason_of_an_earlier_start_does_not_count(tmp_path: pathlib.Path) -> None:
    """Only what was written since is looked at."""
    path = tmp_path / "log"
    assert 0 == log_size(path)
    path.write_bytes(b"a.b.OldException: old\n")
    assert "" == failure_reason(path, log_size(path))


def test_reason_without_a_log(tmp_path: pathlib.Path) -> None:
    """No log, no reason."""
    assert "" == failure_reason(tmp_path / "log", 0)
