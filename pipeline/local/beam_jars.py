"""Beam's own shaded jars, one per Java service, found and fetched the way Beam does.

They are those of the installed apache-beam, from its cache (`~/.apache_beam/cache/jars`), else
from Maven Central or the mirror that ERROR_WINDOWS_MAVEN_REPOSITORY_URL names. As with Beam,
BEAM_SERVICE_OVERRIDES puts a file or another address in the place of one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import urllib.error
import zipfile
from collections.abc import Callable
from typing import NamedTuple

from pipeline.errors import JarsMissingError, UsageError
from pipeline.local.jars import OFFLINE_VARIABLE, REPOSITORY_URL_VARIABLE, maven_repository

OVERRIDES_VARIABLE = "BEAM_SERVICE_OVERRIDES"
# As Beam writes them: `default_io_expansion_service` and `FlinkJarJobServer`.
_EXPANSION = "sdks:java:io:expansion-service:shadowJar"
_JOB_SERVER = ":runners:flink:{version}:job-server:shadowJar"


class BeamJars(NamedTuple):
    """What live jobs run of Beam's.

    Attributes:
      expansion: the expansion service.
      job_server: the job server for one version of Flink, with all Java that a job needs.
    """

    expansion: pathlib.Path
    job_server: pathlib.Path


def fetch_beam_jars(flink_version: str, show_progress: Callable[[str], None]) -> BeamJars:
    """The jars for a version of Flink as files; fetches those that Beam's cache lacks.

    Args:
      flink_version: a minor version, one that Beam publishes.
      show_progress: is told what is fetched.

    Raises:
      JarsMissingError: a jar cannot be had, or must not be fetched ($ERROR_WINDOWS_OFFLINE).
      UsageError: an override or the mirror's address is wrong.
    """
    overrides = _overrides()
    found = []
    for what, target in (
        ("expansion service", _EXPANSION),
        (f"job server for Flink {flink_version}", _JOB_SERVER.format(version=flink_version)),
    ):
        found.append(_fetch(what, target, overrides.get(target), show_progress))
    return BeamJars(*found)


def fetch_expansion_jar(show_progress: Callable[[str], None]) -> pathlib.Path:
    """The expansion service alone, for runners without a job server.

    Raises:
      JarsMissingError, UsageError: as `fetch_beam_jars`.
    """
    return _fetch("expansion service", _EXPANSION, _overrides().get(_EXPANSION), show_progress)


def _overrides() -> dict[str, str]:
    from apache_beam.options.pipeline_options import CrossLanguageOptions, PipelineOptions

    try:
        given = PipelineOptions([]).view_as(CrossLanguageOptions).beam_services
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise UsageError(
            OVERRIDES_VARIABLE,
            "not a JSON object of names and paths",
            fix=f'Write it like {{"{_EXPANSION}": "/path/to.jar"}}.',
        )
    return given


def _fetch(
    what: str, target: str, override: str | None, show_progress: Callable[[str], None]
) -> pathlib.Path:
    from apache_beam.utils.subprocess_server import JavaJarServer

    if override is not None:
        _require_jar_address(target, override)
    address = override or JavaJarServer.path_to_beam_jar(
        target, maven_repository_url=maven_repository()
    )
    if os.path.exists(address):
        return _usable(what, pathlib.Path(address), was_fetched=False)
    cached = pathlib.Path(JavaJarServer.JAR_CACHE, os.path.basename(address))
    if cached.exists():
        return _usable(what, cached, was_fetched=False)
    if os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0"):
        raise _missing(what, f"and {OFFLINE_VARIABLE} forbids fetching it", cached)
    show_progress(f"fetching Beam's {what}: {cached.name}")
    try:
        jar = pathlib.Path(JavaJarServer.local_jar(address))
    except (RuntimeError, OSError, ValueError, http.client.HTTPException) as error:
        raise _missing(what, f"and fetching it failed ({_reason(error)})", cached) from error
    return _usable(what, jar, was_fetched=True)


def _require_jar_address(target: str, address: str) -> None:
    if "://" not in address and not os.path.isfile(address):
        # An address of a service that runs (host:port), which Beam would take, among them.
        raise UsageError(
            OVERRIDES_VARIABLE,
            f"{target} is not a file that is there, nor a URL",
            got=address,
            fix="Name a jar; live jobs start their services themselves.",
        )


def _usable(what: str, jar: pathlib.Path, *, was_fetched: bool) -> pathlib.Path:
    """The jar, if it is whole: a connection that broke off leaves one without its directory."""
    if zipfile.is_zipfile(jar):
        return jar.absolute()
    if was_fetched:
        with contextlib.suppress(OSError):
            jar.unlink()
    raise _missing(what, "and what is there is no whole jar", jar)


def _missing(what: str, why: str, place: pathlib.Path) -> JarsMissingError:
    return JarsMissingError(
        f"Java modules: Beam's {what} is not in its cache, {why}, got {str(place)!r}. "
        f"Set {REPOSITORY_URL_VARIABLE} to a mirror that has it, put the file there, or name it "
        f"in {OVERRIDES_VARIABLE}."
    )


def _reason(error: BaseException) -> str:
    """Why a download failed, without the address: that may hold a password."""
    # Beam's own error quotes addresses; those it comes from do not. After a failure of Maven
    # Central it has tried another mirror; an answer says more than none.
    chain = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    answers = [cause for cause in chain if isinstance(cause, urllib.error.HTTPError)]
    for answer in answers:
        answer.close()  # Beam leaves it open.
    if answers:
        return f"HTTP status {answers[-1].code}"
    if any(isinstance(cause, urllib.error.URLError) for cause in chain):
        return "no connection"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
