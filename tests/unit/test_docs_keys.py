"""The examples in docs/keys.md, and its table."""

from __future__ import annotations

import pathlib

import pytest

from tests.unit.doc_examples import examples, names_in, play, rows
from transforms.classify import HEADER_FIELD, RECORD_FIELD, RECORD_FIELDS


@pytest.mark.parametrize("example", examples("keys.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Every key has the series that the page says."""
    assert example == play(example, monkeypatch, tmp_path)


def test_every_field_of_a_record_is_in_the_table() -> None:
    """And no other."""
    names = [name for name in names_in(rows("keys.md", "field")) if name.startswith(RECORD_FIELD)]

    assert {*RECORD_FIELDS, f"{HEADER_FIELD}NAME"} == set(names)
