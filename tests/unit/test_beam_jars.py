"""Beam's own jars: overrides, the cache, and what is said when they cannot be had."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import threading
import zipfile
from collections.abc import Callable, Iterator

import pytest
from apache_beam.utils.subprocess_server import JavaJarServer
from apache_beam.version import __version__ as BEAM_VERSION

from pipeline.errors import JarsMissingError, UsageError
from pipeline.local.beam_jars import BeamJars, fetch_beam_jars

EXPANSION = f"beam-sdks-java-io-expansion-service-{BEAM_VERSION}.jar"
JOB_SERVER = f"beam-runners-flink-1.20-job-server-{BEAM_VERSION}.jar"
ADVICE = (
    "Set ERROR_WINDOWS_MAVEN_REPOSITORY_URL to a mirror that has it, put the file there, or name "
    "it in BEAM_SERVICE_OVERRIDES."
)


def make_jar(path: pathlib.Path) -> pathlib.Path:
    """A jar with nothing but a manifest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    return path


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """Beam's cache, empty; a mirror that nobody serves."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(JavaJarServer, "JAR_CACHE", str(folder))
    monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", "http://127.0.0.1:9")
    for name in ("BEAM_SERVICE_OVERRIDES", "ERROR_WINDOWS_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@contextlib.contextmanager
def mirror(answer: Callable[[str], bytes | None], asked: list[str]) -> Iterator[str]:
    """A Maven repository; paths for which `answer` gives nothing are not there."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = answer(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetch(told: list[str] | None = None) -> BeamJars:
    """The jars for Flink 1.20."""
    return fetch_beam_jars("1.20", ([] if told is None else told).append)


def message_of_failure() -> str:
    """What is said when a jar cannot be had."""
    with pytest.raises(JarsMissingError) as caught:
        fetch()
    return str(caught.value)


def test_beams_cache_is_used_as_it_is(cache: pathlib.Path) -> None:
    """Nothing is fetched, nothing told."""
    told: list[str] = []
    expected = BeamJars(make_jar(cache / EXPANSION), make_jar(cache / JOB_SERVER))

    assert (expected, []) == (fetch(told), told)


def test_what_the_cache_lacks_is_fetched_from_the_mirror(
    cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Maven repository lays it out; each is told."""
    content = make_jar(tmp_path / "some.jar").read_bytes()
    asked: list[str] = []
    told: list[str] = []
    with mirror(lambda _: content, asked) as url:
        monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", f"{url}/")
        assert BeamJars(cache / EXPANSION, cache / JOB_SERVER) == fetch(told)

    group = "/org/apache/beam"
    expected = [
        f"{group}/beam-sdks-java-io-expansion-service/{BEAM_VERSION}/{EXPANSION}",
        f"{group}/beam-runners-flink-1.20-job-server/{BEAM_VERSION}/{JOB_SERVER}",
    ]
    assert expected == asked
    expected = [
        f"fetching Beam's expansion service: {EXPANSION}",
        f"fetching Beam's job server for Flink 1.20: {JOB_SERVER}",
    ]
    assert expected == told


def test_a_mirror_without_the_jar(cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: what, why, where it would be, and what to do."""
    with mirror(lambda _: None, []) as url:
        monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", url)
        found = message_of_failure()

    expected = (
        "Java modules: Beam's expansion service is not in its cache, and fetching it failed "
        f"(HTTP status 404), got {str(cache / EXPANSION)!r}. {ADVICE}"
    )
    assert expected == found


def test_a_mirror_that_does_not_answer() -> None:
    """Its address is not shown: it may hold a password."""
    found = message_of_failure()

    assert "and fetching it failed (no connection)" in found
    assert "127.0.0.1" not in found


def test_what_the_first_repository_said_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Maven Central Beam asks a second one, which may be out of reach."""
    with mirror(lambda _: None, []) as url:
        monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", url)
        monkeypatch.setattr(JavaJarServer, "MAVEN_CENTRAL_REPOSITORY", url)
        monkeypatch.setattr(JavaJarServer, "GOOGLE_MAVEN_MIRROR", "http://127.0.0.1:9")
        assert "(HTTP status 404)" in message_of_failure()


def test_a_download_that_broke_off_is_not_kept(
    cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beam would take half a jar for a whole one from then on."""
    content = make_jar(tmp_path / "some.jar").read_bytes()[:-9]
    with mirror(lambda _: content, []) as url:
        monkeypatch.setenv("ERROR_WINDOWS_MAVEN_REPOSITORY_URL", url)
        assert "and what is there is no whole jar" in message_of_failure()

    assert [] == list(cache.glob("*.jar"))


def test_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same switch as for the locked modules."""
    monkeypatch.setenv("ERROR_WINDOWS_OFFLINE", "1")

    assert "and ERROR_WINDOWS_OFFLINE forbids fetching it" in message_of_failure()


def test_files_can_take_the_place_of_beams(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable and the names that Beam itself knows."""
    expected = BeamJars(make_jar(tmp_path / "mine" / "a.jar"), make_jar(tmp_path / "b.jar"))
    overrides = {
        "sdks:java:io:expansion-service:shadowJar": str(expected.expansion),
        ":runners:flink:1.20:job-server:shadowJar": str(expected.job_server),
    }
    monkeypatch.setenv("BEAM_SERVICE_OVERRIDES", json.dumps(overrides))

    assert expected == fetch()


def test_an_address_can_take_the_place_of_beams(
    cache: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is fetched into Beam's cache."""
    make_jar(cache / JOB_SERVER)
    content = make_jar(tmp_path / "some.jar").read_bytes()
    with mirror(lambda _: content, []) as url:
        overrides = {"sdks:java:io:expansion-service:shadowJar": f"{url}/my/own.jar"}
        monkeypatch.setenv("BEAM_SERVICE_OVERRIDES", json.dumps(overrides))
        assert BeamJars(cache / "own.jar", cache / JOB_SERVER) == fetch()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            "{",
            "BEAM_SERVICE_OVERRIDES: not a JSON object of names and paths. Write it like "
            '{"sdks:java:io:expansion-service:shadowJar": "/path/to.jar"}.',
        ),
        (
            '{"sdks:java:io:expansion-service:shadowJar": 7}',
            "BEAM_SERVICE_OVERRIDES: not a JSON object of names and paths. Write it like "
            '{"sdks:java:io:expansion-service:shadowJar": "/path/to.jar"}.',
        ),
        (
            '{"sdks:java:io:expansion-service:shadowJar": "localhost:8097"}',
            "BEAM_SERVICE_OVERRIDES: sdks:java:io:expansion-service:shadowJar is not a file that "
            "is there, nor a URL, got 'localhost:8097'. Name a jar; live jobs start their services "
            "themselves.",
        ),
    ],
)
def test_a_wrong_override_is_told(
    overrides: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is fetched."""
    monkeypatch.setenv("BEAM_SERVICE_OVERRIDES", overrides)
    with pytest.raises(UsageError) as caught:
        fetch()
    assert message == str(caught.value)
