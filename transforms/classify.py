"""What becomes of a record: counted, filtered out, or a dead letter; when it was; whose it is.

One function decides, for the job and for `error-windows explain` alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from transforms.batches import Batch, batch_of
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
_MOST_KEY_TEXTS = 20_000
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


class Verdicts(NamedTuple):
    """What becomes of the records of a batch.

    Attributes:
      times_ms: event time of each, milliseconds since the epoch.
      kept: of each, whether it is an error line; of no meaning where it is a dead letter.
      keys: the series of each; None without grouping.
      dead: index of a dead letter to its reason (`transforms.dead_letters`) and, for a person, its
        detail.
      earliest_ms, latest_ms: the lowest and the highest time.
    """

    times_ms: Sequence[int]
    kept: Sequence[bool]
    keys: Sequence[str] | None
    dead: dict[int, tuple[str, str]]
    earliest_ms: int
    latest_ms: int


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
        """Decides about one record, as `classify_batch` does."""
        found = self.classify_batch(batch_of([record]), now_ms, source)
        (time_ms,), (kept,) = found.times_ms, found.kept
        if found.dead:
            return Verdict(False, *found.dead[0], time_ms, None)
        return Verdict(kept, None, "", time_ms, None if found.keys is None else found.keys[0])

    def classify_batch(self, batch: Batch, now_ms: int, source: str = "") -> Verdicts:
        """Decides about records.

        Args:
          batch: as read.
          now_ms: the clock, milliseconds since the epoch; only bounds on skew look at it.
          source: name of the cluster that they were read from.
        """
        times_ms = batch.timestamps_ms
        earliest_ms, latest_ms = min(times_ms), max(times_ms)
        lines, dead = _lines_with_values(batch.values, self.max_line_bytes)
        if not now_ms - self._past_ms <= earliest_ms <= latest_ms <= now_ms + self._future_ms:
            self._bury_skewed(times_ms, now_ms, dead)
        if dead:
            lines = [b"" if index in dead else line for index, line in enumerate(lines)]
        if self.event_time == LINE_TIME:
            times_ms = self._times_of_lines(lines, times_ms, dead)
            earliest_ms, latest_ms = min(times_ms), max(times_ms)
        levels: Sequence[Level | None] = ()
        rows: Sequence[tuple[str | None, ...]] = ()
        if self._line_fields:
            read = self.parser.levels_and_fields(lines, self._line_fields)
            levels = [level for level, _ in read]
            rows = [values for _, values in read]
        elif self.filter.needs_level:
            levels = self.parser.levels_of(lines)
        keys = self._keys(batch, rows, source) if self.group_by else None
        kept = self.filter.keep_all(lines, levels)
        return Verdicts(times_ms, kept, keys, dead, earliest_ms, latest_ms)

    def _bury_skewed(
        self, times_ms: Sequence[int], now_ms: int, dead: dict[int, tuple[str, str]]
    ) -> None:
        """Adds records of times that are too far from the clock to the dead letters."""
        for index, time_ms in enumerate(times_ms):
            is_near = now_ms - self._past_ms <= time_ms <= now_ms + self._future_ms
            if index not in dead and not is_near:
                problem = self._skew(time_ms, now_ms)
                detail = f"Kafka's timestamp is {problem} the clock ({format_time(now_ms)})"
                dead[index] = (TIMESTAMP, detail)

    def _times_of_lines(
        self, lines: Sequence[bytes], times_ms: Sequence[int], dead: dict[int, tuple[str, str]]
    ) -> Sequence[int]:
        """The times in the lines, else those of their records; adds to the dead letters."""
        found = list(times_ms)
        for index, (line, time_ms) in enumerate(zip(lines, times_ms, strict=True)):
            own_ms = None if index in dead else self.parser.time_of(line, time_ms)
            if own_ms is not None:
                found[index] = own_ms
                if not -self._past_ms <= own_ms - time_ms <= self._future_ms:
                    problem = self._skew(own_ms, time_ms)
                    detail = f"the time in the line is {problem} Kafka's ({format_time(time_ms)})"
                    dead[index] = (TIMESTAMP, detail)
        return found

    def _keys(self, batch: Batch, rows: Sequence[tuple[str | None, ...]], source: str) -> list[str]:
        """The series of the lines; `rows` are the values of those fields that are of the line."""
        columns: list[Sequence[str]] = []
        for name in self.group_by:
            if name.startswith(RECORD_FIELD):
                columns.append(_record_fields(batch, name, source))
            else:
                position = self._line_fields.index(name)
                columns.append([values[position] or "" for values in rows])
        if len(columns) == 1:
            values = columns[0]
            is_short = max(map(len, values)) <= MAX_KEY_CHARACTERS
            return list(values) if is_short else [_cut(value) for value in values]
        return [_join(values) for values in zip(*columns, strict=True)]

    def _skew(self, time_ms: int, reference_ms: int) -> str:
        if time_ms < reference_ms:
            return f"{format_time(time_ms)}, more than {self.max_past_seconds} s before"
        return f"{format_time(time_ms)}, more than {self.max_future_seconds} s after"


def _lines_with_values(
    values: Sequence[bytes | None], most_bytes: int
) -> tuple[Sequence[bytes], dict[int, tuple[str, str]]]:
    """The lines, empty where there is none, and the dead letters: no value, or one too long."""
    dead: dict[int, tuple[str, str]] = {}
    lines: Sequence[bytes] = values  # type: ignore[assignment]
    try:
        longest = max(map(len, lines))
    except TypeError:
        # None among them; to look for it in every batch would take as long as all of this.
        tombstone = (NO_VALUE, "the record has no value")
        dead.update((index, tombstone) for index, one in enumerate(values) if one is None)
        lines = [one or b"" for one in values]
        longest = max(map(len, lines))
    if longest > most_bytes:
        for index, line in enumerate(lines):
            if len(line) > most_bytes:
                dead[index] = (OVERSIZED, f"{len(line)} bytes, allowed are {most_bytes}")
    return lines, dead


def _join(values: Iterable[str]) -> str:
    r"""The series of a line: the values of its several `group_by` fields, joined by commas.

    A missing value is empty. Commas and backslashes inside of values are escaped, so that no two
    different lists of values have one name.
    """
    escaped = (value.replace("\\", "\\\\").replace(",", "\\,") for value in values)
    return _cut(",".join(escaped))


def _record_fields(batch: Batch, name: str, source: str) -> Sequence[str]:
    """A field of every record."""
    if name.startswith(HEADER_FIELD):
        wanted = name.removeprefix(HEADER_FIELD)
        return [_header(headers, wanted) for headers in batch.headers]
    if name == "kafka.key":
        return [*map(_KEY_TEXTS.__getitem__, batch.keys)]
    if name == "kafka.topic":
        value = batch.topic
    else:
        value = str(batch.partition) if name == "kafka.partition" else source
    return [value] * len(batch.offsets)


def _header(headers: Sequence[Any], wanted: str) -> str:
    # The last of several with one name, as Kafka's `lastHeader`.
    values = [header.value for header in headers if header.key == wanted]
    return _KEY_TEXTS[values[-1]] if values else ""


class _KeyTexts(dict[bytes | None, str]):
    """Texts of keys and headers, which come again and again.

    Those that are the same object are also counted faster. A plain dictionary that begins anew
    when it is full: with thousands of keys, to note which one was used last, as `functools`'
    cache does, costs more than to look it up.
    """

    def __missing__(self, data: bytes | None) -> str:
        if len(self) >= _MOST_KEY_TEXTS:
            self.clear()
        self[data] = text = _text(data)
        return text


_KEY_TEXTS = _KeyTexts()


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "backslashreplace")


def _cut(key: str) -> str:
    return key if len(key) <= MAX_KEY_CHARACTERS else key[: MAX_KEY_CHARACTERS - 1] + _CUT
