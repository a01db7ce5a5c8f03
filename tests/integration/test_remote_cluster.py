"""The job on a Flink cluster that `run_flink.sh` did not start: plain Java processes, no Beam."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pipeline.errors import ServiceError
from pipeline.flink_rest import FlinkRest
from pipeline.kafka_properties import KafkaProperties
from pipeline.local import jar_lock, jars
from pipeline.local.flink_config import OPEN_PACKAGES, task_manager_memory
from pipeline.local.java import find_java, java_environment
from pipeline.local.kafka_broker import EmbeddedKafka
from pipeline.local.pathing_jar import write_pathing_jar
from pipeline.local.ports import free_ports
from pipeline.local.process import ManagedProcess
from pipeline.results_topic import TopicResults
from tests.chaos.judge import judge
from tests.chaos.producer import LineProducer
from tests.chaos.results import ResultFollower
from tests.chaos.waiting import wait_until
from tests.processes import environment_of, needs_proc, wait_until_none_is_left

pytestmark = [pytest.mark.flink, pytest.mark.timeout(600)]

WINDOW_SECONDS, SLIDE_SECONDS = 6, 2
START_SECONDS, RESULT_SECONDS = 120, 240
CONFIG = """\
jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: 127.0.0.1
rest.address: 127.0.0.1
rest.port: {rest}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.numberOfTaskSlots: 1
io.tmp.dirs: {folder}
state.checkpoints.num-retained: 3
pekko.ask.timeout: 60 s
"""
JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
# Of the job only: what a Flink distribution does not have.
JOB_GROUPS = ("org.apache.beam", "org.apache.kafka")
# The locked modules in the place of Beam's own jars, which are not to be had everywhere: by the
# names that Beam gives these, with their main classes.
BEAM_JARS = {
    "sdks:java:io:expansion-service:shadowJar": (
        "org.apache.beam.sdk.expansion.service.ExpansionService"
    ),
    ":runners:flink:1.19:job-server:shadowJar": (
        "org.apache.beam.runners.flink.FlinkJobServerDriver"
    ),
}
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: pathlib.Path) -> Iterator[dict[str, str]]:
    """The environment of all processes of the test, none of which may be left at the end."""
    environment = environment_of(tmp_path / "run")
    yield environment
    assert [] == wait_until_none_is_left(environment)


@pytest.fixture
def cluster(environment: dict[str, str], tmp_path: pathlib.Path) -> Iterator[str]:
    """A JobManager and a TaskManager with nothing of Beam's on their class path; the address."""
    rest, rpc = free_ports(2)
    conf = tmp_path / "conf"
    conf.mkdir()
    text = CONFIG.format(rest=rest, rpc=rpc, folder=tmp_path)
    (conf / "config.yaml").write_text(text, encoding="utf-8")
    java = find_java()
    paths = zip(jar_lock.read_lock("flink"), jars.fetch_jars("flink"), strict=True)
    class_path = os.pathsep.join(str(path) for jar, path in paths if jar.group not in JOB_GROUPS)
    shared = [str(java.executable), "-XX:+UseSerialGC", "-XX:MaxMetaspaceSize=256m", *OPEN_PACKAGES]
    variables = {**environment, **java_environment(java)}
    # TaskManagers find the worker on their PATH.
    variables["PATH"] = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"

    def process(name: str, heap: str, main_class: str, arguments: list[str]) -> ManagedProcess:
        options = [heap, "-cp", class_path, main_class, "--configDir", str(conf)]
        argv = [*shared, *options, *arguments]
        return ManagedProcess.start(name, argv, log_path=tmp_path / f"{name}.log", env=variables)

    def has_slots() -> bool:
        try:
            return bool(FlinkRest([address]).overview()["slots-total"])
        except ServiceError:
            return False

    address = f"http://127.0.0.1:{rest}"
    with (
        process("jobmanager", "-Xmx512m", JOB_MANAGER, []),
        process("taskmanager", "-Xmx512m", TASK_MANAGER, task_manager_memory()),
    ):
        wait_until(has_slots, what="a TaskManager", timeout_seconds=START_SECONDS)
        yield address


@pytest.fixture
def flink(environment: dict[str, str], cluster: str, tmp_path: pathlib.Path) -> Command:
    """Runs `error-windows flink ...` for the cluster."""
    modules = jars.fetch_jars("flink")
    overrides = {
        name: str(write_pathing_jar(modules, main_class=main, path=tmp_path / f"{number}.jar"))
        for number, (name, main) in enumerate(BEAM_JARS.items())
    }
    variables = {**environment, "BEAM_SERVICE_OVERRIDES": json.dumps(overrides)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "pipeline", "flink")
        return subprocess.run(
            [*command, *arguments, f"--flink_master={cluster}"],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def _last_line(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr.splitlines()[-1]


@needs_proc
@pytest.mark.parametrize(
    "java", [(), ("--java_runtime=beam", "--flink_version=1.19")], ids=["locked", "beam"]
)
def test_a_cluster_of_ones_own(
    java: tuple[str, ...],
    kafka: EmbeddedKafka,
    topic: Callable[..., str],
    flink: Command,
    cluster: str,
    tmp_path: pathlib.Path,
) -> None:
    """The submission brings all Java that the job needs; a second one is refused; a third resumes.

    Every window is exact, those over the pause included; also with jars named by the user.
    """
    logs, counts = topic(2), f"{topic()}-counts"
    checkpoints = tmp_path / "checkpoints"
    job = (
        f"--kafka_bootstrap_servers={kafka.bootstrap_servers}",
        f"--input_topic={logs}",
        "--consumer_property=auto.offset.reset=earliest",
        f"--output=kafka:{counts}",
        f"--checkpoint_dir={checkpoints}",
        "--checkpoint_interval_seconds=2",
        f"--window_seconds={WINDOW_SECONDS}",
        f"--slide_seconds={SLIDE_SECONDS}",
        *java,
    )
    rest = FlinkRest([cluster])

    def running() -> str:
        live = rest.live_job("errors")
        assert live is not None
        return live.id

    source = TopicResults(counts, KafkaProperties({"bootstrap.servers": kafka.bootstrap_servers}))
    producer = LineProducer(kafka.bootstrap_servers, logs, partitions=2, rate=100, seed=1)
    with producer:
        first = flink(*job)
        first_id = running()
        assert (0, f"job errors runs (new) as {first_id}") == _last_line(first)
        with ResultFollower(source) as results:
            wait_until(
                lambda: results.newest_on_time_ms,
                what="a result",
                timeout_seconds=RESULT_SECONDS,
            )
            problem = f"error: --job_name: a job of this name is RUNNING as {first_id}"
            code, line = _last_line(flink(*job))
            assert (2, problem) == (code, line.partition(", got")[0])
            [shown] = json.loads(flink("status", "--json").stdout)["jobs"]
            assert ("errors", "RUNNING", first_id) == (shown["name"], shown["state"], shown["id"])

            wait_until(
                lambda: list(checkpoints.glob(f"errors/{first_id}/chk-*/_metadata")),
                what="a checkpoint",
                timeout_seconds=RESULT_SECONDS,
            )
            assert 0 == flink("cancel").returncode
            assert None is rest.live_job("errors")
            code, line = _last_line(flink(*job))
            # A folder without metadata is of the checkpoint that the cancel cut short.
            completed = checkpoints.glob(f"errors/{first_id}/chk-*/_metadata")
            newest = max((metadata.parent for metadata in completed), key=_number)
            expected = f"job errors runs (from {newest.as_uri()}) as {running()}"
            assert (0, expected) == (code, line)

            truth = producer.finish()
            verdict = judge(
                results,
                truth,
                window_seconds=WINDOW_SECONDS,
                slide_seconds=SLIDE_SECONDS,
                settle_seconds=RESULT_SECONDS,
            )
            assert () == verdict.differences


def _number(checkpoint: pathlib.Path) -> int:
    return int(checkpoint.name.removeprefix("chk-"))
