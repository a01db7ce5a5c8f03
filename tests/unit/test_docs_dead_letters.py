"""The examples in docs/dead-letters.md, and its tables."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from pipeline.dead_letter_json import dead_letter_from_json, dead_letter_to_kafka
from tests.unit.doc_examples import examples, names_in, page, play, rows
from transforms.dead_letters import REASONS


@pytest.mark.parametrize("example", examples("dead-letters.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """A live job keeps what the page says, and the command shows it so."""
    assert example == play(example, monkeypatch, tmp_path)


def test_every_reason_is_in_the_table() -> None:
    """And no other."""
    assert list(REASONS) == names_in(rows("dead-letters.md", "reason"))


def json_line() -> str:
    """The dead letter that the page shows as JSON."""
    (line,) = re.findall(r"^\{.*\}$", page("dead-letters.md"), re.MULTILINE)
    return str(line)


def test_every_field_is_in_the_table() -> None:
    """In the order of the JSON."""
    assert list(json.loads(json_line())) == names_in(rows("dead-letters.md", "field"))


def test_the_headers_are_those_of_the_dead_letter_above() -> None:
    """Names and values, in order."""
    headers = dead_letter_to_kafka(dead_letter_from_json(json_line()))[2]
    table = rows("dead-letters.md", "header")

    assert [(name, (value or b"").decode()) for name, value in headers] == [
        tuple(re.findall(r"`([^`]+)`", cell)[0] for cell in row) for row in table
    ]
