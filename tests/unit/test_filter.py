"""What makes a line an error line."""

from __future__ import annotations

import pickle

import pytest

from pipeline.local.demo_lines import demo_lines
from tests.reference import has_word_error
from transforms.filter import (
    AtLeast,
    ContainsText,
    ContainsToken,
    LineFilter,
    MatchesRegex,
    OneOf,
)
from transforms.formats import LineParser
from transforms.levels import Level

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


def keeps(line_filter: LineFilter, line: bytes, level: Level | None) -> bool:
    """Whether a filter keeps one line."""
    (kept,) = line_filter.keep_all([line], [level])
    return kept


@pytest.mark.parametrize(("line", "kept"), LINES)
def test_the_token_keeps_lines_with_the_word_error(line: bytes, kept: bool) -> None:
    """ERROR counts as a word of its own; parts of words and names do not."""
    assert (kept, kept) == (ContainsToken()(line), keeps(ContainsToken(), line, None))


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
        ("at a.B", b"\tat a.B.c(B.java:1)", True),
    ],
)
def test_contains_keeps_lines_with_the_text_anywhere(text: str, line: bytes, kept: bool) -> None:
    """The text is plain, not a pattern, and compared as UTF-8 bytes, whatever the level."""
    found = [keeps(ContainsText(text), line, level) for level in (None, Level.INFO, Level.ERROR)]

    assert [kept] * 3 == found


@pytest.mark.parametrize(
    ("pattern", "line", "kept"),
    [
        (r"time(d )?out", b"request timed out", True),
        (r"^ERROR", b"an ERROR", False),
        (r"status=5\d\d", b"status=503", True),
        (r"(?i)error", b"Error", True),
        (r"\bERROR\b", b"ERROR_COUNT=0", False),
        (r"gr.ßer", "größer".encode(), True),
        (r"a.c", b"a\xffc", False),
        (r"after", b"\xff\xfe after", True),
        (r"Caused by", b"Caused by: x", True),
        (r"", b"", True),
    ],
)
def test_match_keeps_lines_in_which_the_pattern_is_found(
    pattern: str, line: bytes, kept: bool
) -> None:
    """Anywhere in the line, whatever the level."""
    found = [keeps(MatchesRegex(pattern), line, level) for level in (None, Level.INFO)]

    assert [kept] * 2 == found


@pytest.mark.parametrize("pattern", ["(", "[a", r"(a)\1", "(?=a)", "a{2000}", "\ud800"])
def test_a_bad_pattern_is_refused(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    """With one clear message, and nothing of RE2's own on stderr."""
    with pytest.raises(ValueError, match=r"^bad pattern .*: .+"):
        MatchesRegex(pattern)

    assert ("", "") == tuple(capfd.readouterr())


def test_no_pattern_takes_for_ever() -> None:
    """The classic trap of backtracking engines is over in no time."""
    assert not keeps(MatchesRegex(r"(a+)+$"), b"a" * 100_000 + b"b", None)


@pytest.mark.parametrize(
    ("line_filter", "levels"),
    [
        (AtLeast(Level.ERROR), "ERROR CRITICAL ALERT EMERGENCY"),
        (AtLeast(), "ERROR CRITICAL ALERT EMERGENCY"),
        (AtLeast(Level.WARN), "WARN ERROR CRITICAL ALERT EMERGENCY"),
        (AtLeast(Level.ALERT), "ALERT EMERGENCY"),
        (OneOf([Level.ERROR]), "ERROR"),
        (OneOf({Level.WARN, Level.ALERT}), "WARN ALERT"),
    ],
)
def test_levels_decide_where_they_can_be_read(line_filter: LineFilter, levels: str) -> None:
    """What the text says does not matter then."""
    found = [level.name for level in Level if keeps(line_filter, b"INFO", level)]
    despite = [level.name for level in Level if keeps(line_filter, b"ERROR", level)]

    assert (levels.split(), levels.split()) == (found, despite)


@pytest.mark.parametrize(
    ("line_filter", "kept"),
    [
        (AtLeast(Level.TRACE), True),
        (AtLeast(Level.ERROR), True),
        (AtLeast(Level.CRITICAL), False),
        (OneOf([Level.ERROR, Level.ALERT]), True),
        (OneOf([Level.WARN, Level.CRITICAL]), False),
    ],
)
def test_the_word_decides_where_no_level_can_be_read(line_filter: LineFilter, kept: bool) -> None:
    """ERROR as a word makes a line an error, which is not always what is asked for."""
    lines = (b"disk: ERROR", b"disk: fine", b"disk: ERROR_COUNT=0")

    assert [kept, False, False] == [keeps(line_filter, line, None) for line in lines]


CONTINUATIONS = [
    b"\tat com.example.ERROR.main(App.java:12)",
    b"    at foo (/srv/ERROR.js:1:2)",
    b"at foo ERROR",
    b"\t... 12 more ERROR",
    b"... 12 more ERROR",
    b"... 3 common frames omitted ERROR",
    b"Caused by: java.lang.IllegalStateException: ERROR 42",
    b"Suppressed: java.io.IOException: ERROR 42",
    b'  File "/srv/a.py", line 3, in ERROR',
    b'    raise ValueError("ERROR 42")',
    b"Traceback (most recent call last): ERROR",
]


@pytest.mark.parametrize("line", CONTINUATIONS)
def test_the_rest_of_a_stack_trace_is_no_error_of_its_own(line: bytes) -> None:
    """Its first line counts; by text and by pattern every line is looked at."""
    level = LineParser().level_of(line)
    filters: list[LineFilter] = [
        AtLeast(),
        OneOf([Level.ERROR]),
        ContainsText("ERROR"),
        MatchesRegex("ERROR"),
        ContainsToken(),
    ]

    found = [keeps(line_filter, line, level) for line_filter in filters]
    assert [False, False, True, True, True] == found


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b'{"log":"\\tat a.ERROR.b\\n","stream":"stderr"}', False),
        (b'{"log":"disk ERROR\\n","stream":"stderr"}', True),
        (b'{"log":"disk fine\\n","tag":"ERROR"}', False),
        (b"2024-05-01T10:00:00Z stderr F Caused by: a ERROR", False),
        (b"2024-05-01T10:00:00Z stderr F disk ERROR", True),
        (b'{"status":"ERROR"}', True),
        (b'{"log":"cut off, ERROR', True),
        (b'{"level":"info","message":"an ERROR"}', False),
        (b'{"level":"fatal","message":"x"}', True),
        (b"<14>May  1 10:00:00 web1 app: ERROR in an INFO line", False),
        (b"<11>May  1 10:00:00 web1 app: x", True),
        (b"May  1 10:00:00 web1 app: some ERROR", True),
        (b"[Wed Oct 11 14:32:52 2000] [crit] x", True),
        (b"[Wed Oct 11 14:32:52 2000] [notice] ERROR", False),
        (b"2024-05-01 10:00:00 INFO ERROR_COUNT=0", False),
        (b"2024-05-01 10:00:00 INFO saw an ERROR", False),
        (b"ERROR_COUNT=0", False),
        (b"TERRORS", False),
        (b"FATAL: cannot go on", True),
        (b"", False),
    ],
)
def test_lines_of_all_formats_by_the_default(line: bytes, kept: bool) -> None:
    """The level where there is one, else the word in the line itself."""
    assert kept == keeps(AtLeast(), line, LineParser().level_of(line))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_demo_lines_are_the_same_errors_as_by_the_word(seed: int) -> None:
    """Levels and the word ERROR agree about them."""
    parser, by_level, by_word = LineParser(), AtLeast(), ContainsToken()
    lines = [line for _, line in demo_lines(3000, seed=seed, end_time_ms=1_714_557_600_000)]

    by_words = [by_word(line) for line in lines]
    assert by_words == [keeps(by_level, line, parser.level_of(line)) for line in lines]
    assert [None] * len(lines) != [parser.level_of(line) for line in lines]


def test_demo_lines_have_their_times() -> None:
    """To the second, which is what Apache's format holds."""
    parser = LineParser("apache")
    lines = list(demo_lines(500, end_time_ms=1_714_557_600_000))

    expected = [time_ms // 1000 * 1000 for time_ms, _ in lines]
    assert expected == [parser.time_of(line, time_ms) for time_ms, line in lines]


def test_no_level_at_all_is_refused() -> None:
    """A filter that keeps nothing is a mistake."""
    with pytest.raises(ValueError, match="no level"):
        OneOf([])


@pytest.mark.parametrize(
    ("line_filter", "needs_level"),
    [
        (ContainsToken(), False),
        (ContainsToken("FATAL"), False),
        (ContainsText("x y"), False),
        (MatchesRegex(r"x\sy"), False),
        (AtLeast(Level.WARN), True),
        (OneOf([Level.ERROR]), True),
    ],
)
def test_filters_survive_the_way_to_a_worker(line_filter: LineFilter, needs_level: bool) -> None:
    """A filter is pickled into the job and works as before, and says whether it needs levels."""
    copy = pickle.loads(pickle.dumps(line_filter))
    line = b"a FATAL x y"

    assert (line_filter, needs_level) == (copy, copy.needs_level)
    for level in (None, Level.WARN):
        assert keeps(line_filter, line, level) == keeps(copy, line, level)
    assert hash(line_filter) == hash(copy)
