"""Dead letters outside of the job: as lines of JSON in files, as records of a Kafka topic.

Both hold every byte of the record, so that it can be produced again as it was.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from transforms.dead_letters import DeadLetter
from transforms.escape import escape_terminal
from transforms.records import Header, Record
from transforms.results import format_time, json_line

TEXT_COLUMNS = 200
_PREFIX = "error_windows."
# In this order, behind the record's own headers: those may have any names, these too.
_HEADERS = tuple(
    _PREFIX + name
    for name in ("id", "topic", "partition", "offset", "timestamp", "reason", "detail")
)

RawHeaders = Sequence[tuple[str, bytes | None]]


def dead_letter_id(letter: DeadLetter) -> str:
    """`topic/partition/offset`: the same however often a runner makes the dead letter.

    Of a job that reads several clusters `cluster/topic/partition/offset`.
    """
    return f"{letter.record.topic}/{letter.record.partition}/{letter.record.offset}"


def dead_letter_text(letter: DeadLetter, max_columns: int = TEXT_COLUMNS) -> str | None:
    """The value for people, safe for a terminal and cut; None for a record without one."""
    value = letter.record.value
    return None if value is None else escape_terminal(value, max_columns)


def dead_letter_to_json(letter: DeadLetter) -> str:
    """One JSON object on one line, all ASCII; key, value and values of headers in Base64."""
    record = letter.record
    headers = None
    if record.headers is not None:
        headers = [{"key": one.key, "value": _encoded(one.value)} for one in record.headers]
    return json_line(
        {
            "id": dead_letter_id(letter),
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": format_time(record.timestamp),
            "timestamp_ms": record.timestamp,
            "reason": letter.reason,
            "detail": letter.detail,
            "key": _encoded(record.key),
            "value": _encoded(record.value),
            "headers": headers,
            "text": dead_letter_text(letter),
        }
    )


def dead_letter_from_json(line: str | bytes) -> DeadLetter:
    """The dead letter of a line of `dead_letter_to_json`. Raises ValueError if it is none."""
    try:
        fields = json.loads(line)
        headers = fields["headers"]
        letter = DeadLetter(
            Record(
                _typed(fields["topic"], str),
                _typed(fields["partition"], int),
                _typed(fields["offset"], int),
                _typed(fields["timestamp_ms"], int),
                _decoded(fields["key"]),
                _decoded(fields["value"]),
                None
                if headers is None
                else [Header(_typed(one["key"], str), _decoded(one["value"])) for one in headers],
            ),
            _typed(fields["reason"], str),
            _typed(fields["detail"], str),
        )
        return _checked(letter, fields["id"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a dead letter: {error!r}") from None


def dead_letter_to_kafka(letter: DeadLetter) -> tuple[bytes | None, bytes | None, RawHeaders]:
    """(key, value, headers): the record as it was, with headers of ours behind its own."""
    record = letter.record
    ours = (
        dead_letter_id(letter),
        record.topic,
        str(record.partition),
        str(record.offset),
        str(record.timestamp),
        letter.reason,
        letter.detail,
    )
    headers: list[tuple[str, bytes | None]] = [(one.key, one.value) for one in record.headers or ()]
    headers += [(name, text.encode("utf-8")) for name, text in zip(_HEADERS, ours, strict=True)]
    return record.key, record.value, headers


def dead_letter_from_kafka(
    key: bytes | None, value: bytes | None, headers: RawHeaders | None
) -> DeadLetter:
    """The dead letter of a record of `dead_letter_to_kafka`. Raises ValueError if it is none."""
    own, ours = (headers or [])[: -len(_HEADERS)], (headers or [])[-len(_HEADERS) :]
    if tuple(name for name, _ in ours) != _HEADERS:
        raise ValueError("not a dead letter: its last headers are others")
    texts = [_typed_text(text) for _, text in ours]
    id_, topic, partition, offset, timestamp, reason, detail = texts
    record = Record(
        topic,
        int(partition),
        int(offset),
        int(timestamp),
        key,
        value,
        [Header(*one) for one in own] or None,
    )
    return _checked(DeadLetter(record, reason, detail), id_)


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _typed(value: Any, kind: type) -> Any:
    # Not isinstance: a bool would pass for an int.
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _typed_text(data: bytes | None) -> str:
    if data is None:
        raise ValueError("not a dead letter: a header of ours is null")
    return data.decode("utf-8")


def _checked(letter: DeadLetter, id_: object) -> DeadLetter:
    if id_ != dead_letter_id(letter):
        raise ValueError("not a dead letter: its id is another")
    return letter
