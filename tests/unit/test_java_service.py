"""Java services started from a jar of Beam's own."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import pytest

from pipeline.errors import ServiceError
from pipeline.local import java_service
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer
from pipeline.local.java_service import JavaService
from pipeline.local.pathing_jar import write_pathing_jar
from pipeline.local.spark_job_server import SparkJobServer


class Process:
    """In the place of `ManagedProcess`: keeps how it was started."""

    argv: Sequence[str] = ()

    @classmethod
    def start(
        cls, _: str, argv: Sequence[str], *, log_path: pathlib.Path, env: Mapping[str, str]
    ) -> Process:
        """Starts nothing."""
        assert log_path.name == "some.log"
        assert "JAVA_HOME" in env
        cls.argv = argv
        return cls()

    def stop(self) -> None:
        """Nothing runs."""


def command_of(service: JavaService, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a service, from `-jar` on."""
    monkeypatch.setattr(java_service, "ManagedProcess", Process)
    monkeypatch.setattr(java_service, "fetch_jars", lambda _: pytest.fail("asked for a locked set"))
    with service:
        argv = list(Process.argv)
    return argv[argv.index("-jar") :]


def test_the_expansion_service_of_beam(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jar stages itself; the locked modules are not asked for."""
    jar = tmp_path / "expansion.jar"
    service = ExpansionService(tmp_path / "some.log", embedded=True, jar=jar)

    found = command_of(service, monkeypatch)

    assert ["-jar", str(jar)] == found[:2]
    expected = [
        f"--filesToStage={jar}",
        "--defaultEnvironmentType=EMBEDDED",
        "--experiments=use_deprecated_read",
    ]
    assert expected == found[3:]


def test_the_job_server_of_beam(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On loopback, for the cluster, with the settings that Beam has no options for."""
    jar = tmp_path / "job-server.jar"
    service = FlinkJobServer(
        tmp_path / "some.log",
        tmp_path / "artifacts",
        flink_master="flink:8081",
        conf_dir=tmp_path / "conf",
        jar=jar,
    )

    found = command_of(service, monkeypatch)

    assert ["-jar", str(jar), "--flink-master=flink:8081", "--job-host=localhost"] == found[:4]
    expected = [
        "--expansion-port=0",
        f"--artifacts-dir={tmp_path}/artifacts",
        f"--flink-conf-dir={tmp_path}/conf",
    ]
    assert expected == found[6:]


@pytest.mark.parametrize(
    ("master", "handles_lines", "quick"),
    [("[local]", True, False), ("[local]", False, True), ("flink:8081", True, True)],
)
def test_only_java_that_handles_lines_has_the_second_compiler(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    master: str,
    handles_lines: bool,
    quick: bool,
) -> None:
    """It takes a core for the first half of a minute."""
    service = FlinkJobServer(
        tmp_path / "some.log",
        tmp_path / "artifacts",
        master,
        handles_lines=handles_lines,
        jar=tmp_path / "job-server.jar",
    )

    command_of(service, monkeypatch)

    assert quick == ("-XX:TieredStopAtLevel=1" in Process.argv)


def test_the_spark_job_server(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Spark's web UI, which would listen everywhere; on one machine all is on loopback."""
    monkeypatch.setattr(java_service, "ManagedProcess", Process)
    monkeypatch.setattr(java_service, "fetch_jars", lambda name: [tmp_path / f"{name}.jar"])
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))

    def command(*, on_loopback: bool) -> set[str]:
        service = SparkJobServer(
            tmp_path / "some.log",
            tmp_path / "spark",
            "local[2]",
            parallelism=8,
            on_loopback=on_loopback,
        )
        with service:
            return set(Process.argv)

    loopback = {"-Dspark.driver.bindAddress=127.0.0.1", "-Dspark.driver.host=127.0.0.1"}
    everywhere = command(on_loopback=False)
    assert loopback <= command(on_loopback=True)
    assert set() == loopback & everywhere
    assert {
        "-Dspark.ui.enabled=false",
        "-Dspark.default.parallelism=8",
        f"-Dspark.local.dir={tmp_path / 'spark'}",
        "--spark-master-url=local[2]",
        "--job-host=localhost",
        f"--artifacts-dir={tmp_path / 'spark' / 'artifacts'}",
    } <= everywhere


def test_expansion_for_spark(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the source that ends, which Spark's own process runs."""
    service = ExpansionService(tmp_path / "some.log", on_spark=True, jar=tmp_path / "a.jar")

    found = command_of(service, monkeypatch)

    assert [f"--filesToStage={tmp_path / 'a.jar'}", "--defaultEnvironmentType=EMBEDDED"] == found[
        3:
    ]


def test_a_jar_is_started_by_its_own_main_class(tmp_path: pathlib.Path) -> None:
    """With Java itself; what it says when it ends early is told."""
    jar = write_pathing_jar(
        [], main_class="sun.security.tools.keytool.Main", path=tmp_path / "key.jar"
    )
    service = JavaService(
        "key service",
        jar_set="flink",
        main_class="org.example.Other",
        port=9,
        java_options=[],
        arguments=["-none"],
        log_path=tmp_path / "some.log",
        jar=jar,
    )
    with service, pytest.raises(ServiceError) as caught:
        service.address()

    assert "key service: it does not answer (" in str(caught.value)
    assert "-none" in (tmp_path / "some.log").read_text("utf-8")
