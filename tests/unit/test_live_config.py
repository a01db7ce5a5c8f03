"""The flags of a live job, checked."""

from __future__ import annotations

import pathlib
import sys

import pytest

from pipeline.errors import UsageError
from pipeline.job_spec import live_parser
from pipeline.live_config import (
    LiveConfig,
    cluster_dir,
    live_config_from_flags,
    require_no_secret_flags,
)

KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("ERROR_WINDOWS_RUN_DIR", str(tmp_path / "run"))


def config(*arguments: str) -> LiveConfig:
    """The configuration that flags make."""
    return live_config_from_flags(live_parser("test").parse_args([*KAFKA, *arguments]))


def test_defaults(tmp_path: pathlib.Path) -> None:
    """All in the run folder; results are shown; the installed worker is used."""
    found = config()

    folder = tmp_path / "run" / "flink"
    expected = LiveConfig(
        job=found.job,
        parallelism=1,
        disable_metrics=False,
        checkpoint_dir=str(folder / "checkpoints"),
        checkpoint_interval_seconds=10,
        s3_endpoint=None,
        output=str(folder / "results"),
        dead_letter=None,
        ledger=None,
        follows=True,
        properties_path=None,
        worker_command=str(pathlib.Path(sys.executable).parent / "error-windows-worker"),
    )
    assert expected == found
    assert ("errors", None) == (found.job.job, found.output_topic)


def test_a_live_ledger_needs_a_place() -> None:
    """Its rows come again and again, each time with all they hold."""
    with pytest.raises(UsageError) as caught:
        config("--ledger=-")

    expected = (
        "--ledger: a live job tells its rows again and again, got '-'. "
        "Give a folder, or kafka:TOPIC."
    )
    assert expected == str(caught.value)


def test_everything_can_be_told(tmp_path: pathlib.Path) -> None:
    """Every flag has its place."""
    properties = tmp_path / "my.properties"
    properties.write_text("ssl.key.password=hush\n", encoding="ascii")
    found = config(
        "--job_name=web",
        "--parallelism=3",
        "--disable_metrics",
        "--checkpoint_dir=s3://bucket/state",
        "--checkpoint_interval_seconds=5",
        "--s3_endpoint=http://localhost:9000",
        "--output=kafka:counts",
        "--dead_letter=kafka:dead",
        f"--ledger={tmp_path / 'ledger'}",
        f"--consumer_config={properties}",
        "--worker_command=/opt/bin/error-windows-worker",
    )

    expected = LiveConfig(
        found.job,
        3,
        True,
        "s3://bucket/state",
        5,
        "http://localhost:9000",
        "kafka:counts",
        "kafka:dead",
        str(tmp_path / "ledger"),
        False,
        str(properties),
        "/opt/bin/error-windows-worker",
    )
    assert expected == found
    assert ("web", "counts") == (found.job.job, found.output_topic)
    assert "hush" not in repr(found)


def test_a_folder_of_results_is_named_from_the_root(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers run in other folders."""
    monkeypatch.chdir(tmp_path)

    found = config("--output=counts")

    assert (f"{tmp_path}/counts", False) == (found.output, found.follows)


def test_a_cluster_has_the_folder_it_is_given(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one is the caller's."""
    monkeypatch.chdir(tmp_path)
    flags = live_parser("test").parse_args(["--run_dir=mine"])

    assert tmp_path / "mine" == cluster_dir(flags)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--max_num_records=5", "--max_num_records: a live job has no end. Use run_direct.sh."),
        ("--max_read_time=5", "--max_read_time: a live job has no end. Use run_direct.sh."),
        (
            "--from_time=2026-11-22",
            "--from_time: a live job counts what comes, and no past range. Use run_direct.sh.",
        ),
        (
            "--to_time=2026-11-22",
            "--to_time: a live job counts what comes, and no past range. Use run_direct.sh.",
        ),
        (
            "--parallelism=129",
            "--parallelism: more than 128, which state is divided into, got 129. Choose less.",
        ),
        (
            "--parallelism=0",
            "--parallelism: not a whole number of at least 1, got '0'. See --help.",
        ),
        (
            "--checkpoint_interval_seconds=0.5",
            "--checkpoint_interval_seconds: not a whole number of at least 1, got '0.5'. "
            "See --help.",
        ),
        (
            "--output=kafka:a b",
            "--output: not a Kafka topic name, got 'a b'. "
            "Letters, digits, '.', '_' and '-', at most 249.",
        ),
        (
            f"--output={__file__}",
            f"--output: a file, where a live job needs a folder for its files, got {__file__!r}. "
            "Give a folder, or kafka:TOPIC.",
        ),
    ],
)
def test_a_wrong_flag_is_told(argument: str, message: str) -> None:
    """One line that names it."""
    with pytest.raises(UsageError) as caught:
        config(argument)

    assert message == str(caught.value)


def test_a_secret_may_not_travel_in_the_job() -> None:
    """Its name is told, its value is not."""
    arguments = ["--consumer_property=client.id=me", "--consumer_property=ssl.key.password=hush"]
    flags = live_parser("test").parse_args(arguments)

    with pytest.raises(UsageError) as caught:
        require_no_secret_flags(flags)

    message = (
        "--consumer_property: ssl.key.password would be readable in the job on the cluster. "
        "Put it into a file for --consumer_config that every host has at the same path."
    )
    assert message == str(caught.value)


@pytest.mark.parametrize("arguments", [[], ["--consumer_property=client.id=me"]])
def test_settings_that_anybody_may_see_may_travel(arguments: list[str]) -> None:
    """There is nothing to hide."""
    require_no_secret_flags(live_parser("test").parse_args(arguments))
