"""The examples in docs/backfill.md."""

from __future__ import annotations

import pathlib

import pytest

from tests.unit.doc_examples import examples, play


@pytest.mark.parametrize("example", examples("backfill.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Bounded and live runs tell what the page says."""
    assert example == play(example, monkeypatch, tmp_path)
