"""The native reader on a real broker, beside the connector of Beam."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from pipeline.end_offsets import EndOffsets
from pipeline.errors import ServiceError
from pipeline.kafka_properties import KafkaProperties
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.partition_reader import ExpiredOffsetError, MessageBatch, PartitionReader
from transforms.batches import record_at

pytestmark = pytest.mark.kafka

Open = Callable[[str, int], PartitionReader]
DEADLINE_READS = 100


@pytest.fixture
def open_reader(kafka: EmbeddedKafka) -> Iterator[Open]:
    """Opens a reader of partition 0 at an offset; closes it at the end."""
    readers = []

    def open_(topic: str, offset: int) -> PartitionReader:
        properties = KafkaProperties({"bootstrap.servers": kafka.bootstrap_servers})
        ends = EndOffsets(properties)
        readers.append(PartitionReader(properties, topic, 0, offset, readers=1, ends=ends))
        return readers[-1]

    yield open_
    for reader in readers:
        reader.close()


def produce(kafka: EmbeddedKafka, topic: str, count: int) -> None:
    """Writes lines numbered from 0."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(count):
        producer.produce(topic, b"line %d" % number, partition=0, headers=[("n", b"%d" % number)])
    producer.flush()


def delete_before(kafka: EmbeddedKafka, topic: str, offset: int) -> None:
    """What retention does, at once."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result()


def next_batch(reader: PartitionReader) -> MessageBatch:
    """The next records, for which a broker may need a moment."""
    for _ in range(DEADLINE_READS):
        batch = reader.read(0.2)
        if batch is not None:
            return batch
    raise AssertionError("nothing came")


def test_records_come_in_order_and_whole(
    kafka: EmbeddedKafka, topic: Callable[..., str], open_reader: Open
) -> None:
    """From the offset that was asked for to the end, and then the end is known."""
    name = topic(1)
    produce(kafka, name, 1_200)
    reader = open_reader(name, 100)

    records = []
    while len(records) < 1_100:
        batch = next_batch(reader)
        records += [record_at(batch, index) for index in range(len(batch.offsets))]

    assert list(range(100, 1_200)) == [record.offset for record in records]
    assert b"line 1199" == records[-1].value
    assert [("n", b"1199")] == records[-1].headers
    assert (1_200, True) == (reader.look_for_end(), reader.caught_up_ms > 0)

    produce(kafka, name, 1)
    assert range(1_200, 1_201) == next_batch(reader).offsets
    assert 0 == reader.caught_up_ms


def test_the_end_of_a_partition_that_is_new_is_known(
    kafka: EmbeddedKafka, topic: Callable[..., str]
) -> None:
    """Else it would never be caught up with, and hold the watermark of all others back."""
    name = topic(1)
    produce(kafka, name, 3)
    ends = EndOffsets(KafkaProperties({"bootstrap.servers": kafka.bootstrap_servers}))
    assert 3 == ends.ask(name, 0)

    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for made in admin.create_partitions([NewPartitions(name, 2)]).values():
        made.result()

    assert [3, 0, None] == [ends.ask(name, partition) for partition in (0, 1, 2)]


def test_expired_offsets_are_told_and_can_be_left_out(
    kafka: EmbeddedKafka, topic: Callable[..., str], open_reader: Open
) -> None:
    """Never skipped in silence."""
    name = topic(1)
    produce(kafka, name, 10)
    delete_before(kafka, name, 7)
    reader = open_reader(name, 2)

    with pytest.raises(ExpiredOffsetError, match=r"offsets 2 to 6 of .*\[0\] have expired"):
        next_batch(reader)
    assert (2, 6) == reader.skip_expired()
    assert range(7, 10) == next_batch(reader).offsets


def test_a_partition_that_ends_before_the_offset_is_told(
    kafka: EmbeddedKafka, topic: Callable[..., str], open_reader: Open
) -> None:
    """As after a topic was deleted and made anew."""
    name = topic(1)
    produce(kafka, name, 3)
    reader = open_reader(name, 50)

    with pytest.raises(ServiceError, match=r"it ends at offset 3, and 50 was to be read"):
        next_batch(reader)


def test_markers_of_transactions_do_not_hide_the_end(
    kafka: EmbeddedKafka, topic: Callable[..., str], open_reader: Open
) -> None:
    """An aborted transaction is the last thing in the partition."""
    name = topic(1)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name})
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(name, b"x", partition=0)
        producer.flush()
        end()
    reader = open_reader(name, 0)

    assert [0] == list(next_batch(reader).offsets)
    for _ in range(DEADLINE_READS):
        if reader.next_offset == 4:
            break
        assert reader.read(0.2) is None

    assert (4, True) == (reader.look_for_end(), reader.caught_up_ms > 0)


@contextlib.contextmanager
def reader_without_broker(tmp_path: pathlib.Path) -> Iterator[PartitionReader]:
    """A reader of three records whose broker is away in the block; then it reads on with two."""
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        broker.create_topic("logs", 1)
        produce(broker, "logs", 3)
        properties = KafkaProperties({"bootstrap.servers": broker.bootstrap_servers})
        reader = PartitionReader(properties, "logs", 0, 0, readers=1, ends=EndOffsets(properties))
        assert range(3) == next_batch(reader).offsets
        port = int(broker.bootstrap_servers.rpartition(":")[2])

    yield reader

    with EmbeddedKafka(tmp_path / "kafka", port=port) as broker:
        produce(broker, "logs", 2)
        assert range(3, 5) == next_batch(reader).offsets
        reader.close()


def test_a_broker_that_comes_back_is_read_on(tmp_path: pathlib.Path) -> None:
    """While it is away nobody claims to have caught up; then no record is missing."""
    with reader_without_broker(tmp_path) as reader:
        assert reader.read(0.2) is None
        assert (0, None, True) == (
            reader.stuck_seconds,
            reader.look_for_end(),
            reader.stuck_seconds > 0,
        )


def test_a_reader_connects_anew_where_no_broker_answers(tmp_path: pathlib.Path) -> None:
    """It does not wait for one, and reads on as soon as there is one."""
    with reader_without_broker(tmp_path) as reader:
        reader.reconnect()
        assert reader.read(0.5) is None
        assert "refused" in reader.trouble.lower()


def test_a_reader_that_gets_nothing_knows_it_and_reads_on_when_it_connects_anew(
    kafka: EmbeddedKafka, topic: Callable[..., str], open_reader: Open
) -> None:
    """What a client that has stopped fetching looks like: paused, and nobody told."""
    name = topic(1)
    produce(kafka, name, 3)
    reader = open_reader(name, 0)
    assert range(3) == next_batch(reader).offsets
    assert (3, 0) == (reader.look_for_end(), reader.stuck_seconds)

    reader._consumer.pause([TopicPartition(name, 0)])
    produce(kafka, name, 2)
    assert (None, 5) == (reader.read(0.5), reader.look_for_end())
    assert reader.stuck_seconds > 0

    reader.reconnect()
    assert 0 == reader.stuck_seconds
    assert range(3, 5) == next_batch(reader).offsets
