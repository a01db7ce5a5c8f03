"""Which dead letters a command is about: the flags, and the choice that they make."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import re

from pipeline.arguments import choice
from pipeline.errors import UsageError
from pipeline.source_flags import add_connection_flags, add_from_flag
from transforms.dead_letters import REASONS, DeadLetter
from transforms.records import cluster_and_topic

CLUSTER_FLAG = "--source"
_RANGE = re.compile(
    r"(?P<topic>[A-Za-z0-9._/-]+)\[(?P<partition>\d+)\]@(?P<first>\d+)(?:-(?P<last>\d+))?",
    re.ASCII,
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MILLISECOND = datetime.timedelta(milliseconds=1)


@dataclasses.dataclass(frozen=True)
class OffsetChoice:
    """Some offsets of one partition, both ends included."""

    topic: str
    partition: int
    first: int
    last: int


@dataclasses.dataclass(frozen=True)
class DeadLetterChoice:
    """Which dead letters are meant; every attribute narrows it, None does not.

    Attributes:
      reasons: any of these.
      cluster: read from this one, as the job's `--source` names it.
      topics: from any of these, `cluster/topic` where there are clusters.
      from_ms: with a record timestamp at or after this, milliseconds since the epoch.
      to_ms: with a record timestamp before this.
      offsets: in any of these.
    """

    reasons: tuple[str, ...] | None = None
    cluster: str | None = None
    topics: tuple[str, ...] | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    offsets: tuple[OffsetChoice, ...] | None = None

    def __contains__(self, letter: DeadLetter) -> bool:
        record = letter.record
        return (
            (self.reasons is None or letter.reason in self.reasons)
            and (self.cluster is None or cluster_and_topic(record.topic)[0] == self.cluster)
            and (self.topics is None or record.topic in self.topics)
            and (self.from_ms is None or record.timestamp >= self.from_ms)
            and (self.to_ms is None or record.timestamp < self.to_ms)
            and (
                self.offsets is None
                or any(
                    record.topic == one.topic
                    and record.partition == one.partition
                    and one.first <= record.offset <= one.last
                    for one in self.offsets
                )
            )
        )


def add_dead_letter_flags(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags that say where dead letters are read, and which of them are meant.

    Returns:
      The group of the flags about Kafka.
    """
    add_from_flag(parser, "dead-letters-*.jsonl")
    which = parser.add_argument_group("which dead letters (without these: all)")
    which.add_argument(
        "--reason",
        metavar="REASON[,REASON]",
        action="append",
        help=f"only those with one of these reasons: {', '.join(REASONS)}",
    )
    which.add_argument(
        CLUSTER_FLAG,
        dest="cluster",
        metavar="NAME",
        help="only those of this cluster, for a job that reads several (its --source)",
    )
    which.add_argument(
        "--topic",
        metavar="TOPIC[,TOPIC]",
        action="append",
        help="only those of these topics; NAME/TOPIC where there are several clusters",
    )
    which.add_argument(
        "--from_time",
        metavar="TIME",
        help="only those with a record timestamp at or after it, such as 2026-11-22T10:00:00Z",
    )
    which.add_argument(
        "--to_time", metavar="TIME", help="only those with a record timestamp before it"
    )
    which.add_argument(
        "--offsets",
        metavar="TOPIC[PARTITION]@FIRST-LAST",
        action="append",
        help="only those of these offsets, both included; repeat it for several",
    )
    return add_connection_flags(parser, "Kafka")


def choice_from_flags(flags: argparse.Namespace) -> DeadLetterChoice:
    """The choice that the flags of `add_dead_letter_flags` make.

    Raises:
      UsageError: for the first flag that is wrong.
    """
    chosen = DeadLetterChoice(
        reasons=_reasons(_listed("--reason", flags.reason)),
        cluster=flags.cluster,
        topics=_listed("--topic", flags.topic),
        from_ms=_time("--from_time", flags.from_time),
        to_ms=_time("--to_time", flags.to_time),
        offsets=None if flags.offsets is None else tuple(map(_offsets, flags.offsets)),
    )
    if chosen.from_ms is not None and chosen.to_ms is not None and chosen.from_ms >= chosen.to_ms:
        raise UsageError(
            "--to_time",
            "not after --from_time",
            got=flags.to_time,
            fix="Give a later time; it is not included itself.",
        )
    return chosen


def _listed(flag: str, values: list[str] | None) -> tuple[str, ...] | None:
    if values is None:
        return None
    names = tuple(name.strip() for value in values for name in value.split(","))
    if not all(names):
        raise UsageError(flag, "an empty name", got=",".join(values), fix="See --help.")
    return names


def _reasons(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(choice("--reason", name, REASONS) for name in names)


def _time(flag: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        # Python 3.10 does not know the Z.
        time = datetime.datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text))
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        problem = "not a time" if time is None else "a time without its zone"
        raise UsageError(flag, problem, got=text, fix="Write it like 2026-11-22T10:00:00Z.")
    return (time - _EPOCH) // _MILLISECOND


def _offsets(text: str) -> OffsetChoice:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise UsageError(
            "--offsets", "not a range of offsets", got=text, fix="Write it like 'logs[0]@17-20'."
        )
    first = int(match["first"])
    last = first if match["last"] is None else int(match["last"])
    if last < first:
        raise UsageError(
            "--offsets", "ends before it begins", got=text, fix="Give the lower offset first."
        )
    return OffsetChoice(match["topic"], int(match["partition"]), first, last)
