"""The local broker: what survives a stop, what does not survive its caller, and what passes."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import kafka as kafka_python
import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.local import kafka_admin
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.kafka_folder import AlreadyRunningError, find_running
from pipeline.local.produce import ProduceSummary, Record, produce_records

pytestmark = pytest.mark.kafka

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DEADLINE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_TIME_OF_2015_MS = 1_450_576_000_000

_CALLER = """
import pathlib, sys
from pipeline.local.kafka_broker import EmbeddedKafka
with EmbeddedKafka(pathlib.Path(sys.argv[1])) as broker:
    print(broker.bootstrap_servers, flush=True)
    sys.stdin.read()
"""


def _read(bootstrap_servers: str, topic: str, count: int) -> list[Any]:
    """The first `count` records of partition 0."""
    consumer = kafka_python.KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        max_partition_fetch_bytes=10 * 1024 * 1024,
    )
    with contextlib.closing(consumer):
        partition = kafka_python.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        records: list[Any] = []
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while len(records) < count:
            assert time.monotonic() < deadline, f"{len(records)} of {count} records"
            records += consumer.poll(timeout_ms=200).get(partition, [])
        return records


def _processes_naming(text: str) -> dict[int, str]:
    """Pids and command lines of the live processes with `text` in their command line."""
    shown = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in shown.splitlines():
        pid, state, command = line.split(maxsplit=2)
        if text in command and not state.startswith("Z"):
            found[int(pid)] = command
    return found


def _wait_until_none_names(text: str) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while found := _processes_naming(text):
        assert time.monotonic() < deadline, f"still there: {found}"
        threading.Event().wait(_PAUSE_SECONDS)


@pytest.fixture
def caller(tmp_path: pathlib.Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs in sessions of their own, and leaves none behind."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    cwd=tmp_path,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(_ROOT)},
                )
            )
            stack.callback(process.kill)
            return process

        yield start


def test_records_survive_stop_and_start(tmp_path: pathlib.Path) -> None:
    """The next start finds cluster id, port and records of the one before, whatever ended it."""
    broker = EmbeddedKafka(tmp_path / "broker")
    with broker:
        first = (broker.bootstrap_servers, broker.cluster_id)
        broker.create_topic("logs")
        produce_records(broker.bootstrap_servers, "logs", [Record(b"one")])
    # What a machine that went down leaves; the number may be anyone's now.
    stale = {"pid": os.getpid(), "start_id": "boot/1"}
    (tmp_path / "broker" / "broker.pid").write_text(json.dumps(stale))
    again = EmbeddedKafka(tmp_path / "broker")
    with again:
        assert first == (again.bootstrap_servers, again.cluster_id)
        assert [b"one"] == [record.value for record in _read(first[0], "logs", 1)]
        produce_records(again.bootstrap_servers, "logs", [Record(b"two")])
        again.process.kill()
        again.start()
        assert first == (again.bootstrap_servers, again.cluster_id)
        assert [b"one", b"two"] == [record.value for record in _read(first[0], "logs", 2)]


def test_ephemeral_broker_does_not_delete_what_it_did_not_make(tmp_path: pathlib.Path) -> None:
    """A folder that holds something is refused."""
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(ServiceError, match="must be empty at first"):
        EmbeddedKafka(tmp_path, ephemeral=True).start()
    assert ["letter"] == [path.name for path in tmp_path.iterdir()]


def test_two_brokers_at_once(kafka: EmbeddedKafka, tmp_path: pathlib.Path) -> None:
    """Each has its own port, cluster and topics; an ephemeral one leaves nothing."""
    folder = tmp_path / "other"
    with EmbeddedKafka(folder, ephemeral=True) as other:
        assert _processes_naming(str(folder))
        assert other.bootstrap_servers != kafka.bootstrap_servers
        assert other.cluster_id != kafka.cluster_id
        other.create_topic("only-here")
        with kafka_admin.admin_client(other.bootstrap_servers) as client:
            assert ["only-here"] == kafka_admin.topic_names(client)
        with kafka_admin.admin_client(kafka.bootstrap_servers) as client:
            assert "only-here" not in kafka_admin.topic_names(client)
    assert not folder.exists()
    assert {} == _processes_naming(str(folder))


def test_one_folder_serves_one_broker(kafka: EmbeddedKafka) -> None:
    """A second start in the folder of a running broker says so, and leaves it alone."""
    with pytest.raises(AlreadyRunningError) as caught:
        EmbeddedKafka(kafka.data_dir).start()
    assert (
        f"kafka: runs already as process {kafka.process.pid}, got {str(kafka.data_dir)!r}. "
        "Use it, stop it or choose another folder."
    ) == str(caught.value)
    running = find_running(kafka.data_dir)
    assert running is not None
    assert (kafka.process.pid, kafka.bootstrap_servers) == (
        running.process.pid,
        running.bootstrap_servers,
    )


def test_killed_caller_leaves_no_broker(
    tmp_path: pathlib.Path, caller: Callable[..., subprocess.Popen[str]]
) -> None:
    """`kill -9` of the program that started it ends the JVM and its guard too."""
    folder = tmp_path / "broker"
    process = caller("-c", _CALLER, str(folder))
    assert process.stdout is not None
    assert process.stdout.readline().startswith("127.0.0.1:")
    assert find_running(folder) is not None
    process.kill()
    _wait_until_none_names(str(folder))
    assert find_running(folder) is None


def test_ctrl_c_ends_a_broker_in_the_foreground(
    tmp_path: pathlib.Path, caller: Callable[..., subprocess.Popen[str]]
) -> None:
    """The signal goes to the whole foreground group, as a terminal sends it."""
    folder = tmp_path / "broker"
    process = caller("-m", "pipeline", "kafka", "start", "--foreground", "--dir", str(folder))
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    running = find_running(folder)
    assert running is not None
    assert address == running.bootstrap_servers
    os.killpg(process.pid, signal.SIGINT)
    _, messages = process.communicate(timeout=_DEADLINE_SECONDS)
    assert 0 == process.returncode, messages
    assert "stopped" == messages.splitlines()[-1]
    assert {} == _processes_naming(str(folder))


def test_broker_that_dies_while_starting_is_told_at_once(tmp_path: pathlib.Path) -> None:
    """A folder that Kafka cannot use ends the start with Kafka's own reason."""
    (tmp_path / "data").write_text("not a folder")
    start = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        EmbeddedKafka(tmp_path).start(timeout_seconds=_DEADLINE_SECONDS)
    assert time.monotonic() - start < _DEADLINE_SECONDS / 2
    assert (
        "kafka: the broker ended while starting: java.nio.file.FileSystemException: "
        f"{tmp_path}/data/meta.properties: Not a directory. Log: {tmp_path}/broker.log"
    ) == str(caught.value)
    assert {} == _processes_naming(str(tmp_path))


def test_start_that_takes_too_long_leaves_nothing(tmp_path: pathlib.Path) -> None:
    """The time given is kept, and what was started is ended."""
    with pytest.raises(ServiceError, match="did not answer in time"):
        EmbeddedKafka(tmp_path).start(timeout_seconds=0)
    assert {} == _processes_naming(str(tmp_path))
    with EmbeddedKafka(tmp_path) as broker:
        assert broker.process.poll() is None


def test_port_in_use(tmp_path: pathlib.Path) -> None:
    """It is told before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            EmbeddedKafka(tmp_path, port=port).start()
    assert (
        f"--port: something listens there already, got {port}. "
        "Stop that program or choose another port."
    ) == str(caught.value)


def test_folder_that_cannot_be_used(tmp_path: pathlib.Path) -> None:
    """A file where the folder should be is one line."""
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "broker"
    with pytest.raises(ServiceError) as caught:
        EmbeddedKafka(folder).start()
    assert (
        f"kafka: its folder cannot be used (Not a directory), got {str(folder)!r}. "
        "Make it writable, free space or choose another one."
    ) == str(caught.value)


def test_folder_with_an_unusual_name(tmp_path: pathlib.Path) -> None:
    """Blanks and letters beyond ASCII are fine; a comma, which Kafka splits at, is refused."""
    with EmbeddedKafka(tmp_path / "bröker 1", ephemeral=True) as broker:
        broker.create_topic("logs")
        assert (tmp_path / "bröker 1" / "data" / "logs-0").is_dir()
    with pytest.raises(ServiceError, match="takes a comma for the end"):
        EmbeddedKafka(tmp_path / "a,b").start()


def test_records_pass_as_they_are(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """Odd bytes, nothing, 1 MB, tombstones, keys, headers and times: all as written."""
    name = topic()
    written = [
        Record(b"plain", timestamp_ms=_TIME_OF_2015_MS),
        Record(b"", timestamp_ms=_TIME_OF_2015_MS + 1),
        Record(b"\xff\xfe\x00\n\x1b", key=b"\x80", timestamp_ms=_TIME_OF_2015_MS - 5),
        Record(None, key=b"key", timestamp_ms=1),
        Record(b"x" * 1_000_000, key=b"", timestamp_ms=_TIME_OF_2015_MS),
        Record(
            b"traced",
            timestamp_ms=_TIME_OF_2015_MS,
            headers=[("trace", b"\x00"), ("trace", b""), ("none", None)],
        ),
    ]
    summary = produce_records(kafka.bootstrap_servers, name, written)
    assert ProduceSummary(delivered=6, failed=0, value_bytes=1_000_016) == summary
    read = [
        Record(
            record.value,
            key=record.key,
            timestamp_ms=record.timestamp,
            headers=list(record.headers) or (),
        )
        for record in _read(kafka.bootstrap_servers, name, len(written))
    ]
    assert written == read


def test_old_records_stay(kafka: EmbeddedKafka, topic: Callable[..., str]) -> None:
    """A log of 2015 is not deleted for its age: retention is off, in every topic."""
    name = topic()
    with kafka_admin.admin_client(kafka.bootstrap_servers) as client:
        resource = kafka_python.admin.ConfigResource("topic", name)
        described = client.describe_configs([resource], config_filter="all")["topic"][name]
    assert ("-1", "-1") == tuple(
        described[key]["value"] for key in ("retention.ms", "retention.bytes")
    )


def test_records_go_to_the_partition_of_their_key_or_the_one_given(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """Keys land where the Java client puts them (murmur2); a partition given wins."""
    name = topic(partitions=4)
    records = [Record(b"", key=b"checkout"), Record(b"", key=b"web"), Record(b"", partition=3)]
    produce_records(kafka.bootstrap_servers, name, [*records, Record(b"", key=b"web", partition=0)])
    with kafka_admin.admin_client(kafka.bootstrap_servers) as client:
        described = kafka_admin.require_topic(client, name)
    expected = [0, 0, 0, 0]
    for key in (b"checkout", b"web"):
        expected[kafka_python.partitioner.default.murmur2(key) & 0x7FFFFFFF & 3] += 1
    expected[3] += 1
    expected[0] += 1
    assert expected == [partition.records for partition in described.partitions]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Record(b"x" * 11_000_000), "Unable to produce message: Broker: Message size too large"),
        (Record(b"", partition=9), "Local: Unknown partition"),
        (Record(b"", timestamp_ms=32_503_680_000_000), "Broker: Invalid timestamp"),
    ],
    ids=["size", "partition", "timestamp"],
)
def test_refused_record_is_told(
    kafka: EmbeddedKafka, topic: Callable[..., str], bad: Record, reason: str
) -> None:
    """What was produced before it is there; nothing is silently lost."""
    name = topic()
    produce_records(kafka.bootstrap_servers, name, [Record(b"good")])
    with pytest.raises(ServiceError) as caught:
        produce_records(kafka.bootstrap_servers, name, [bad])
    assert (
        f"topic: records not delivered: 1 ({reason}), got {name!r}. "
        "Delivered before: 0; check the broker and the records."
    ) == str(caught.value)
    assert [b"good"] == [record.value for record in _read(kafka.bootstrap_servers, name, 1)]


def test_no_topic_appears_by_itself(kafka: EmbeddedKafka) -> None:
    """Producing to a topic that is not there is an error and does not make it."""
    with pytest.raises(ServiceError, match="Unknown topic or partition"):
        produce_records(kafka.bootstrap_servers, "never-created", [Record(b"")])
    with kafka_admin.admin_client(kafka.bootstrap_servers) as client:
        assert "never-created" not in kafka_admin.topic_names(client)


def test_records_wait_for_a_broker_that_comes_back(tmp_path: pathlib.Path) -> None:
    """A producer outlasts a broker's death and writes each record once."""
    broker = EmbeddedKafka(tmp_path / "broker", ephemeral=True)

    def records() -> Iterator[Record]:
        yield Record(b"before")
        broker.process.kill()
        yield Record(b"during")
        broker.start()
        yield Record(b"after")

    with broker:
        broker.create_topic("logs")
        summary = produce_records(broker.bootstrap_servers, "logs", records())
        assert ProduceSummary(delivered=3, failed=0, value_bytes=17) == summary
        read = [record.value for record in _read(broker.bootstrap_servers, "logs", 3)]
        assert [b"before", b"during", b"after"] == read
