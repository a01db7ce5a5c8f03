"""Fetching jars: from a real HTTP server, into a cache, with everything that goes wrong."""

from __future__ import annotations

import collections
import hashlib
import http.server
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import pooch.core  # type: ignore[import-untyped]
import pytest

from pipeline.errors import ErrorWindowsError, JarsMissingError, UsageError
from pipeline.local import jar_lock, jars
from pipeline.local.jar_lock import LockedJar

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0"><description>the tests</description></project>
"""


class _Repository:
    """A Maven repository on localhost: what it serves, how it misbehaves, what was asked."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.statuses: dict[str, list[int]] = collections.defaultdict(list)
        """Per path the status of the next requests; served normally once used up."""
        self.truncated: set[str] = set()
        self.gate: threading.Barrier | None = None
        """Where requests wait for each other, to prove that they are made at once."""
        self.requested: list[str] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Tests print nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def _answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        path = request.path.lstrip("/")
        self.requested.append(path)
        if self.gate is not None:
            self.gate.wait()
        content = self.contents.get(path)
        status = self.statuses[path].pop(0) if self.statuses[path] else 200
        if content is None or status != 200:
            request.send_error(404 if content is None else status)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if path in self.truncated else content)


@pytest.fixture
def repository() -> Iterator[_Repository]:
    """A running repository without jars."""
    repository = _Repository()
    thread = threading.Thread(target=repository.server.serve_forever, args=(0.01,))
    thread.start()
    yield repository
    repository.server.shutdown()
    thread.join()
    repository.server.server_close()


@pytest.fixture(autouse=True)
def waits(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, repository: _Repository
) -> list[float]:
    """An empty cache, a folder for sets, the repository as mirror; pooch notes its waits."""
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", repository.url)
    monkeypatch.delenv("ERROR_WINDOWS_OFFLINE", raising=False)
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(jar_lock, "RUNTIME_DIR", tmp_path / "runtime")
    waited: list[float] = []
    monkeypatch.setattr(pooch.core.time, "sleep", waited.append)
    return waited


def _make_set(
    tmp_path: pathlib.Path, repository: _Repository, count: int = 3, name: str = "some"
) -> list[LockedJar]:
    """A locked set of made-up jars that the repository serves."""
    made = []
    for number in range(count):
        content = f"jar {number} ".encode() * 1000
        sha256 = hashlib.sha256(content).hexdigest()
        jar = LockedJar("org.example", f"part-{number}", "1.0", "", len(content), sha256)
        repository.contents[jar.repository_path] = content
        made.append(jar)
    folder = tmp_path / "runtime" / name
    folder.mkdir(parents=True)
    (folder / "pom.xml").write_text(_POM, encoding="utf-8")
    jar_lock.write_lock(name, made)
    return made


def _files(folder: pathlib.Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def _advice(set_name: str = "some") -> str:
    return (
        f"Connect and run `error-windows java fetch {set_name}`, or set "
        "ERROR_WINDOWS_MAVEN_REPOSITORY_URL to a mirror, or copy a filled cache folder and set "
        "ERROR_WINDOWS_CACHE_DIR to it."
    )


def test_fetch(
    tmp_path: pathlib.Path, repository: _Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """All jars come in the order of the lock, in Maven's layout, readable by others."""
    made = _make_set(tmp_path, repository)
    root = tmp_path / "cache" / "jars"
    paths = jars.fetch_jars("some")
    assert [root / jar.repository_path for jar in made] == paths
    assert list(repository.contents.values()) == [path.read_bytes() for path in paths]
    assert sorted(repository.contents) == _files(root)
    assert {0o644} == {path.stat().st_mode & 0o777 for path in paths}
    expected = (
        "fetching 3 Java modules (0 MB) for the tests ...\n"
        "fetched 3 Java modules (0 MB) for the tests\n"
    )
    assert ("", expected) == capsys.readouterr()


def test_all_present(
    tmp_path: pathlib.Path, repository: _Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A filled cache needs no request and prints nothing, offline too."""
    _make_set(tmp_path, repository)
    first = jars.fetch_jars("some")
    repository.requested.clear()
    capsys.readouterr()
    assert first == jars.fetch_jars("some")
    assert [] == repository.requested
    assert ("", "") == capsys.readouterr()


def test_present_needs_no_beam(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """Neither Beam, whose import takes seconds, nor the downloader is loaded for the check."""
    _make_set(tmp_path, repository)
    jars.fetch_jars("some")
    program = (
        "import pathlib, sys; from pipeline.local import jar_lock, jars; "
        "jar_lock.RUNTIME_DIR = pathlib.Path(sys.argv[1]); jars.fetch_jars('some'); "
        "print(sorted({'apache_beam', 'pooch', 'requests', 'rich'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "runtime")]
    done = subprocess.run(command, cwd=_project(), capture_output=True, text=True, check=True)
    assert ("[]\n", "") == (done.stdout, done.stderr)


def _project() -> pathlib.Path:
    return pathlib.Path(jars.__file__).parents[2]


def test_resume(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """Only what is missing or has another size is fetched; sets share their jars."""
    made = _make_set(tmp_path, repository)
    paths = jars.fetch_jars("some")
    repository.requested.clear()
    paths[0].unlink()
    paths[1].write_bytes(b"half")
    jars.fetch_jars("some")
    assert sorted(jar.repository_path for jar in made[:2]) == sorted(repository.requested)
    repository.requested.clear()
    _make_set(tmp_path, repository, count=4, name="larger")
    jars.fetch_jars("larger")
    assert ["org/example/part-3/1.0/part-3-1.0.jar"] == repository.requested


def test_parallel(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """Eight jars are asked for at once: each request waits for seven others."""
    _make_set(tmp_path, repository, count=8)
    repository.gate = threading.Barrier(8, timeout=60)
    assert 8 == len(jars.fetch_jars("some"))


def test_two_at_once(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """Two that fetch the same jars at the same moment do not disturb each other."""
    _make_set(tmp_path, repository, count=2)
    repository.gate = threading.Barrier(4, timeout=60)
    results: list[list[pathlib.Path]] = []
    threads = [
        threading.Thread(target=lambda: results.append(jars.fetch_jars("some"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 == len(results)
    assert results[0] == results[1]
    assert sorted(repository.contents) == _files(tmp_path / "cache" / "jars")
    assert [] == jars.corrupt_jars(jar_lock.read_lock("some"))


def test_wrong_hash(tmp_path: pathlib.Path, repository: _Repository, waits: list[float]) -> None:
    """A jar with another content is refused and not kept, after two repetitions."""
    made = _make_set(tmp_path, repository, count=1)
    content = repository.contents[made[0].repository_path]
    repository.contents[made[0].repository_path] = b"x" * len(content)
    with pytest.raises(JarsMissingError) as caught:
        jars.fetch_jars("some")
    expected = (
        f"Java modules: 1 of 1 for the tests (set some) are not in {tmp_path / 'cache' / 'jars'}, "
        "and fetching failed (org.example:part-0:1.0: what came has another SHA-256 than the "
        f"locked one). {_advice()}"
    )
    assert expected == str(caught.value)
    assert [] == _files(tmp_path / "cache" / "jars")
    assert (3, [1, 2]) == (len(repository.requested), waits)


def test_truncated(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """A connection that ends early leaves nothing behind."""
    made = _make_set(tmp_path, repository, count=1)
    repository.truncated.add(made[0].repository_path)
    with pytest.raises(JarsMissingError, match="the connection broke off"):
        jars.fetch_jars("some")
    assert [] == _files(tmp_path / "cache" / "jars")


def test_not_found(tmp_path: pathlib.Path, repository: _Repository, waits: list[float]) -> None:
    """A jar the repository does not have is not asked for again, and named."""
    made = _make_set(tmp_path, repository, count=1)
    del repository.contents[made[0].repository_path]
    with pytest.raises(JarsMissingError) as caught:
        jars.fetch_jars("some")
    assert "(org.example:part-0:1.0: HTTP status 404)" in str(caught.value)
    assert (1, []) == (len(repository.requested), waits)


def test_good_ones_are_kept(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """What came before a failure stays, so that the next run goes on from there."""
    made = _make_set(tmp_path, repository, count=1)
    jars.fetch_jars("some")
    absent = LockedJar("org.example", "absent", "1.0", "", 1, "0" * 64)
    jar_lock.write_lock("some", [*made, absent])
    with pytest.raises(JarsMissingError, match="1 of 2 for the tests"):
        jars.fetch_jars("some")
    assert [made[0].repository_path] == _files(tmp_path / "cache" / "jars")


def test_passing_error(
    tmp_path: pathlib.Path,
    repository: _Repository,
    waits: list[float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a server error that passes the jar is asked for again, and it is said."""
    made = _make_set(tmp_path, repository, count=1)
    repository.statuses[made[0].repository_path] = [503, 429]
    jars.fetch_jars("some")
    assert (3, [1, 2]) == (len(repository.requested), waits)
    assert "downloads that had to be repeated: 2" == capsys.readouterr().err.splitlines()[-1]


def test_no_connection(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """A repository that is not there: the reason without its address."""
    _make_set(tmp_path, repository)
    # The port of a server that was closed again: nobody listens there.
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as closed:
        port = closed.server_address[1]
    with pytest.raises(JarsMissingError) as caught:
        jars.fetch_jars("some", repository_url=f"http://user:secret@127.0.0.1:{port}")
    message = str(caught.value)
    assert ": no connection). " in message
    assert [] == [word for word in ("secret", "127.0.0.1") if word in message]


def test_offline(
    tmp_path: pathlib.Path, repository: _Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ERROR_WINDOWS_OFFLINE forbids the network; 0 and empty do not."""
    _make_set(tmp_path, repository)
    monkeypatch.setenv("ERROR_WINDOWS_OFFLINE", "1")
    with pytest.raises(JarsMissingError) as caught:
        jars.fetch_jars("some")
    expected = (
        f"Java modules: 3 of 3 for the tests (set some) are not in {tmp_path / 'cache' / 'jars'}, "
        f"and ERROR_WINDOWS_OFFLINE forbids fetching them. {_advice()}"
    )
    assert expected == str(caught.value)
    assert [] == repository.requested
    monkeypatch.setenv("ERROR_WINDOWS_OFFLINE", "0")
    assert 3 == len(jars.fetch_jars("some"))


def test_unwritable_cache(
    tmp_path: pathlib.Path, repository: _Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that cannot be written is reported as that."""
    _make_set(tmp_path, repository, count=1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ERROR_WINDOWS_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(JarsMissingError, match="writing to the cache: Not a directory"):
        jars.fetch_jars("some")


@pytest.mark.parametrize("url", ["repository.example", "ftp://user:secret@host/x", "https:///x"])
def test_bad_mirror(
    tmp_path: pathlib.Path, repository: _Repository, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A mirror that is no web address is a usage error that does not show it."""
    _make_set(tmp_path, repository)
    monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", url)
    with pytest.raises(UsageError) as caught:
        jars.fetch_jars("some")
    expected = (
        "ERROR_WINDOWS_MAVEN_REPOSITORY_URL: not an http or https address. Set it to the root of "
        "a Maven repository, or unset it for Maven Central."
    )
    assert expected == str(caught.value)


def test_unknown_set(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """A set that does not exist is named, with those that do."""
    _make_set(tmp_path, repository)
    with pytest.raises(UsageError) as caught:
        jars.fetch_jars("other")
    assert "SET: no such set of Java modules, got 'other'. Use some." == str(caught.value)


def test_no_lock(tmp_path: pathlib.Path, repository: _Repository) -> None:
    """A set that was never locked says how to do it."""
    _make_set(tmp_path, repository)
    (tmp_path / "runtime" / "some" / "jars.lock").unlink()
    with pytest.raises(ErrorWindowsError, match=r": no lock\. Run `error-windows java lock some`"):
        jars.fetch_jars("some")
