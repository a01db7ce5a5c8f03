"""Dead letters in a Kafka topic, and back in the topic that they came from: each of them once."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from pipeline import cli
from pipeline import replay as module
from pipeline.dead_letter_json import dead_letter_id, dead_letter_to_json
from pipeline.dead_letter_sinks import WriteDeadLettersToKafka
from pipeline.dead_letter_source import TopicDeadLetters
from pipeline.dead_letter_topic import ensure_dead_letter_topic
from pipeline.errors import ServiceError, UsageError
from pipeline.kafka_client import follow_topic, read_topic, topic_settings
from pipeline.kafka_properties import KafkaProperties
from pipeline.ledger_sinks import WriteLedgerToKafka
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.replay import Replay
from pipeline.replay_markers import markers_topic, read_replayed
from pipeline.results_topic import ensure_results_topic
from transforms import metrics
from transforms.dead_letters import NO_VALUE, OVERSIZED, TIMESTAMP, TOO_LATE, DeadLetter
from transforms.ledger import LedgerRow, Tally
from transforms.records import Header, Record

pytestmark = pytest.mark.kafka

MINUTE = 1_795_341_600_000  # 2026-11-22T10:00:00Z
_DEADLINE_SECONDS = 120.0

Topic = Callable[..., str]


def letter(topic: str, offset: int, reason: str = TOO_LATE, value: bytes = b"") -> DeadLetter:
    """A dead letter with some of every kind of byte."""
    headers = [Header("trace", b"\x00\xff"), Header("trace", None), Header("", b"")]
    record = Record(
        topic, 0, offset, MINUTE + offset, b"\xffkey", value or b"\x00%d" % offset, headers
    )
    return DeadLetter(record, reason, "why")


def properties(kafka: EmbeddedKafka) -> KafkaProperties:
    """What a client needs to connect."""
    return KafkaProperties({"bootstrap.servers": kafka.bootstrap_servers})


def brokers(kafka: EmbeddedKafka) -> str:
    """The flag of the commands."""
    return f"--kafka_bootstrap_servers={kafka.bootstrap_servers}"


def read(kafka: EmbeddedKafka, topic: str) -> list[Message]:
    """All committed records."""
    return list(read_topic(topic, properties(kafka)))


def origins(messages: Iterable[Message]) -> list[str]:
    """Of which dead letters records are the replay."""
    headers: list[Any] = [message.headers() for message in messages]
    return [dict(one)["error_windows.replayed"].decode() for one in headers]


def write(path: pathlib.Path, letters: Iterable[DeadLetter]) -> None:
    """A file of dead letters."""
    path.write_text("".join(f"{dead_letter_to_json(one)}\n" for one in letters))


def run(elements: Sequence[object], sink: beam.PTransform) -> dict[str, int]:
    """Writes elements with a pipeline and returns its counters."""
    pipeline = TestPipeline()
    _ = pipeline | beam.Create(elements, reshuffle=False) | sink
    finished = pipeline.run()
    finished.wait_until_finish()
    return metrics.counted(finished)


def command(kafka: EmbeddedKafka, *arguments: object) -> subprocess.Popen[str]:
    """A replay in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "replay", brokers(kafka), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_dead_letters_of_a_topic_come_back_byte_by_byte(kafka: EmbeddedKafka, topic: Topic) -> None:
    """Null and empty are two things; the time is that of writing; repeated ones come once."""
    name = topic()
    letters = [letter("logs", 1), letter("logs", 2, OVERSIZED)]
    for key, value in ((None, None), (b"", b""), (b"k", None), (None, b"\xff")):
        record = Record("logs", 1, len(letters), 2**62, key, value, None)
        letters.append(DeadLetter(record, NO_VALUE, "naïve"))

    counters = run([*letters, *letters[:2]], WriteDeadLettersToKafka(name, kafka.bootstrap_servers))
    Producer({"bootstrap.servers": kafka.bootstrap_servers}).produce(name, b"x")

    assert {metrics.DEAD_LETTERS_WRITTEN: 8} == counters
    assert letters == list(TopicDeadLetters(name, properties(kafka)).read_all())
    messages = read(kafka, name)
    assert [one.record.key for one in letters] == [message.key() for message in messages[:6]]
    assert all(message.timestamp()[1] < 2**50 for message in messages)


def test_records_that_are_no_dead_letters_are_counted(
    kafka: EmbeddedKafka, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    """And left out, by the command too."""
    name = topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(name, b"x", headers=[("error_windows.id", b"logs/0/1")])
    producer.produce(name, None, b"key")
    producer.flush()
    run([letter("logs", 1)], WriteDeadLettersToKafka(name, kafka.bootstrap_servers))

    code = cli.main(["dead-letters", f"--from=kafka:{name}", brokers(kafka)])

    err = (
        "1 dead letter: 1 too_late\n"
        f"note: 2 records are no dead letters and were left out of kafka:{name}\n"
    )
    out = f"{dead_letter_to_json(letter('logs', 1))}\n"
    assert (0, (out, err)) == (code, capsys.readouterr())


def test_ledger_rows_are_written_by_id(kafka: EmbeddedKafka) -> None:
    """Into a topic made as that of results."""
    row = LedgerRow("errors", "logs", 0, None, Tally(counted=2), 4, 5)
    ensure_results_topic("ledger-made", properties(kafka), flag="--ledger")

    counters = run([row], WriteLedgerToKafka("ledger-made", kafka.bootstrap_servers))

    assert {metrics.LEDGER_ROWS_WRITTEN: 1} == counters
    (message,) = read(kafka, "ledger-made")
    assert (row.id.encode(), row.to_json().encode()) == (message.key(), message.value())


def test_the_topic_of_dead_letters_is_made_for_large_records(kafka: EmbeddedKafka) -> None:
    """A dead letter is larger than its record, which may be as large as its topic allows."""
    name = "dead-letters-made"
    notes = [ensure_dead_letter_topic(name, properties(kafka)) for _ in range(2)]
    large = letter("logs", 1, OVERSIZED, b"x" * 3_000_000)

    run([large], WriteDeadLettersToKafka(name, kafka.bootstrap_servers))

    assert [None, None] == notes
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    settings = topic_settings(admin, name)
    assert settings is not None
    assert "delete" == settings["cleanup.policy"]
    assert [large] == list(TopicDeadLetters(name, properties(kafka)).read_all())


def test_a_compacted_topic_is_refused_for_dead_letters(kafka: EmbeddedKafka, topic: Topic) -> None:
    """It would keep one dead letter of a key."""
    name = topic(settings={"cleanup.policy": "compact"})

    with pytest.raises(UsageError) as caught:
        ensure_dead_letter_topic(name, properties(kafka))

    assert str(caught.value).startswith("--dead_letter: the topic is compacted")


def test_a_replay_counts_once_and_the_next_one_not_at_all(
    kafka: EmbeddedKafka, topic: Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records go back as they were, with a header; what was repeated is replayed once."""
    logs, dead = topic(3), topic()
    letters = [letter(logs, 1), letter(logs, 2, TIMESTAMP), letter(logs, 3)]
    run([*letters, *letters], WriteDeadLettersToKafka(dead, kafka.bootstrap_servers))
    arguments = ["replay", f"--from=kafka:{dead}", brokers(kafka), "--reason=too_late"]

    codes = [cli.main(arguments) for _ in range(2)]
    codes.append(cli.main([*arguments, "--dry_list", "--reason=timestamp"]))

    chosen = f"2 dead letters chosen: {{}} replayed into {logs}, {{}} skipped as replayed before\n"
    would = "would replay 1 dead letter: 1 timestamp; 2 skipped as replayed before\n"
    err = chosen.format(2, 0) + chosen.format(0, 2) + would
    out = f"{dead_letter_to_json(letters[1])}\n"
    assert ([0, 0, 0], (out, err)) == (codes, capsys.readouterr())
    expected = [
        (
            0,
            (1, one.record.timestamp),
            one.record.key,
            one.record.value,
            [*(one.record.headers or ()), ("error_windows.replayed", dead_letter_id(one).encode())],
        )
        for one in (letters[0], letters[2])
    ]
    actual = [
        (one.partition(), one.timestamp(), one.key(), one.value(), one.headers())
        for one in read(kafka, logs)
    ]
    assert expected == actual
    assert {f"{logs}/0/1", f"{logs}/0/3"} == read_replayed(logs, properties(kafka))


def test_what_failed_again_can_be_replayed_under_its_new_id(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path
) -> None:
    """It is another dead letter; headers tell where it came from."""
    logs = topic()
    first = letter(logs, 1)
    path = tmp_path / "dead.jsonl"
    write(path, [first])
    assert 0 == cli.main(["replay", f"--from={path}", brokers(kafka)])
    (back,) = read(kafka, logs)
    headers: Any = back.headers()
    record = first.record._replace(offset=0, headers=[Header(*one) for one in headers])
    write(path, [first, first._replace(record=record)])

    assert 0 == cli.main(["replay", f"--from={path}", brokers(kafka)])

    assert [f"{logs}/0/1", f"{logs}/0/0"] == origins(read(kafka, logs))


def test_a_replay_is_into_one_cluster(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The brokers are those of the cluster that is named."""
    logs = topic()
    path = tmp_path / "dead.jsonl"
    write(path, [letter(f"{cluster}/{logs}", 1) for cluster in ("eu", "us")])
    arguments = ["replay", f"--from={path}", brokers(kafka)]

    codes = [cli.main(one) for one in (arguments, [*arguments, "--source=us"])]

    assert [2, 0] == codes
    assert [f"us/{logs}/0/1"] == origins(read(kafka, logs))
    assert [0] == [message.partition() for message in read(kafka, logs)]
    assert (
        "error: --source: missing, and the dead letters are of several clusters, got "
        f"'eu/{logs}/0/1'. Choose one, such as --source=eu, and give its brokers.\n"
    ) in capsys.readouterr().err


def test_a_new_timestamp_and_another_topic(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forged time that brokers would not take, and none at all."""
    logs, retry = topic(), topic()
    forged = letter(logs, 1)._replace(record=letter(logs, 1).record._replace(timestamp=2**62))
    none = letter(logs, 2)._replace(record=letter(logs, 2).record._replace(timestamp=-1))
    path = tmp_path / "dead.jsonl"
    arguments = ["replay", f"--from={path}", brokers(kafka), f"--to_topic={retry}"]
    write(path, [none])
    codes = [cli.main(arguments)]
    write(path, [letter(logs, 3), forged, letter(logs, 4)])
    codes.append(cli.main(arguments))
    before = read(kafka, retry)
    write(path, [forged, none])
    codes.append(cli.main([*arguments, "--new_timestamp"]))

    assert ([0, 1, 0], []) == (codes, read(kafka, logs))
    assert [f"{logs}/0/3"] == origins(before)
    assert [f"{logs}/0/{offset}" for offset in (3, 1, 2)] == origins(read(kafka, retry))
    assert all(one.timestamp()[1] < 2**62 for one in read(kafka, retry))
    err = capsys.readouterr().err
    assert "note: 1 dead letter without a time that can be produced again left out" in err
    assert f"error: --to_topic: topic {retry} did not take a dead letter (Broker: " in err
    assert f"got '{logs}/0/1'. Replay it with --new_timestamp.\n" in err
    assert "note: 2 dead letters not replayed; run it again to go on\n" in err


def test_a_record_that_is_too_large_for_the_topic_is_named(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those before it are replayed; many that fit one by one are no obstacle."""
    logs = topic(settings={"max.message.bytes": "2000"})
    letters = [letter(logs, number, OVERSIZED, b"x" * 500) for number in range(10)]
    letters[7] = letter(logs, 7, OVERSIZED, b"x" * 4000)
    path = tmp_path / "dead.jsonl"
    write(path, letters)

    code = cli.main(["replay", f"--from={path}", brokers(kafka)])

    assert 1 == code
    assert [dead_letter_id(one) for one in letters[:7]] == origins(read(kafka, logs))
    assert (
        f"error: --to_topic: topic {logs} did not take a dead letter (Broker: Message size too "
        f"large), got '{logs}/0/7'. Raise max.message.bytes of topic {logs}.\n"
    ) in capsys.readouterr().err


def test_a_refusal_that_comes_while_others_are_still_produced(
    kafka: EmbeddedKafka, topic: Topic
) -> None:
    """The client then only says that its state is wrong; the record is named all the same."""
    logs = topic()
    first = letter(logs, 0)._replace(record=letter(logs, 0).record._replace(timestamp=2**62))
    replay = Replay(logs, properties(kafka), batch=2000)
    for number in range(1, 2000):
        replay.add(letter(logs, number, value=b"x" * 2000))
    replay._batch.insert(0, first)

    with pytest.raises(ServiceError, match=f"got '{logs}/0/0'. Replay it with --new_timestamp."):
        replay.add(letter(logs, 2000))

    assert 0 == replay.replayed


def test_a_tombstone_among_the_markers_lets_it_be_replayed_again(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path
) -> None:
    """For whoever means it."""
    logs = topic()
    path = tmp_path / "dead.jsonl"
    write(path, [letter(logs, 1)])
    cli.main(["replay", f"--from={path}", brokers(kafka)])
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(markers_topic(logs), None, f"{logs}/0/1".encode())
    producer.flush()

    cli.main(["replay", f"--from={path}", brokers(kafka)])

    assert [f"{logs}/0/1"] * 2 == origins(read(kafka, logs))


def test_a_replay_ends_one_that_began_before(kafka: EmbeddedKafka, topic: Topic) -> None:
    """What the older had begun is not there; it is told why it ended."""
    logs = topic()
    letters = [letter(logs, number) for number in range(4)]
    older = Replay(logs, properties(kafka), batch=2)
    for one in letters[:3]:
        older.add(one)

    with Replay(logs, properties(kafka)) as newer:
        for one in letters:
            newer.add(one)
    with pytest.raises(ServiceError) as caught:
        older.add(letters[3])

    assert (
        "--to_topic: another replay into this topic has begun and ended this one, "
        f"got {logs!r}. Wait for the other; what is replayed stays so."
    ) == str(caught.value)
    assert (2, 2, 2) == (older.replayed, newer.replayed, newer.before)
    assert [dead_letter_id(one) for one in letters] == origins(read(kafka, logs))


def test_a_target_that_is_not_there_is_told(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not made by producing."""
    path = tmp_path / "dead.jsonl"
    write(path, [letter(f"{topic()}x", 1)])

    code = cli.main(["replay", f"--from={path}", brokers(kafka)])

    assert 2 == code
    assert "error: --to_topic: no such topic, got " in capsys.readouterr().err


def test_markers_that_may_be_forgotten_are_refused(kafka: EmbeddedKafka, topic: Topic) -> None:
    """A marker that expires would let its record be replayed again."""
    logs = topic()
    kafka.create_topic(markers_topic(logs))

    with pytest.raises(UsageError) as caught:
        Replay(logs, properties(kafka))

    assert "may forget what was replayed (cleanup.policy=delete)" in str(caught.value)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_every_record_is_there_once_after_an_end_in_the_middle(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path, how: signal.Signals
) -> None:
    """Small batches; the end comes when the first of them are there; the next run goes on."""
    logs = topic(2)
    letters = [letter(logs, number) for number in range(3000)]
    path = tmp_path / "dead.jsonl"
    write(path, letters)

    with command(kafka, f"--from={path}", "--batch=3") as first:
        for message in follow_topic(logs, properties(kafka), threading.Event()):
            if message is not None and (message.offset() or 0) >= 40:
                break
        first.send_signal(how)
        err = first.communicate(timeout=_DEADLINE_SECONDS)[1]
    with command(kafka, f"--from={path}") as second:
        last = second.communicate(timeout=_DEADLINE_SECONDS)[1]

    ended = -signal.SIGKILL if how == signal.SIGKILL else 130
    assert (ended, 0) == (first.returncode, second.returncode), err
    assert (how == signal.SIGINT) == ("run it again to go on\ninterrupted\n" in err)
    assert ", 0 skipped" not in last
    assert ": 0 replayed" not in last
    counts = Counter(origins(read(kafka, logs)))
    assert {dead_letter_id(one): 1 for one in letters} == counts
    markers = [json.loads(one.value() or b"")["id"] for one in read(kafka, markers_topic(logs))]
    assert sorted(counts) == sorted(markers)


def test_a_broker_that_fails_a_commit_while_another_takes_over(
    kafka: EmbeddedKafka, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of use; what it has against ending the transaction tells the reason."""
    logs = topic()

    class Failing(Producer):
        """Another one has begun when it commits."""

        def commit_transaction(self, *_: Any) -> None:
            """Fails as a broker does."""
            Replay(logs, properties(kafka))
            raise KafkaException(KafkaError(KafkaError.UNKNOWN))

    monkeypatch.setattr(module, "Producer", Failing)
    with (
        pytest.raises(ServiceError, match="another replay into this topic has begun and ended"),
        Replay(logs, properties(kafka)) as replay,
    ):
        replay.add(letter(logs, 1))

    assert [] == read(kafka, logs)


def test_every_record_is_there_once_when_two_run_at_the_same_time(
    kafka: EmbeddedKafka, topic: Topic, tmp_path: pathlib.Path
) -> None:
    """The older of the two may be ended by the other; together they do it all, once."""
    logs = topic()
    letters = [letter(logs, number) for number in range(1000)]
    path = tmp_path / "dead.jsonl"
    write(path, letters)

    with (
        command(kafka, f"--from={path}", "--batch=5") as one,
        command(kafka, f"--from={path}", "--batch=5") as other,
    ):
        told = [both.communicate(timeout=_DEADLINE_SECONDS)[1] for both in (one, other)]

    codes = [one.returncode, other.returncode]
    assert 0 in codes, told
    ended = (
        "error: --to_topic: another replay into this topic has begun and ended this one",
        # Seen once: the broker's own failure, where the other takes over while this one commits.
        "EndTxn commit failed: Unknown broker error",
    )
    for code, err in zip(codes, told, strict=True):
        assert (code == 1) == any(reason in err for reason in ended), err
        # The summary, and of one that was ended a note and the error; nothing of the client's.
        assert (1 if code == 0 else 3) == err.count("\n"), err
    assert {dead_letter_id(one): 1 for one in letters} == Counter(origins(read(kafka, logs)))
