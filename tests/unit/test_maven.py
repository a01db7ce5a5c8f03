"""Asking Maven: the command, the way from files to coordinates, and its failures."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest

from pipeline.errors import ErrorWindowsError
from pipeline.local.jar_lock import LockedJar
from pipeline.local.maven import resolve

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake Maven is a shell script")

# Puts one jar with and one without a classifier where the command line says, and keeps that line.
_FAKE_MAVEN = """\
#!/bin/sh
printf '%s\\n' "$@" > "$0.arguments"
for argument in "$@"; do
    case "$argument" in -DoutputDirectory=*) folder=${argument#*=} ;; esac
done
/bin/mkdir -p "$folder/org/example/deep/thing/1.0-rc1" "$folder/one/other-thing/2"
printf main > "$folder/org/example/deep/thing/1.0-rc1/thing-1.0-rc1.jar"
printf linux > "$folder/org/example/deep/thing/1.0-rc1/thing-1.0-rc1-linux-x86_64.jar"
printf other > "$folder/one/other-thing/2/other-thing-2.jar"
"""


def _maven(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str) -> pathlib.Path:
    executable = tmp_path / "bin" / "mvn"
    executable.parent.mkdir()
    executable.write_text(script, encoding="utf-8")
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(executable.parent))
    return executable


def _jar(group: str, artifact: str, version: str, classifier: str, content: bytes) -> LockedJar:
    sha256 = hashlib.sha256(content).hexdigest()
    return LockedJar(group, artifact, version, classifier, len(content), sha256)


def test_coordinates(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files become coordinates, classifiers included, with their real size and SHA-256."""
    _maven(tmp_path, monkeypatch, _FAKE_MAVEN)
    expected = [
        _jar("one", "other-thing", "2", "", b"other"),
        _jar("org.example.deep", "thing", "1.0-rc1", "", b"main"),
        _jar("org.example.deep", "thing", "1.0-rc1", "linux-x86_64", b"linux"),
    ]
    assert expected == resolve(tmp_path / "pom.xml")


def test_command(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven is asked for what running needs, and refuses downloads with a wrong checksum."""
    executable = _maven(tmp_path, monkeypatch, _FAKE_MAVEN)
    resolve(tmp_path / "pom.xml")
    arguments = executable.with_name("mvn.arguments").read_text("utf-8").splitlines()
    assert {"--strict-checksums", "-DincludeScope=runtime"} <= set(arguments)
    assert str(tmp_path / "pom.xml") == arguments[arguments.index("--file") + 1]


def test_no_maven(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Maven the error says so, and that only making a lock needs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ErrorWindowsError) as caught:
        resolve(tmp_path / "pom.xml")
    expected = (
        "mvn: not found on the PATH. Install Apache Maven 3.8 or later; only "
        "`error-windows java lock` needs it, not fetching and not the job."
    )
    assert expected == str(caught.value)


def test_failure(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a failing Maven the first error line is passed on."""
    script = "#!/bin/sh\necho '[INFO] x'\necho '[ERROR]'\necho '[ERROR] no y'\nexit 1\n"
    _maven(tmp_path, monkeypatch, script)
    with pytest.raises(ErrorWindowsError) as caught:
        resolve(tmp_path / "pom.xml")
    assert f"mvn: {tmp_path / 'pom.xml'}: no y" == str(caught.value)


def test_silent_failure(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Maven that fails without an error line is reported by its exit code."""
    _maven(tmp_path, monkeypatch, "#!/bin/sh\nexit 7\n")
    with pytest.raises(ErrorWindowsError, match="ended with code 7"):
        resolve(tmp_path / "pom.xml")
