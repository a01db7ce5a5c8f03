"""What becomes of a record."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms import classify
from transforms.batches import batch_of
from transforms.classify import LineRules, Verdict
from transforms.filter import AtLeast, ContainsText, LineFilter, MatchesRegex, OneOf
from transforms.formats import LineParser
from transforms.levels import Level
from transforms.records import Header, Record

NOW_MS = 1_764_000_000_000
LINE = b'{"time":"2025-11-24T15:59:00Z","level":"error","service":"cart","pod":{"name":"p,1"}}'


def record(value: bytes | None = LINE, at_ms: int = NOW_MS) -> Record:
    """A record with a key and headers."""
    headers = [Header("team", b"a"), Header("team", b"b"), Header("none", None)]
    return Record("logs", 3, 7, at_ms, b"k\xff", value, headers)


def rules(*group_by: str, **changes: object) -> LineRules:
    """The default filter, with keys."""
    return LineRules(AtLeast(), group_by=group_by, **changes)  # type: ignore[arg-type]


def test_an_error_line_is_kept_with_the_time_of_its_record() -> None:
    """Without grouping it has no key."""
    assert Verdict(True, None, "", NOW_MS, None) == rules().classify(record(), NOW_MS)


def test_the_time_may_be_that_of_the_line() -> None:
    """A line that says none has its record's."""
    own = rules(event_time="line")

    assert NOW_MS - 60_000 == own.classify(record(), NOW_MS).event_time_ms
    assert NOW_MS == own.classify(record(b"  at a.B.c(D.java)"), NOW_MS).event_time_ms


@pytest.mark.parametrize(
    ("group_by", "key"),
    [
        (("service",), "cart"),
        (("pod.name",), "p,1"),
        (("service", "pod.name"), "cart,p\\,1"),
        (("missing",), ""),
        (("kafka.key",), "k\\xff"),
        (("kafka.topic",), "logs"),
        (("kafka.partition", "service"), "3,cart"),
        (("kafka.header.team",), "b"),
        (("kafka.header.none",), ""),
        (("kafka.header.missing",), ""),
        (("kafka.source",), "eu"),
        (("level",), "ERROR"),
    ],
)
def test_the_key_is_made_of_fields(group_by: tuple[str, ...], key: str) -> None:
    """Of the line, and of the record; several are joined so that no two lists are alike."""
    assert key == rules(*group_by).classify(record(), NOW_MS, "eu").key
    plain = LineRules(ContainsText("error"), group_by=group_by)
    assert key == plain.classify(record(), NOW_MS, "eu").key


def test_a_long_key_is_cut() -> None:
    """A forged field cannot eat the memory."""
    key = rules("a").classify(record(b'{"a":"%s"}' % (b"x" * 1_000)), NOW_MS).key

    assert "x" * 199 + "…" == key


def test_texts_of_keys_are_kept_up_to_a_bound() -> None:
    """A key that is another in every record cannot eat the memory, and each has its own text."""
    found = [classify._KEY_TEXTS[b"k%d" % number] for number in range(45_000)]

    assert [f"k{number}" for number in range(45_000)] == found
    assert ("", "a\\xff") == (classify._KEY_TEXTS[None], classify._KEY_TEXTS[b"a\xff"])
    assert len(classify._KEY_TEXTS) <= 20_000


@pytest.mark.parametrize(
    ("one", "reason", "detail"),
    [
        (record(None), "no_value", "the record has no value"),
        (record(b"x" * 101), "oversized", "101 bytes, allowed are 100"),
        (
            record(at_ms=NOW_MS + 300_001),
            "timestamp",
            "Kafka's timestamp is 2025-11-24T16:05:00.001Z, more than 300 s after the clock "
            "(2025-11-24T16:00:00Z)",
        ),
        (
            record(at_ms=NOW_MS - 1_000_001),
            "timestamp",
            "Kafka's timestamp is 2025-11-24T15:43:19.999Z, more than 1000 s before the clock "
            "(2025-11-24T16:00:00Z)",
        ),
        (
            record(b"2100-01-01T00:00:00Z ERROR a"),
            "timestamp",
            "the time in the line is 2100-01-01T00:00:00Z, more than 300 s after Kafka's "
            "(2025-11-24T16:00:00Z)",
        ),
    ],
)
def test_a_record_that_cannot_be_used_says_why(one: Record, reason: str, detail: str) -> None:
    """With the numbers that decided."""
    strict = rules(
        "service",
        event_time="line",
        max_line_bytes=100,
        max_past_seconds=1_000,
        max_future_seconds=300,
    )

    verdict = strict.classify(one, NOW_MS)

    assert (False, reason, detail, None) == (
        verdict.kept,
        verdict.reason,
        verdict.detail,
        verdict.key,
    )


def test_times_on_the_bounds_are_good() -> None:
    """The bounds belong to what is allowed."""
    strict = rules(max_past_seconds=10, max_future_seconds=10)

    for at_ms in (NOW_MS - 10_000, NOW_MS + 10_000):
        assert strict.classify(record(at_ms=at_ms), NOW_MS).reason is None


def test_rules_travel_to_workers() -> None:
    """As a pickle, bounds included."""
    strict = rules("service", max_past_seconds=10)

    again = pickle.loads(pickle.dumps(strict))

    assert strict == again
    assert "timestamp" == again.classify(record(at_ms=0), NOW_MS).reason


def test_a_format_without_levels_leaves_the_filter_to_the_word() -> None:
    """`plain` reads nothing."""
    plain = LineRules(AtLeast(), LineParser("plain"))

    assert [True, False] == [
        plain.classify(record(line), NOW_MS).kept for line in (b"x ERROR y", LINE)
    ]


LINES = (
    None,
    b"",
    LINE,
    b"x" * 101,
    b"2025-11-24 15:59:00,000 ERROR [main] a.B - no",
    b"2025-11-24 15:00:00,000 INFO [main] a.B - old",
    b"level=error service=cart",
    b"[Mon Nov 24 15:59:00 2025] [core:error] no",
    b"\xff ERROR",
)
FILTERS = (AtLeast(), OneOf([Level.ERROR]), ContainsText("a"), MatchesRegex("^$|x|e"))


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([0, -5_000, 20_000])), min_size=1),
    st.sampled_from(FILTERS),
    st.sampled_from([(), ("service",), ("kafka.key", "level"), ("kafka.partition",)]),
    st.sampled_from(["kafka", "line"]),
)
def test_a_batch_is_judged_like_its_records_one_by_one(
    rows: list[tuple[bytes | None, int]],
    line_filter: LineFilter,
    group_by: tuple[str, ...],
    event_time: str,
) -> None:
    """Whatever stands beside a record, its verdict is the same."""
    own = LineRules(
        line_filter,
        group_by=group_by,
        event_time=event_time,
        max_line_bytes=100,
        max_past_seconds=600,
        max_future_seconds=10,
    )
    records = [
        record(line, NOW_MS + shift_ms)._replace(offset=offset)
        for offset, (line, shift_ms) in enumerate(rows)
    ]

    found = own.classify_batch(batch_of(records), NOW_MS)

    expected = [own.classify(one, NOW_MS) for one in records]
    assert [one.event_time_ms for one in expected] == list(found.times_ms)
    assert {
        index: (one.reason, one.detail) for index, one in enumerate(expected) if one.reason
    } == found.dead
    usable = [index for index in range(len(records)) if index not in found.dead]
    assert [expected[index].kept for index in usable] == [found.kept[index] for index in usable]
    keys = found.keys or [None] * len(records)
    assert [expected[index].key for index in usable] == [keys[index] for index in usable]
