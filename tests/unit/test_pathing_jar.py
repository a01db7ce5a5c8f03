"""Pathing jars: their manifest, how they are written, and that Java starts through them."""

from __future__ import annotations

import base64
import pathlib
import subprocess
import zipfile

import pytest

from pipeline.local.java import find_java
from pipeline.local.pathing_jar import fold_header, write_pathing_jar

# demo.Hello, compiled for Java 8: prints "hello " and its arguments joined by commas.
_HELLO_CLASS = base64.b64decode("""
yv66vgAAADQALQoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWCQAIAAkHAAoM
AAsADAEAEGphdmEvbGFuZy9TeXN0ZW0BAANvdXQBABVMamF2YS9pby9QcmludFN0cmVhbTsHAA4BABdqYXZhL2xh
bmcvU3RyaW5nQnVpbGRlcgoADQADCAARAQAGaGVsbG8gCgANABMMABQAFQEABmFwcGVuZAEALShMamF2YS9sYW5n
L1N0cmluZzspTGphdmEvbGFuZy9TdHJpbmdCdWlsZGVyOwgAFwEAASwKABkAGgcAGwwAHAAdAQAQamF2YS9sYW5n
L1N0cmluZwEABGpvaW4BAEUoTGphdmEvbGFuZy9DaGFyU2VxdWVuY2U7W0xqYXZhL2xhbmcvQ2hhclNlcXVlbmNl
OylMamF2YS9sYW5nL1N0cmluZzsKAA0AHwwAIAAhAQAIdG9TdHJpbmcBABQoKUxqYXZhL2xhbmcvU3RyaW5nOwoA
IwAkBwAlDAAmACcBABNqYXZhL2lvL1ByaW50U3RyZWFtAQAHcHJpbnRsbgEAFShMamF2YS9sYW5nL1N0cmluZzsp
VgcAKQEACmRlbW8vSGVsbG8BAARDb2RlAQAEbWFpbgEAFihbTGphdmEvbGFuZy9TdHJpbmc7KVYAIQAoAAIAAAAA
AAIAAQAFAAYAAQAqAAAAEQABAAEAAAAFKrcAAbEAAAAAAAkAKwAsAAEAKgAAACsABAABAAAAH7IAB7sADVm3AA8S
ELYAEhIWKrgAGLYAErYAHrYAIrEAAAAAAAA=
""")


@pytest.fixture(autouse=True)
def _cache(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))


def _manifest(jar: pathlib.Path) -> bytes:
    with zipfile.ZipFile(jar) as archive:
        return archive.read("META-INF/MANIFEST.MF")


def _unfold(manifest: bytes) -> list[str]:
    return manifest.replace(b"\r\n ", b"").decode("utf-8").split("\r\n")


def test_fold_short() -> None:
    """A header of at most 72 bytes stays one line."""
    assert b"A: " + b"x" * 69 + b"\r\n" == fold_header("A: " + "x" * 69)


def test_fold_long() -> None:
    """A longer one goes on in lines that start with a blank and are 72 bytes with it."""
    expected = b"A: " + b"x" * 69 + b"\r\n " + b"x" * 71 + b"\r\n x\r\n"
    assert expected == fold_header("A: " + "x" * 141)


def test_fold_counts_bytes() -> None:
    """Length is counted in bytes, not in characters."""
    lines = fold_header("A: " + "é" * 60).split(b"\r\n")
    assert [72, 52, 0] == [len(line) for line in lines]


def test_manifest() -> None:
    """The manifest names the main class and every jar, in order, as file URIs."""
    jars = [pathlib.Path("/a/b.jar"), pathlib.Path("/with blank/%+#é.jar")]
    lines = _unfold(_manifest(write_pathing_jar(jars, main_class="org.example.Main")))
    expected = [
        "Manifest-Version: 1.0",
        "Main-Class: org.example.Main",
        "Class-Path: file:///a/b.jar file:///with%20blank/%25%2B%23%C3%A9.jar",
        "",
        "",
    ]
    assert expected == lines


def test_content_addressed(tmp_path: pathlib.Path) -> None:
    """Without a path the same class path gives the same file in the cache, another one another."""
    one = [tmp_path / "one.jar"]
    first = write_pathing_jar(one, main_class="org.example.Main")
    assert tmp_path / "cache" / "pathing" == first.parent
    assert first == write_pathing_jar(one, main_class="org.example.Main")
    assert first != write_pathing_jar([tmp_path / "two.jar"], main_class="org.example.Main")
    assert first != write_pathing_jar(one, main_class="org.example.Other")


def test_damaged_jar_is_replaced(tmp_path: pathlib.Path) -> None:
    """A file with other content is written anew, and nothing else is left in the folder."""
    first = write_pathing_jar([tmp_path / "one.jar"], main_class="org.example.Main")
    good = first.read_bytes()
    first.write_bytes(b"damaged")
    write_pathing_jar([tmp_path / "one.jar"], main_class="org.example.Main")
    assert good == first.read_bytes()
    assert [first] == list(first.parent.iterdir())


def test_readable_by_others(tmp_path: pathlib.Path) -> None:
    """Other users of a shared cache can read it."""
    jar = write_pathing_jar([], main_class="org.example.Main", path=tmp_path / "given.jar")
    assert tmp_path / "given.jar" == jar
    assert 0o644 == jar.stat().st_mode & 0o777


@pytest.mark.parametrize("folder", ["plain", "with blank", "%41 + é#?&"])
def test_java_starts(tmp_path: pathlib.Path, folder: str) -> None:
    """Java finds the class through the pathing jar, whatever the folder's name."""
    jar = tmp_path / folder / "hello.jar"
    jar.parent.mkdir()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("demo/Hello.class", _HELLO_CLASS)
    # Others before it, so that the class path does not fit into one line.
    absent = [tmp_path / f"absent-{number}.jar" for number in range(20)]
    pathing = write_pathing_jar([*absent, jar], main_class="demo.Hello")
    done = subprocess.run(
        [find_java().executable, "-jar", pathing, "a", "b"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "hello a,b\n" == done.stdout
