"""Results in a Kafka topic: written by id, compacted, read back, watched."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    ResourceType,
)
from kafka import KafkaConsumer

from pipeline import cli
from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_properties import KafkaProperties
from pipeline.live_sinks import WriteResultsToKafka
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.ports import free_port
from pipeline.result_table import ResultTable
from pipeline.results_topic import TopicResults, ensure_results_topic
from transforms import metrics
from transforms.results import Result

pytestmark = pytest.mark.kafka

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z
_DEADLINE_SECONDS = 60.0

Topic = Callable[..., str]


def result(number: int, count: int = 1, revision: int = 0, *, final: bool = False) -> Result:
    """The result of window `number`."""
    end = MINUTE + number * 10_000
    return Result("errors", None, end - 30_000, end, count, revision, final, None)


def parsed(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Results as readers have them."""
    return [json.loads(one.to_json()) for one in results]


def properties(kafka: EmbeddedKafka) -> KafkaProperties:
    """What a reader needs to connect."""
    return KafkaProperties({"bootstrap.servers": kafka.bootstrap_servers})


def write(kafka: EmbeddedKafka, topic: str, results: Sequence[Result]) -> dict[str, int]:
    """Writes the results with a pipeline and returns its counters."""
    pipeline = TestPipeline()
    sink = WriteResultsToKafka(topic, kafka.bootstrap_servers)
    _ = pipeline | beam.Create(results, reshuffle=False) | sink
    finished = pipeline.run()
    finished.wait_until_finish()
    return metrics.counted(finished)


def policy(kafka: EmbeddedKafka, topic: str) -> str:
    """The topic's cleanup.policy."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    value: str = admin.describe_configs([resource])[resource].result()["cleanup.policy"].value
    return value


def test_results_are_written_by_id_and_read_back(kafka: EmbeddedKafka, topic: Topic) -> None:
    """Key id, value JSON; acknowledged results are counted."""
    name = topic()
    results = [result(number, number) for number in range(20)]

    counters = write(kafka, name, results)

    assert {metrics.RESULTS_WRITTEN: 20} == counters
    with contextlib.closing(
        KafkaConsumer(name, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    ) as consumer:
        records = list(itertools.islice(consumer, len(results)))
    assert [(one.id.encode(), one.to_json().encode()) for one in results] == [
        (one.key, one.value) for one in records
    ]
    assert parsed(results) == list(TopicResults(name, properties(kafka)).read_all())


def test_the_topic_is_made_compacted_with_one_partition_and_kept(kafka: EmbeddedKafka) -> None:
    """The second time it is there already, and there is nothing to note."""
    name = "results-made"

    notes = [ensure_results_topic(name, properties(kafka)) for _ in range(2)]

    assert [None, None] == notes
    assert "compact" == policy(kafka, name)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    assert [0] == list(admin.list_topics(timeout=10).topics[name].partitions)


def test_a_topic_that_is_not_compacted_is_noted_and_left_as_it_is(
    kafka: EmbeddedKafka, topic: Topic
) -> None:
    """It is the user's topic."""
    name = topic()

    note = ensure_results_topic(name, properties(kafka))

    assert (
        f"topic {name} is not compacted (cleanup.policy=delete): "
        "it keeps every revision, and may delete results for their age"
    ) == note
    assert "delete" == policy(kafka, name)


def test_a_topic_that_brokers_refuse_is_a_mistake_of_the_user(kafka: EmbeddedKafka) -> None:
    """With the broker's reason."""
    with pytest.raises(UsageError) as caught:
        ensure_results_topic("no/topic", properties(kafka))

    assert str(caught.value).startswith("--output: the brokers refuse (")
    assert "got 'kafka:no/topic'. Choose another topic" in str(caught.value)


def test_a_broker_that_does_not_answer_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At once, for the writer's preparations and for the reader."""
    nobody = f"127.0.0.1:{free_port()}"

    with pytest.raises(ServiceError) as caught:
        ensure_results_topic("counts", KafkaProperties({"bootstrap.servers": nobody}))
    code = cli.main(["results", "--from=kafka:counts", f"--kafka_bootstrap_servers={nobody}"])

    assert (1, ("", f"error: {caught.value}\n")) == (code, capsys.readouterr())


def test_a_result_that_is_not_delivered_fails_the_bundle(
    kafka: EmbeddedKafka, topic: Topic
) -> None:
    """The runner repeats it; the message names topic and reason, and the next bundle works."""
    small = topic(settings={"max.message.bytes": "200"})
    worker: Any = WriteResultsToKafka(small, kafka.bootstrap_servers)._fn
    worker.setup()
    worker.start_bundle()
    worker.process(result(1))

    with pytest.raises(ServiceError) as caught:
        worker.finish_bundle()

    assert (
        "topic: results not delivered: 1 of 1 (Broker: Message size too large), "
        f"got {small!r}. Check the broker and the topic."
    ) == str(caught.value)
    worker.start_bundle()
    worker.finish_bundle()


def test_a_broker_that_is_away_fails_the_bundle_with_the_reason() -> None:
    """After the delivery timeout."""
    nobody = f"127.0.0.1:{free_port()}"
    worker: Any = WriteResultsToKafka("counts", nobody, delivery_timeout_seconds=0.5)._fn
    worker.setup()
    worker.start_bundle()
    worker.process(result(1))

    with pytest.raises(ServiceError) as caught:
        worker.finish_bundle()

    assert "results not delivered: 1 of 1 (Local: Message timed out, " in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_results_of_a_topic_are_the_kept_ones(
    kafka: EmbeddedKafka, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    """Written twice and out of order, over several partitions, among records that are none."""
    name = topic(3)
    results = [result(2), result(1), result(1, 4, 1), result(1), result(1, 4, 1, final=True)]
    write(kafka, name, results)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in (b"oops", None, b"\xff"):
        producer.produce(name, value, b"key")
    producer.flush()

    code = cli.main(
        ["results", f"--from=kafka:{name}", f"--kafka_bootstrap_servers={kafka.bootstrap_servers}"]
    )

    out = "".join(f"{one.to_json()}\n" for one in (results[4], results[0]))
    note = f"note: 2 lines are no results and were left out of kafka:{name}\n"
    assert (0, (out, note)) == (code, capsys.readouterr())


def test_a_follower_of_a_topic_says_when_it_has_caught_up_and_goes_on(
    kafka: EmbeddedKafka, topic: Topic
) -> None:
    """The first None comes after what was there, also when there was nothing."""
    name = topic()
    stop = threading.Event()
    elements = TopicResults(name, properties(kafka)).follow(stop)
    assert next(elements) is None

    write(kafka, name, [result(1)])
    table = ResultTable()
    for one in elements:
        if one is not None:
            table.add(one)
            stop.set()

    assert parsed([result(1)]) == table.settled()


def test_a_topic_that_is_not_there_is_told(
    kafka: EmbeddedKafka, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    """With names near it; it is not made by asking."""
    name = topic()
    brokers = f"--kafka_bootstrap_servers={kafka.bootstrap_servers}"

    codes = [cli.main(["results", f"--from=kafka:{name}x", brokers]) for _ in range(2)]

    out, err = capsys.readouterr()
    assert ([2, 2], "") == (codes, out)
    assert err.startswith(f"error: --from: no such topic, got '{name}x'. Did you mean '{name}'")


def test_watch_shows_what_comes_until_ctrl_c(kafka: EmbeddedKafka, topic: Topic) -> None:
    """As a command in a pipe: JSON lines, and exit code 130."""
    name = topic()
    write(kafka, name, [result(1), result(2)])
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "watch", "--last=1", f"--from=kafka:{name}"),
            f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        lines = [command.stdout.readline()]
        write(kafka, name, [result(2), result(2, 5, 1)])
        lines.append(command.stdout.readline())
        command.send_signal(signal.SIGINT)
        rest = (command.stdout.read(), command.stderr.read())
        assert 130 == command.wait(_DEADLINE_SECONDS)

    assert [f"{one.to_json()}\n" for one in (result(2), result(2, 5, 1))] == lines
    assert ("", "interrupted\n") == rest
