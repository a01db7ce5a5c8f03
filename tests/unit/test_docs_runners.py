"""The tables of docs/runners.md agree with each other, with the tests, and with the commands."""

from __future__ import annotations

import ast
import pathlib
import shlex

import pytest

from pipeline.cli import main
from tests.unit.doc_examples import rows

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_KAFKA = ["--kafka_bootstrap_servers=localhost:9092", "--input_topic=logs"]
_RUNNERS = ("DirectRunner", "Flink", "Spark", "Dataflow")
_SHOWN = ("yes", "offline")
_WORDS = (*_SHOWN, "no", "not run")


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading of the page."""
    page = (_ROOT / "docs/runners.md").read_text(encoding="utf-8")
    lines = page.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    found = [line.strip("|").split(" | ") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in found[2:]]


def cells() -> dict[tuple[str, str], str]:
    """Feature and runner to the word in the first table."""
    return {
        (feature, runner): word
        for feature, *words in rows("runners.md", "feature")[1:]
        for runner, word in zip(_RUNNERS, words, strict=True)
    }


def test_every_word_is_one_of_these() -> None:
    """So that the other tests miss none."""
    assert set(_WORDS) == set(cells().values())


@pytest.mark.parametrize(
    ("heading", "words"), [("Shown by", _SHOWN), ("Why not", ("no", "not run"))]
)
def test_every_word_has_its_row_and_no_other(heading: str, words: tuple[str, ...]) -> None:
    """In the order of the first table."""
    expected = [place for place, word in cells().items() if word in words]
    assert expected == [(feature, runner) for feature, runner, _ in table(heading)]


@pytest.mark.parametrize("name", sorted({row[2].strip("`") for row in table("Shown by")}))
def test_what_shows_it_is_a_test(name: str) -> None:
    """A function of that name in that file."""
    path, _, function = name.partition("::")
    tree = ast.parse((_ROOT / path).read_text(encoding="utf-8"))
    assert function in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize(("command", "message"), table("What is refused"))
def test_what_is_refused_is_told_in_one_line(
    command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2, and nothing else."""
    words = shlex.split(command.strip("`"))
    needs_kafka = "savepoint" not in words
    assert 2 == main([*words, *(_KAFKA if needs_kafka else ())])
    told = capsys.readouterr()
    lines = [line for line in told.err.splitlines() if line.startswith("error:")]
    assert ("", [f"error: {message.strip('`')}"]) == (told.out, lines)
