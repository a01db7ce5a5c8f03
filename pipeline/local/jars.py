"""Brings the jars of a locked set into the cache, in parallel, each checked by its SHA-256.

The cache has the layout of a Maven repository, so sets share their jars, and a mirror or a
copied folder fits. A jar gets its name only once its hash is right; a run that was cut short
goes on with the jars that are missing.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import JarsMissingError, UsageError
from pipeline.local import folders
from pipeline.local.jar_lock import LockedJar, describe, read_lock

if TYPE_CHECKING:
    import pooch  # type: ignore[import-untyped]

REPOSITORY_URL_VARIABLE = "ERROR_WINDOWS_MAVEN_REPOSITORY_URL"
OFFLINE_VARIABLE = "ERROR_WINDOWS_OFFLINE"
_PARALLEL_DOWNLOADS = 8
# Per jar, after a broken connection, a server error or a wrong hash; pooch waits 1 s, then 2 s.
_DOWNLOAD_REPETITIONS = 2
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16
# Client errors that may pass: request timeout, too early, too many requests.
_TRANSIENT_CLIENT_ERRORS = (408, 425, 429)


def jar_cache_dir() -> pathlib.Path:
    """The folder of fetched jars, in the layout of a Maven repository."""
    return folders.cache_dir() / "jars"


def jar_path(jar: LockedJar) -> pathlib.Path:
    """Where a jar lies in the cache, or will lie."""
    return jar_cache_dir() / jar.repository_path


def missing_jars(jars: Sequence[LockedJar]) -> list[LockedJar]:
    """Those not in the cache with their size: a check of milliseconds that reads no jar."""
    return [jar for jar in jars if not _has_size(jar_path(jar), jar.size_bytes)]


def corrupt_jars(jars: Sequence[LockedJar]) -> list[LockedJar]:
    """Those in the cache whose size or SHA-256 is not the locked one; reads every jar."""
    import pooch

    return [
        jar
        for jar in jars
        if jar_path(jar).is_file()
        and (
            not _has_size(jar_path(jar), jar.size_bytes)
            or pooch.file_hash(str(jar_path(jar))) != jar.sha256
        )
    ]


def fetch_jars(
    set_name: str, *, repository_url: str | None = None, sets: pathlib.Path | None = None
) -> list[pathlib.Path]:
    """The jars of a set as files, in class path order; fetches those that are missing.

    `sets` is the folder of sets, where it is not that of this package.

    They come from `repository_url`, else $ERROR_WINDOWS_MAVEN_REPOSITORY_URL, else Maven
    Central, through the proxy and with the certificates that the environment names for
    requests. Progress goes to stderr, nothing when all jars are there.

    Raises JarsMissingError when jars are missing and cannot be had, or must not be fetched
    ($ERROR_WINDOWS_OFFLINE); UsageError for an unknown set or an address that is none.
    """
    jars = read_lock(set_name, sets)
    missing = missing_jars(jars)
    if missing:
        if os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
            raise _missing_error(set_name, f"and {OFFLINE_VARIABLE} forbids fetching them", sets)
        _download(set_name, missing, maven_repository(repository_url), sets)
    return [jar_path(jar) for jar in jars]


def _has_size(path: pathlib.Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


def maven_repository(given: str | None = None) -> str:
    """The root of what jars are fetched from; what is given goes before the environment.

    Raises:
      UsageError: the environment names no address.
    """
    url = given or os.environ.get(REPOSITORY_URL_VARIABLE)
    if url:
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme not in ("http", "https") or not parsed.netloc:
            # Not shown: it may hold a password.
            raise UsageError(
                REPOSITORY_URL_VARIABLE,
                "not an http or https address",
                fix="Set it to the root of a Maven repository, or unset it for Maven Central.",
            )
        return url.rstrip("/")
    # Takes 2 seconds, so only when something is to be downloaded.
    from apache_beam.utils.subprocess_server import JavaJarServer

    return str(JavaJarServer.MAVEN_CENTRAL_REPOSITORY)


def _download(
    set_name: str, missing: Sequence[LockedJar], url: str, sets: pathlib.Path | None
) -> None:
    """Fetches jars into the cache; raises JarsMissingError for the first that cannot be had."""
    import pooch

    # Its messages name the host, and one bar says all of it.
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        path=jar_cache_dir(),
        base_url=f"{url}/",
        registry={jar.repository_path: jar.sha256 for jar in missing},
        retry_if_failed=_DOWNLOAD_REPETITIONS,
    )
    total_bytes = sum(jar.size_bytes for jar in missing)
    with _progress(len(missing), total_bytes, describe(set_name, sets)) as advance:
        downloader = _Downloader(advance)
        pool = concurrent.futures.ThreadPoolExecutor(_PARALLEL_DOWNLOADS)
        try:
            # Largest first: no thread is left alone with a large one at the end.
            ordered = sorted(missing, key=lambda jar: -jar.size_bytes)
            tasks = {pool.submit(_fetch_one, store, jar, downloader): jar for jar in ordered}
            for task in concurrent.futures.as_completed(tasks):
                try:
                    task.result()
                except (OSError, ValueError) as error:
                    cause = f"{tasks[task].coordinates}: {_reason(error)}"
                    raise _missing_error(
                        set_name, f"and fetching failed ({cause})", sets
                    ) from error
        finally:
            # On the first failure, and on Ctrl-C, the others end at their next chunk.
            downloader.stopped.set()
            pool.shutdown(cancel_futures=True)
    if downloader.repetitions:
        print(f"downloads that had to be repeated: {downloader.repetitions}", file=sys.stderr)


def _fetch_one(store: pooch.Pooch, jar: LockedJar, downloader: _Downloader) -> None:
    # pooch's own way to make the folder fails when another process makes it at the same time.
    jar_path(jar).parent.mkdir(parents=True, exist_ok=True)
    store.fetch(jar.repository_path, downloader=downloader)


class _RefusedError(OSError):
    """The server said no in a way that asking again will not change."""


class _StoppedError(Exception):
    """Another download failed, or the user interrupted."""


class _Downloader:
    """What pooch calls to get one URL into one file; counts bytes and repetitions."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.stopped = threading.Event()
        self.repetitions = 0
        self._advance = advance
        self._lock = threading.Lock()
        self._urls: set[str] = set()

    def __call__(self, url: str, output_file: str, pooch_: pooch.Pooch) -> None:
        import pooch
        import requests

        with self._lock:
            self.repetitions += url in self._urls
            self._urls.add(url)
        counter = _Counter(self._count)
        get = pooch.HTTPDownloader(
            progressbar=counter, chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS
        )
        try:
            get(url, output_file, pooch_)
        except requests.HTTPError as error:
            error.response.close()  # pooch leaves it open.
            status = error.response.status_code
            if 400 <= status < 500 and status not in _TRANSIENT_CLIENT_ERRORS:
                raise _RefusedError(f"HTTP status {status}") from error
            raise
        except BaseException:
            counter.take_back()
            raise
        os.chmod(output_file, 0o644)  # pooch's 0600 would shut out other users of the cache.

    def _count(self, count_bytes: int) -> None:
        if count_bytes > 0 and self.stopped.is_set():
            raise _StoppedError
        with self._lock:
            self._advance(count_bytes)


class _Counter:
    """The progress bar that pooch sees for one file; hands its bytes on to the bar of all."""

    total = 0

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._bytes = 0

    def update(self, count_bytes: int) -> None:
        self._bytes += count_bytes
        self._advance(count_bytes)

    def reset(self) -> None:
        """Takes all back: pooch counts whole chunks, then resets and counts the real size."""
        self.take_back()

    def take_back(self) -> None:
        self._advance(-self._bytes)
        self._bytes = 0

    def close(self) -> None:
        """The bar of all stays open."""


@contextlib.contextmanager
def _progress(count: int, total_bytes: int, purpose: str) -> Iterator[Callable[[int], None]]:
    """Shows a bar on a terminal, else a line at the start and one at the end."""
    if not sys.stderr.isatty():
        modules = "1 Java module" if count == 1 else f"{count} Java modules"
        what = f"{modules} ({total_bytes / 1e6:.0f} MB) for {purpose}"
        print(f"fetching {what} ...", file=sys.stderr)
        yield lambda _count_bytes: None
        print(f"fetched {what}", file=sys.stderr)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TransferSpeedColumn,
    )

    # Short, so that the bar itself fits into 80 columns.
    title = f"Java modules for {purpose}"
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total_bytes)
        yield lambda count_bytes: bar.advance(task, count_bytes)


def _reason(error: Exception) -> str:
    """Why a download failed, without the address: that may hold a password."""
    import requests

    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS: the server's certificate is not trusted; see REQUESTS_CA_BUNDLE"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT_SECONDS} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.RequestException):
        return f"the request failed ({type(error).__name__})"
    if isinstance(error, OSError):
        return f"writing to the cache: {error.strerror or type(error).__name__}"
    return "what came has another SHA-256 than the locked one"


def _missing_error(set_name: str, why: str, sets: pathlib.Path | None) -> JarsMissingError:
    jars = read_lock(set_name, sets)
    again = f"run `error-windows java fetch {set_name}`" if sets is None else "try again"
    return JarsMissingError(
        f"Java modules: {len(missing_jars(jars))} of {len(jars)} for {describe(set_name, sets)} "
        f"(set {set_name}) are not in {jar_cache_dir()}, {why}. "
        f"Connect and {again}, or set {REPOSITORY_URL_VARIABLE} "
        f"to a mirror, or copy a filled cache folder and set {folders.CACHE_DIR_VARIABLE} to it."
    )
