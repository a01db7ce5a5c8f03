"""Three brokers: what goes on when one of them is killed, and how another program runs them."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import kafka as kafka_python
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, PartitionMetadata

from pipeline.errors import UsageError
from pipeline.local import kafka_admin
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.kafka_folder import AlreadyRunningError, find_running
from pipeline.local.kafka_prepare import prepare_kafka
from pipeline.local.kafka_wait import NotServingError, wait_for_kafka
from pipeline.local.produce import Record, produce_records

pytestmark = pytest.mark.kafka

_DEADLINE_SECONDS = 60.0
_ALL = [1, 2, 3]
_POLL_SECONDS = 0.1


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """Three brokers, all of which run whenever a test begins."""
    folder = tmp_path_factory.mktemp("cluster") / "kafka"
    with EmbeddedKafka(folder, brokers=3, ephemeral=True) as kafka:
        yield kafka


def _partition(kafka: EmbeddedKafka, topic: str) -> PartitionMetadata:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    return client.list_topics(topic, timeout=_DEADLINE_SECONDS).topics[topic].partitions[0]


def _wait_until_in_sync(kafka: EmbeddedKafka, topic: str) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while (in_sync := sorted(_partition(kafka, topic).isrs)) != _ALL:
        assert time.monotonic() < deadline, f"in sync: {in_sync}"
        threading.Event().wait(_POLL_SECONDS)


@contextlib.contextmanager
def _consumer(kafka: EmbeddedKafka, topic: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        yield consumer
    finally:
        consumer.close()


def _read(consumer: Consumer, count: int) -> list[bytes | None]:
    """The values of the next `count` records."""
    values: list[bytes | None] = []
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while len(values) < count:
        assert time.monotonic() < deadline, f"{len(values)} of {count} records"
        for message in consumer.consume(count - len(values), _POLL_SECONDS):
            assert message.error() is None
            values.append(message.value())
    return values


def _alive(process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: process.poll() is None


def _texts(numbers: range) -> list[bytes]:
    return [str(number).encode() for number in numbers]


def test_topics_have_three_replicas_of_which_two_must_be_in_sync(cluster: EmbeddedKafka) -> None:
    """Nothing is to be asked for; the settings are those of the cluster."""
    name = cluster.create_topic("replicated")
    partition = _partition(cluster, name)
    assert (_ALL, _ALL) == (sorted(partition.replicas), sorted(partition.isrs))
    with kafka_admin.admin_client(cluster.bootstrap_servers) as client:
        resource = kafka_python.admin.ConfigResource("topic", name)
        described = client.describe_configs([resource], config_filter="all")["topic"][name]
    assert "2" == described["min.insync.replicas"]["value"]


@pytest.mark.parametrize("killed_role", ["leader", "follower"])
def test_one_broker_is_killed(cluster: EmbeddedKafka, killed_role: str) -> None:
    """Producing and consuming go on, every acknowledged record is there once, and it rejoins."""
    name = cluster.create_topic(f"killed-{killed_role}")
    partition = _partition(cluster, name)
    killed = next(
        one for one in partition.replicas if (one == partition.leader) == (killed_role == "leader")
    )

    def records() -> Iterator[Record]:
        yield from map(Record, _texts(range(500, 1500)))
        # Many of those are on their way.
        cluster.processes[killed - 1].kill()
        yield from map(Record, _texts(range(1500, 2000)))

    with _consumer(cluster, name) as consumer:
        produce_records(cluster.bootstrap_servers, name, map(Record, _texts(range(500))))
        assert _texts(range(500)) == _read(consumer, 500)
        summary = produce_records(cluster.bootstrap_servers, name, records())
        assert (1500, 0) == (summary.delivered, summary.failed)
        assert _texts(range(500, 2000)) == _read(consumer, 1500)
        running = find_running(cluster.data_dir)
        assert running is not None
        assert (killed,) == running.missing
        assert killed != _partition(cluster, name).leader

        cluster.start_broker(killed)
        _wait_until_in_sync(cluster, name)
        produce_records(cluster.bootstrap_servers, name, map(Record, _texts(range(2000, 3000))))
        assert _texts(range(2000, 3000)) == _read(consumer, 1000)
    with kafka_admin.admin_client(cluster.bootstrap_servers) as client:
        assert 3000 == kafka_admin.require_topic(client, name).records


def test_a_broker_that_runs_is_not_started_again(cluster: EmbeddedKafka) -> None:
    """Neither alone nor with the others."""
    with pytest.raises(AlreadyRunningError) as caught:
        cluster.start_broker(2)
    assert "kafka: this broker runs already, got 2. Stop it first." == str(caught.value)
    numbers = ", ".join(str(process.pid) for process in cluster.processes)
    with pytest.raises(AlreadyRunningError) as caught:
        EmbeddedKafka(cluster.data_dir).start()
    assert (
        f"kafka: runs already as processes {numbers}, got {str(cluster.data_dir)!r}. "
        "Use it, stop it or choose another folder."
    ) == str(caught.value)


def test_records_survive_the_end_of_all_brokers(tmp_path: pathlib.Path) -> None:
    """After `kill -9` of all three, and after a clean stop, the next start finds everything."""
    kafka = EmbeddedKafka(tmp_path / "kafka", brokers=3)
    with kafka:
        first = (kafka.bootstrap_servers, kafka.cluster_id)
        kafka.create_topic("logs")
        produce_records(kafka.bootstrap_servers, "logs", [Record(b"one")])
        for process in kafka.processes:
            process.kill()
        assert find_running(kafka.data_dir) is None
    again = EmbeddedKafka(tmp_path / "kafka", log_path=tmp_path / "logs" / "again.log")
    with again:
        assert first == (again.bootstrap_servers, again.cluster_id)
        produce_records(again.bootstrap_servers, "logs", [Record(b"two")])
        with _consumer(again, "logs") as consumer:
            assert [b"one", b"two"] == _read(consumer, 2)
    assert [143, 143, 143] == [process.poll() for process in again.processes]
    assert ["again-1.log", "again-2.log", "again-3.log"] == sorted(
        path.name for path in (tmp_path / "logs").iterdir()
    )


def test_another_program_runs_a_broker(tmp_path: pathlib.Path) -> None:
    """It is made ready without being started; what it needs is its command and environment."""
    prepared = prepare_kafka(tmp_path)
    (program,) = prepared.programs
    assert "kafka" == program.name
    for _ in range(2):
        with (
            open(tmp_path / "log", "ab") as log,
            subprocess.Popen(program.argv, env=program.environment, stderr=log) as process,
        ):
            try:
                wait_for_kafka(prepared, is_alive=_alive(process))
                with kafka_admin.admin_client(prepared.bootstrap_servers) as client:
                    cluster = client.describe_cluster()
                with pytest.raises(UsageError, match="something listens there already"):
                    prepare_kafka(tmp_path)
            finally:
                process.terminate()
        assert prepared.cluster_id == cluster["cluster_id"]
        assert prepared == prepare_kafka(tmp_path)


def test_waiting_ends_with_the_programs(tmp_path: pathlib.Path) -> None:
    """Nobody waits for the time to be over when a broker has ended."""
    prepared = prepare_kafka(tmp_path)
    with pytest.raises(NotServingError) as caught:
        wait_for_kafka(prepared, is_alive=lambda: False)
    assert "kafka: a broker ended while starting. See its log." == str(caught.value)
    with pytest.raises(NotServingError) as caught:
        wait_for_kafka(prepared, is_alive=lambda: True, timeout_seconds=0)
    assert "kafka: brokers did not answer in time, got [1] of [1]. See their logs." == str(
        caught.value
    )
