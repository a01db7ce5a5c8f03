"""The lock of a set of Java modules: which jars, how large, with which SHA-256.

A set is a folder under `runtime/` with a `pom.xml` (what is wanted) and a `jars.lock` (what
Maven made of it). One line of the lock is one jar:

    group:artifact:version[:classifier]  size_bytes  sha256

sorted, which is also the order of the class path.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import xml.etree.ElementTree
from collections.abc import Iterable

from pipeline.errors import ErrorWindowsError, UsageError

RUNTIME_DIR = pathlib.Path(__file__).resolve().parent / "runtime"
_POM_DESCRIPTION = "{http://maven.apache.org/POM/4.0.0}description"
# Parts become folder names: no separators, and no leading dot, so that none can be `..`.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEADER = """\
# Made from pom.xml by `error-windows java lock {set_name}`; do not edit.
# group:artifact:version[:classifier]  size in bytes  SHA-256
"""


@dataclasses.dataclass(frozen=True, order=True)
class LockedJar:
    """One jar of a lock; ordered by its coordinates."""

    group: str
    artifact: str
    version: str
    classifier: str
    """Empty for the main jar of a module."""
    size_bytes: int
    sha256: str

    @property
    def coordinates(self) -> str:
        """`group:artifact:version`, with `:classifier` where there is one."""
        return f"{self.module}:{self.version}" + (f":{self.classifier}" if self.classifier else "")

    @property
    def module(self) -> str:
        """`group:artifact`: the same for every version."""
        return f"{self.group}:{self.artifact}"

    @property
    def repository_path(self) -> str:
        """Where the jar lies below the root of a Maven repository, with `/` as separator."""
        suffix = f"-{self.classifier}" if self.classifier else ""
        folder = f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}"
        return f"{folder}/{self.artifact}-{self.version}{suffix}.jar"


def set_names(sets: pathlib.Path | None = None) -> list[str]:
    """The sets there are, sorted: the folders under `runtime/` that have a `pom.xml`.

    `sets` is another folder of sets, here and below: benchmarks have some of their own.
    """
    return sorted(pom.parent.name for pom in (sets or RUNTIME_DIR).glob("*/pom.xml"))


def pom_path(set_name: str, sets: pathlib.Path | None = None) -> pathlib.Path:
    """The `pom.xml` of a set; raises UsageError when there is no such set."""
    pom = (sets or RUNTIME_DIR) / set_name / "pom.xml"
    names = set_names(sets)
    if set_name not in names:
        raise UsageError(
            "SET", "no such set of Java modules", got=set_name, fix=f"Use {', '.join(names)}."
        )
    return pom


def describe(set_name: str, sets: pathlib.Path | None = None) -> str:
    """What a set is for, in words that fit after "for": the description in its `pom.xml`."""
    # Part of this package, no foreign input.
    root = xml.etree.ElementTree.parse(pom_path(set_name, sets)).getroot()  # noqa: S314
    return (root.findtext(_POM_DESCRIPTION) or set_name).strip()


def read_lock(set_name: str, sets: pathlib.Path | None = None) -> list[LockedJar]:
    """The jars of a set, in class path order.

    Raises UsageError for an unknown set, ErrorWindowsError for a lock that is missing or broken.
    """
    path = pom_path(set_name, sets).with_name("jars.lock")
    try:
        return parse_lock(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = "no lock"
    except ValueError as error:
        problem = str(error)
    raise ErrorWindowsError(f"{path}: {problem}. Run `error-windows java lock {set_name}`.")


def write_lock(set_name: str, jars: Iterable[LockedJar], sets: pathlib.Path | None = None) -> None:
    """Replaces the lock of a set."""
    path = pom_path(set_name, sets).with_name("jars.lock")
    path.write_text(format_lock(set_name, jars), encoding="utf-8")


def parse_lock(text: str) -> list[LockedJar]:
    """Reads the text of a lock; raises ValueError naming the line that is wrong."""
    jars = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            try:
                jars.append(_parse_line(line))
            except ValueError:
                raise ValueError(f"line {number} is not a locked module, got {line!r}") from None
    return jars


def format_lock(set_name: str, jars: Iterable[LockedJar]) -> str:
    """The text of a lock; the same for the same jars in any order."""
    lines = [f"{jar.coordinates}  {jar.size_bytes}  {jar.sha256}\n" for jar in sorted(jars)]
    return _HEADER.format(set_name=set_name) + "".join(lines)


def describe_changes(before: Iterable[LockedJar], after: Iterable[LockedJar]) -> list[str]:
    """What differs, a line a jar: `+` new, `-` gone, `~` another version or other content."""
    old = {(jar.module, jar.classifier): jar for jar in before}
    new = {(jar.module, jar.classifier): jar for jar in after}
    lines = []
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if was is None and now is not None:
            lines.append(f"+ {now.coordinates}")
        elif now is None and was is not None:
            lines.append(f"- {was.coordinates}")
        elif was is not None and now is not None:
            change = now.version if was.version != now.version else "other content"
            lines.append(f"~ {was.coordinates} -> {change}")
    return lines


def _parse_line(line: str) -> LockedJar:
    coordinates, size, sha256 = line.split()
    parts = coordinates.split(":")
    group, artifact, version = parts[:3]
    classifier = parts[3] if len(parts) == 4 else ""
    well_formed = (
        len(parts) in (3, 4)
        and all(_PART.fullmatch(part) for part in parts)
        and size.isascii()
        and size.isdigit()
        and _SHA256.fullmatch(sha256)
    )
    if not well_formed:
        raise ValueError(line)
    return LockedJar(group, artifact, version, classifier, int(size), sha256)
