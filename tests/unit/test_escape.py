"""Text of unknown origin must not reach a terminal as it is."""

from __future__ import annotations

import pytest

from transforms.escape import escape_terminal


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"plain [ERROR] line", "plain [ERROR] line"),
        (b"\x1b[2Jcleared", "\\x1b[2Jcleared"),
        (b"bell\x07 tab\t return\r", "bell\\x07 tab\\x09 return\\x0d"),
        (b"two\nlines", "two\\x0alines"),
        (b"no utf-8: \xff\xfe", "no utf-8: \\xff\\xfe"),
        ("grün 日本".encode(), "grün 日本"),
        ("\x9b31m", "\\x9b31m"),
        ("left\u202eright", "left\\u202eright"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        (b"C:\\dir", "C:\\dir"),
        (b"", ""),
    ],
)
def test_only_printable_text_comes_out(data: bytes | str, expected: str) -> None:
    """Control, format and undecodable characters are shown by their codes."""
    assert expected == escape_terminal(data)


@pytest.mark.parametrize(
    ("data", "columns", "expected"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("日本語", 6, "日本語"),
        ("日本語x", 6, "日本…"),
        ("ab\x1bcd", 5, "ab…"),
        ("abc", 0, ""),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
    ],
)
def test_a_long_line_is_cut_to_the_columns(data: str, columns: int, expected: str) -> None:
    """Width is counted as a terminal counts it, and a cut line ends in an ellipsis."""
    assert expected == escape_terminal(data, columns)
