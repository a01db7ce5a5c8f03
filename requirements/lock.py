"""Makes the lock files from setup.py: `python requirements/lock.py [--upgrade]`.

Each lock is universal (Python 3.10 to 3.13, Linux and macOS) and has the hash of every file.
Each takes over the versions of the one before, so that test.txt holds all of runtime.txt, and
dev.txt all of test.txt. Without --upgrade, versions that still fit stay as they are. Needs uv,
which dev.txt installs. Exit code: 0 done, 1 uv failed or is missing.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

PROJECT = pathlib.Path(__file__).resolve().parents[1]
OLDEST_PYTHON = "3.10"
COMMAND = "python requirements/lock.py"

# The name of each lock, and what goes into it beside the runtime dependencies.
LOCKS: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "test": ("--extra", "test"),
    "dev": ("--extra", "test", "--extra", "dev", "requirements/dev.in"),
}


def compile_lock(name: str, after: str | None, *, upgrade: bool) -> int:
    """Writes requirements/<name>.txt with the versions of the lock `after`; uv's exit code."""
    command = ["uv", "pip", "compile", "setup.py", "requirements/install.in", *LOCKS[name]]
    command += ["--universal", "--generate-hashes", "--python-version", OLDEST_PYTHON]
    # A lock says what to install; where from is the user's own setting.
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-python-downloads"]
    command += ["--custom-compile-command", COMMAND, "--quiet"]
    command += ["--output-file", f"requirements/{name}.txt"]
    if after is not None:
        command += ["--constraint", f"requirements/{after}.txt"]
    if upgrade:
        command.append("--upgrade")
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        check=False,
    ).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Makes all locks; returns the exit code."""
    parser = argparse.ArgumentParser(description="Makes the lock files from setup.py.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    arguments = parser.parse_args(argv)
    after: str | None = None
    for name in LOCKS:
        try:
            code = compile_lock(name, after, upgrade=arguments.upgrade)
        except FileNotFoundError:
            print(
                "error: uv: not found. Install requirements/dev.txt, or uv with pip.",
                file=sys.stderr,
            )
            return 1
        if code != 0:
            return 1
        after = name
    return 0


if __name__ == "__main__":
    sys.exit(main())
