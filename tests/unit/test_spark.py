"""Where a job runs on Spark, and what is refused there."""

from __future__ import annotations

import pathlib
import socket

import pytest
from apache_beam.options.pipeline_options import PortableOptions, StandardOptions

from pipeline.config import JobConfig, config_from_flags
from pipeline.errors import ServiceError, UsageError
from pipeline.flags import build_parser
from pipeline.spark import SparkRun, fit_to_spark, require_master, spark_run
from pipeline.spark_options import spark_options

RUNNER = "--runner=SparkRunner"
FILES = ["--output=a", "--dead_letter=b", "--ledger=kafka:c"]


def config(*arguments: str) -> JobConfig:
    """A job on the topic `logs`."""
    kafka = ["--kafka_bootstrap_servers=kafka:9092", "--input_topic=logs"]
    return config_from_flags(build_parser().parse_args([*kafka, *arguments]))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["--runner=DirectRunner", "--spark_master_url=local"], None),
        ([RUNNER], SparkRun("local[*]", "LOOPBACK")),
        (["--runner=spark"], SparkRun("local[*]", "LOOPBACK")),
        (
            [RUNNER, "--spark_master_url=local[2,4]"],
            SparkRun("local[2,4]", "LOOPBACK"),
        ),
        (
            [RUNNER, "--spark_master_url", "spark://127.0.0.1:7077"],
            SparkRun("spark://127.0.0.1:7077", "LOOPBACK"),
        ),
        (
            [RUNNER, "--spark_master_url=spark://localhost:7077,other:7078"],
            SparkRun("spark://localhost:7077,other:7078", "PROCESS"),
        ),
        (
            [RUNNER, "--spark_master_url=spark://other:7077", "--environment_type=loopback"],
            SparkRun("spark://other:7077", "LOOPBACK"),
        ),
    ],
)
def test_where_the_job_runs(arguments: list[str], expected: SparkRun | None) -> None:
    """In this command as long as all of Spark is on this machine."""
    assert expected == spark_run(arguments)


@pytest.mark.parametrize(
    "master",
    ["yarn", "local[]", "local[0]", "local[*,0]", "spark://", "spark://a", "spark://a:0", "a:7077"],
)
def test_other_masters_are_refused(master: str) -> None:
    """Whatever else Spark may know."""
    with pytest.raises(UsageError, match=r"^--spark_master_url: not Spark in one process or"):
        spark_run([RUNNER, f"--spark_master_url={master}"])


@pytest.mark.parametrize("missing", ["--output", "--dead_letter", "--ledger"])
def test_workers_elsewhere_write_where_all_can_see(missing: str) -> None:
    """What this command would show is on their hosts."""
    arguments = [one for one in FILES if not one.startswith(missing)]
    with pytest.raises(UsageError, match=rf"^{missing}: workers on other hosts have no std"):
        fit_to_spark(config(*arguments, f"{missing}=-"), SparkRun("spark://a:1", "PROCESS"))


def test_workers_elsewhere_show_no_samples() -> None:
    """These go through a file of this machine."""
    here, there = SparkRun("spark://a:1", "LOOPBACK"), SparkRun("spark://a:1", "PROCESS")

    assert 10 == fit_to_spark(config(*FILES), here).output.samples
    assert 0 == fit_to_spark(config(*FILES), there).output.samples


def test_secrets_stay_out_of_a_job_on_a_cluster(tmp_path: pathlib.Path) -> None:
    """Inside one process nobody else reads the job; a file is read by whoever connects."""
    file = tmp_path / "kafka.properties"
    file.write_text("ssl.key.password=hush\n")
    on_command_line = config(*FILES, "--consumer_property=ssl.key.password=hush")
    other = config(*FILES, f"--consumer_config={file}", "--consumer_property=sasl.jaas.config=hush")
    in_file = config(*FILES, f"--consumer_config={file}")
    cluster = SparkRun("spark://127.0.0.1:7077", "LOOPBACK")

    for refused, key in ((on_command_line, "ssl.key.password"), (other, "sasl.jaas.config")):
        with pytest.raises(UsageError, match=rf"^--consumer_property: {key} would be") as caught:
            fit_to_spark(refused, cluster)
        assert "hush" not in str(caught.value)
    assert in_file == fit_to_spark(in_file, cluster)
    assert on_command_line == fit_to_spark(on_command_line, SparkRun("local", "LOOPBACK"))


def test_a_master_that_does_not_answer_is_told_at_once() -> None:
    """One of several is enough."""
    with socket.socket() as silent, socket.create_server(("127.0.0.1", 0)) as answering:
        # Bound and not listening: connections are refused for as long as it is open.
        silent.bind(("127.0.0.1", 0))
        absent = f"127.0.0.1:{silent.getsockname()[1]}"
        present = f"127.0.0.1:{answering.getsockname()[1]}"
        with pytest.raises(ServiceError) as caught:
            require_master(SparkRun(f"spark://{absent}", "LOOPBACK"))
        require_master(SparkRun(f"spark://{absent},{present}", "LOOPBACK"))
    require_master(SparkRun("local[2]", "LOOPBACK"))

    assert (
        f"--spark_master_url: no Spark master answers (connection refused), got 'spark://{absent}'."
        " Check that one runs there; without the flag Spark runs inside this command."
    ) == str(caught.value)


def test_what_beam_is_told() -> None:
    """The job server is there already; the user's own flags stay."""
    run = SparkRun("spark://a:1", "PROCESS")
    arguments = [RUNNER, "--spark_master_url=spark://a:1", "--job_name=web"]

    options = spark_options(arguments, run, "localhost:8099")

    portable = options.view_as(PortableOptions)
    assert "PortableRunner" == options.view_as(StandardOptions).runner
    assert ("localhost:8099", "PROCESS") == (portable.job_endpoint, portable.environment_type)
    assert '{"command": "error-windows-worker"}' == portable.environment_config
    # Without it a worker does not know the coder of offset ranges.
    assert ["transforms.worker_plugin"] == options.get_all_options()["beam_plugins"]

    own = [*arguments, '--environment_config={"command": "/opt/worker"}']
    portable = spark_options(own, run, "localhost:8099").view_as(PortableOptions)
    assert '{"command": "/opt/worker"}' == portable.environment_config
