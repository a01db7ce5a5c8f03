"""What makes a line an error line."""

from __future__ import annotations

import pickle

import pytest

from tests.reference import has_word_error
from transforms.filter import ContainsText, ContainsToken

LINES = [
    (b"[Fri Dec 20 01:46:23 2015] [ERROR] [client 1.2.3.4.5.6] Directory index forbidden", True),
    (b"ERROR", True),
    (b"2024-05-01 ERROR: disk full", True),
    (b"level=ERROR", True),
    (b"\xff\xfe ERROR \x80", True),
    (b"ERROR\x00", True),
    (b"[INFO] ERROR_COUNT=0", False),
    (b"[INFO] TERRORS and ERRORS", False),
    (b"[error] small letters", False),
    (b"MIRROR", False),
    (b"1ERROR", False),
    (b"ERROR2", False),
    (b"", False),
    (b"x" * 1_000_000, False),
    (b"x" * 1_000_000 + b" ERROR", True),
]


@pytest.mark.parametrize(("line", "kept"), LINES)
def test_the_default_keeps_lines_with_the_word_error(line: bytes, kept: bool) -> None:
    """ERROR counts as a word of its own; parts of words and names do not."""
    assert kept == ContainsToken()(line)


@pytest.mark.parametrize(("line", "kept"), LINES)
def test_the_reference_model_agrees(line: bytes, kept: bool) -> None:
    """The model that results are compared with decides these lines alike, by other means."""
    assert kept == has_word_error(line)


@pytest.mark.parametrize(
    ("text", "line", "kept"),
    [
        ("ERROR", b"ERROR_COUNT=0", True),
        ("payment failed", b"x payment failed y", True),
        ("payment failed", b"Payment Failed", False),
        ("größer", "viel größer".encode(), True),
        ("[", b"a [b", True),
    ],
)
def test_contains_keeps_lines_with_the_text_anywhere(text: str, line: bytes, kept: bool) -> None:
    """The text is plain, not a pattern, and compared as UTF-8 bytes."""
    assert kept == ContainsText(text)(line)


@pytest.mark.parametrize(
    "predicate", [ContainsToken(), ContainsToken("FATAL"), ContainsText("x y")]
)
def test_filters_survive_the_way_to_a_worker(predicate: ContainsToken | ContainsText) -> None:
    """A predicate is pickled into the job and works as before."""
    copy = pickle.loads(pickle.dumps(predicate))

    assert (predicate, predicate(b"a FATAL x y")) == (copy, copy(b"a FATAL x y"))
