"""Makes the locks of what the benchmarks install: `python -m benchmarks.lock`.

Python packages: `requirements/NAME.in` becomes `requirements/NAME.txt`, by uv, for the Python that
runs this. Java modules: `java/SET/pom.xml` becomes `java/SET/jars.lock`, by Maven. Only those who
change a version need it.
"""

from __future__ import annotations

import pathlib
import platform
import subprocess
import sys

from benchmarks.installing import JAVA_SETS, REQUIREMENTS
from pipeline.local import jar_lock, maven

_COMMAND = "python -m benchmarks.lock"


def main() -> int:
    """Makes all of them anew; returns the exit code."""
    for wanted in sorted(REQUIREMENTS.glob("*.in")):
        lock_packages(wanted)
    for name in jar_lock.set_names(JAVA_SETS):
        pom = jar_lock.pom_path(name, JAVA_SETS)
        jar_lock.write_lock(name, maven.resolve(pom), JAVA_SETS)
        lock = pom.with_name("jars.lock")
        text = lock.read_text("utf-8").replace(f"error-windows java lock {name}", _COMMAND)
        lock.write_text(text, encoding="utf-8")
    return 0


def lock_packages(wanted: pathlib.Path) -> None:
    """Writes the versions of all packages that these need."""
    # A lock says what to install; where from is the user's own setting.
    options = ["--quiet", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    version = ".".join(platform.python_version_tuple()[:2])
    subprocess.run(
        [
            *(str(pathlib.Path(sys.executable).with_name("uv")), "pip", "compile", *options),
            f"--python-version={version}",
            f"--custom-compile-command={_COMMAND}",
            f"--output-file={wanted.with_suffix('.txt')}",
            str(wanted),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())
