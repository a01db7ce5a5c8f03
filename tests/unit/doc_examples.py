r"""Plays the examples of the pages in docs/, so that page and code cannot disagree.

An example is a code block without a language: commands behind `$`, before them the records that
are in Kafka, after each what it shows. A record is `TOPIC[PARTITION]@OFFSET TIME LINE`; the line
may hold bytes written as `\xNN`. Times without a date are of 22 November 2026, and commands that
look at what is there do so at noon.

What follows `./run_flink.sh` is a timeline. In front of each line stands the time of day, which is
where the watermark is as well. Lines with `=>` are what the job tells. `(it is stopped)` and
`(it goes on)` say that; other words in brackets say only that time goes on. There is no watermark
where a comment behind the command says that a partition `holds no record`.

The commands are the real ones; Kafka, Java and the clock are not.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import io
import itertools
import json
import pathlib
import re
import shlex
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import apache_beam as beam
import pytest

import pipeline.explain
import pipeline.graph
import pipeline.job
import pipeline.readers
import pipeline.time_range
import pipeline.watch
from pipeline import cli
from pipeline.config import JobConfig, KafkaConfig, config_from_flags
from pipeline.console import Progress
from pipeline.dead_letter_json import dead_letter_to_json
from pipeline.flags import build_parser
from pipeline.java_side import JavaSide
from pipeline.local.expansion import ExpansionService
from pipeline.offset_ranges import OffsetRange
from tests.unit.live_chain import LiveChain
from transforms.batch_records import BatchRecords
from transforms.panes import CountPanes
from transforms.records import Header, Record
from transforms.results import format_time

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"

_DATE = "2026-11-22"
_STEP_MS = 500
_SECONDS = 12.4
_TIME = r"(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d{1,3})?Z?"
_RECORD = re.compile(
    rf"(?:([\w.-]+)/)?([\w.-]+)\[(\d+)\]@(\d+) ({_TIME})(?: \((kafka\.[^)]+)\))?(?: (.*))?"
)
_STEP = re.compile(rf"({_TIME}) +(.+)")
_NO_VALUE = "(no value)"
_BYTE = re.compile(rb"\\x([0-9a-f]{2})")


def page(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text("utf-8")


def examples(name: str) -> list[Any]:
    """The examples of a page, as parameters of a test that are named by their headings."""
    found = []
    heading, block, language = "", [""], ""
    inside = False
    for line in page(name).splitlines():
        if line.startswith("```"):
            if inside and not language:
                found.append(pytest.param("\n".join(block), id=f"{heading}-{len(found)}"))
            inside, language, block = not inside, line.removeprefix("```"), []
        elif inside:
            block.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    assert found, f"no examples in {name}"
    return found


def rows(name: str, first_heading: str) -> list[list[str]]:
    """The cells of the table of a page whose first column has this heading, without the head."""
    found: list[list[str]] = []
    for line in page(name).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            if found:
                break
        elif found or cells[0] == first_heading:
            found.append(cells)
    return found[2:]


def names_in(cells: Sequence[Sequence[str]]) -> list[str]:
    """All that is written as code in the first cells of rows."""
    return [name for row in cells for name in re.findall(r"`([^`]+)`", row[0])]


def play(example: str, monkeypatch: pytest.MonkeyPatch, folder: pathlib.Path) -> str:
    """The example again, with what the commands really show."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(pipeline.time_range, "wall_clock_ms", _noon_ms)
    return "\n".join(_Player(monkeypatch, example.splitlines()).play())


def _time_ms(text: str) -> int:
    """Milliseconds since the epoch; of a time of day, on the day of the examples."""
    moment = text if "T" in text else f"{_DATE}T{text}"
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(f"{whole}+00:00").timestamp()
    return round(seconds) * 1000 + int(fraction.ljust(3, "0") or 0)


def _time_text(time: str) -> str:
    """A time of a result as short as pages write it."""
    return time.removeprefix(f"{_DATE}T").removesuffix("Z")


def _noon_ms() -> int:
    return _time_ms("12:00:00")


def _record(text: str) -> tuple[str, Record]:
    """The cluster, where one is named, and the record."""
    match = _RECORD.fullmatch(text)
    assert match is not None, f"neither a record nor anything else that examples hold: {text}"
    cluster, topic, partition, offset, time, fields, line = match.groups()
    named = dict(field.split("=", 1) for field in (fields or "").split())
    key = named.pop("kafka.key", None)
    headers = [
        Header(name.removeprefix("kafka.header."), value.encode()) for name, value in named.items()
    ]
    value = None if line == _NO_VALUE else _BYTE.sub(_byte, (line or "").encode("utf-8"))
    key_bytes = None if key is None else key.encode()
    return cluster or "", Record(
        topic, int(partition), int(offset), _time_ms(time), key_bytes, value, headers or None
    )


def _byte(written: re.Match[bytes]) -> bytes:
    return bytes.fromhex(written[1].decode())


def _short(result: dict[str, Any], *, live: bool) -> str:
    """A result as pages write it: what is always the same, false or null is left out."""
    parts = [f"window_end={_time_text(result['window_end'])}"]
    if result["key"] is not None:
        key = result["key"]
        parts.append(f"key={key if re.fullmatch(r'[^ ]+', key) else json.dumps(key)}")
    parts.append(f"count={result['count']}")
    if live:
        parts.append(f"revision={result['revision']}")
        if result["final"]:
            parts.append("final=true")
    if result["silence"] is not None:
        parts.append(f"silence={result['silence']}")
    return " ".join(parts)


class _Player:
    """One example: its records, and the files that its commands write and read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
        self._monkeypatch = monkeypatch
        self._lines = lines
        self._records: list[tuple[str, Record]] = []

    def play(self) -> list[str]:
        """All lines, those that commands show as they really are."""
        starts = [number for number, line in enumerate(self._lines) if line.startswith("$ ")]
        head = self._lines[: starts[0]]
        self._records = [_record(line) for line in head if line]
        played = list(head)
        for start, stop in itertools.pairwise([*starts, len(self._lines)]):
            # A backslash at its end continues a command on the next line.
            end = start + 1
            while self._lines[end - 1].endswith("\\"):
                end += 1
            command = self._lines[start:end]
            played += command
            words = " ".join(line.removeprefix("$ ").removesuffix("\\") for line in command)
            played += self._run(words, self._lines[end:stop])
        return played

    def _run(self, command: str, shown: list[str]) -> list[str]:
        words = shlex.split(command, comments=True)
        kept = [word for word in words if not word.endswith(">/dev/null")]
        if kept[0] == "./run_flink.sh":
            return _Timeline(
                _config(kept[1:]), shown, holds_back="holds no record" in command
            ).play()
        short = bool(shown) and shown[0].startswith("=>")
        out, err = io.StringIO(), io.StringIO()
        # A terminal shows both.
        streams = (out, err) if short or kept != words else (out, out)
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            self._call(kept, output_format="json" if short else "table")
        told = (err if ">/dev/null" in words else out).getvalue()
        # Editors do not keep spaces at the end of a line.
        lines = [line.rstrip() for line in told.splitlines()]
        return [f"=> {_short(json.loads(line), live=False)}" for line in lines] if short else lines

    def _call(self, words: list[str], *, output_format: str) -> None:
        name, *arguments = words[words[0] == "error-windows" :]
        # Examples show what is on a terminal.
        if name != "results" and not any(one.startswith("--output_format") for one in arguments):
            arguments.append(f"--output_format={output_format}")
        if name == "./run_direct.sh":
            self._direct(_config(arguments))
        elif name == "watch":
            self._watch(arguments)
        else:
            if name == "explain":
                self._monkeypatch.setattr(pipeline.explain, "fetch_record", self._fetch)
                self._monkeypatch.setattr(pipeline.explain, "wall_clock_ms", _noon_ms)
                if not any(one.startswith("--source") for one in arguments):
                    arguments.append("--kafka_bootstrap_servers=kafka:9092")
            assert 0 == cli.main([name, *arguments])

    def _direct(self, config: JobConfig) -> None:
        """Runs `pipeline.job` on the records, in place of those of brokers."""

        def records_of(cluster: KafkaConfig) -> list[Record]:
            return [record for name, record in self._records if name == cluster.name]

        def find_ranges(_: object, cluster: KafkaConfig, *__: object, **___: object) -> Any:
            places: dict[tuple[str, int], list[int]] = {}
            for record in records_of(cluster):
                places.setdefault((record.topic, record.partition), []).append(record.offset)
            return [
                OffsetRange(*place, min(offsets), max(offsets) + 1)
                for place, offsets in sorted(places.items())
            ]

        def read(properties: dict[str, str], *_: object, **__: object) -> beam.PTransform:
            (cluster,) = (
                one
                for one in config.clusters
                if one.bootstrap_servers == properties["bootstrap.servers"]
            )
            return beam.Create(records_of(cluster)).with_output_types(Record) | BatchRecords()

        patch = self._monkeypatch.setattr
        patch(pipeline.job, "KafkaConnection", mock.Mock())
        patch(pipeline.job, "find_ranges", find_ranges)
        patch(pipeline.readers, "ReadKafkaRanges", read)
        patch(pipeline.graph, "CountPanes", functools.partial(CountPanes, clock_ms=_noon_ms))
        moments = iter([0.0, _SECONDS])
        patch(pipeline.job, "time", types.SimpleNamespace(monotonic=moments.__next__))
        pipeline.job.run(
            config,
            [],
            progress=mock.create_autospec(Progress),
            java=JavaSide(mock.create_autospec(ExpansionService), None),
        )

    def _watch(self, arguments: list[str]) -> None:
        """Ends after what is there."""
        flags = pipeline.watch._parser().parse_args(arguments)
        source = pipeline.watch.source_from_flags(flags)
        pipeline.watch.watch(
            source,
            as_table=flags.output_format == "table",
            last=int(flags.last),
            job=flags.job,
            stop=_OneLook(),
        )

    def _fetch(self, cluster: KafkaConfig, place: pipeline.explain.Place) -> Record:
        (found,) = (
            record
            for name, record in self._records
            if (name, *record[:3]) == (cluster.name, *place[1:])
        )
        return found


class _OneLook(threading.Event):
    """Is set by whoever waits for it."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def _config(arguments: Sequence[str]) -> JobConfig:
    """The checked configuration; where no cluster is named, of the topic `logs`."""
    connection = ["--kafka_bootstrap_servers=kafka:9092", "--input_topic=logs"]
    named = any(argument.startswith("--source") for argument in arguments)
    return config_from_flags(
        build_parser().parse_args([*([] if named else connection), *arguments])
    )


class _Timeline:
    """A live job, from the first line of its timeline to the last."""

    def __init__(self, config: JobConfig, lines: list[str], *, holds_back: bool) -> None:
        self._config = config
        self._steps = []
        for line in lines:
            match = _STEP.fullmatch(line)
            assert match is not None, f"no line of a timeline: {line}"
            self._steps.append((_time_ms(match[1]), match[2], line))
        self._chain = LiveChain(config.rules, config.grid, config.timing, max_keys=config.max_keys)
        self._holds_back = holds_back
        self._ledger: dict[str, Any] = {}
        self._told: list[str] = []
        self._stopped = False

    def play(self) -> list[str]:
        """The lines of the timeline, those that the job tells as they really are."""
        chain = self._chain
        chain.now_ms = self._steps[0][0]
        for at_ms, steps in itertools.groupby(self._steps, lambda step: step[0]):
            self._go_on_until(at_ms)
            records = []
            for _, what, line in steps:
                if what.startswith("=> "):
                    continue
                self._told.append(line)
                if not what.startswith("("):
                    records.append(_record(what)[1])
                elif what == "(it is stopped)":
                    self._stopped = True
                elif what == "(it goes on)":
                    self._stopped = False
                    chain.clock(chain.now_ms + 1)
            if records:
                chain.bundle(records)
                self._tell()
        return self._told

    def _go_on_until(self, at_ms: int) -> None:
        chain = self._chain
        if self._stopped:
            chain.now_ms = at_ms - 1
            return
        while chain.now_ms < at_ms:
            now_ms = min((chain.now_ms // _STEP_MS + 1) * _STEP_MS, at_ms)
            chain.clock(now_ms)
            if not self._holds_back:
                chain.watermark(now_ms)
            self._tell()

    def _tell(self) -> None:
        chain, output = self._chain, self._config.output
        new = [one.to_json() for one in chain.results]
        letters = [dead_letter_to_json(one) for one in chain.dead_letters]
        chain.results.clear()
        chain.dead_letters.clear()
        if output.path == "-":
            self._say(_short(json.loads(line), live=True) for line in new)
        else:
            _append(output.path, "results", new)
        if output.dead_letter == "-":
            for line in letters:
                letter = json.loads(line)
                self._say([f"dead_letter={letter['id']} reason={letter['reason']}"])
        elif output.dead_letter is not None:
            _append(output.dead_letter, "dead-letters", letters)
        if output.ledger is not None:
            changed = [row for name, row in chain.rows.items() if self._ledger.get(name) != row]
            self._ledger = dict(chain.rows)
            for row in changed:
                fields = json.loads(row.to_json())
                numbers = ("read", *row.tally._fields, "pending", "missing", "repeated")
                parts = [f"{name}={fields[name]}" for name in numbers if fields.get(name)]
                self._say([f"ledger={row.id} {' '.join(parts)}"])

    def _say(self, told: Iterator[str] | list[str]) -> None:
        clock = _time_text(format_time(self._chain.now_ms))
        clock = clock.rstrip("0") if "." in clock else clock
        self._told += [f"{clock:<11} => {one}" for one in told]


def _append(folder: str, kind: str, lines: list[str]) -> None:
    """Writes what a live job writes into a folder."""
    path = pathlib.Path(folder)
    path.mkdir(exist_ok=True)
    with (path / f"{kind}-{_DATE}-a.jsonl").open("a", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
