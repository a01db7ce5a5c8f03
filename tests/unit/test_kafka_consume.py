"""How records are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from pipeline.local.kafka_consume import ConsumedRecord, formatter


def _record(
    value: bytes | None,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes | None]] = (),
) -> ConsumedRecord:
    return ConsumedRecord("logs", 1, 7, 1_450_576_000_000, key, value, headers)


@pytest.mark.parametrize("value", [b"line", b"", b"\xff\x00\x1b[2J"])
def test_a_pipe_gets_the_bytes_of_the_value(value: bytes) -> None:
    """Nothing is decoded or changed."""
    assert value == formatter("value", on_terminal=False)(_record(value))


def test_a_tombstone_is_an_empty_line() -> None:
    """Only the json form tells it from an empty value."""
    assert b"" == formatter("value", on_terminal=False)(_record(None))


@pytest.mark.parametrize("name", ["value", "json"])
def test_a_terminal_gets_no_control_sequences(name: str) -> None:
    """Log lines may carry what clears a screen or worse."""
    shown = formatter(name, on_terminal=True)(_record(b"\x1b[2J\xc2\x9b\xff"))
    assert shown.isascii()
    assert shown.decode().isprintable()


def test_json_holds_all_of_a_record() -> None:
    """Text as text; bytes that are none shown, and exact in base64; null is null."""
    record = _record(key="clé".encode(), value=b"\xff\n", headers=[("trace", b"1"), ("none", None)])
    assert {
        "topic": "logs",
        "partition": 1,
        "offset": 7,
        "timestamp_ms": 1_450_576_000_000,
        "key": "clé",
        "value": "\\xff\n",
        "value_base64": "/wo=",
        "headers": [{"name": "trace", "value": "1"}, {"name": "none", "value": None}],
    } == json.loads(formatter("json", on_terminal=False)(record))


def test_json_tells_a_tombstone_from_an_empty_value() -> None:
    """Null and the empty text."""
    show = formatter("json", on_terminal=False)
    assert json.loads(show(_record(None)))["value"] is None
    assert "" == json.loads(show(_record(b"")))["value"]
