"""Log lines of all formats, read as a person reads them; and whatever else a topic may hold."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log_lines import ALL, BY_FORMAT, REFERENCE_MS, Sample
from transforms.formats import LOG_FORMATS, LineParser
from transforms.levels import Level

PARSERS = {name: LineParser(name) for name in LOG_FORMATS}
NAMES = ("message", "level", "host", "a.b.0", "pid", "client")
# Some that few formats have, some that take a line apart, and what is no name of logfmt's.
QUICK_NAMES = (("service",), ("host", "a"), ("logger",), ("a.b.0", "code"), ("a=b", 'a"', "é"))


def _level(sample: Sample) -> Level | None:
    return None if sample.level is None else Level[sample.level]


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: repr(sample.line[:60]))
def test_any_format_is_found_and_read(sample: Sample) -> None:
    """Level, time and fields of every line, without being told its format."""
    entry = PARSERS["auto"].parse(sample.line, REFERENCE_MS)
    names = tuple(sample.fields)
    found = dict(zip(names, PARSERS["auto"].fields_of(sample.line, names), strict=True))

    assert (_level(sample), sample.time_ms, sample.fields) == (entry.level, entry.time_ms, found)


@pytest.mark.parametrize(
    ("log_format", "sample"),
    [(name, sample) for name in LOG_FORMATS if name in BY_FORMAT for sample in BY_FORMAT[name]],
)
def test_a_named_format_reads_its_own_lines(log_format: str, sample: Sample) -> None:
    """Naming the format of a line changes nothing for it."""
    parser = PARSERS[log_format]
    names = tuple(sample.fields)
    found = dict(zip(names, parser.fields_of(sample.line, names), strict=True))

    assert (_level(sample), sample.fields) == (parser.level_of(sample.line), found)


@pytest.mark.parametrize(
    ("log_format", "line"),
    [
        ("apache", b'{"level":"error"}'),
        ("json", b"ERROR:root:x"),
        ("logfmt", b"<11>May  1 10:00:00 a b: x"),
        ("log4j", b"level=error"),
        ("syslog", b"[Wed Oct 11 14:32:52 2000] [error] x"),
        ("plain", b"ERROR:root:x"),
        ("plain", b'{"level":"error"}'),
    ],
)
def test_a_named_format_reads_no_other(log_format: str, line: bytes) -> None:
    """A line of another format has no level."""
    assert PARSERS[log_format].level_of(line) is None


@pytest.mark.parametrize("log_format", ["apache", "log4j", "logfmt", "syslog", "json"])
def test_envelopes_are_opened_for_a_named_format(log_format: str) -> None:
    """A shipper's envelope does not hide the format that was named."""
    lines = {
        "apache": r"[Wed Oct 11 14:32:52 2000] [error] x",
        "log4j": r"ERROR:root:x",
        "logfmt": r"level=error msg=x",
        "syslog": r"<11>May  1 10:00:00 a b: x",
        "json": r"{\"level\":\"error\",\"msg\":\"x\"}",
    }
    line = f'{{"log":"{lines[log_format]}\\n","stream":"stdout"}}'.encode()
    cri = b"2024-05-01T10:00:00Z stdout F " + line
    parser = PARSERS[log_format]

    expected = [Level.ERROR, Level.ERROR]
    assert expected == [parser.level_of(each) for each in (line, cri)]
    assert ("x", "stdout") == parser.fields_of(cri, ("message", "stream"))


def test_envelopes_are_opened_a_few_deep_only() -> None:
    """A line cannot make the parser go down without end."""
    line = b"level=error"
    levels = []
    for _ in range(8):
        levels.append(PARSERS["auto"].level_of(line))
        line = b"2024-05-01T10:00:00Z stdout F " + line

    assert [Level.ERROR] * 5 + [None] * 3 == levels


HOSTILE = [
    b"",
    b"\x00",
    b"\n",
    b" " * 1_000_000,
    b"{" * 1_000_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    b"[" * 1_000_000,
    b"[" * 500_000 + b"]" * 500_000,
    b'{"level":' + b"9" * 1_000_000 + b"}",
    b'{"level":1e999,"ts":1e999}',
    b'{"level":-1e999,"ts":-1e400,"x":NaN}',
    b'{"level":"error","ts":' + b"9" * 400 + b"}",
    b'{"level":"error","instant":{"epochSecond":NaN,"nanoOfSecond":-1}}',
    b'{"level":"error","t":{"$date":{"$numberLong":"1"}}}',
    b'{"level":"' + b" " * 1_000_000 + b'error"}',
    b"<" + b"1" * 1_000_000,
    b"<11>" + b"[" * 1_000_000,
    b"<11>1 - - - - - " + b'[a b="' + b'\\"' * 500_000,
    b"<11>1 - - - - - " + b'[a b="c"' * 100_000,
    b"<11>1 - - - - - [a" + b' b="c"' * 150_000,
    b"level=" + b'"' * 1_000_000,
    b'a="' + b"\\" * 1_000_001,
    b"a=" * 500_000,
    b"a " * 500_000 + b"level=error",
    b"a= " * 300_000,
    b"[2024-05-01 10:00:00] " + b"[" * 1_000_000,
    b"[2024-05-01 10:00:00] " + b"[a] " * 250_000,
    b"2024-05-01 10:00:00 " + b"a" * 1_000_000,
    b"2024-05-01 10:00:00 " + b"- " * 500_000,
    b"2024-05-01 10:00:00 ERROR " + b"(a" * 500_000,
    b"2024-05-01 10:00:00 ERROR " + b" " * 1_000_000 + b":",
    b"2024-05-01 10:00:00 " + b"\x1b[" * 500_000,
    b"\x1b[31m" * 200_000,
    b"[Wed Oct 11 14:32:52 2000] [error]" + b" [client a]" * 100_000,
    b"[Wed Oct 11 14:32:52 2000] [error] " + b"(1)" * 300_000,
    b"[Wed Oct 11 14:32:52 2000] [error] " + b", referer: " * 100_000,
    b"[" * 300 + b"ERROR" + b"]" * 300,
    b"9999-99-99 99:99:99 ERROR x",
    b"0000-00-00T00:00:00Z ERROR x",
    b"0001-01-01T00:00:00+23:59 ERROR x",
    b"9999-12-31T23:59:60.999-23:59 ERROR x",
    b"<11>Xxx 99 99:99:99 a b: c",
    b"<11>Feb 30 10:00:00 a b: c",
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: repr(line[:40]))
def test_hostile_lines_do_no_harm(line: bytes) -> None:
    """No line makes a parser raise, or keeps it busy for long."""
    started = time.thread_time()
    for parser in PARSERS.values():
        level = parser.level_of(line)
        assert level == parser.parse(line, REFERENCE_MS).level
        parser.fields_of(line, NAMES)

    # A pattern that goes back and forth would need minutes for a megabyte.
    assert time.thread_time() - started < 5


def _check(line: bytes, reference_ms: int = REFERENCE_MS) -> None:
    for parser in PARSERS.values():
        level = parser.level_of(line)
        entry = parser.parse(line, reference_ms)
        fields = parser.fields_of(line, NAMES)

        assert level == entry.level
        assert entry.time_ms == parser.time_of(line, reference_ms)
        assert fields == tuple(parser.field_of(line, name) for name in NAMES)
        assert [level] == parser.levels_of([line])
        for names in (NAMES, *QUICK_NAMES):
            expected = [(level, parser.fields_of(line, names))]
            assert expected == parser.levels_and_fields([line], names)
        for text in fields:
            # Keys of series are written as UTF-8.
            assert text is None or text.encode("utf-8") is not None


@given(st.binary(max_size=300))
def test_no_bytes_make_a_parser_raise(line: bytes) -> None:
    """Whatever the bytes, every question has an answer, and the answers agree."""
    _check(line)


MUTATION = st.tuples(
    st.sampled_from([sample.line for sample in ALL]),
    st.integers(0, 400),
    st.integers(0, 20),
    st.one_of(
        st.sampled_from([sample.line for sample in ALL]),
        st.binary(max_size=20),
        st.sampled_from(
            [b"ERROR", b"[INFO]", b'"', b"\\", b"level=error ", b"[", b"]", b": ", b""]
        ),
    ),
)


@given(MUTATION, st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=1000)
def test_changed_lines_do_not_either(
    mutation: tuple[bytes, int, int, bytes], reference_ms: int
) -> None:
    """Real lines with something cut out and something put in, read at any time."""
    line, start, length, extra = mutation
    _check(line[:start] + extra + line[start + length :], reference_ms)


@given(
    st.lists(
        st.builds(
            lambda *parts: "".join(parts),
            st.sampled_from(["", "level", "host", "a", "service", "xhost", "é", "a.b.0"]),
            st.sampled_from(["=", "", "==", " = "]),
            st.sampled_from(["", "error", "b", '"x y"', '"host=1 a=2"', '"', "\\", "b=c", "é"]),
            st.sampled_from([" ", "  ", "\t", "\n", ""]),
        ),
        max_size=8,
    )
)
@settings(max_examples=1000)
def test_no_pairs_do(parts: list[str]) -> None:
    """Keys, values and quotes in any order; a quick look sees what a long one does."""
    _check(b"level=info " + "".join(parts).encode())
    _check("".join(parts).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["level", "message", "log", "ts", "t", "instant", "$date", "a", "0"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_json_does(value: object) -> None:
    """Values of any type may stand where a level, a time or a message is expected."""
    _check(json.dumps(value).encode())
