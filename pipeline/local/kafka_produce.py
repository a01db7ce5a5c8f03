"""`error-windows kafka produce`: lines of stdin, or demo lines, to a topic."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import itertools
import re
import sys
import time
from collections.abc import Iterable, Iterator

from pipeline.arguments import whole_number
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.local import kafka_admin
from pipeline.local.demo_lines import (
    DEFAULT_ERROR_SHARE,
    DEFAULT_SEED,
    DEFAULT_SPAN_SECONDS,
    demo_lines,
)
from pipeline.local.kafka_flags import add_bootstrap_flag, bootstrap_servers, say
from pipeline.local.produce import ProduceSummary, Record, produce_records

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `produce`."""
    parser.add_argument("topic", metavar="TOPIC", help="an existing topic")
    add_bootstrap_flag(parser)
    parser.add_argument(
        "--key_separator",
        metavar="TEXT",
        help=r"each line holds a key, this text and the value; \t is a tab",
    )
    parser.add_argument(
        "--timestamp_prefix",
        action="store_true",
        help="each line starts with its event time and a tab: epoch milliseconds or RFC 3339",
    )
    parser.add_argument("--partition", metavar="N", help="write to this partition only")
    parser.add_argument("--rate", metavar="N", help="at most so many lines a second")
    demo = parser.add_argument_group("demo lines, in place of stdin")
    demo.add_argument("--demo", metavar="N", help="produce so many lines in Apache's form")
    demo.add_argument(
        "--error_share",
        metavar="SHARE",
        default=str(DEFAULT_ERROR_SHARE),
        help="error lines among them, 0 to 1",
    )
    demo.add_argument(
        "--seed", metavar="N", default=str(DEFAULT_SEED), help="another seed, other lines"
    )
    demo.add_argument(
        "--span_seconds",
        metavar="SECONDS",
        default=str(DEFAULT_SPAN_SECONDS),
        help="how far the event times reach back",
    )
    demo.add_argument(
        "--end_time",
        metavar="TIME",
        help="end of the event times, epoch milliseconds or RFC 3339 (default: now)",
    )


def run(flags: argparse.Namespace) -> int:
    """Runs `produce`.

    Raises:
      UsageError: a flag or a line of stdin is wrong; the lines before it are written.
      ServiceError: a record was not delivered.
    """
    rate = None if flags.rate is None else whole_number("--rate", flags.rate)
    partition = None
    if flags.partition is not None:
        partition = whole_number("--partition", flags.partition, minimum=0)
    demo = None if flags.demo is None else _demo_records(flags, partition)
    brokers = bootstrap_servers(flags)
    with kafka_admin.admin_client(brokers) as client:
        topic = kafka_admin.require_topic(client, flags.topic)
    if partition is not None and partition >= len(topic.partitions):
        raise UsageError(
            "--partition",
            "no such partition",
            got=partition,
            fix=f"The topic has 0 to {len(topic.partitions) - 1}.",
        )
    if demo is None and sys.stdin.isatty():
        say("Type lines; each is a record. Ctrl-D ends.")
    records = _stdin_records(flags, partition) if demo is None else demo
    if partition is None:
        records = _spread(records, len(topic.partitions))
    summary = ProduceSummary()
    start = time.monotonic()
    try:
        produce_records(brokers, flags.topic, records, records_per_second=rate, summary=summary)
    finally:
        seconds = time.monotonic() - start
        say(
            f"records written to {flags.topic}: {summary.delivered:,} "
            f"({summary.value_bytes:,} bytes, {seconds:.1f} s)"
        )
    return EXIT_DONE


def records_from_lines(
    lines: Iterable[bytes],
    *,
    key_separator: bytes | None = None,
    timestamp_prefix: bool = False,
    partition: int | None = None,
) -> Iterator[Record]:
    """Makes a record of each line: `[time TAB] [key SEPARATOR] value`.

    Args:
      lines: with their line ends, of which one newline is taken off; bytes of any kind.
      key_separator: what ends the key; None for lines without keys.
      timestamp_prefix: whether each line begins with its event time and a tab.
      partition: for every record.

    Raises:
      UsageError: a line has no time or no separator; it tells the line's number.
    """
    for number, line in enumerate(lines, start=1):
        value = line.removesuffix(b"\n")
        timestamp_ms = None
        if timestamp_prefix:
            prefix, _, value = value.partition(b"\t")
            try:
                timestamp_ms = parse_time_ms(prefix.decode("ascii"))
            except ValueError:
                raise UsageError(
                    "--timestamp_prefix",
                    f"line {number} does not begin with a time and a tab",
                    got=prefix[:40],
                    fix="Give epoch milliseconds or RFC 3339.",
                ) from None
        key = None
        if key_separator is not None:
            key, found, value = value.partition(key_separator)
            if not found:
                raise UsageError(
                    "--key_separator",
                    f"not in line {number}",
                    got=key[:40],
                    fix="Give each line a key, or choose another separator.",
                )
        yield Record(value=value, key=key, timestamp_ms=timestamp_ms, partition=partition)


def parse_time_ms(text: str) -> int:
    """Epoch milliseconds of a text: such a number above 0, or an RFC 3339 time.

    Digits after the milliseconds are cut off.

    Raises:
      ValueError: it is neither.
    """
    milliseconds = 0
    if text.isascii() and text.isdecimal():
        milliseconds = int(text)
    elif (match := _TIME.fullmatch(text)) is not None:
        date, clock, fraction, zone = match.groups(default="")
        offset = "+00:00" if zone in "Zz" else zone
        # Digits in the form of a time may still be none: month 13, second 60.
        with contextlib.suppress(ValueError):
            whole = datetime.datetime.fromisoformat(f"{date}T{clock}{offset}")
            milliseconds = int(whole.timestamp()) * 1000 + int(f"{fraction}000"[:3])
    if milliseconds <= 0:
        raise ValueError(f"not a time: {text!r}")
    return milliseconds


def _demo_records(flags: argparse.Namespace, partition: int | None) -> Iterator[Record]:
    for flag, given in (
        ("--key_separator", flags.key_separator is not None),
        ("--timestamp_prefix", flags.timestamp_prefix),
    ):
        if given:
            raise UsageError(flag, "goes with lines of stdin only", fix="Leave out --demo or it.")
    end_time_ms = int(time.time() * 1000)
    if flags.end_time is not None:
        try:
            end_time_ms = parse_time_ms(flags.end_time)
        except ValueError:
            raise UsageError(
                "--end_time",
                "not a time",
                got=flags.end_time,
                fix="Give epoch milliseconds or RFC 3339, such as 2015-12-20T01:46:23Z.",
            ) from None
    lines = demo_lines(
        whole_number("--demo", flags.demo),
        error_share=_share(flags.error_share),
        seed=whole_number("--seed", flags.seed, minimum=0),
        end_time_ms=end_time_ms,
        span_seconds=whole_number("--span_seconds", flags.span_seconds),
    )
    return (
        Record(value=line, timestamp_ms=timestamp_ms, partition=partition)
        for timestamp_ms, line in lines
    )


def _spread(records: Iterable[Record], partitions: int) -> Iterator[Record]:
    """Deals records without a key out to the partitions in turn.

    The client would fill one partition for a while, and a short input would never reach
    the others.
    """
    turn = itertools.cycle(range(partitions))
    for record in records:
        yield (
            record if record.key is not None else dataclasses.replace(record, partition=next(turn))
        )


def _share(value: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(value) <= 1:
            return float(value)
    raise UsageError("--error_share", "not a share", got=value, fix="Give 0 to 1, such as 0.2.")


def _stdin_records(flags: argparse.Namespace, partition: int | None) -> Iterator[Record]:
    separator = None
    if flags.key_separator is not None:
        separator = flags.key_separator.replace("\\t", "\t").encode("utf-8")
        if not separator:
            raise UsageError("--key_separator", "empty", fix="Give one or more characters.")
    return records_from_lines(
        sys.stdin.buffer,
        key_separator=separator,
        timestamp_prefix=flags.timestamp_prefix,
        partition=partition,
    )
