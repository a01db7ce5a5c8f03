"""The public form of a result."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from transforms.results import Result, format_time

DAY = 86_400_000


def result(**changes: Any) -> Result:
    """The example of the documentation, with changes."""
    example = Result(
        job="errors",
        key="checkout",
        window_start_ms=1_795_341_600_000,
        window_end_ms=1_795_341_630_000,
        count=17,
        revision=0,
        final=False,
        silence=None,
    )
    return dataclasses.replace(example, **changes)


def test_the_json_form_is_as_documented() -> None:
    """One object on one line, fields in the documented order."""
    expected = (
        '{"id":"errors/checkout/2026-11-22T10:00:30Z","job":"errors","key":"checkout",'
        '"window_start":"2026-11-22T10:00:00Z","window_end":"2026-11-22T10:00:30Z",'
        '"count":17,"revision":0,"final":false,"silence":null}'
    )

    assert expected == result().to_json()


@pytest.mark.parametrize(
    ("job", "key", "expected"),
    [
        ("errors", None, "errors/*/2026-11-22T10:00:30Z"),
        ("errors", "*", "errors/%2A/2026-11-22T10:00:30Z"),
        ("a/b", "c/d e", "a%2Fb/c%2Fd%20e/2026-11-22T10:00:30Z"),
        ("errors", "größe", "errors/gr%C3%B6%C3%9Fe/2026-11-22T10:00:30Z"),
        ("errors", "", "errors//2026-11-22T10:00:30Z"),
    ],
)
def test_ids_are_unique_for_any_job_and_key(job: str, key: str | None, expected: str) -> None:
    """Job and key are percent-encoded; the total is `*`, which no key can be."""
    assert expected == result(job=job, key=key).id


def test_the_id_does_not_depend_on_the_revision() -> None:
    """Whoever stores results upserts by id and keeps the highest revision."""
    assert result().id == result(revision=3, count=18, final=True).id


def test_json_is_plain_ascii_whatever_the_key_holds() -> None:
    """Terminal control sequences and odd characters in a key come out escaped."""
    line = result(key="\x1b[31m\u202e\nx").to_json()

    assert (True, "\x1b[31m\u202e\nx") == (
        line.isascii() and "\x1b" not in line,
        json.loads(line)["key"],
    )


@pytest.mark.parametrize(
    ("time_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_450_575_983_000, "2015-12-20T01:46:23Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "10000-01-01T00:00:00Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(time_ms: int, expected: str) -> None:
    """Milliseconds only where they are not zero; no time is too odd to be shown."""
    assert expected == format_time(time_ms)
