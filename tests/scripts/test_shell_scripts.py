"""Tests of the shell scripts, run as a user runs them, in a small copy of the project.

The copy has the real scripts and the real code that makes environments. Its locks name tiny
packages that lie in a folder, so that pip does its real work in seconds and without a network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Mapping

import pytest

from pipeline.local import environment

_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_SHELL = _PROJECT / "pipeline" / "local" / "environment.sh"
_COPIED = [
    "run_direct.sh",
    "run_tests.sh",
    "setup.py",
    "pipeline/__init__.py",
    "pipeline/errors.py",
    "pipeline/local/__init__.py",
    "pipeline/local/environment.py",
    "pipeline/local/environment.sh",
    "pipeline/local/environment_pip.py",
]
# What the command of the copy prints: its folder, its arguments, and the packages it sees.
_COMMAND = """\
import importlib.metadata, os, sys
def main():
    tiny = importlib.metadata.version("tiny")
    print(os.getcwd(), sys.argv[1:], "tiny", tiny)
"""
_PYTEST = "import os, sys\nprint('pytest in', os.getcwd(), sys.argv[1:])\n"
# Builds the copy without setuptools: a path to it, and the command `error-windows`.
_BACKEND = """\
import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "kafka_error_windows-1.0-py3-none-any.whl"
    info = "kafka_error_windows-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("project.pth", str(pathlib.Path.cwd()))
        wheel.writestr(f"{info}/METADATA",
            "Metadata-Version: 2.1\\nName: kafka-error-windows\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL",
            "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt",
            "[console_scripts]\\nerror-windows = command:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def _make_wheel(folder: pathlib.Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """Writes a wheel into `folder`; returns its line for a lock."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for file_name, text in files.items():
            wheel.writestr(file_name, text)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


class Clone:
    """A small copy of the project in a folder of its own, its locks and its package folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder / "my clone"
        self.venv = self.root / ".venv"
        self.caller = folder / "caller"
        self.packages = folder / "packages"
        for path in (self.root / "requirements", self.caller, self.packages):
            path.mkdir(parents=True)
        for name in _COPIED:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_PROJECT / name, self.root / name)
        (self.root / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        (self.root / "backend.py").write_text(_BACKEND)
        (self.root / "command.py").write_text(_COMMAND)
        self.tiny = {
            version: _make_wheel(self.packages, "tiny", version, {}) for version in ("1.0", "1.1")
        }
        self.pytest = _make_wheel(self.packages, "pytest", "9", {"pytest.py": _PYTEST})
        self.lock("1.0")
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHON": sys.executable,
            # How a user makes pip use another index. It has to be honoured.
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.packages),
        }

    def lock(self, tiny_version: str) -> None:
        """Writes both locks, with this version of the package `tiny`."""
        tiny = self.tiny[tiny_version]
        (self.root / "requirements" / "runtime.txt").write_text(tiny)
        (self.root / "requirements" / "test.txt").write_text(tiny + self.pytest)

    def run(
        self, script: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script of the copy from the caller's folder."""
        return subprocess.run(
            [self.root / script, *arguments],
            cwd=self.caller,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def said(self, tiny_version: str, *arguments: str) -> str:
        """What run_direct.sh prints on stdout."""
        return f"{self.caller} {['direct', *arguments]} tiny {tiny_version}\n"


@pytest.fixture
def clone(tmp_path: pathlib.Path) -> Clone:
    """A new copy without an environment."""
    return Clone(tmp_path.resolve())


@pytest.fixture(scope="module")
def made_clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy whose environment has been made for run_direct.sh."""
    made = Clone(tmp_path_factory.mktemp("made").resolve())
    assert 0 == made.run("run_direct.sh").returncode
    return made


@pytest.mark.parametrize("name", ["run_direct.sh", "run_flink.sh", "run_tests.sh", ".ci/run"])
def test_scripts_are_executable(name: str) -> None:
    """Scripts can be run as they are, and by whatever bash the machine has."""
    path = _PROJECT / name
    assert os.access(path, os.X_OK)
    assert "#!/usr/bin/env bash" == path.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.scripts
def test_the_first_run_makes_the_environment_and_the_second_nothing(clone: Clone) -> None:
    """A clone needs one command; after that nothing is installed and nothing said."""
    first = clone.run("run_direct.sh", "--output", "a b")
    log = clone.root / ".run" / "logs" / "install-venv.log"

    assert (0, clone.said("1.0", "--output", "a b")) == (first.returncode, first.stdout)
    lines = first.stderr.splitlines()
    assert 2 == len(lines)
    assert f"Preparing Python packages in {clone.venv} (log: {log})" == lines[0]
    assert re.fullmatch(re.escape(f"Python packages are ready in {clone.venv}") + r" \(\d+ s\)",
                        lines[1])  # fmt: skip
    assert "Successfully installed tiny-1.0" in log.read_text(encoding="utf-8")

    log.unlink()
    second = clone.run("run_direct.sh")
    expected = (0, clone.said("1.0"), "")
    assert expected == (second.returncode, second.stdout, second.stderr)
    assert not log.exists()


@pytest.mark.scripts
def test_a_link_and_a_hostile_folder_run_the_same_command(made_clone: Clone) -> None:
    """Neither a link to the script, CDPATH, nor modules in the caller's folder change a thing."""
    link = made_clone.caller / "link.sh"
    link.symlink_to(os.path.relpath(made_clone.root / "run_direct.sh", made_clone.caller))
    (made_clone.caller / "pipeline").mkdir()
    for name in ("pipeline/__init__.py", "json.py"):
        (made_clone.caller / name).write_text("raise SystemExit('the wrong module')\n")

    result = subprocess.run(
        ["./link.sh"],
        cwd=made_clone.caller,
        env={**made_clone.variables, "CDPATH": str(made_clone.caller.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    expected = (0, made_clone.said("1.0"), "")
    assert expected == (result.returncode, result.stdout, result.stderr)


@pytest.mark.scripts
def test_the_environment_needs_no_python_from_the_path_again(made_clone: Clone) -> None:
    """Without PYTHON the environment's own Python is kept, whatever else the PATH offers."""
    result = made_clone.run("run_direct.sh", PYTHON="")
    expected = (0, made_clone.said("1.0"), "")
    assert expected == (result.returncode, result.stdout, result.stderr)


@pytest.mark.scripts
def test_tests_are_added_to_the_environment_of_the_job(clone: Clone) -> None:
    """run_tests.sh adds to what is there, and run_direct.sh accepts what holds more."""
    assert 0 == clone.run("run_direct.sh").returncode
    kept = clone.venv / "kept"
    kept.touch()

    tests = clone.run("run_tests.sh", "-m", "kafka")
    expected = (0, f"pytest in {clone.root} ['-m', 'kafka']\n")
    assert expected == (tests.returncode, tests.stdout)
    assert kept.exists()
    direct = clone.run("run_direct.sh")
    assert (clone.said("1.0"), "") == (direct.stdout, direct.stderr)


@pytest.mark.scripts
@pytest.mark.parametrize("state", ["other lock", "interrupted", "lost its Python", "moved"])
def test_an_unfit_environment_is_made_anew(clone: Clone, state: str) -> None:
    """An older lock, an interrupted installation, a removed Python or a move are all mended."""
    assert 0 == clone.run("run_direct.sh").returncode
    (clone.venv / "leftover").touch()
    version = "1.0"
    if state == "other lock":
        version = "1.1"
        clone.lock(version)
    elif state == "interrupted":
        (clone.venv / environment.STAMP_NAME).write_text("{}")
        shutil.rmtree(next(clone.venv.glob("lib/python*/site-packages/pip")))
    elif state == "lost its Python":
        (clone.venv / "bin" / "python").unlink()
        (clone.venv / "bin" / "python").symlink_to("/nonexistent/python")
    else:
        clone.root = clone.root.rename(clone.root.with_name("moved clone"))
        clone.venv = clone.root / ".venv"

    result = clone.run("run_direct.sh")
    assert (0, clone.said(version)) == (result.returncode, result.stdout)
    assert not (clone.venv / "leftover").exists()


@pytest.mark.scripts
def test_a_changed_project_is_installed_again_and_nothing_else(clone: Clone) -> None:
    """After a change to setup.py the packages stay as they are."""
    assert 0 == clone.run("run_direct.sh").returncode
    kept = clone.venv / "kept"
    kept.touch()
    with (clone.root / "setup.py").open("a") as setup:
        setup.write("# changed\n")
    (clone.venv / "bin" / "error-windows").unlink()

    result = clone.run("run_direct.sh")
    assert (0, clone.said("1.0")) == (result.returncode, result.stdout)
    assert kept.exists()


@pytest.mark.scripts
def test_a_users_own_environment_is_used_and_not_deleted(clone: Clone) -> None:
    """A .venv that the user made gets the packages, and keeps what is in it."""
    base = os.path.realpath(sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", clone.venv], check=True)
    kept = clone.venv / "kept"
    kept.touch()

    result = clone.run("run_direct.sh")
    assert (0, clone.said("1.0")) == (result.returncode, result.stdout)
    clone.lock("1.1")
    result = clone.run("run_direct.sh")
    assert (0, clone.said("1.1")) == (result.returncode, result.stdout)
    assert kept.exists()


@pytest.mark.scripts
def test_a_folder_that_is_no_environment_is_refused(clone: Clone) -> None:
    """A folder with other things in it is neither used nor emptied."""
    clone.venv.mkdir()
    (clone.venv / "precious").touch()

    result = clone.run("run_direct.sh")
    expected = (
        "error: --venv: is neither a virtual environment of this Python nor made by this "
        f"command, got '{clone.venv}'. "
        "Remove it, or name another folder with ERROR_WINDOWS_VENV.\n"
    )
    assert (2, "", expected) == (result.returncode, result.stdout, result.stderr)
    assert ["precious"] == [entry.name for entry in clone.venv.iterdir()]


@pytest.mark.scripts
def test_another_place_is_the_callers(clone: Clone) -> None:
    """ERROR_WINDOWS_VENV may be relative to the caller's folder."""
    result = clone.run("run_direct.sh", ERROR_WINDOWS_VENV="elsewhere")
    assert (0, clone.said("1.0")) == (result.returncode, result.stdout)
    assert (clone.caller / "elsewhere" / "bin" / "python").exists()
    assert not clone.venv.exists()


@pytest.mark.scripts
@pytest.mark.parametrize(
    ("variables", "lock", "expected"),
    [
        (
            {},
            "tiny==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
            "a downloaded file is not the one that was locked. "
            "Check the package index in your pip settings (`pip config list`)",
        ),
        (
            {},
            "tiny==7.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
            "the package index has no file of it for this Python and machine, got tiny==7.0. "
            "See docs/dependencies.md for what is supported",
        ),
        (
            # Nothing listens on port 1.
            {"PIP_NO_INDEX": "", "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "1"},
            "tiny==7.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
            "the package index cannot be reached. "
            "Check the network and your pip settings (`pip config list`), then run this again",
        ),
    ],
    ids=["hash", "missing", "network"],
)
def test_a_failed_installation_says_why_and_is_mended_later(
    clone: Clone, variables: dict[str, str], lock: str, expected: str
) -> None:
    """The end of pip's output and one line with the cause; the next run starts anew."""
    runtime = clone.root / "requirements" / "runtime.txt"
    good = runtime.read_text()
    runtime.write_text(lock)
    log = clone.root / ".run" / "logs" / "install-venv.log"

    result = clone.run("run_direct.sh", **variables)
    assert (1, "") == (result.returncode, result.stdout)
    lines = result.stderr.splitlines()
    assert f"error: Python packages: {expected}. Log: {log}" == lines[-1]
    assert all(line.startswith("  | ") for line in lines[1:-1])
    assert "Traceback" not in result.stderr

    runtime.write_text(good)
    assert clone.said("1.0") == clone.run("run_direct.sh").stdout


@pytest.mark.scripts
def test_two_runs_at_once_wait_for_each_other(clone: Clone) -> None:
    """While one run makes the environment, another says that it waits, and then goes on."""
    with (clone.root / ".venv.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(
            [clone.root / "run_direct.sh"],
            cwd=clone.caller,
            env=clone.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            waiting = process.stderr.readline()
            fcntl.flock(held, fcntl.LOCK_UN)
            stdout, _ = process.communicate(timeout=200)
    assert f"waiting for another run that makes {clone.venv} ...\n" == waiting
    assert (0, clone.said("1.0")) == (process.returncode, stdout)


@pytest.mark.scripts
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_an_interrupt_ends_pip_too(clone: Clone, number: signal.Signals, exit_code: int) -> None:
    """An installation that is broken off leaves no pip behind, and the next run starts anew."""
    with (
        socket.create_server(("127.0.0.1", 0)) as index,
        subprocess.Popen(
            [clone.root / "run_direct.sh"],
            cwd=clone.caller,
            env={
                **clone.variables,
                "PIP_NO_INDEX": "",
                "PIP_FIND_LINKS": "",
                "PIP_INDEX_URL": f"http://127.0.0.1:{index.getsockname()[1]}/",
            },
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        # pip asks for the package, and gets no answer.
        connection, _ = index.accept()
        with connection:
            # As a terminal does on Ctrl-C: the whole group of processes.
            os.killpg(process.pid, number)
            _, stderr = process.communicate(timeout=60)
            connection.settimeout(60)
            while connection.recv(65536):
                # The rest of the request; the end comes when pip has gone.
                pass
    assert exit_code == process.returncode
    assert "Traceback" not in stderr
    assert clone.said("1.0") == clone.run("run_direct.sh").stdout


def _find_python(path: pathlib.Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the shell function find_python with `path` as the whole PATH."""
    return subprocess.run(
        [shutil.which("bash") or "bash", "-euc", f'. "{_SHELL}"; find_python /nonexistent'],
        env={"PATH": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def _make_program(path: pathlib.Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_shim_that_fails_is_not_picked(tmp_path: pathlib.Path) -> None:
    """A python3.13 that is there but does not run is passed over."""
    _make_program(
        tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2\nexit 127"
    )
    _make_program(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    result = _find_python(tmp_path)
    assert (0, "python3\n", "") == (result.returncode, result.stdout, result.stderr)


def test_the_newest_python_is_picked(tmp_path: pathlib.Path) -> None:
    """Of several that fit, the one with the highest version in its name is taken."""
    for name in ("python3.10", "python3.12", "python3"):
        _make_program(tmp_path / name, f'exec "{sys.executable}" "$@"')
    assert "python3.12\n" == _find_python(tmp_path).stdout


def test_no_fitting_python_is_told_in_one_line(tmp_path: pathlib.Path) -> None:
    """What python3 is, where there is one, and what to do."""
    result = _find_python(tmp_path)
    expected = (
        "error: python: none from 3.10 to 3.13 found, got {} as python3. "
        "Install one, or name one with PYTHON=/path/to/python3.\n"
    )
    assert (2, "", expected.format("nothing")) == (
        result.returncode, result.stdout, result.stderr
    )  # fmt: skip
    _make_program(tmp_path / "python3", "echo Python 3.9.18\nexit 1")
    assert expected.format("Python 3.9.18") == _find_python(tmp_path).stderr


def test_a_named_python_that_does_not_fit_is_not_replaced_by_another(
    tmp_path: pathlib.Path,
) -> None:
    """PYTHON is the user's choice: where it does not fit, that is an error."""
    old = tmp_path / "old"
    _make_program(old, "echo Python 3.9.18\nexit 1")
    _make_program(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    result = _find_python(tmp_path, PYTHON=str(old))
    expected = (
        f"error: PYTHON: must be a Python 3.10 to 3.13, got {old} (Python 3.9.18). "
        "Name another, or unset it.\n"
    )
    assert (2, "", expected) == (result.returncode, result.stdout, result.stderr)


def test_all_places_name_the_same_pythons() -> None:
    """setup.py, the module and the shell agree on the supported versions."""
    oldest, newest = environment.OLDEST_PYTHON, environment.NEWEST_PYTHON
    setup = (_PROJECT / "setup.py").read_text(encoding="utf-8")
    shell = _SHELL.read_text(encoding="utf-8")
    assert f'python_requires=">=3.{oldest[1]},<3.{newest[1] + 1}"' in setup
    assert f"{oldest} <= sys.version_info[:2] <= {newest}" in shell
    names = [f"python3.{minor}" for minor in range(newest[1], oldest[1] - 1, -1)]
    assert f"{' '.join(names)} python3 python; do" in shell


def test_the_environments_help_is_for_any_python() -> None:
    """The command explains itself with nothing installed."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         f"import sys; sys.path.insert(0, {str(_PROJECT)!r}); sys.argv[1:] = ['--help']\n"
         "from pipeline.local.environment import main; main()"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (0, "") == (result.returncode, result.stderr)
    assert result.stdout.startswith("usage: python -m pipeline.local.environment [-h] ")


@pytest.mark.parametrize("script", ["run_direct.sh", "run_flink.sh"])
def test_help_needs_neither_java_nor_downloads(tmp_path: pathlib.Path, script: str) -> None:
    """`--help` explains the command at once, and leaves the cache alone."""
    venv = pathlib.Path(sys.prefix)
    if not environment.is_ready(venv, _PROJECT / "requirements" / "runtime.txt"):
        pytest.skip("these tests do not run in an environment that run_tests.sh made")
    cache = tmp_path / "cache"
    result = subprocess.run(
        [_PROJECT / script, "--help"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "ERROR_WINDOWS_VENV": str(venv),
            "ERROR_WINDOWS_CACHE_DIR": str(cache),
            "JAVA_HOME": "/nonexistent",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (result.returncode, result.stderr)
    assert result.stdout.startswith(f"usage: {script} ")
    assert not cache.exists()
