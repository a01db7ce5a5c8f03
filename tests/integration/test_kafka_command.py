"""`error-windows kafka`, as a user types it, against real brokers."""

from __future__ import annotations

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from pipeline import cli
from pipeline.errors import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE
from pipeline.kafka_errors import no_broker_error
from pipeline.local.folders import RUN_DIR_VARIABLE
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.ports import free_port
from pipeline.local.process_identity import ProcessIdentity
from pipeline.local.produce import Record, produce_records

pytestmark = pytest.mark.kafka

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_DEADLINE_SECONDS = 60.0

Topic = Callable[..., str]

# Programs of a shell's background jobs ignore Ctrl-C, and their children too.
_INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from pipeline import cli; sys.exit(cli.main())"
)
_COMMAND = (sys.executable, "-c", _INTERRUPTIBLE, "kafka")


def _brokers(kafka: EmbeddedKafka) -> list[str]:
    return ["--kafka_bootstrap_servers", kafka.bootstrap_servers]


class Command:
    """Runs commands in this process; keeps what the last one wrote."""

    def __init__(
        self, capture: pytest.CaptureFixture[bytes], bootstrap_servers: str | None
    ) -> None:
        self._capture = capture
        self._brokers = bootstrap_servers
        self.out = b""
        self.messages: list[str] = []

    def __call__(self, *arguments: str) -> int:
        """Runs `error-windows kafka ...` and returns its exit code."""
        brokers = [] if self._brokers is None else ["--kafka_bootstrap_servers", self._brokers]
        self._capture.readouterr()
        exit_code = cli.main(["kafka", *arguments, *brokers])
        out, messages = self._capture.readouterr()
        self.out = out
        self.messages = messages.decode().splitlines()
        return exit_code

    def records(self, topic: str) -> list[dict[str, object]]:
        """All records of a topic, as `consume --json` shows them."""
        assert EXIT_DONE == self("consume", topic, "--until_end", "--json")
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def run(kafka: EmbeddedKafka, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Commands for the broker of the session."""
    return Command(capfdbinary, kafka.bootstrap_servers)


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Makes bytes the stdin of the next command."""

    def put(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def test_start_status_stop(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    type_in: Callable[[bytes], None],
) -> None:
    """The broker in the background is the default of the other commands, until it is stopped."""
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(tmp_path))
    run = Command(capfdbinary, None)

    assert EXIT_FAILED == run("status")
    assert b"not running\n" == run.out
    assert EXIT_FAILED == run("topic", "list")
    assert [
        "error: --kafka_bootstrap_servers: not given, and no local broker runs. "
        "Start one (error-windows kafka start) or give host:port."
    ] == run.messages

    port = free_port()
    assert EXIT_DONE == run("start", "--port", str(port))
    try:
        address = f"127.0.0.1:{port}"
        assert f"{address}\n".encode() == run.out
        assert "end:  error-windows kafka stop" == run.messages[-1]

        assert EXIT_DONE == run("start")
        assert f"{address}\n".encode() == run.out
        assert run.messages[0].startswith("Kafka runs already, as process ")
        pid = int(run.messages[0].rpartition(" ")[2])

        assert EXIT_DONE == run("topic", "create", "logs", "--partitions", "2")
        type_in(b"one\ntwo\nthree\n")
        assert EXIT_DONE == run("produce", "logs")
        assert EXIT_DONE == run("status", "--json")
        assert {
            "running": True,
            "pid": pid,
            "bootstrap_servers": address,
            "data_dir": str(tmp_path / "kafka"),
            "log_path": str(tmp_path / "kafka" / "broker.log"),
            "brokers": [
                {
                    "broker": 1,
                    "address": address,
                    "pid": pid,
                    "log_path": str(tmp_path / "kafka" / "broker.log"),
                }
            ],
            "topics": [
                {
                    "name": "logs",
                    "records": 3,
                    "partitions": [
                        {"partition": 0, "beginning_offset": 0, "end_offset": 2},
                        {"partition": 1, "beginning_offset": 0, "end_offset": 1},
                    ],
                }
            ],
        } == json.loads(run.out)
        assert EXIT_DONE == run("status")
        assert (
            f"running: process {pid} at {address}\n"
            "topic  partitions  records\n"
            "logs   2           3\n"
        ).encode() == run.out
    finally:
        assert EXIT_DONE == run("stop")
    assert ["Kafka is stopped; its records stay"] == run.messages
    assert EXIT_DONE == run("stop")
    assert ["Kafka does not run"] == run.messages
    assert EXIT_FAILED == run("status", "--json")
    assert {"running": False} == json.loads(run.out)


def test_three_brokers(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    type_in: Callable[[bytes], None],
) -> None:
    """All of them start and stop; `status` shows which live, `start` brings back the others."""
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(tmp_path))
    run = Command(capfdbinary, None)
    folder = tmp_path / "kafka"

    def typed(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        # In a process of its own: kafka-python leaves the socket of a refused connection to
        # the garbage collector, which is an error in this one.
        return subprocess.run(
            [*_COMMAND, *arguments], input=stdin, capture_output=True, check=True, cwd=_ROOT
        )

    def brokers() -> list[tuple[str, int | None]]:
        assert EXIT_DONE == run("status", "--json")
        return [(one["address"], one["pid"]) for one in json.loads(run.out)["brokers"]]

    assert EXIT_USAGE == run("start", "--brokers=2")
    assert ["error: --brokers: neither 1 nor 3, got 2. Choose one of the two."] == run.messages
    assert EXIT_DONE == run("start", "--brokers=3")
    try:
        addresses = run.out.decode().strip().split(",")
        first = brokers()
        assert addresses == [address for address, _ in first]
        pids = [pid for _, pid in first if pid is not None]
        assert 3 == len({*pids})

        assert EXIT_DONE == run("topic", "create", "logs")
        type_in(b"one\ntwo\n")
        assert EXIT_DONE == run("produce", "logs")
        os.kill(pids[1], signal.SIGKILL)
        killed = ProcessIdentity.read(folder / "2" / "broker.pid")
        assert killed is not None
        assert killed.wait(_DEADLINE_SECONDS)
        typed("produce", "logs", stdin=b"three\n")
        assert b"one\ntwo\nthree\n" == typed("consume", "logs", "--until_end").stdout
        width = max(map(len, addresses))
        assert [
            "running: 2 of 3 brokers",
            f"broker  {'address':{width}}  process",
            f"1       {addresses[0]:{width}}  {pids[0]}",
            f"2       {addresses[1]:{width}}  not running",
            f"3       {addresses[2]:{width}}  {pids[2]}",
            "topic  partitions  records",
            "logs   1           3",
        ] == typed("status").stdout.decode().splitlines()

        assert EXIT_DONE == run("start")
        assert [",".join(addresses)] == run.out.decode().splitlines()
        started = run.messages
        after = [pid for _, pid in brokers()]
        assert (pids[0], pids[2]) == (after[0], after[2])
        assert after[1] not in (None, pids[1])
        assert [
            f"Kafka runs already, as processes {pids[0]}, {pids[2]}",
            f"broker 2 runs again, as process {after[1]}",
        ] == started

        assert EXIT_USAGE == run("start", "--brokers=1")
        assert [
            f"error: --brokers: the folder {str(folder)!r} was made for 3, got 1. "
            "Choose another folder, or delete this one with its records."
        ] == run.messages
    finally:
        assert EXIT_DONE == run("stop")
    assert ["Kafka is stopped; its records stay"] == run.messages
    assert EXIT_FAILED == run("status")


def test_topics(run: Command, topic: Topic) -> None:
    """Created, listed, described, and gone after delete."""
    name = f"{topic()}-made-here"
    assert EXIT_DONE == run("topic", "create", name, "--partitions", "2")
    assert EXIT_DONE == run("topic", "list")
    assert name in run.out.decode().splitlines()
    assert EXIT_DONE == run("topic", "describe", name)
    assert (
        b"partition  beginning_offset  end_offset  records\n"
        b"0          0                 0           0\n"
        b"1          0                 0           0\n"
    ) == run.out
    assert EXIT_USAGE == run("topic", "create", name)
    assert [
        f"error: topic: exists already, got {name!r}. Choose another name or delete it."
    ] == run.messages
    assert EXIT_DONE == run("topic", "delete", name)
    assert EXIT_USAGE == run("topic", "describe", name)


def test_topic_name_that_kafka_refuses(run: Command) -> None:
    """Kafka's own reason comes through."""
    assert EXIT_USAGE == run("topic", "create", "a b")
    assert [
        "error: topic: not accepted by the broker, got 'a b'. Topic name is invalid: 'a b' "
        "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'."
    ] == run.messages


def test_lines_come_back_as_they_were(
    run: Command, topic: Topic, type_in: Callable[[bytes], None]
) -> None:
    """Bytes that are no text, empty lines, and a last line without its end."""
    name = topic()
    type_in(b"plain\n\n\xff\xfe\x00\x1b[2J\r\nlast")
    assert EXIT_DONE == run("produce", name)
    assert run.messages[0].startswith(f"records written to {name}: 4 (17 bytes, ")
    assert EXIT_DONE == run("consume", name, "--until_end")
    assert b"plain\n\n\xff\xfe\x00\x1b[2J\r\nlast\n" == run.out
    assert [f"records read from {name}: 4"] == run.messages


def test_keys_times_and_partition(
    run: Command, topic: Topic, type_in: Callable[[bytes], None]
) -> None:
    """`--timestamp_prefix`, `--key_separator` and `--partition` decide where a line goes."""
    name = topic(partitions=3)
    type_in(b"1450576000000\tweb:a:b\n2015-12-20T01:46:41Z\t:\n")
    assert EXIT_DONE == run(
        "produce", name, "--timestamp_prefix", "--key_separator", ":", "--partition", "1"
    )
    shared = {"topic": name, "partition": 1, "headers": []}
    assert [
        {**shared, "offset": 0, "timestamp_ms": 1450576000000, "key": "web", "value": "a:b"},
        {**shared, "offset": 1, "timestamp_ms": 1450576001000, "key": "", "value": ""},
    ] == run.records(name)


def test_wrong_line_ends_the_input_there(
    run: Command, topic: Topic, type_in: Callable[[bytes], None]
) -> None:
    """The lines before it are written, and the error tells its number."""
    name = topic()
    type_in(b"1450576000000\ta\nsoon\tb\n1450576000001\tc\n")
    assert EXIT_USAGE == run("produce", name, "--timestamp_prefix")
    assert (
        "error: --timestamp_prefix: line 2 does not begin with a time and a tab, got b'soon'. "
        "Give epoch milliseconds or RFC 3339."
    ) == run.messages[-1]
    assert ["a"] == [record["value"] for record in run.records(name)]


def test_demo_lines(run: Command, topic: Topic) -> None:
    """The same lines every time, dealt out to all partitions, with their own times."""
    name = topic(partitions=2)
    demo = ("--demo", "100", "--error_share", "0.1", "--end_time", "2015-12-20T01:46:40Z")
    assert EXIT_DONE == run("produce", name, *demo)
    first = run.records(name)
    assert [50, 50] == [
        sum(record["partition"] == partition for record in first) for partition in (0, 1)
    ]
    assert 10 == sum("] [ERROR] [" in str(record["value"]) for record in first)
    times = [int(str(record["timestamp_ms"])) for record in first]
    assert 1_450_575_700_000 <= min(times) <= max(times) < 1_450_576_000_000


def test_rate_paces_the_lines(run: Command, topic: Topic) -> None:
    """Ten lines at twenty a second take at least 0.45 s between the first and the last."""
    name = topic()
    assert EXIT_DONE == run("produce", name, "--demo", "10", "--rate", "20")
    seconds = float(run.messages[0].rpartition(", ")[2].removesuffix(" s)"))
    assert seconds >= 0.4


def test_consume_limits(kafka: EmbeddedKafka, run: Command, topic: Topic) -> None:
    """`--max_records` ends it early; `--until_end` ends an empty topic at once."""
    name = topic()
    assert EXIT_DONE == run("consume", name, "--until_end")
    assert b"" == run.out
    produce_records(kafka.bootstrap_servers, name, [Record(b"%d" % n) for n in range(5)])
    assert EXIT_DONE == run("consume", name, "--from_beginning", "--max_records", "2")
    assert b"0\n1\n" == run.out


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_are_read(
    kafka: EmbeddedKafka, run: Command, topic: Topic, codec: str
) -> None:
    """Whatever the producer compressed with."""
    name = topic(settings={"compression.type": codec})
    produce_records(kafka.bootstrap_servers, name, [Record(b"line " * 100)])
    assert EXIT_DONE == run("consume", name, "--until_end")
    assert b"line " * 100 + b"\n" == run.out


def test_until_end_ends_behind_a_transaction(
    kafka: EmbeddedKafka, run: Command, topic: Topic
) -> None:
    """The last offset of a topic may be no record: the mark that ends a transaction."""
    name = topic()
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": name, "log_level": 0}
    )
    producer.init_transactions(_DEADLINE_SECONDS)
    producer.begin_transaction()
    producer.produce(name, b"paid")
    producer.commit_transaction(_DEADLINE_SECONDS)
    assert EXIT_DONE == run("consume", name, "--until_end")
    assert b"paid\n" == run.out


def test_consume_shows_only_new_records_until_ctrl_c(kafka: EmbeddedKafka, topic: Topic) -> None:
    """Without `--from_beginning` it begins at the end, and goes on."""
    name = topic()
    produce_records(kafka.bootstrap_servers, name, [Record(b"old")])
    with subprocess.Popen(
        [*_COMMAND, "consume", name, *_brokers(kafka)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            assert f"records of {name} from now on; Ctrl-C ends\n" == process.stderr.readline()
            produce_records(kafka.bootstrap_servers, name, [Record(b"new")])
            assert "new\n" == process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, messages = process.communicate(timeout=_DEADLINE_SECONDS)
        finally:
            process.kill()
    assert EXIT_INTERRUPTED == process.returncode
    assert f"records read from {name}: 1\ninterrupted\n" == messages


def test_reader_that_goes_away_is_no_failure(kafka: EmbeddedKafka, topic: Topic) -> None:
    """`consume | head -1` ends quietly."""
    name = topic()
    records = [Record(b"x" * 100_000) for _ in range(20)]
    produce_records(kafka.bootstrap_servers, name, records)
    with subprocess.Popen(
        [*_COMMAND, "consume", name, "--until_end", *_brokers(kafka)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"x" * 10 == process.stdout.read(10)
        process.stdout.close()
        messages = process.stderr.read()
        assert EXIT_DONE == process.wait(_DEADLINE_SECONDS), messages
    assert messages.startswith(f"records read from {name}: ".encode())
    assert 1 == messages.count(b"\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("consume", "x", "--max_records", "none"),
            "--max_records: not a whole number of at least 1, got 'none'. See --help.",
        ),
        (
            ("produce", "x", "--demo", "5", "--timestamp_prefix"),
            "--timestamp_prefix: goes with lines of stdin only. Leave out --demo or it.",
        ),
        (
            ("produce", "x", "--demo", "5", "--end_time", "soon"),
            "--end_time: not a time, got 'soon'. "
            "Give epoch milliseconds or RFC 3339, such as 2015-12-20T01:46:23Z.",
        ),
        (
            ("produce", "x", "--demo", "5", "--error_share", "2"),
            "--error_share: not a share, got '2'. Give 0 to 1, such as 0.2.",
        ),
    ],
)
def test_wrong_flags_are_one_line(run: Command, arguments: tuple[str, ...], error: str) -> None:
    """Exit code 2, nothing on stdout, and what to do."""
    assert EXIT_USAGE == run(*arguments)
    assert (b"", [f"error: {error}"]) == (run.out, run.messages)


def test_near_topic_names_are_offered(run: Command, topic: Topic) -> None:
    """A slip of the finger is one letter away."""
    name = topic()
    wrong = f"{name}x"
    assert EXIT_USAGE == run("consume", wrong)
    assert run.messages[0].startswith(
        f"error: topic: no such topic, got {wrong!r}. Did you mean {name!r}"
    )


def test_partition_that_is_not_there(run: Command, topic: Topic) -> None:
    """It is told before a line is read."""
    assert EXIT_USAGE == run("produce", topic(partitions=2), "--demo", "1", "--partition", "2")
    assert ["error: --partition: no such partition, got 2. The topic has 0 to 1."] == run.messages


def test_no_broker_at_the_address(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A refused connection is told at once, with what to do."""
    address = f"localhost:{free_port()}"
    run = Command(capfdbinary, address)
    assert EXIT_FAILED == run("topic", "list")
    assert [f"error: {no_broker_error(address, 'connection refused')}"] == run.messages


@pytest.mark.parametrize(
    "command",
    [
        "",
        *("start", "stop", "status", "produce", "consume", "topic"),
        *("topic create", "topic list", "topic describe", "topic delete"),
    ],
)
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself and shows how it is typed."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["kafka", *command.split(), "--help"])
    assert 0 == caught.value.code
    shown = capsys.readouterr().out
    assert "examples:\n" in shown
    assert f"error-windows kafka {command}" in shown
    assert "(default: None)" not in shown
