"""The dependency arrow: pipeline -> transforms -> Beam, never back."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _imports(path: pathlib.Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def test_transforms_know_nothing_of_the_pipeline() -> None:
    """Transforms can be used without the job around them."""
    found = {
        (path.name, name)
        for path in (ROOT / "transforms").rglob("*.py")
        for name in _imports(path)
        if name.split(".")[0] in ("pipeline", "tests", "benchmarks")
    }

    assert set() == found


def test_local_services_know_nothing_of_the_job() -> None:
    """What starts Kafka and Java does not import the job, so that there are no cycles."""
    allowed = ("pipeline.local", "pipeline.errors", "pipeline.arguments", "pipeline.kafka_errors")
    found = {
        (path.name, name)
        for path in (ROOT / "pipeline" / "local").rglob("*.py")
        for name in _imports(path)
        if name.startswith("pipeline.") and not name.startswith(allowed)
    }

    assert set() == found


def test_every_module_says_what_it_is_for() -> None:
    """A module opens with a docstring."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("pipeline", "transforms", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None
    }

    assert set() == found
