"""What a user of run_flink.sh reads when something is wrong; no cluster is started or asked."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.cli import main

KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
REMOTE = ["--flink_master=http://127.0.0.1:9", *KAFKA]
SHARED = ["--checkpoint_dir=/shared", "--output=kafka:counts"]


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ERROR_WINDOWS_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["start", "--flink_master=http://a:1"],
            "--flink_master: start makes a local cluster, got 'http://a:1'. "
            "Leave it away; without `start` the job is put on that cluster.",
        ),
        (
            ["stop", "--flink_master=http://a:1"],
            "--flink_master: stop is for local clusters, got 'http://a:1'. "
            "Use the tools of that cluster.",
        ),
        (
            ["logs", "--flink_master=http://a:1"],
            "--flink_master: logs is for local clusters, got 'http://a:1'. "
            "Use the tools of that cluster.",
        ),
        (
            ["status", "--flink_master=a"],
            "--flink_master: not the address of a JobManager, got 'a'. "
            "Write it like http://host:8081, or [local].",
        ),
        (
            ["logs", "jobmanager-1"],
            "NAME: no such log, got 'jobmanager-1'. Use one of none.",
        ),
        (
            ["start", *KAFKA, "--max_read_time=5"],
            "--max_read_time: a live job has no end. Use run_direct.sh.",
        ),
        (
            ["start", "--task_managers=0"],
            "--task_managers: not a whole number of at least 1, got '0'. See --help.",
        ),
        (
            ["start", "--rest_port=70000"],
            "--rest_port: not a port, got '70000'. Give 1 to 65535.",
        ),
        (
            ["start", "--input_topic=logs"],
            "--kafka_bootstrap_servers: missing. Give the brokers, such as localhost:9092.",
        ),
        (["rescale"], "flags: the following arguments are required: N. See --help."),
        (["savepoint", "--to"], "--to: expected one argument. See --help."),
        (["cancel", "--xyzzy"], "flags: unrecognized arguments: --xyzzy. See --help."),
        (
            [*KAFKA, "--max_num_records=5"],
            "--max_num_records: a live job has no end. Use run_direct.sh.",
        ),
        ([*KAFKA, "--xyzzy=1"], "--xyzzy: no such flag of the live job. See --help."),
        (
            ["--demo_rate=0"],
            "--demo_rate: not a whole number of at least 1, got '0'. See --help.",
        ),
        (
            [*KAFKA, "--flink_master=[local]", "--output=counts"],
            "--output: with --flink_master=[local] results go to stdout, got 'counts'. "
            "Redirect stdout, or leave --flink_master away.",
        ),
        *(
            (
                [command, *more, "--flink_master=[local]"],
                f"--flink_master: {command} is for clusters; Flink inside one process ends with "
                "its command, got '[local]'. Leave it away, or name a cluster of yours.",
            )
            for command, *more in (
                ("savepoint",),
                ("rescale", "2"),
                ("status",),
                ("cancel",),
                ("logs",),
                ("stop",),
            )
        ),
        *(
            (
                [*KAFKA, "--flink_master=[local]", flag],
                f"{flag.partition('=')[0]}: Flink inside one process has no such thing. "
                "Leave --flink_master=[local] away.",
            )
            for flag in (
                "--attach",
                "--checkpoint_dir=/shared",
                "--checkpoint_interval_seconds=3",
                "--fresh",
                "--from=/savepoint",
                "--high_availability",
                "--metrics_port=9249",
                "--rest_port=8082",
                "--s3_endpoint=http://localhost:9000",
                "--task_managers=2",
                "--worker_command=/bin/worker",
            )
        ),
        (
            ["--flink_master=http://127.0.0.1:9"],
            "--kafka_bootstrap_servers: missing. "
            "A cluster of yours reads your Kafka: give the brokers, such as localhost:9092.",
        ),
        (
            REMOTE,
            "--checkpoint_dir: missing. Give a path that all hosts share, or s3://bucket/folder.",
        ),
        (
            [*REMOTE, "--checkpoint_dir=/shared"],
            "--output: a job on a cluster has no stdout here, got '-'. "
            "Give kafka:TOPIC, or a folder that all hosts share; --attach shows it.",
        ),
        (
            [*REMOTE, *SHARED, "--consumer_property=ssl.key.password=hush"],
            "--consumer_property: ssl.key.password would be readable in the job on the cluster. "
            "Put it into a file for --consumer_config that every host has at the same path.",
        ),
        (
            [*REMOTE, *SHARED, "--max_read_time=5"],
            "--max_read_time: a live job has no end. Use run_direct.sh.",
        ),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the flag, what is wrong, what was given and what to do; exit code 2."""
    exit_code = main(["flink", *arguments])

    assert (2, "", f"error: {message}\n") == (exit_code, *capsys.readouterr())


@pytest.mark.parametrize("command", [["cancel"], ["savepoint"], ["rescale", "2"]])
def test_a_command_for_a_job_needs_a_cluster(
    command: list[str], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: nothing is wrong with the flags."""
    exit_code = main(["flink", *command])

    folder = str(tmp_path / "run" / "flink")
    message = (
        f"--run_dir: no cluster runs there, got {folder!r}. "
        "Start one, or name yours with --flink_master."
    )
    assert (1, "", f"error: {message}\n") == (exit_code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("command", "exit_code", "out", "err"),
    [
        (["status"], 1, "not running\n", ""),
        (["status", "--json"], 1, '{"running": false}\n', ""),
        (["stop"], 0, "", "no cluster runs\n"),
    ],
)
def test_without_a_cluster(
    command: list[str],
    exit_code: int,
    out: str,
    err: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To stop what does not run is no failure."""
    assert (exit_code, out, err) == (main(["flink", *command]), *capsys.readouterr())


def test_a_cluster_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Port 9 is the discard service's, which nobody runs."""
    exit_code = main(["flink", *REMOTE, *SHARED])

    message = (
        "--flink_master: no JobManager answers (ConnectionError), got 'http://127.0.0.1:9'. "
        "Start the cluster or correct the address."
    )
    assert (1, f"error: {message}") == (exit_code, capsys.readouterr().err.splitlines()[-1])


def test_the_last_lines_of_a_log_are_shown_escaped(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name the logs are listed."""
    folder = tmp_path / "run" / "flink"
    folder.mkdir(parents=True)
    (folder / "jobmanager-1.log").write_bytes(b"one\ntwo\r\nthree \x1b[2J\n")

    assert 0 == main(["flink", "logs"])
    assert 0 == main(["flink", "logs", "jobmanager-1", "--lines=2"])

    assert "jobmanager-1\ntwo\nthree \\x1b[2J\n" == capsys.readouterr().out
