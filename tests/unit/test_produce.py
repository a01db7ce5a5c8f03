"""Producing without a broker: what a record may be, and what a failure looks like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.errors import ServiceError, UsageError
from pipeline.local.ports import free_port
from pipeline.local.produce import ProduceSummary, Record, produce_records

_NOBODY_WAITS_SECONDS = 0.3


def test_record_defaults() -> None:
    """A value is enough: no key, no headers, the time of writing, any partition."""
    record = Record(b"line")
    assert (b"line", None, None, (), None) == (
        record.value,
        record.key,
        record.timestamp_ms,
        record.headers,
        record.partition,
    )


@pytest.mark.parametrize("timestamp_ms", [0, -1])
def test_timestamp_that_the_client_would_replace_is_refused(timestamp_ms: int) -> None:
    """The client takes 0 for "now", which would silently move an event."""
    with pytest.raises(ValueError, match=f"timestamp_ms must be above 0, got {timestamp_ms}"):
        Record(b"", timestamp_ms=timestamp_ms)


def test_undelivered_records_are_counted_and_told() -> None:
    """Without a broker every record read fails when its time is over."""
    address = f"127.0.0.1:{free_port()}"
    summary = ProduceSummary()
    with pytest.raises(ServiceError) as caught:
        produce_records(
            address,
            "logs",
            [Record(b"one"), Record(b"two")],
            delivery_timeout_seconds=_NOBODY_WAITS_SECONDS,
            summary=summary,
        )
    assert (
        "topic: records not delivered: 2 (Local: Message timed out), got 'logs'. "
        "Delivered before: 0; check the broker and the records."
    ) == str(caught.value)
    assert ProduceSummary(delivered=0, failed=2) == summary


def test_error_of_the_records_themselves_comes_through() -> None:
    """A source that fails, fails the call with its own error, after sending what it gave."""

    def records() -> Iterator[Record]:
        yield Record(b"one")
        raise UsageError("--flag", "wrong", fix="Correct it.")

    summary = ProduceSummary()
    with pytest.raises(UsageError, match="--flag: wrong"):
        produce_records(
            f"127.0.0.1:{free_port()}",
            "logs",
            records(),
            delivery_timeout_seconds=_NOBODY_WAITS_SECONDS,
            summary=summary,
        )
    assert ProduceSummary(delivered=0, failed=1) == summary


def test_nothing_to_produce() -> None:
    """No records: no connection is waited for."""
    assert ProduceSummary() == produce_records(f"127.0.0.1:{free_port()}", "logs", [])
