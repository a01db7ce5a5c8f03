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
