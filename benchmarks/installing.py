"""What the other systems need: Python packages, Java modules and a compiler, in a cache.

Each system has an environment of its own, so that no package decides the version of another
system's. All of it is pinned, and goes into the cache folder of this project, not into the
checkout.
"""

from __future__ import annotations

import hashlib
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

from pipeline.local import folders
from pipeline.local.jars import fetch_jars
from pipeline.local.java import find_java

_HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = _HERE / "requirements"
JAVA_SETS = _HERE / "java"
_INSTALL_TIMEOUT_SECONDS = 900
_JAVA_RELEASE = "17"
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"


class NotInstalledError(Exception):
    """A system cannot be had here; the text says why."""


def python_of(name: str) -> pathlib.Path:
    """The Python of the environment for `requirements/NAME.txt`, which is made if need be.

    Raises:
      NotInstalledError: pip failed; with its last line.
    """
    requirements = REQUIREMENTS / f"{name}.txt"
    # Another Python or other versions: another folder, so that nothing has to be undone.
    mark = f"{platform.python_version()}\n{requirements.read_text('utf-8')}"
    digest = hashlib.sha256(mark.encode()).hexdigest()[:12]
    folder = folders.cache_dir() / "benchmarks" / f"{name}-{digest}"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if done.is_file():
        return python
    print(f"installing {name} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([*install, "-r", str(requirements)])
    done.touch()
    return python


def class_path(set_name: str, *, program: str | None = None) -> str:
    """The class path of a set of modules, with the folder of its compiled program in front.

    Raises:
      NotInstalledError: the program does not compile.
      JarsMissingError: the modules cannot be had.
    """
    jars = [str(jar) for jar in fetch_jars(set_name, sets=JAVA_SETS)]
    if program is None:
        return ":".join(jars)
    return ":".join([str(_compiled(JAVA_SETS / set_name / f"{program}.java", jars)), *jars])


def _compiled(source: pathlib.Path, jars: list[str]) -> pathlib.Path:
    """The folder of a program's classes, compiled if its text or its modules have changed."""
    mark = source.read_text("utf-8") + "\n".join(jars)
    digest = hashlib.sha256(mark.encode()).hexdigest()[:12]
    folder = folders.cache_dir() / "benchmarks" / f"{source.stem}-{digest}"
    if folder.is_dir():
        return folder
    compiler = ":".join(str(jar) for jar in fetch_jars("compiler", sets=JAVA_SETS))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        classes = pathlib.Path(scratch) / "classes"
        # A compiler that runs on a JRE, which is all that some machines have.
        command = [str(find_java().executable), "-cp", compiler, _COMPILER, "-nowarn"]
        command += [
            "-proc:none",
            "-source",
            _JAVA_RELEASE,
            "-target",
            _JAVA_RELEASE,
            "-cp",
            ":".join(jars),
        ]
        _run([*command, "-d", str(classes), str(source)])
        classes.rename(folder)
    return folder


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"{pathlib.Path(command[0]).name}: {error}") from error
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise NotInstalledError(said[-1] if said else f"{command[0]} failed")
