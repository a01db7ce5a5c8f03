"""The examples in docs/explain.md, and its table."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from tests.unit.doc_examples import examples, names_in, page, play, rows


@pytest.mark.parametrize("example", examples("explain.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """The command says what the page says."""
    assert example == play(example, monkeypatch, tmp_path)


def test_every_field_is_in_the_table() -> None:
    """In the order of the JSON, which an example shows."""
    (line,) = re.findall(r'^\{"record".*\}$', page("explain.md"), re.MULTILINE)

    assert list(json.loads(line)) == names_in(rows("explain.md", "field"))
