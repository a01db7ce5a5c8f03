"""What becomes of a record: counted, filtered out, or a dead letter; when it was; whose it is.

One function decides, for the job and for `error-windows explain` alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from transforms.dead_letters import NO_VALUE, OVERSIZED, TIMESTAMP
from transforms.filter import LineFilter
from transforms.formats import LineParser
from transforms.levels import Level
from transforms.records import KafkaRecord
from transforms.results import format_time

# Where the event time of a line comes from.
KAFKA_TIME = "kafka"
LINE_TIME = "line"
EVENT_TIMES = (KAFKA_TIME, LINE_TIME)

# Fields of the record itself; all other names are fields of the line.
RECORD_FIELD = "kafka."
HEADER_FIELD = "kafka.header."
RECORD_FIELDS = ("kafka.key", "kafka.topic", "kafka.partition", "kafka.source")

# Long enough for names, short enough that forged ones cannot eat the memory.
MAX_KEY_CHARACTERS = 200
_CUT = "…"
_ANY_MS = 2**63


class Verdict(NamedTuple):
    """What becomes of a record.

    Attributes:
      kept: it is an error line, to be counted.
      reason: why it is a dead letter (`transforms.dead_letters`); None where it is none.
      detail: for a person, where `reason` is not None.
      event_time_ms: milliseconds since the epoch.
      key: the series; None without grouping, and for dead letters.
    """

    kept: bool
    reason: str | None
    detail: str
    event_time_ms: int
    key: str | None


@dataclasses.dataclass(frozen=True)
class LineRules:
    """How records are judged.

    Attributes:
      filter: which lines are error lines.
      parser: reads level, time and fields out of a line.
      group_by: fields whose values name the series of a line; none: only the total.
      event_time: `KAFKA_TIME` or `LINE_TIME`. A line without a time of its own, such as a part
        of a stack trace, has its record's.
      max_line_bytes: longer values are oversized.
      max_past_seconds: how far before the clock a record's timestamp, and before that a line's
        own time, may lie; None: any.
      max_future_seconds: the same for after; None: any.
    """

    filter: LineFilter
    parser: LineParser = dataclasses.field(default_factory=LineParser)
    group_by: tuple[str, ...] = ()
    event_time: str = KAFKA_TIME
    max_line_bytes: int = 1_048_576
    max_past_seconds: int | None = None
    max_future_seconds: int | None = None
    _past_ms: int = dataclasses.field(init=False, repr=False, compare=False)
    _future_ms: int = dataclasses.field(init=False, repr=False, compare=False)
    _line_fields: tuple[str, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Bounds that are always there cost a line less than ones that may be None.
        for name, seconds in (
            ("_past_ms", self.max_past_seconds),
            ("_future_ms", self.max_future_seconds),
        ):
            object.__setattr__(self, name, _ANY_MS if seconds is None else seconds * 1000)
        of_line = (name for name in self.group_by if not name.startswith(RECORD_FIELD))
        object.__setattr__(self, "_line_fields", tuple(of_line))

    def classify(self, record: KafkaRecord, now_ms: int, source: str = "") -> Verdict:
        """Decides about one record.

        Args:
          record: as read.
          now_ms: the clock, milliseconds since the epoch; only bounds on skew look at it.
          source: name of the cluster that it was read from.
        """
        line, time_ms = record.value, record.timestamp
        if line is None:
            return Verdict(False, NO_VALUE, "the record has no value", time_ms, None)
        if len(line) > self.max_line_bytes:
            detail = f"{len(line)} bytes, allowed are {self.max_line_bytes}"
            return Verdict(False, OVERSIZED, detail, time_ms, None)
        if not -self._past_ms <= time_ms - now_ms <= self._future_ms:
            problem = self._skew(time_ms, now_ms)
            detail = f"Kafka's timestamp is {problem} the clock ({format_time(now_ms)})"
            return Verdict(False, TIMESTAMP, detail, time_ms, None)
        if self.event_time == LINE_TIME:
            own_ms = self.parser.time_of(line, time_ms)
            if own_ms is not None:
                if not -self._past_ms <= own_ms - time_ms <= self._future_ms:
                    problem = self._skew(own_ms, time_ms)
                    detail = f"the time in the line is {problem} Kafka's ({format_time(time_ms)})"
                    return Verdict(False, TIMESTAMP, detail, own_ms, None)
                time_ms = own_ms
        if not self.group_by:
            level = self.parser.level_of(line) if self.filter.needs_level else None
            return Verdict(self.filter.keeps(line, level), None, "", time_ms, None)
        level, values = self._level_and_values(line)
        key = _join(
            [
                _record_field(record, name, source)
                if name.startswith(RECORD_FIELD)
                else next(values) or ""
                for name in self.group_by
            ]
        )
        return Verdict(self.filter.keeps(line, level), None, "", time_ms, key)

    def _level_and_values(self, line: bytes) -> tuple[Level | None, Iterator[str | None]]:
        """The level, and the values of those `group_by` fields that are fields of the line."""
        names = self._line_fields
        if not self.filter.needs_level:
            return None, iter(self.parser.fields_of(line, names) if names else ())
        if not names:
            return self.parser.level_of(line), iter(())
        level, values = self.parser.level_and_fields(line, names)
        return level, iter(values)

    def _skew(self, time_ms: int, reference_ms: int) -> str:
        if time_ms < reference_ms:
            return f"{format_time(time_ms)}, more than {self.max_past_seconds} s before"
        return f"{format_time(time_ms)}, more than {self.max_future_seconds} s after"


def _join(values: list[str]) -> str:
    r"""The series of a line: the values of its `group_by` fields, joined by commas.

    A missing value is empty. Commas and backslashes inside of values are escaped where
    there are several, so that no two different lists of values have one name.
    """
    if len(values) == 1:
        return _cut(values[0])
    escaped = (value.replace("\\", "\\\\").replace(",", "\\,") for value in values)
    return _cut(",".join(escaped))


def _record_field(record: KafkaRecord, name: str, source: str) -> str:
    if name.startswith(HEADER_FIELD):
        wanted = name.removeprefix(HEADER_FIELD)
        # The last of several with one name, as Kafka's `lastHeader`.
        values = [header.value for header in record.headers or () if header.key == wanted]
        return _text(values[-1]) if values else ""
    if name == "kafka.key":
        return _text(record.key)
    if name == "kafka.topic":
        return record.topic
    return str(record.partition) if name == "kafka.partition" else source


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "backslashreplace")


def _cut(key: str) -> str:
    return key if len(key) <= MAX_KEY_CHARACTERS else key[: MAX_KEY_CHARACTERS - 1] + _CUT
