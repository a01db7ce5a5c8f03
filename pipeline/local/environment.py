"""Makes the virtual environment that the shell scripts run in, from a lock file with hashes.

Runs with the standard library alone, before anything is installed:

    python3 -m pipeline.local.environment --venv .venv --requirements requirements/runtime.txt

Nothing is done when the environment already holds the lock. A half-made environment, or one
of an older lock, another Python or another place, is made anew; a lock that only adds to what
is installed (test.txt to runtime.txt) is added. This module decides, `environment_pip` installs.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

from pipeline.errors import EXIT_DONE, EXIT_INTERRUPTED, ErrorWindowsError, UsageError

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
STAMP_NAME = "error-windows.json"
# The same name as in `folders`, which cannot be imported before its dependencies are there.
RUN_DIR_VARIABLE = "ERROR_WINDOWS_RUN_DIR"

_PROJECT = pathlib.Path(__file__).resolve().parents[2]


class Stamp:
    """What an environment holds, kept as JSON inside it.

    `installed` has the SHA-256 of every lock file that is completely installed. It is empty
    while pip runs, so that an interrupted installation is recognised. `made_here` is false for
    an environment that its user made: such a one is never deleted.
    """

    def __init__(self, *, made_here: bool) -> None:
        self.made_here = made_here
        self.interpreter = ""
        self.place = ""
        self.project = ""
        self.installed: list[str] = []

    @classmethod
    def read(cls, venv: pathlib.Path) -> Stamp:
        """The stamp of `venv`; an empty one where there is none or it is damaged."""
        stamp = cls(made_here=True)
        try:
            stamp.__dict__.update(json.loads((venv / STAMP_NAME).read_text(encoding="utf-8")))
        except FileNotFoundError:
            stamp.made_here = not venv.exists() or not any(venv.iterdir())
        except ValueError:
            pass
        return stamp

    def write(self, venv: pathlib.Path) -> None:
        """Replaces the stamp of `venv` in one step."""
        fresh = venv / f"{STAMP_NAME}.new"
        fresh.write_text(json.dumps(self.__dict__, indent=1), encoding="utf-8")
        fresh.replace(venv / STAMP_NAME)

    def fits(self, venv: pathlib.Path) -> bool:
        """Whether `venv` was made for this Python and this place, and its Python still exists."""
        return (
            self.interpreter == interpreter_tag()
            and self.place == str(venv)
            # Follows the link: false when the Python behind it has been removed.
            and os.access(venv / "bin" / "python", os.X_OK)
        )


def interpreter_tag() -> str:
    """What installed packages depend on: implementation, version, ABI and machine type."""
    return f"{sys.implementation.cache_tag}{sys.abiflags}-{os.uname().machine}"


def sha256_of(path: pathlib.Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pins(lock_text: str) -> dict[str, str]:
    """The requirements of a lock: from `name==version ; marker` to its lines with the hashes."""
    blocks: dict[str, str] = {}
    head = ""
    for line in lock_text.splitlines():
        if line[:1].isalnum():
            head = line.rstrip("\\ ")
            blocks[head] = line
        elif head and line.lstrip().startswith("--hash="):
            blocks[head] += "\n" + line
    return blocks


def covered_by(lock: pathlib.Path) -> set[str]:
    """The SHA-256 of `lock`, and of every lock beside it that asks for nothing more than it."""
    wanted = pins(lock.read_text(encoding="utf-8")).keys()
    beside = (path for path in lock.parent.glob("*.txt") if path != lock)
    return {sha256_of(lock)} | {
        sha256_of(path) for path in beside if pins(path.read_text("utf-8")).keys() <= wanted
    }


def ensure(venv: pathlib.Path, lock: pathlib.Path) -> None:
    """Sees to it that `venv` holds the packages of `lock` and this project.

    Raises:
        UsageError: this Python, `venv` or `lock` cannot be used.
        ErrorWindowsError: the installation failed; the text says why and where its log is.
    """
    check_python(sys.version_info[:2])
    if not lock.is_file():
        raise UsageError("--requirements", "no such file", got=str(lock), fix="Name a lock file.")
    venv = venv.resolve()
    if is_ready(venv, lock):
        return
    for module in ("ensurepip", "venv"):
        if importlib.util.find_spec(module) is None:
            version = ".".join(map(str, sys.version_info[:2]))
            raise ErrorWindowsError(
                f"python: the standard module {module} is missing, got {sys.executable}. "
                f"On Debian or Ubuntu: apt-get install python{version}-venv"
            )
    with _alone(venv):
        # Another run may have done it while this one waited.
        if not is_ready(venv, lock):
            _install(venv, lock)


def check_python(version: tuple[int, int]) -> None:
    """Raises UsageError where `version` (major, minor) is not supported."""
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        oldest, newest = (".".join(map(str, end)) for end in (OLDEST_PYTHON, NEWEST_PYTHON))
        raise UsageError(
            "python",
            f"must be {oldest} to {newest}",
            got=".".join(map(str, version)),
            fix=f"Name one that fits, for example PYTHON=python{newest}.",
        )


def _project_state() -> str:
    """What the installed project depends on: where it is, and how it says it is installed."""
    return f"{_PROJECT} {sha256_of(_PROJECT / 'setup.py')}"


def is_ready(venv: pathlib.Path, lock: pathlib.Path) -> bool:
    """Whether `venv` holds all of `lock`, and this project as it is now."""
    stamp = Stamp.read(venv)
    return (
        sha256_of(lock) in stamp.installed
        and stamp.project == _project_state()
        and stamp.fits(venv)
    )


@contextlib.contextmanager
def _alone(venv: pathlib.Path) -> Iterator[None]:
    """Holds the lock file beside `venv`; waits, and says so, while another run holds it."""
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run that makes {venv} ...", file=sys.stderr)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(venv: pathlib.Path, lock: pathlib.Path) -> None:
    """Brings `venv` from whatever state it is in to `lock`, and stamps it."""
    # Imported late: the modules behind it take longer to load than a ready environment needs.
    from pipeline.local import environment_pip

    stamp = Stamp.read(venv)
    covered = covered_by(lock)
    fits = stamp.fits(venv)
    packages_are_there = fits and sha256_of(lock) in stamp.installed
    only_adds = fits and stamp.installed and covered.issuperset(stamp.installed)
    if not packages_are_there and not only_adds:
        if stamp.made_here:
            environment_pip.clear(venv, keep=STAMP_NAME)
        elif not (venv / "lib" / "python{}.{}".format(*sys.version_info)).is_dir():
            raise UsageError(
                "--venv",
                "is neither a virtual environment of this Python nor made by this command",
                got=str(venv),
                fix="Remove it, or name another folder with ERROR_WINDOWS_VENV.",
            )
    installed = covered.union(stamp.installed) if packages_are_there or only_adds else covered
    stamp.installed = []
    stamp.interpreter = interpreter_tag()
    stamp.place = str(venv)
    stamp.project = _project_state()
    stamp.write(venv)
    with environment_pip.Installer(venv, _log_path(venv)) as installer:
        installer.make()
        if not packages_are_there:
            installer.add_packages(lock, pins(lock.read_text(encoding="utf-8")))
        installer.add_project(_PROJECT)
    stamp.installed = sorted(installed)
    stamp.write(venv)


def _log_path(venv: pathlib.Path) -> pathlib.Path:
    """Where the installation's log goes; the folder is made."""
    run_dir = pathlib.Path(os.environ.get(RUN_DIR_VARIABLE) or _PROJECT / ".run")
    logs = run_dir.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs / f"install-{venv.name.lstrip('.')}.log"


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.local.environment",
        description="Makes or mends the virtual environment of the shell scripts.",
    )
    parser.add_argument(
        "--venv", type=pathlib.Path, default=_PROJECT / ".venv", help="its folder (%(default)s)"
    )
    parser.add_argument(
        "--requirements",
        type=pathlib.Path,
        default=_PROJECT / "requirements" / "runtime.txt",
        help="the lock file to install (%(default)s)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `ensure` from the command line; returns the exit code."""
    arguments = _parse(argv)
    try:
        ensure(arguments.venv, arguments.requirements.absolute())
    except ErrorWindowsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        fix = (
            "Free some space and run this again."
            if error.errno == errno.ENOSPC
            else "Check the folder, or name another with ERROR_WINDOWS_VENV."
        )
        name = error.filename or arguments.venv
        print(f"error: {name}: cannot be used, got {error.strerror}. {fix}", file=sys.stderr)
        return ErrorWindowsError.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
