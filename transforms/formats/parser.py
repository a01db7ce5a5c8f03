"""The parser that the job uses: from the bytes of a line to its level, time and fields."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from transforms.formats import detect, json_lines, times
from transforms.formats.entry import Entry, Parts, look_up, text_of
from transforms.levels import Level

LOG_FORMATS = ("auto", "plain", "apache", "json", "logfmt", "log4j", "syslog")

# Names that every format has; `message` is what the format makes of it.
LEVEL_FIELD = "level"
MESSAGE_FIELD = "message"


@dataclasses.dataclass(frozen=True)
class LineParser:
    """Reads log lines of one format, or of any.

    No line makes it raise: what cannot be read is None. Lines of another format than
    `log_format` have no level, no fields, and a time only if they begin with one.

    Attributes:
      log_format: one of `LOG_FORMATS`; `auto` finds the format of every line.
      time_zone: of times without one, as `Europe/Berlin`.
    """

    log_format: str = "auto"
    time_zone: str = "UTC"

    _readers: detect.Readers = dataclasses.field(init=False, repr=False, compare=False)
    _zone: datetime.tzinfo = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.log_format not in LOG_FORMATS:
            raise ValueError(
                f"unknown log format {self.log_format!r}, known are {', '.join(LOG_FORMATS)}"
            )
        object.__setattr__(self, "_readers", detect.READERS[self.log_format])
        object.__setattr__(self, "_zone", times.time_zone(self.time_zone))

    def __reduce__(self) -> tuple[type[LineParser], tuple[str, str]]:
        # The rest is made from these.
        return LineParser, (self.log_format, self.time_zone)

    def level_of(self, line: bytes) -> Level | None:
        """The level of a line: the cheap question."""
        return detect.level_in(line, self._readers)

    def levels_of(self, lines: Sequence[bytes]) -> list[Level | None]:
        """`level_of` of every line."""
        return detect.levels_in(lines, self._readers)

    def parse(self, line: bytes, reference_ms: int) -> Entry:
        """Everything about a line.

        Args:
          line: without its line end, or with it.
          reference_ms: a moment near to the line's, such as the timestamp of its Kafka record, for
            times that name no date or no year.
        """
        parts = detect.parts_in(line, self._readers)
        return Entry(
            self._time_of_parts(parts, reference_ms), parts.level, parts.message, parts.fields
        )

    def time_of(self, line: bytes, reference_ms: int) -> int | None:
        """The time in a line, milliseconds since the epoch; see `parse`."""
        return self._time_of_parts(detect.parts_in(line, self._readers), reference_ms)

    def field_of(self, line: bytes, name: str) -> str | None:
        """One field of a line as text, None if it has none of this name.

        `level` is the name of the level (`ERROR`) however the line spells it, `message` is the
        message. docs/formats.md lists the others.
        """
        return _field(detect.parts_in(line, self._readers), name)

    def fields_of(self, line: bytes, names: tuple[str, ...]) -> tuple[str | None, ...]:
        """Several fields of a line, as `field_of` gives them, for the price of one."""
        parts = detect.parts_in(line, self._readers)
        return tuple([_field(parts, name) for name in names])

    def levels_and_fields(
        self, lines: Sequence[bytes], names: tuple[str, ...]
    ) -> list[tuple[Level | None, tuple[str | None, ...]]]:
        """`level_of` and `fields_of` of every line, which is faster than one after the other."""
        if LEVEL_FIELD in names or MESSAGE_FIELD in names:
            return [self._level_and_fields(line, names) for line in lines]
        return [
            self._level_and_fields(line, names) if picked is None else picked
            for line, picked in zip(
                lines, detect.picks_in(lines, self._readers, names), strict=True
            )
        ]

    def _level_and_fields(
        self, line: bytes, names: tuple[str, ...]
    ) -> tuple[Level | None, tuple[str | None, ...]]:
        parts = detect.parts_in(line, self._readers)
        return parts.level, tuple([_field(parts, name) for name in names])

    def _time_of_parts(self, parts: Parts, reference_ms: int) -> int | None:
        for written in parts.times:
            values = json_lines.time_value(written) if isinstance(written, dict) else (written,)
            for value in values:
                found = times.to_ms(value, self._zone, reference_ms)
                if found is not None:
                    return found
        return None


def _field(parts: Parts, name: str) -> str | None:
    if name == LEVEL_FIELD and parts.level is not None:
        return parts.level.name
    if name == MESSAGE_FIELD:
        return text_of(parts.message)
    return look_up(parts.fields, name)
