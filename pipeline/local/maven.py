"""Asks Maven which jars a `pom.xml` comes to. Needed to make a lock, never to run a job."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tempfile

import pooch  # type: ignore[import-untyped]

from pipeline.errors import ErrorWindowsError
from pipeline.local.jar_lock import LockedJar

# Pinned, so that a lock does not depend on the plugin that a Maven release happens to prefer.
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def resolve(pom: pathlib.Path) -> list[LockedJar]:
    """The jars that Maven resolves for running what a `pom.xml` names, sorted.

    Uses the user's Maven settings (mirrors, proxies, local repository). Raises
    ErrorWindowsError when there is no Maven or when it fails.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ErrorWindowsError(
            "mvn: not found on the PATH. Install Apache Maven 3.8 or later; only "
            "`error-windows java lock` needs it, not fetching and not the job."
        )
    with tempfile.TemporaryDirectory() as folder:
        repository = pathlib.Path(folder)
        command = [
            *(maven, "--batch-mode", "--no-transfer-progress", "--strict-checksums"),
            *("--file", str(pom), _GOAL),
            "-DincludeScope=runtime",
            "-DincludeTypes=jar",
            # The repository's folders tell the coordinates, which file names alone do not.
            "-Dmdep.useRepositoryLayout=true",
            f"-DoutputDirectory={repository}",
        ]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ErrorWindowsError(f"mvn: {pom}: {_first_error(done.stdout, done.returncode)}")
        return sorted(_locked(repository, file) for file in repository.rglob("*.jar"))


def _locked(repository: pathlib.Path, file: pathlib.Path) -> LockedJar:
    """The lock entry of `<group path>/<artifact>/<version>/<artifact>-<version>[-<c>].jar`."""
    *group, artifact, version, name = file.relative_to(repository).parts
    classifier = name.removesuffix(".jar").removeprefix(f"{artifact}-{version}").removeprefix("-")
    sha256 = pooch.file_hash(str(file))
    return LockedJar(".".join(group), artifact, version, classifier, file.stat().st_size, sha256)


def _first_error(output: str, return_code: int) -> str:
    """Maven's own first error line, which names the cause; the others repeat it at length."""
    for line in output.splitlines():
        if line.startswith("[ERROR]") and line != "[ERROR]":
            return line.removeprefix("[ERROR]").strip()
    return f"ended with code {return_code} and no [ERROR] line"
