"""The examples in docs/ledger.md, and its tables."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.unit.doc_examples import examples, names_in, page, play, rows
from transforms.ledger import LedgerRow, Tally


@pytest.mark.parametrize("example", examples("ledger.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Bounded and live jobs account for the records as the page says."""
    assert example == play(example, monkeypatch, tmp_path)


def test_every_field_of_a_row_is_in_a_table() -> None:
    """In the order of the JSON."""
    row = LedgerRow("errors", "logs", 0, None, Tally(), 0, 0)
    tables = [rows("ledger.md", heading) for heading in ("field", "outcome", "whole partition")]

    assert list(json.loads(row.to_json())) == [name for one in tables for name in names_in(one)]


def test_the_sum_names_every_outcome() -> None:
    """What is read is one of these."""
    assert f"read = {' + '.join(Tally._fields)}\n" in page("ledger.md")
