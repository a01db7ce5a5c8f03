"""Dead letters as JSON lines and as records of Kafka: every byte comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dead_letter_json import (
    dead_letter_from_json,
    dead_letter_from_kafka,
    dead_letter_to_json,
    dead_letter_to_kafka,
)
from transforms.dead_letters import TOO_LATE, DeadLetter
from transforms.records import Header, Record

_BYTES = st.none() | st.binary()
_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_WHOLE = st.integers(-1, 2**63 - 1)


def dead_letters(headers: st.SearchStrategy[list[Header] | None]) -> st.SearchStrategy[DeadLetter]:
    """Dead letters of any bytes."""
    records = st.builds(
        Record, _TEXT, st.integers(0, 2**31 - 1), _WHOLE, _WHOLE, _BYTES, _BYTES, headers
    )
    return st.builds(DeadLetter, records, _TEXT, _TEXT)


_HEADERS = st.lists(st.builds(Header, _TEXT, _BYTES))
LETTER = DeadLetter(
    Record("logs", 3, 17, 1_795_341_600_250, b"\xff", b"[ERROR] \x1b[31m\xff", [Header("a", None)]),
    TOO_LATE,
    "8 s behind",
)


@given(dead_letters(st.none() | _HEADERS))
def test_a_json_line_gives_every_byte_back(letter: DeadLetter) -> None:
    """Keys, values and headers that are null, empty or no text among them."""
    line = dead_letter_to_json(letter)

    assert letter == dead_letter_from_json(line)
    assert line.isascii()
    assert line.isprintable()


@given(dead_letters(st.none() | st.lists(st.builds(Header, _TEXT, _BYTES), min_size=1)))
def test_a_kafka_record_gives_every_byte_back(letter: DeadLetter) -> None:
    """No headers and an empty list of them are the same to Kafka."""
    key, value, headers = dead_letter_to_kafka(letter)

    assert letter == dead_letter_from_kafka(key, value, headers)
    assert (letter.record.key, letter.record.value) == (key, value)


def test_the_json_form_is_public() -> None:
    """Times as text and number, bytes in Base64, and the value for people."""
    expected = {
        "id": "logs/3/17",
        "topic": "logs",
        "partition": 3,
        "offset": 17,
        "timestamp": "2026-11-22T10:00:00.250Z",
        "timestamp_ms": 1_795_341_600_250,
        "reason": "too_late",
        "detail": "8 s behind",
        "key": "/w==",
        "value": "W0VSUk9SXSAbWzMxbf8=",
        "headers": [{"key": "a", "value": None}],
        "text": "[ERROR] \\x1b[31m\\xff",
    }
    assert expected == json.loads(dead_letter_to_json(LETTER))


def test_the_text_is_cut_and_missing_without_a_value() -> None:
    """200 columns, with an ellipsis."""
    long = LETTER._replace(record=LETTER.record._replace(value=b"x" * 201))
    none = LETTER._replace(record=LETTER.record._replace(value=None))

    texts = [json.loads(dead_letter_to_json(letter))["text"] for letter in (long, none)]

    assert ["x" * 199 + "…", None] == texts


def test_headers_of_ours_stand_behind_those_of_the_record() -> None:
    """A record that was a dead letter before keeps its headers; the last ones count."""
    once = dead_letter_to_kafka(LETTER)
    again = LETTER._replace(
        record=LETTER.record._replace(offset=18, headers=[Header(*one) for one in once[2]])
    )

    headers = dead_letter_to_kafka(again)[2]

    names = ["id", "topic", "partition", "offset", "timestamp", "reason", "detail"]
    ours = [f"error_windows.{name}" for name in names]
    assert ["a", *ours, *ours] == [name for name, _ in headers]
    assert ("error_windows.id", b"logs/3/18") == headers[8]
    assert again == dead_letter_from_kafka(None, None, headers)._replace(record=again.record)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "\udcff",
        '{"id":"logs/3/17"}',
        dead_letter_to_json(LETTER).replace("logs/3/17", "logs/3/18"),
        dead_letter_to_json(LETTER).replace("/w==", "?"),
        dead_letter_to_json(LETTER).replace('"partition":3', '"partition":"3"'),
        dead_letter_to_json(LETTER).replace('"offset":17', '"offset":true'),
        dead_letter_to_json(LETTER).replace('[{"key":"a","value":null}]', "[1]"),
        dead_letter_to_json(LETTER).replace('[{"key":"a","value":null}]', "5"),
        dead_letter_to_json(LETTER).replace('"8 s behind"', "null"),
        "[" * 100_000,
    ],
)
def test_another_line_is_none(line: str) -> None:
    """Also one whose parts contradict each other."""
    with pytest.raises(ValueError):  # noqa: PT011
        dead_letter_from_json(line)


@pytest.mark.parametrize(
    "headers",
    [
        None,
        [],
        [("error_windows.id", b"logs/3/17")],
        dead_letter_to_kafka(LETTER)[2][:-1],
        [*dead_letter_to_kafka(LETTER)[2], ("trace", b"1")],
        [*dead_letter_to_kafka(LETTER)[2][:-1], ("error_windows.detail", None)],
        [*dead_letter_to_kafka(LETTER)[2][:-1], ("error_windows.detail", b"\xff")],
        [("error_windows.id", b"logs/3/18"), *dead_letter_to_kafka(LETTER)[2][2:]],
    ],
)
def test_another_record_is_none(headers: list[tuple[str, bytes | None]] | None) -> None:
    """What somebody else wrote into the topic."""
    with pytest.raises(ValueError):  # noqa: PT011
        dead_letter_from_kafka(None, b"", headers)
