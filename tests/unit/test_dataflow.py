"""The job on Dataflow, against a Google Cloud made up here; Java and Kafka are left out."""

from __future__ import annotations

import _thread
import contextlib
import json
import pathlib
import threading
import types
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
import pytest
from apache_beam.runners.dataflow import dataflow_runner

from pipeline import cli, dataflow, readers
from pipeline.config import JobConfig, config_from_flags
from pipeline.flags import build_parser
from pipeline.offset_ranges import OffsetRange
from pipeline.restrictions import NO_END
from tests.dataflow_jobs import all_that_left, labels, shown
from tests.google_cloud import BUCKET, PROJECT, REGION, GoogleCloud, Job
from transforms.batches import RecordBatch

IMAGES = f"europe-docker.pkg.dev/{PROJECT}/jobs"
PYTHON_IMAGE, JAVA_IMAGE = f"{IMAGES}/error-windows:1", f"{IMAGES}/error-windows-java:1"
JOB = [
    "--kafka_bootstrap_servers=kafka-1.acme:9092",
    "--input_topic=web,shop",
    "--output=kafka:error-counts",
    f"--sdk_container_image={PYTHON_IMAGE}",
]
JAAS = (
    "org.apache.kafka.common.security.scram.ScramLoginModule required "
    'username="job" password="open-sesame";'
)
FIRST_ID = "2026-11-22_02_00_00-1"
CONSOLE = f"https://console.cloud.google.com/dataflow/jobs/{REGION}/{FIRST_ID}?project={PROJECT}"


class _Lines(beam.PTransform):
    """Stands for the Kafka connector, which needs Java."""

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[RecordBatch]:
        return begin | beam.Create([]).with_output_types(RecordBatch)


class _Kafka:
    """Stands for Kafka and Java; notes what the submission was about to read."""

    def __init__(self) -> None:
        self.settings: list[Mapping[str, str]] = []
        self.expansions = 0

    def read(
        self, settings: Mapping[str, str], what: object, address: object, *, spread: bool = False
    ) -> beam.PTransform:
        """As `ReadKafkaUnbounded` and `ReadKafkaRanges`."""
        assert (self.address(), False) == (address, spread)
        self.settings.append(settings)
        return _Lines()

    @contextlib.contextmanager
    def java(self, *_: object, in_containers: bool, jar: pathlib.Path | None) -> Iterator[_Kafka]:
        """As the Java service, started."""
        assert (True, None) == (in_containers, jar)
        self.expansions += 1
        yield self

    def address(self) -> str:
        """Of the Java service."""
        return "localhost:1"


@pytest.fixture(autouse=True)
def kafka(monkeypatch: pytest.MonkeyPatch) -> _Kafka:
    """No broker is asked, and no Java started."""
    kafka = _Kafka()

    def same(config: JobConfig) -> JobConfig:
        return config

    def ranges(*_: object, **__: object) -> list[OffsetRange]:
        return [OffsetRange("web", 0, 5, 8)]

    monkeypatch.setattr(dataflow, "with_topics", same)
    monkeypatch.setattr(dataflow, "KafkaConnection", lambda _: None)
    monkeypatch.setattr(dataflow, "find_ranges", ranges)
    monkeypatch.setattr(dataflow, "prepare_topics", lambda _, **__: None)
    monkeypatch.setattr(dataflow, "ExpansionService", kafka.java)
    monkeypatch.setattr(readers, "_from_now_on", lambda *_: [OffsetRange("web", 0, 5, NO_END)])
    monkeypatch.setattr(readers, "ReadKafkaUnbounded", kafka.read)
    monkeypatch.setattr(readers, "ReadKafkaRanges", kafka.read)
    return kafka


@pytest.fixture
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beam looks at a job every 5 s."""
    pause = threading.Event()
    quick = types.SimpleNamespace(sleep=lambda _: pause.wait(0.01), time=dataflow_runner.time.time)
    monkeypatch.setattr(dataflow_runner, "time", quick)


def _run(cloud: GoogleCloud, *more: str, without: Sequence[str] = ()) -> int:
    flags = [
        flag for flag in (*cloud.flags, *JOB) if flag.partition("=")[0].lstrip("-") not in without
    ]
    return cli.main([*flags, *more])


def test_a_live_job_is_created(cloud: GoogleCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """It streams on the streaming engine, and the command tells where it is, and ends."""
    more = [
        "--window_seconds=60",
        "--slide_seconds=5",
        "--contains=payment failed",
        "--labels=team=shop",
        "--service_account_email=workers@acme-logs.iam.gserviceaccount.com",
        "--dataflow_service_options=enable_secure_boot,min_num_workers=2",
        "--update_compatibility_version=2.77.0",
    ]
    assert 0 == _run(cloud, *more)

    told = capsys.readouterr()
    assert "" == told.out
    assert f"job errors is on Dataflow as {FIRST_ID}: {CONSOLE}\n" == told.err.splitlines(True)[-1]
    [job] = cloud.jobs
    request, environment = job.request, job.request["environment"]
    # JOB_TYPE_STREAMING.
    assert ("errors", 2, {"team": "shop"}) == (
        request["name"],
        request["type"],
        request["labels"],
    )
    assert {
        "beam_fn_api",
        "use_runner_v2",
        "use_portable_job_submission",
        "enable_streaming_engine",
        "enable_windmill_service",
        "use_multiple_sdk_containers",
        "use_unified_worker",
        "disable_logging_submission_environment",
    } == set(environment["experiments"])
    assert ["enable_secure_boot", "min_num_workers=2"] == environment["serviceOptions"]
    assert "workers@acme-logs.iam.gserviceaccount.com" == environment["serviceAccountEmail"]
    assert "FNAPI_STREAMING" == environment["version"]["job_type"]
    [pool] = environment["workerPools"]
    assert [PYTHON_IMAGE] == [one["containerImage"] for one in pool["sdkHarnessContainerImages"]]
    options = environment["sdkPipelineOptions"]["options"]
    assert "2.77.0" == options["update_compatibility_version"]
    # The job's own flags are none of Beam's options.
    assert set() == options.keys() & {"input_topic", "kafka_bootstrap_servers", "contains"}
    # An image of the user's has the package.
    assert {"pipeline.pb"} == set(cloud.staged())


def test_the_graph_of_a_live_job(cloud: GoogleCloud) -> None:
    """It is that of Flink, and its steps say on the job page what they do."""
    _run(cloud, "--levels=WARN,ERROR", "--group_by=service", "--dead_letter=kafka:dead")

    graph = cloud.graph()
    expected = {
        "ReadFromKafka[web]",
        "ReadFromKafka[shop]",
        "FilterErrorLines[web]",
        "FilterErrorLines[shop]",
        "AllCounts",
        "AllSpans",
        "AllSamples",
        "AllDeadLetters",
        "ClosePanes",
        "SlidingWindows",
        "DeadLetters",
        "Spans",
        "KeepLedger",
        "WriteResults",
        "WriteDeadLetters",
    }
    assert expected == labels(graph)
    assert {
        "topic": "shop",
        "filter": "levels=WARN,ERROR",
        "event_time": "kafka",
        "group_by": "service",
    } == shown(graph, "FilterErrorLines[shop]")
    assert {
        "window_seconds": 30,
        "slide_seconds": 10,
        "allowed_lateness_seconds": 3600,
        "on_time_delay_seconds": 0.5,
    } == shown(graph, "SlidingWindows")


def test_a_job_with_an_end(cloud: GoogleCloud, kafka: _Kafka) -> None:
    """A limit of the read makes a batch job, which may write files in a bucket."""
    path = f"gs://{BUCKET}/counts.jsonl"
    assert 0 == _run(cloud, "--max_num_records=3", f"--output={path}")

    [job] = cloud.jobs
    # JOB_TYPE_BATCH.
    assert (1, "FNAPI_BATCH") == (
        job.request["type"],
        job.request["environment"]["version"]["job_type"],
    )
    options = job.request["environment"]["sdkPipelineOptions"]["options"]
    assert "transforms.worker_plugin" in options["beam_plugins"]
    graph = cloud.graph()
    assert {"window_seconds": 30, "slide_seconds": 10} == shown(graph, "SlidingWindows")
    assert "min_level=ERROR" == shown(graph, "FilterErrorLines[*]")["filter"]
    assert 1 == kafka.expansions


def test_a_running_job_is_updated_by_name(
    cloud: GoogleCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new job names the old one, and its steps have the same names and ids."""
    _run(cloud, "--job_name=web-errors")
    before = cloud.graph()
    cloud.objects.clear()

    mapping = {"ReadFromKafka[web]": "ReadFromKafka[www]"}
    more = ["--update", f"--transform_name_mapping={json.dumps(mapping)}"]
    assert 0 == _run(cloud, "--job_name=web-errors", *more)

    old, new = cloud.jobs
    assert (old.id, mapping) == (new.request["replaceJobId"], new.request["transformNameMapping"])
    assert ("JOB_STATE_UPDATED", new.id) == (old.state, old.replaced_by)
    assert before.components.transforms.keys() == cloud.graph().components.transforms.keys()
    assert labels(before) == labels(cloud.graph())

    # Without the flag it is left alone.
    assert 2 == _run(cloud, "--job_name=web-errors")
    expected = (
        f"error: --job_name: a job of this name is RUNNING as {new.id}, got 'web-errors'. "
        "Add --update to change it, or choose another name.\n"
    )
    assert expected == capsys.readouterr().err.splitlines(True)[-1]
    assert [old, new] == cloud.jobs


def test_a_template_is_written_and_nothing_submitted(
    cloud: GoogleCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also while a job of its name is there: the launcher of a Flex Template is one."""
    _run(cloud)
    path = f"gs://{BUCKET}/templates/errors.json"
    capsys.readouterr()

    assert 0 == _run(cloud, f"--template_location={path}")

    assert 1 == len(cloud.jobs)
    assert "errors" == json.loads(cloud.objects["templates/errors.json"])["name"]
    assert f"the graph of errors is at {path}" == capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--project=123456", "--project: a project number, got '123456'. Give the ID"),
        ("--project=My Project", "--project: not a project ID, got 'My Project'"),
        ("--region=europe-west4-a", "--region: a zone, got 'europe-west4-a'. Give its region, eur"),
        ("--region=Europe", "--region: not a region, got 'Europe'"),
        ("--temp_location=/tmp/x", "--temp_location: not a path in a Cloud Storage bucket, got"),
        ("--temp_location=gs://acme", "--temp_location: not a path in a Cloud Storage bucket, got"),
        ("--staging_location=s3://b/x", "--staging_location: not a path in a Cloud Storage bucket"),
        ("--service_account_email=me", "--service_account_email: not a service account, got 'me'"),
        ("--job_name=Errors_1", "--job_name: not a name that Dataflow takes, got 'Errors_1'"),
        ("--labels=Team=shop", "--labels: not a label, got 'Team=shop'"),
        ("--transform_name_mapping={}", "--transform_name_mapping: says nothing without --update"),
        ("--setup_file=/no/setup.py", "--setup_file: no such file, got '/no/setup.py'"),
        ("--num_worker=2", "--num_worker: no such flag. Did you mean --num_workers?"),
        ("--s3_secret_access_key=x", "--s3_secret_access_key: a secret, which would be readable"),
        ("--update", "--update: there is no running job to update (none of this name)"),
        ("--output=-", "--output: a worker of Dataflow has no such place, got '-'. Give kafka:TO"),
        (f"--output=gs://{BUCKET}/x", "--output: a live job adds to its output for ever"),
        ("--dead_letter=-", "--dead_letter: a worker of Dataflow has no such place, got '-'"),
        ("--ledger=/tmp/ledger", "--ledger: a worker of Dataflow has no such place"),
        ("--consumer_property=sasl.jaas.config=x", "--consumer_property: sasl.jaas.config would"),
        # What only the services know.
        ("--project=acme-logz", "--project: Dataflow refuses it (no permission on project acme-lo"),
        ("--region=europe-west9", "--region: Dataflow refuses it (unknown region europe-west9)"),
        ("--temp_location=gs://acme-stage/x", "--temp_location: there is no bucket acme-stage"),
        ("--staging_location=gs://acme-of-others/x", "--staging_location: no access to bucket acm"),
    ],
)
def test_a_mistake_is_told_before_java_starts(
    cloud: GoogleCloud,
    kafka: _Kafka,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    expected: str,
) -> None:
    """One line that names the flag, and exit code 2; nothing is staged."""
    assert 2 == _run(cloud, flag)

    [told] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert told.startswith(f"error: {expected}")
    assert (0, {}, []) == (kafka.expansions, cloud.objects, cloud.jobs)


@pytest.mark.parametrize("missing", ["project", "region", "temp_location"])
def test_what_must_be_given(
    cloud: GoogleCloud, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """There is no place to start a job at without it."""
    assert 2 == _run(cloud, without=[missing])
    assert f"error: --{missing}: missing." in capsys.readouterr().err


def test_the_region_of_gcloud(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used where the flag is not given."""
    monkeypatch.setenv("CLOUDSDK_COMPUTE_REGION", REGION)
    assert 0 == _run(cloud, without=["region"])
    assert 1 == len(cloud.jobs)


def test_a_cloud_that_does_not_answer(
    cloud: GoogleCloud, kafka: _Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told at once, without the minutes that Google's client would go on trying."""
    assert 1 == _run(cloud, "--dataflow_endpoint=http://localhost:1")
    expected = "error: Dataflow: no answer (ConnectionError). Check the network and the login.\n"
    assert expected == capsys.readouterr().err.splitlines(True)[-1]
    assert 0 == kafka.expansions


def test_a_machine_without_a_login(
    cloud: GoogleCloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beam would go on without one, and fail later."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert 2 == _run(cloud, without=["no_auth"])
    expected = "error: --runner: there is no login for Google Cloud on this machine"
    assert expected in capsys.readouterr().err


def test_a_job_that_dataflow_refuses(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that came in between has the name; Dataflow's word for it is told."""
    monkeypatch.setattr(dataflow, "_require_name", lambda *_, **__: None)
    cloud.jobs.append(Job({"name": "errors", "type": 2, "clientRequestId": "1"}, id="other"))

    assert 2 == _run(cloud)

    assert "there is an active job named errors" in capsys.readouterr().err


def test_secrets_stay_out_of_the_job(
    cloud: GoogleCloud, kafka: _Kafka, tmp_path: pathlib.Path
) -> None:
    """The connector gets a reference, the sinks a path; no password leaves this machine."""
    path = tmp_path / "consumer.properties"
    path.write_text(f"security.protocol=SASL_SSL\nsasl.jaas.config={JAAS}\n", encoding="utf-8")
    images = f"--sdk_harness_container_image_overrides=.*java.*,{JAVA_IMAGE}"

    for limit in ([], ["--max_num_records=3"]):
        more = [f"--consumer_config={path}", images, "--ledger=kafka:ledger", *limit]
        assert 0 == _run(cloud, f"--job_name=job-{len(limit)}", *more)

    references = {settings["sasl.jaas.config"] for settings in kafka.settings}
    assert {f"${{file:{path}:sasl.jaas.config}}"} == references
    left = all_that_left(cloud)
    assert (False, True) == (b"open-sesame" in left, str(path).encode() in left)


@pytest.mark.parametrize(
    "limit", ["--max_read_time=5", "--from_time=2020-01-01", "--to_time=1000000000000"]
)
def test_what_bounds_a_read_makes_a_job_with_an_end(limit: str) -> None:
    """One without is live."""
    arguments = ["--kafka_bootstrap_servers=a:1", "--input_topic=web"]

    assert [True, False] == [
        dataflow.is_live(config_from_flags(build_parser().parse_args([*arguments, *more])))
        for more in ([], [limit])
    ]


def test_the_native_reader_needs_no_java(
    cloud: GoogleCloud, kafka: _Kafka, tmp_path: pathlib.Path
) -> None:
    """One image, which has the file of secrets; the connector reads it there."""
    path = tmp_path / "consumer.properties"
    path.write_text(f"security.protocol=SASL_SSL\nsasl.jaas.config={JAAS}\n", encoding="utf-8")

    for limit in ([], ["--max_num_records=3"]):
        more = ["--kafka_reader=native", f"--consumer_config={path}", *limit]
        assert 0 == _run(cloud, f"--job_name=job-{len(limit)}", *more)

    pools = [job.request["environment"]["workerPools"][0] for job in cloud.jobs]
    images = {one["containerImage"] for pool in pools for one in pool["sdkHarnessContainerImages"]}
    assert ({PYTHON_IMAGE}, 0) == (images, kafka.expansions)
    left = all_that_left(cloud)
    assert (False, True) == (b"open-sesame" in left, str(path).encode() in left)


def test_secrets_need_images_that_have_them(
    cloud: GoogleCloud, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reference to a file that no worker has would fail there, again and again."""
    path = tmp_path / "consumer.properties"
    path.write_text(f"sasl.jaas.config={JAAS}\n", encoding="utf-8")

    assert 2 == _run(cloud, f"--consumer_config={path}")

    expected = "error: --consumer_config: it holds a secret (sasl.jaas.config), which stays out of"
    assert expected in capsys.readouterr().err


@pytest.mark.usefixtures("_quick_polls")
@pytest.mark.parametrize(
    ("coming", "code", "last"),
    [
        (["RUNNING", "RUNNING", "DONE"], 0, "Job {id} is in state JOB_STATE_DONE"),
        (["RUNNING", "DRAINING", "DRAINED"], 0, None),
        (["RUNNING", "RUNNING", "UPDATED"], 0, None),
        (["RUNNING", "RUNNING", "CANCELLED"], 1, "error: job errors was cancelled. {console}"),
        (["FAILED"], 1, "error: job errors failed on Dataflow: Out of quota. {console}"),
    ],
)
def test_a_job_that_is_followed(
    cloud: GoogleCloud,
    capsys: pytest.CaptureFixture[str],
    coming: list[str],
    code: int,
    last: str | None,
) -> None:
    """Dataflow's messages come on stderr, made safe, and the end decides the exit code."""

    def plan(job: Job) -> None:
        job.state = "JOB_STATE_PENDING"
        job.coming = [f"JOB_STATE_{state}" for state in coming]
        job.messages = [("BASIC", "Starting 2 workers in europe-west4\x1b[31m")]
        if "FAILED" in coming:
            job.messages.append(("ERROR", "Out of quota."))

    cloud.on_create = plan
    assert code == _run(cloud, "--attach")

    told = capsys.readouterr().err
    if last is not None:
        assert last.format(id=FIRST_ID, console=CONSOLE) in told
    assert "messages of errors (Ctrl-C ends this, not the job)\n" in told
    assert "JOB_MESSAGE_BASIC: Starting 2 workers in europe-west4\\x1b[31m\n" in told


@pytest.mark.usefixtures("_quick_polls")
def test_ctrl_c_leaves_the_job_alone(
    cloud: GoogleCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who follows a job does not own it."""
    looks = iter(range(1_000_000))

    def interrupt(_: Job) -> None:
        if next(looks) == 2:
            _thread.interrupt_main()

    cloud.on_look = interrupt
    assert 130 == _run(cloud, "--attach")

    assert f"job errors goes on: {CONSOLE}\ninterrupted\n" in capsys.readouterr().err
    [job] = cloud.jobs
    assert "JOB_STATE_RUNNING" == job.state
    # Beam's poller ends with the process; here, with the job.
    job.state = "JOB_STATE_DONE"
    for thread in threading.enumerate():
        if "poll_for_job_completion" in thread.name:
            thread.join()


def test_a_job_is_asked_for_by_name(cloud: GoogleCloud, capsys: pytest.CaptureFixture[str]) -> None:
    """Its state, its end, and that it has ended."""
    _run(cloud)
    where = [flag for flag in cloud.flags if not flag.startswith("--runner")]
    capsys.readouterr()

    codes = [cli.main(["dataflow", command, *where]) for command in ("status", "cancel", "status")]

    assert [0, 0, 0] == codes
    assert [
        f"job errors ({FIRST_ID}): RUNNING",
        f"job errors ({FIRST_ID}): asked to cancel",
        f"job errors ({FIRST_ID}): CANCELLING",
    ] == capsys.readouterr().out.splitlines()
    cloud.jobs[0].state = "JOB_STATE_CANCELLED"
    assert 1 == cli.main(["dataflow", "status", *where])
    assert "no job errors runs\n" == capsys.readouterr().out
    assert 2 == cli.main(["dataflow", "cancel", *where[1:]])
    assert "error: --project: missing." in capsys.readouterr().err


def test_following_is_for_dataflow(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere the command shows the results itself."""
    assert 2 == cli.main(["--attach", *JOB[:2]])
    assert "error: --attach: only for a job on Dataflow." in capsys.readouterr().err
