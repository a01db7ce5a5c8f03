"""Locks: their text, what is refused, how two compare, and the ones that are shipped."""

from __future__ import annotations

import pathlib

import pytest

from pipeline.errors import ErrorWindowsError
from pipeline.local import jar_lock
from pipeline.local.jar_lock import LockedJar


def test_lock_text() -> None:
    """A lock is sorted, and reading gives back what was written."""
    first = LockedJar("a", "b", "1", "", 10, "0" * 64)
    second = LockedJar("a", "b", "1", "linux-x86_64", 20, "f" * 64)
    text = jar_lock.format_lock("some", [second, first])
    assert [f"a:b:1  10  {'0' * 64}", f"a:b:1:linux-x86_64  20  {'f' * 64}"] == text.splitlines()[
        2:
    ]
    assert [first, second] == jar_lock.parse_lock(text)
    assert "a/b/1/b-1-linux-x86_64.jar" == second.repository_path


@pytest.mark.parametrize(
    "line",
    [
        "a:b:1 10",
        f"a:b 10 {'0' * 64}",
        f"a:b:1:c:d 10 {'0' * 64}",
        f"a:b:1 ten {'0' * 64}",
        f"a:b:1 -1 {'0' * 64}",
        f"a:b:1 10 {'0' * 63}",
        f"a:..:1 10 {'0' * 64}",
        f"a:b/c:1 10 {'0' * 64}",
        f"a:b:1: 10 {'0' * 64}",
    ],
)
def test_bad_lock(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """A broken line is refused with its number; no coordinate leads out of the cache."""
    monkeypatch.setattr(jar_lock, "RUNTIME_DIR", tmp_path)
    path = tmp_path / "some" / "jars.lock"
    path.parent.mkdir()
    (path.parent / "pom.xml").write_text("")
    path.write_text(f"# header\n\n{line}\n", encoding="utf-8")
    with pytest.raises(ErrorWindowsError) as caught:
        jar_lock.read_lock("some")
    expected = (
        f"{path}: line 3 is not a locked module, got {line!r}. Run `error-windows java lock some`."
    )
    assert expected == str(caught.value)


def test_changes() -> None:
    """The comparison of two locks names new, gone, other version, other content."""

    def jar(artifact: str, version: str = "1", sha256: str = "0") -> LockedJar:
        return LockedJar("g", artifact, version, "", 1, sha256 * 64)

    before = [jar("gone"), jar("same"), jar("newer"), jar("other")]
    after = [jar("same"), jar("newer", "2"), jar("other", sha256="1"), jar("added")]
    expected = [
        "+ g:added:1",
        "- g:gone:1",
        "~ g:newer:1 -> 2",
        "~ g:other:1 -> other content",
    ]
    assert expected == jar_lock.describe_changes(before, after)


class TestShippedSets:
    """The sets of the product itself."""

    def test_locks(self) -> None:
        """Every set has a lock that is as `lock` writes it, and says what it is for."""
        for name in jar_lock.set_names():
            text = jar_lock.pom_path(name).with_name("jars.lock").read_text("utf-8")
            assert text == jar_lock.format_lock(name, jar_lock.read_lock(name))
            assert name != jar_lock.describe(name)

    @pytest.mark.parametrize("name", ["flink", "spark"])
    def test_runners_hold_beam(self, name: str) -> None:
        """What reads Kafka is the same jar for jar there, so results cannot differ by it."""
        assert set() == set(jar_lock.read_lock("beam")) - set(jar_lock.read_lock(name))

    def test_spark_is_one(self) -> None:
        """Its modules are all of one version, and of one version of Scala."""
        modules = [jar for jar in jar_lock.read_lock("spark") if jar.group == "org.apache.spark"]
        assert {("3.5.7", "2.12")} == {
            (jar.version, jar.artifact.rpartition("_")[2]) for jar in modules
        }

    def test_s3_fits_flink(self) -> None:
        """The plugin for checkpoints in a store is one jar, of the version of Flink itself."""
        [plugin] = jar_lock.read_lock("s3")
        runtimes = [
            jar.version
            for jar in jar_lock.read_lock("flink")
            if jar.module == "org.apache.flink:flink-runtime"
        ]
        assert [plugin.version] == runtimes

    def test_one_version(self) -> None:
        """No set has two versions of a module, which would hide each other."""
        for name in jar_lock.set_names():
            keys = [(jar.module, jar.classifier) for jar in jar_lock.read_lock(name)]
            assert sorted(set(keys)) == sorted(keys)
