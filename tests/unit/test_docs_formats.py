"""The examples in docs/formats.md, and its tables."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator

import pytest

from tests.log_lines import REFERENCE_MS, at
from transforms.formats import LOG_FORMATS, LineParser, json_lines, logfmt
from transforms.levels import SPELLINGS

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text("utf-8")
_RESULT = re.compile(r"=> (\S+) (\S+)((?: [^\s=]+=(?:-|\"(?:[^\"\\]|\\.)*\"))*)")
_FIELD = re.compile(r" ([^\s=]+)=(-|\"(?:[^\"\\]|\\.)*\")")


def _examples() -> Iterator[tuple[str, str, str]]:
    """Format, line and what it is read as; the format is that of the heading, if it is one."""
    heading = ""
    for part in re.split(r"^(#+ .*)$", PAGE, flags=re.MULTILINE):
        if part.startswith("#"):
            heading = part.lstrip("# ")
        for block in re.findall(r"^```\n(.*?)^```$", part, re.MULTILINE | re.DOTALL):
            lines = block.splitlines()
            for line, result in zip(lines[::2], lines[1::2], strict=True):
                yield heading if heading in LOG_FORMATS else "auto", line, result


def _read(parser: LineParser, line: str, names: list[str]) -> tuple[object, ...]:
    data = line.encode("utf-8")
    entry = parser.parse(data, REFERENCE_MS)
    level = None if entry.level is None else entry.level.name
    return level, entry.time_ms, dict(zip(names, parser.fields_of(data, tuple(names)), strict=True))


@pytest.mark.parametrize(("log_format", "line", "result"), list(_examples()))
def test_examples(log_format: str, line: str, result: str) -> None:
    """Level, time and fields are as the page says, for `auto` and for the section's format."""
    match = _RESULT.fullmatch(result)
    assert match is not None, result
    level, time, rest = match.groups()
    fields = {
        name: None if value == "-" else json.loads(value) for name, value in _FIELD.findall(rest)
    }
    time_ms = None if time == "-" else at(time.replace("T", " ").removesuffix("Z"))
    expected = (None if level == "-" else level, time_ms, fields)

    assert expected == _read(LineParser(), line, list(fields))
    assert expected == _read(LineParser(log_format), line, list(fields))


def test_every_format_has_examples() -> None:
    """No section without a line."""
    assert set(LOG_FORMATS) == {log_format for log_format, _, _ in _examples()}


def test_the_table_of_levels_is_complete() -> None:
    """Every level with all its spellings, in order."""
    rows = re.findall(r"^\| ([A-Z]+) \| (.*) \|$", PAGE, re.MULTILINE)
    expected = []
    for level, words in SPELLINGS.items():
        text = ", ".join(words)
        for stem, count in (("trace", 8), ("debug", 5)):
            numbered = ", ".join(f"{stem}{number}" for number in range(1, count + 1))
            text = text.replace(numbered, f"{stem}1 to {stem}{count}")
        expected.append((level.name, text))

    assert expected == rows


@pytest.mark.parametrize(
    "keys",
    [
        json_lines.LEVEL_KEYS,
        json_lines.TIME_KEYS,
        json_lines.MESSAGE_KEYS,
        logfmt.LEVEL_KEYS,
        logfmt.TIME_KEYS,
        logfmt.MESSAGE_KEYS,
    ],
)
def test_the_keys_are_listed(keys: tuple[str, ...]) -> None:
    """In the order in which they are asked."""
    assert " ".join(f"`{key}`" for key in keys) in PAGE.replace("\n", " ")
