"""Tests of the decisions about the virtual environment: what it holds, and whether that fits."""

from __future__ import annotations

import hashlib
import json
import pathlib
import sys

import pytest

from pipeline.errors import UsageError
from pipeline.local import environment, folders
from pipeline.local.environment import Stamp

_LOCK = """\
# made by a tool
first==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
second==2.0 ; python_full_version < '3.11' \\
    --hash=sha256:cc
"""


def _write(path: pathlib.Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def test_pins_are_the_requirements_with_their_hashes() -> None:
    """Every requirement of a lock is found with its hashes, and without comments."""
    expected = {
        "first==1.0": "first==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        "second==2.0 ; python_full_version < '3.11'": (
            "second==2.0 ; python_full_version < '3.11' \\\n    --hash=sha256:cc"
        ),
    }
    assert expected == environment.pins(_LOCK)


def test_a_lock_covers_those_that_ask_for_less(tmp_path: pathlib.Path) -> None:
    """A lock stands for itself and for every lock beside it whose requirements it has too."""
    small = _write(tmp_path / "small.txt", "first==1.0 \\\n    --hash=sha256:aa\n")
    whole = _write(tmp_path / "whole.txt", _LOCK)
    other = _write(tmp_path / "other.txt", "first==1.1 \\\n    --hash=sha256:dd\n")

    assert {small, whole} == environment.covered_by(tmp_path / "whole.txt")
    assert {small} == environment.covered_by(tmp_path / "small.txt")
    assert {other} == environment.covered_by(tmp_path / "other.txt")


def test_a_stamp_is_read_as_it_was_written(tmp_path: pathlib.Path) -> None:
    """Writing and reading a stamp loses nothing."""
    stamp = Stamp(made_here=False)
    stamp.interpreter = "cpython-311-x86_64"
    stamp.installed = ["aa", "bb"]
    stamp.write(tmp_path)

    assert stamp.__dict__ == Stamp.read(tmp_path).__dict__


@pytest.mark.parametrize("text", ["", "{", "{}"])
def test_a_damaged_stamp_is_one_of_an_unfinished_environment(
    tmp_path: pathlib.Path, text: str
) -> None:
    """A stamp cut off in the middle means: made here, nothing installed."""
    (tmp_path / environment.STAMP_NAME).write_text(text, encoding="utf-8")
    stamp = Stamp.read(tmp_path)

    assert (True, []) == (stamp.made_here, stamp.installed)


@pytest.mark.parametrize(
    ("files", "made_here"), [(None, True), ([], True), (["pyvenv.cfg"], False)]
)
def test_a_folder_without_a_stamp_is_its_users(
    tmp_path: pathlib.Path, files: list[str] | None, made_here: bool
) -> None:
    """Without a stamp only a missing or an empty folder may be filled and emptied at will."""
    venv = tmp_path / "venv"
    if files is not None:
        venv.mkdir()
        for name in files:
            (venv / name).touch()

    assert made_here == Stamp.read(venv).made_here


def test_a_stamp_fits_its_own_python_and_place_only(tmp_path: pathlib.Path) -> None:
    """An environment that was moved, or made by another Python, or has lost its own, is unfit."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.symlink_to(sys.executable)
    stamp = Stamp(made_here=True)
    stamp.interpreter = environment.interpreter_tag()
    stamp.place = str(venv)

    assert stamp.fits(venv)
    assert not stamp.fits(tmp_path)
    stamp.interpreter = "cpython-39-x86_64"
    assert not stamp.fits(venv)
    stamp.interpreter = environment.interpreter_tag()
    python.unlink()
    python.symlink_to(tmp_path / "removed")
    assert not stamp.fits(venv)


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12), (3, 13)])
def test_supported_pythons_are_accepted(version: tuple[int, int]) -> None:
    """Python 3.10 to 3.13 can be used."""
    environment.check_python(version)


@pytest.mark.parametrize("version", [(2, 7), (3, 9), (3, 14), (4, 0)])
def test_other_pythons_are_refused_in_one_line(version: tuple[int, int]) -> None:
    """Any other Python is named, with what to do."""
    with pytest.raises(UsageError) as caught:
        environment.check_python(version)
    expected = (
        f"python: must be 3.10 to 3.13, got '{version[0]}.{version[1]}'. "
        "Name one that fits, for example PYTHON=python3.13."
    )
    assert expected == str(caught.value)


def test_a_missing_lock_is_told_in_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lock file that is not there is a usage error, before anything is made."""
    venv = tmp_path / "venv"
    lock = tmp_path / "none.txt"

    assert 2 == environment.main(["--venv", str(venv), "--requirements", str(lock)])
    captured = capsys.readouterr()
    assert "" == captured.out
    assert f"error: --requirements: no such file, got '{lock}'. Name a lock file.\n" == captured.err
    assert not venv.exists()


def test_a_place_that_cannot_be_used_is_told_in_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the environment's folder must be is named, with what to do."""
    blocker = tmp_path / "file"
    blocker.touch()
    lock = tmp_path / "lock.txt"
    _write(lock, _LOCK)

    arguments = ["--venv", str(blocker / "venv"), "--requirements", str(lock)]
    assert 1 == environment.main(arguments)
    expected = (
        f"error: {blocker / 'venv' / environment.STAMP_NAME}: cannot be used, got Not a directory. "
        "Check the folder, or name another with ERROR_WINDOWS_VENV.\n"
    )
    assert expected == capsys.readouterr().err


def test_a_python_without_ensurepip_is_told_the_package(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Debian's python3-venv is not installed, its name is given."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    lock = tmp_path / "lock.txt"
    _write(lock, _LOCK)

    arguments = ["--venv", str(tmp_path / "venv"), "--requirements", str(lock)]
    assert 1 == environment.main(arguments)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expected = (
        f"error: python: the standard module ensurepip is missing, got {sys.executable}. "
        f"On Debian or Ubuntu: apt-get install python{version}-venv\n"
    )
    assert expected == capsys.readouterr().err


def test_the_stamp_is_plain_json(tmp_path: pathlib.Path) -> None:
    """The stamp can be read by people and by other programs."""
    Stamp(made_here=True).write(tmp_path)
    expected = {
        "made_here": True,
        "interpreter": "",
        "place": "",
        "project": "",
        "installed": [],
    }
    assert expected == json.loads((tmp_path / "error-windows.json").read_text(encoding="utf-8"))


def test_the_run_folder_has_the_same_variable_everywhere() -> None:
    """The name repeated in `environment`, which runs before `folders` can, is the right one."""
    assert folders.RUN_DIR_VARIABLE == environment.RUN_DIR_VARIABLE
