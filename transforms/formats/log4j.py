"""Layouts of log4j, logback, Python's logging and their likes: time, level, words in some order.

    2021-05-08 15:43:31,076 ERROR [main] com.example.App - msg       log4j
    10:15:30.123 [main] ERROR c.e.App - msg                          logback's default
    [2024-05-01 10:00:00,123] ERROR msg (kafka.server.KafkaServer)   Kafka's broker
    2024-05-01T10:00:00.123Z ERROR 1 --- [main] c.e.App : msg        Spring Boot
    2024-05-01 10:00:00,123 - name - ERROR - msg                     Python
    ERROR:root:msg                                                   Python's default

nginx, PostgreSQL, Elasticsearch, Monolog, gunicorn, Celery, zap, MySQL and others fit in too,
and Kubernetes' klog (`E0501 10:00:00.123456  1 file.go:12] msg`).

Fields: logger, thread, pid (Spring Boot, klog), source (klog).
"""

from __future__ import annotations

import re

from transforms.formats.entry import OTHER, LevelReading, Parts, Picked, without_fields
from transforms.levels import LEVEL_OF_BYTES, Level, level_from_letter, level_from_text

_NAMES = (
    b"TRACE|DEBUG[1-5]?|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|FATAL|CRITICAL|CRIT"
    b"|ALERT|EMERG|EMERGENCY|PANIC|DPANIC"
)
_UPPER = _NAMES + b"|FINEST|FINER|FINE|CONFIG|VERBOSE|SUCCESS|LOG|TRC|DBG|INF|WRN|FTL|PNC"
_SMALL = (
    _UPPER.lower() + b"|Trace|Debug|Info|Information|Notice|Note|Warn|Warning|Error|Fatal|Critical"
)
_ANY_CASE = _UPPER + b"|" + _SMALL

# An optional date, the time of day, an optional zone.
_TIME = (
    rb"((?:\d{4}[-/.]\d\d[-/.]\d\d(?:[T _]|, ?)|\d\d/\d\d/\d\d "
    rb"|\d{1,2}[-/ ][A-Z][a-z]{2}[-/ ]\d{4}[: ])?"
    rb"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)(?!\w))?)"
)
# Capitals stand for themselves; small letters count where punctuation says that no prose follows.
_TIMED = re.compile(
    rb"\[?" + _TIME + rb"(?: [A-Z]{3,4}(?= \[))?[\]:]?[\s|:-]{0,8}"
    # Threads and process ids in brackets, but not the level.
    rb"((?:\[(?!\s{0,4}(?:" + _ANY_CASE + rb")\s{0,4}\])[^\]]{1,200}\][\s|:-]{0,4}"
    rb"|\{[^}]{1,200}\}[\s|:-]{1,4}){0,3})"
    # A logger, a thread or a user without brackets; Monolog's channel ends with a dot.
    rb"(?:([\w.$/@-]{1,128}?)(?:[\s|:-]{1,8}|\.(?=[A-Z])))??"
    rb"(?:[\[(<]\s{0,4}(" + _ANY_CASE + rb")\s{0,4}[\])>]"
    rb"|(" + _UPPER + rb")(?![\w=])"
    rb"|(" + _SMALL + rb")(?=[\t:|]|\s{1,4}[-|]))"
)
# The layouts that most lines have, found several times as fast.
_USUAL = re.compile(
    rb"\[?(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?Z?\]? {1,4}"
    rb"(?:\[([^\]]{1,200})\] |- [\w.]{1,128} - )?([A-Z]{4,8})[ :]"
)
_USUAL_WORDS = frozenset(b"TRACE DEBUG INFO WARN WARNING ERROR FATAL CRITICAL".split())
_BRACKET_WORDS = frozenset((*LEVEL_OF_BYTES, b"Note"))
# The level first: in brackets, in capitals, or small with a colon.
_LEVEL_FIRST = re.compile(
    rb"(?:\[\s{0,4}(" + _ANY_CASE + rb")\s{0,4}\]"
    rb"|(" + _NAMES + rb")(?=[\s:|]|$)"
    rb"|(" + _UPPER.lower() + rb"|fail):(?=\s|$))"
)
_TIME_NEXT = re.compile(rb"[\s|:-]{0,4}\[?" + _TIME + rb"\]?")
_KLOG = re.compile(
    rb"([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{1,9})\s{1,8}(\d{1,10}) ([^\]\s]{1,128}:\d{1,7})\] ?"
)

_SPRING = re.compile(
    rb"\s{0,4}(\d{1,10}) --- ((?:\[[^\]]{0,128}\] ?){1,4})\s{0,4}(\S{1,128})\s{0,40}: "
)
_THREAD = re.compile(rb"[\s|:-]{0,8}\[([^\]]{1,200})\]")
_LOGGER = re.compile(rb"[\s|:-]{0,8}([\w.$/-]{1,128}?)(?:\s{0,40} - |\s{0,40}: |\s?\|)")
# Python's default layout, `ERROR:root:msg`.
_COLON_LOGGER = re.compile(rb":([\w.-]{1,128}):")
# Celery (`/MainProcess]`) and Rust's env_logger (` module]`) close their brackets behind the level.
_LATE_END = re.compile(rb"([ /])([^\]\s]{1,128})\] ?")
# Elasticsearch, `[ERROR][logger ] [node] msg`.
_GLUED_LOGGER = re.compile(rb"\[([\w.$-]{1,128}) {0,64}\]")
_LAST_LOGGER = re.compile(rb"\s\(([\w.$-]{1,128})\)\s*\Z")
_SEPARATORS = b" \t\r\n|:-"
_FIELDS = frozenset(("logger", "thread", "pid", "source"))


def read_level(line: bytes) -> LevelReading:
    """The level of a line, `OTHER` for lines of other formats."""
    found = read_timed_level(line)
    return read_first_level(line) if found is OTHER else found


def read_timed_level(line: bytes) -> LevelReading:
    """As `read_level`, of lines that start with a time."""
    match = _USUAL.match(line)
    if match is not None:
        group, word = match.groups()
        # What is in the brackets may be the level itself.
        if word in _USUAL_WORDS and (group is None or group.strip() not in _BRACKET_WORDS):
            return LEVEL_OF_BYTES[word]
    match = _TIMED.match(line)
    if match is not None:
        word = match[match.lastindex or 0]
        return LEVEL_OF_BYTES.get(word) or _level(word)
    return OTHER


def read_first_level(line: bytes) -> LevelReading:
    """As `read_level`, of lines that start with no time."""
    match = _LEVEL_FIRST.match(line)
    if match is not None:
        word = match[match.lastindex or 0]
        return LEVEL_OF_BYTES.get(word) or _level(word)
    match = _KLOG.match(line)
    if match is not None:
        return level_from_letter(match[1].decode("ascii"))
    return OTHER


def pick(line: bytes, names: tuple[str, ...]) -> Picked:
    """Level and fields of a line, see `Picked`."""
    return without_fields(read_level(line), names) if _FIELDS.isdisjoint(names) else None


def read(line: bytes) -> Parts | None:
    """A line taken apart, None for lines of other formats."""
    if (match := _TIMED.match(line)) is not None:
        return _read_timed(line, match)
    if (match := _LEVEL_FIRST.match(line)) is not None:
        word = match[match.lastindex or 0]
        position, times = match.end(), tuple[object, ...]()
        if (found := _TIME_NEXT.match(line, position)) is not None:
            position, times = found.end(), (found[1],)
        elif (found := _COLON_LOGGER.match(line, position)) is not None:
            message = line[found.end() :].strip(_SEPARATORS)
            return Parts(_level(word), message, {"logger": found[1]})
        return _read_rest(line, position, _level(word), times, {})
    if (match := _KLOG.match(line)) is not None:
        fields: dict[str, object] = {"pid": match[3], "source": match[4]}
        level = level_from_letter(match[1].decode("ascii"))
        return Parts(level, line[match.end() :].rstrip(), fields, (match[2],))
    return None


def _read_timed(line: bytes, match: re.Match[bytes]) -> Parts:
    fields: dict[str, object] = {}
    if (found := _THREAD.match(match[2])) is not None:
        fields["pid" if found[1].isdigit() else "thread"] = found[1].strip()
    if match[3] is not None:
        fields["thread" if match[3].isdigit() else "logger"] = match[3]
    index = match.lastindex or 0
    level = _level(match[index])
    position = match.end()
    if line.startswith(b"["):
        is_open = b"]" not in line[: match.start(index)]
        if is_open and (found := _LATE_END.match(line, position)) is not None:
            fields["thread" if found[1] == b"/" else "logger"] = found[2]
            return Parts(level, line[found.end() :].strip(_SEPARATORS), fields, (match[1],))
        # Kafka's own layout has the logger last.
        if (found := _LAST_LOGGER.search(line, max(position, len(line) - 160))) is not None:
            fields["logger"] = found[1]
            message = line[position : found.start()].strip(_SEPARATORS)
            return Parts(level, message, fields, (match[1],))
        if (found := _GLUED_LOGGER.match(line, position)) is not None:
            fields["logger"], position = found[1], found.end()
    return _read_rest(line, position, level, (match[1],), fields)


def _read_rest(
    line: bytes,
    position: int,
    level: Level | None,
    times: tuple[object, ...],
    fields: dict[str, object],
) -> Parts:
    """What follows the level: thread and logger as far as they can be told, and the message."""
    if (found := _SPRING.match(line, position)) is not None:
        groups = found[2].strip()[1:-1].split(b"]")
        # The last one is the thread; Spring Boot 3 puts the application's name before it.
        fields |= {"pid": found[1], "thread": groups[-1].strip(b" ["), "logger": found[3]}
        return Parts(level, line[found.end() :].strip(), fields, times)
    if "thread" not in fields and (found := _THREAD.match(line, position)) is not None:
        fields["thread"], position = found[1].strip(), found.end()
    if "logger" not in fields and (found := _LOGGER.match(line, position)) is not None:
        fields["logger"], position = found[1], found.end()
    return Parts(level, line[position:].strip(_SEPARATORS), fields, times)


def _level(word: bytes) -> Level | None:
    # Windows and MySQL call INFO a note.
    return Level.INFO if word == b"Note" else level_from_text(word)
