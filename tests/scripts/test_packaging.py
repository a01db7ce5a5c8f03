"""Tests of what is distributed, and that locks, setup.py and documents name the same versions."""

from __future__ import annotations

import email
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pipeline import __version__
from pipeline.local.environment import NEWEST_PYTHON, OLDEST_PYTHON, covered_by, pins, sha256_of

_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_REQUIREMENTS = _PROJECT / "requirements"
_DISTRIBUTION = f"kafka_error_windows-{__version__}"
_PYTHONS = [f"3.{minor}" for minor in range(OLDEST_PYTHON[1], NEWEST_PYTHON[1] + 1)]
_PACKAGES = ("pipeline", "transforms")
_BUILD = "import setuptools.build_meta as b; b.build_sdist({0!r}); b.build_wheel({0!r})"
# A row of docs/dependencies.md: | `package` | `range` | version | why |
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?:`(?P<range>[^`]+)`|any) \| (?P<version>[^|]+) \|")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with a source distribution and a wheel of a copy of this tree."""
    folder = tmp_path_factory.mktemp("distributions")
    copy = folder / "tree"
    unwanted = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
    shutil.copytree(_PROJECT, copy, ignore=unwanted)
    result = subprocess.run(
        [sys.executable, "-c", _BUILD.format(str(folder))],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == result.returncode, result.stderr
    return folder


@pytest.fixture(scope="module")
def asked_for(distributions: pathlib.Path) -> list[Requirement]:
    """What the wheel says it requires, extras included."""
    with zipfile.ZipFile(distributions / f"{_DISTRIBUTION}-py3-none-any.whl") as wheel:
        text = wheel.read(f"{_DISTRIBUTION}.dist-info/METADATA").decode("utf-8")
    fields = email.message_from_string(text).get_all("Requires-Dist", [])
    return [Requirement(field) for field in fields]


def _locked(lock: str) -> list[Requirement]:
    text = (_REQUIREMENTS / lock).read_text(encoding="utf-8")
    return [Requirement(pin) for pin in pins(text)]


def _versions(lock: str, name: str) -> set[str]:
    """Every version that a lock has of a package: more than one where Pythons differ."""
    return {
        next(iter(pin.specifier)).version
        for pin in _locked(lock)
        if canonicalize_name(pin.name) == canonicalize_name(name)
    }


def test_the_wheel_has_the_packages_and_nothing_else(distributions: pathlib.Path) -> None:
    """Every module, type marker and description of Java modules is in it, and no test."""
    with zipfile.ZipFile(distributions / f"{_DISTRIBUTION}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licenses = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
    expected = {
        path.relative_to(_PROJECT).as_posix()
        for package in _PACKAGES
        for pattern in ("*.py", "py.typed", "pom.xml", "jars.lock")
        for path in (_PROJECT / package).rglob(pattern)
    }
    assert expected == names
    assert 1 == len(licenses)


def test_the_source_distribution_can_be_built_and_run(distributions: pathlib.Path) -> None:
    """It has the packages, the locks, the scripts and the documents, but neither tests nor CI."""
    with tarfile.open(distributions / f"{_DISTRIBUTION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        path.relative_to(_PROJECT).as_posix()
        for folder, patterns in {
            "pipeline": ("*.py", "*.sh", "py.typed", "pom.xml", "jars.lock"),
            "transforms": ("*.py", "py.typed"),
            "requirements": ("*.txt", "*.in", "lock.py"),
            "docs": ("*.md",),
        }.items()
        for pattern in patterns
        for path in (_PROJECT / folder).rglob(pattern)
    } | {"LICENSE", "README.md", "pyproject.toml", "setup.py", "run_direct.sh", "run_flink.sh"}
    assert set() == needed - names
    assert set() == {name for name in names if name.split("/")[0] in ("tests", "benchmarks")}


@pytest.mark.parametrize("python", _PYTHONS)
@pytest.mark.parametrize(
    ("lock", "extras"),
    [("runtime.txt", [""]), ("test.txt", ["", "test"]), ("dev.txt", ["", "test", "dev"])],
)
def test_the_locks_give_what_setup_py_asks_for(
    asked_for: list[Requirement], lock: str, extras: list[str], python: str
) -> None:
    """On every Python, a lock has exactly one version of each dependency, and one that fits."""
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    here |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    for wanted in asked_for:
        if not any(
            wanted.marker is None or wanted.marker.evaluate({**here, "extra": extra})
            for extra in extras
        ):
            continue
        found = [
            next(iter(pin.specifier)).version
            for pin in _locked(lock)
            if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
            and (pin.marker is None or pin.marker.evaluate({**here}))
        ]
        assert 1 == len(found), f"{wanted} in {lock}"
        assert wanted.specifier.contains(found[0]), f"{wanted} is {found[0]} in {lock}"


@pytest.mark.parametrize("lock", ["runtime.txt", "test.txt", "dev.txt"])
def test_every_pin_has_hashes_and_no_lock_names_an_index(lock: str) -> None:
    """What is installed is checked, and comes from wherever the user's pip is told to look."""
    text = (_REQUIREMENTS / lock).read_text(encoding="utf-8")
    assert [] == [head for head, block in pins(text).items() if "--hash=sha256:" not in block]
    assert [] == re.findall(r"^\s*(?:-i|-f|--\w*index\S*|--find-links)\b.*", text, re.MULTILINE)
    assert "://" not in text


def test_each_lock_holds_the_one_before() -> None:
    """So that one environment serves the job, its tests and the tools."""
    hashes = [sha256_of(_REQUIREMENTS / f"{name}.txt") for name in ("runtime", "test", "dev")]
    assert {hashes[0]} == covered_by(_REQUIREMENTS / "runtime.txt")
    assert set(hashes[:2]) == covered_by(_REQUIREMENTS / "test.txt")
    assert set(hashes) == covered_by(_REQUIREMENTS / "dev.txt")


def test_the_documents_name_the_ranges_and_locked_versions(asked_for: list[Requirement]) -> None:
    """docs/dependencies.md has every dependency with its range in setup.py and its version."""
    text = (_PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [row for row in map(_ROW.match, text.splitlines()) if row]
    documented = {
        row["name"]: (row["range"] or "", set(row["version"].strip().split(", "))) for row in rows
    }
    expected = {}
    for wanted in asked_for:
        extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
        ends = sorted(map(str, wanted.specifier), key=lambda end: end.startswith("<"))
        expected[f"{wanted.name}{extras}"] = (",".join(ends), _versions("dev.txt", wanted.name))
    for name in ("setuptools", "uv"):
        line = re.compile(rf"^{name}(.*)$", re.MULTILINE)
        inputs = "".join(path.read_text(encoding="utf-8") for path in _REQUIREMENTS.glob("*.in"))
        found = line.search(inputs)
        assert found is not None
        expected[name] = (found[1], _versions("dev.txt", name))
    assert expected == documented
