"""What a user reads when something is wrong: one line on stderr, and the exit code.

None of these starts Java or needs a broker; those that do are in tests/integration.
"""

from __future__ import annotations

import pathlib
import socket

import pytest

from pipeline.cli import main

KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
SPARK = ["--runner=SparkRunner"]


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ERROR_WINDOWS_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--input_topic=logs"],
            "--kafka_bootstrap_servers: missing. Give the brokers, such as localhost:9092.",
        ),
        (
            ["--kafka_bootstrap_servers=localhost", "--input_topic=logs"],
            "--kafka_bootstrap_servers: not a list of host:port, got 'localhost'. "
            "Write it like localhost:9092.",
        ),
        (
            ["--kafka_bootstrap_servers=a:1,b:99999", "--input_topic=logs"],
            "--kafka_bootstrap_servers: not a list of host:port, got 'a:1,b:99999'. "
            "Write it like localhost:9092.",
        ),
        (
            ["--kafka_bootstrap_servers=localhost:9092"],
            "--input_topic: missing. Give the topic to read.",
        ),
        (
            ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=a b"],
            "--input_topic: not a Kafka topic name, got 'a b'. "
            "Letters, digits, '.', '_' and '-', at most 249.",
        ),
        (
            [*KAFKA, "--slide_seconds=7"],
            "--slide_seconds: does not divide the window of 30 seconds, got 7. "
            "Choose a slide of which the window is a multiple, such as 6.",
        ),
        (
            [*KAFKA, "--slide_seconds=60"],
            "--slide_seconds: does not divide the window of 30 seconds, got 60. "
            "Choose a slide of which the window is a multiple, such as 30.",
        ),
        (
            [*KAFKA, "--slide_seconds=0"],
            "--slide_seconds: not a whole number of at least 1, got '0'. See --help.",
        ),
        (
            [*KAFKA, "--window_seconds=-30"],
            "--window_seconds: not a whole number of at least 1, got '-30'. See --help.",
        ),
        (
            [*KAFKA, "--window_seconds=half"],
            "--window_seconds: not a whole number of at least 1, got 'half'. See --help.",
        ),
        (
            [*KAFKA, "--log_format=plan"],
            "--log_format: not one of the choices, got 'plan'. Did you mean plain? "
            "Choices: auto, plain, apache, json, logfmt, log4j, syslog.",
        ),
        (
            [*KAFKA, "--kafka_reader=java"],
            "--kafka_reader: not one of the choices, got 'java'. Choices: beam, native.",
        ),
        (
            [*KAFKA, "--java_runtime=docker"],
            "--java_runtime: not one of the choices, got 'docker'. Choices: locked, beam.",
        ),
        (
            [*KAFKA, "--contains="],
            "--contains: empty, so every line would count. Give the text to look for.",
        ),
        (
            [*KAFKA, "--min_level=loud"],
            "--min_level: not a level, got 'loud'. Levels: TRACE, DEBUG, INFO, NOTICE, WARN, "
            "ERROR, CRITICAL, ALERT, EMERGENCY.",
        ),
        (
            [*KAFKA, "--levels=ERROR", "--contains=x"],
            "--contains: cannot be combined with --levels. Give one of them.",
        ),
        ([*KAFKA, "--levels=,"], "--levels: empty. Write it like ERROR,CRITICAL."),
        (
            [*KAFKA, "--time_zone=Mars/Olympus"],
            "--time_zone: not a time zone, got 'Mars/Olympus'. Write it like UTC or Europe/Berlin.",
        ),
        (
            [*KAFKA, "--event_time=arrival"],
            "--event_time: not one of the choices, got 'arrival'. Choices: kafka, line.",
        ),
        (
            [*KAFKA, "--group_by=kafka.offset"],
            "--group_by: no such field of a record, got 'kafka.offset'. There are kafka.key, "
            "kafka.topic, kafka.partition, kafka.source and kafka.header.NAME.",
        ),
        (
            [*KAFKA, "--group_by=service,"],
            "--group_by: an empty name, got 'service,'. Write it like service,host.",
        ),
        (
            [*KAFKA, "--on_time_delay_seconds=-1"],
            "--on_time_delay_seconds: not a number of seconds, got '-1'. See --help.",
        ),
        (
            [*KAFKA, "--source=eu=a:1/logs"],
            "--source: says what --kafka_bootstrap_servers says. "
            "Give every cluster with --source, or none.",
        ),
        (
            ["--source=logs"],
            "--source: not NAME=HOST:PORT[,HOST:PORT]/TOPIC[,TOPIC], got 'logs'. "
            "Write it like eu=kafka-eu:9092/logs.",
        ),
        (
            ["--source=a=b:1/logs", "--source=a=b:1/more"],
            "--source: given twice, got 'a'. List its topics with commas.",
        ),
        (
            ["--source=a=b:1/logs", "--source=c=d:1/logs", "--max_num_records=5"],
            "--max_num_records: cannot be shared out among several clusters. "
            "Leave it away, or use --max_read_time.",
        ),
        (
            [*KAFKA, "--input_topic_pattern=logs["],
            "--input_topic_pattern: not a regular expression (unterminated character set at "
            "position 4), got 'logs['. Write it like logs-.*",
        ),
        (
            [*KAFKA, "--dead_letter=missing/dead.jsonl"],
            "--dead_letter: its folder does not exist, got 'missing/dead.jsonl'. "
            f"Create {pathlib.Path('missing').absolute()}.",
        ),
        (
            [*KAFKA, "--max_num_records=0"],
            "--max_num_records: not a whole number of at least 1, got '0'. See --help.",
        ),
        (
            [*KAFKA, "--from_time=2026-11-22T10:00", "--to_time=2026-11-22T11:00+01:00"],
            "--to_time: not after --from_time (2026-11-22T10:00:00Z), "
            "got '2026-11-22T11:00+01:00'. A range begins before it ends.",
        ),
        (
            [*KAFKA, "--from_time=2026-11-22T10:00:01Z", "--to_time=2026-11-22T10:00:39Z"],
            "--to_time: no window of 30 s lies in the range from 2026-11-22T10:00:01Z, "
            "got '2026-11-22T10:00:39Z'. Windows end every 10 s; give a longer range.",
        ),
        (
            [*KAFKA, "--from_time=10:00"],
            "--from_time: not a time, got '10:00'. "
            "Write it like 2026-11-22T10:00:00Z, or as milliseconds since 1970.",
        ),
        (
            [*KAFKA, "--from_time=2026-11-22", "--max_read_time=5"],
            "--max_read_time: cannot be combined with --from_time. Give one of them.",
        ),
        (
            [*KAFKA, "--to_time=2026-11-22", "--max_num_records=5"],
            "--max_num_records: cannot be combined with --to_time. Give one of them.",
        ),
        (
            [*KAFKA, "--samples=-1"],
            "--samples: not a whole number of at least 0, got '-1'. See --help.",
        ),
        (
            [*KAFKA, "--output=kafka:counts"],
            "--output: only live jobs write to Kafka topics, got 'kafka:counts'. "
            "Use - or a path, or run_flink.sh.",
        ),
        (
            [*KAFKA, "--consumer_property=sasl.username=me"],
            "--consumer_property: a librdkafka name, where the Java client's is wanted, "
            "got 'sasl.username'. Use sasl.jaas.config.",
        ),
        (
            [*KAFKA, "--consumer_property=nothing"],
            "--consumer_property: not key=value, got 'nothing'. Write key=value.",
        ),
        (
            [*KAFKA, "--consumer_config=missing.properties"],
            "--consumer_config: cannot be read (No such file or directory), "
            "got 'missing.properties'. Give a .properties file.",
        ),
        (
            [*KAFKA, "--slide_second=5"],
            "--slide_second: no such flag. Did you mean --slide_seconds?",
        ),
        ([*KAFKA, "--xyzzy"], "--xyzzy: no such flag. See --help."),
        ([*KAFKA, "logs2"], "arguments: not a flag, got 'logs2'. Flags look like --name=value."),
        (
            ["--input_topic"],
            "--input_topic: expected one argument. See --help.",
        ),
        (
            [*KAFKA, "--streaming"],
            "--streaming: the DirectRunner reads up to an end, it does not stream. "
            "Leave it away, or bound the read with --max_read_time.",
        ),
        (
            [*KAFKA, "--runner=PrismRunner"],
            "--runner: not offered here, got 'PrismRunner'. Use DirectRunner or SparkRunner; "
            "error-windows takes DataflowRunner too.",
        ),
        (
            [*KAFKA, *SPARK, "--streaming"],
            "--streaming: Beam's Spark runner cannot go on with a Kafka read that has no end, so "
            "Spark is for history. Leave it away to read what is in the topics, bound the read "
            "with --max_read_time, or count live on Flink: run_flink.sh.",
        ),
        (
            ["flink", *KAFKA, *SPARK],
            "--runner: a live job runs on Flink, got 'SparkRunner'. Leave it away; run_direct.sh "
            "takes SparkRunner, for reads with an end.",
        ),
        (
            [*KAFKA, *SPARK, "--spark_master_url=yarn"],
            "--spark_master_url: not Spark in one process or a standalone master, got 'yarn'. "
            "Write it like local[2] or spark://host:7077.",
        ),
        (
            ["direct", *SPARK, "--spark_master_url=local[0]"],
            "--spark_master_url: not Spark in one process or a standalone master, got 'local[0]'. "
            "Write it like local[2] or spark://host:7077.",
        ),
        (
            [*KAFKA, *SPARK, "--java_runtime=beam"],
            "--java_runtime: Spark is one of the locked modules, got 'beam'. Leave it away.",
        ),
        (
            [*KAFKA, *SPARK, "--spark_master_url=spark://other:7077"],
            "--output: workers on other hosts have no stdout here, got '-'. Give a path that all "
            "hosts share, or, with all of Spark on this machine, --environment_type=LOOPBACK.",
        ),
        (
            [*KAFKA, "--direct_num_workers=many"],
            "--direct_num_workers: invalid int value: 'many'. See --help.",
        ),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the flag, what is wrong, what was given and what to do; exit code 2."""
    exit_code = main(arguments)

    assert (2, "", f"error: {message}\n") == (exit_code, *capsys.readouterr())


def test_an_output_in_a_missing_folder_is_told_before_any_work(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job must not find out at its end that it cannot write."""
    path = tmp_path / "no" / "counts.jsonl"

    exit_code = main([*KAFKA, f"--output={path}"])

    message = f"--output: its folder does not exist, got {str(path)!r}. Create {path.parent}."
    assert (2, "", f"error: {message}\n") == (exit_code, *capsys.readouterr())


def test_an_output_that_is_a_folder_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results go to one file."""
    exit_code = main([*KAFKA, f"--output={tmp_path}"])

    message = f"--output: not a file, got {str(tmp_path)!r}. Give the path of a file."
    assert (2, "", f"error: {message}\n") == (exit_code, *capsys.readouterr())


def test_an_output_that_cannot_be_written_is_told_before_any_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tried for real, because root and read-only file systems make permissions no proof."""
    exit_code = main([*KAFKA, "--output=/proc/counts.jsonl"])

    expected = (
        "error: --output: its folder cannot be written (No such file or directory), "
        "got '/proc/counts.jsonl'. Choose another place.\n"
    )
    assert (2, "", expected) == (exit_code, *capsys.readouterr())


def test_brokers_that_refuse_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that nobody listens on is not waited for; exit code 1, it may be an outage."""
    with socket.socket() as taken:
        # Bound and not listening: connections are refused for as long as it is open.
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        exit_code = main([f"--kafka_bootstrap_servers={address}", "--input_topic=logs"])

    out, err = capsys.readouterr()
    expected = (
        f"error: --kafka_bootstrap_servers: no broker answers (connection refused), "
        f"got {address!r}. Check that Kafka runs there; "
        "error-windows kafka start starts one on this machine."
    )
    assert (1, "", expected) == (exit_code, out, err.splitlines()[-1])


def test_a_secret_on_the_command_line_is_told_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The note names the setting and never its value."""
    main(
        [
            "--kafka_bootstrap_servers=kafka.invalid:9092",
            "--input_topic=logs",
            "--consumer_property=ssl.key.password=hush",
        ]
    )

    err = capsys.readouterr().err
    expected = (
        "note: ssl.key.password on the command line can be read by other users of this machine; "
        "a file for --consumer_config can not"
    )
    assert expected == err.splitlines()[0]
    assert "hush" not in err


def test_an_unknown_host_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that does not resolve is told apart from a broker that is down."""
    exit_code = main(["--kafka_bootstrap_servers=kafka.invalid:9092", "--input_topic=logs"])

    expected = (
        "error: --kafka_bootstrap_servers: no broker answers (unknown host), "
        "got 'kafka.invalid:9092'. Check that Kafka runs there; "
        "error-windows kafka start starts one on this machine."
    )
    assert (1, expected) == (exit_code, capsys.readouterr().err.splitlines()[-1])


def test_the_last_resort_of_an_interrupt_is_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with 130 and no traceback."""

    def interrupted(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.main.main", interrupted)

    assert (130, ("", "interrupted\n")) == (main(KAFKA), capsys.readouterr())
