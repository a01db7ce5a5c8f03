"""What a job's checkpoints were made with, so that a start with another shape is refused.

Flink restores state by the labels of the graph and does not look at what it means: counts per
pane of 10 seconds would be added up as panes of 5. So the shape is kept beside the checkpoints,
in `job.json` of the job's folder, and compared before a start goes on from one.

Flink refuses a checkpoint with state of a step that the graph does not have. That is right when a
label changed by accident, and wrong when a topic was taken out on purpose; so the record also
knows which optional parts the graph had.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
from collections.abc import Mapping

from pipeline.checkpoint_store import CHECKPOINT_DIR_FLAG
from pipeline.checkpoints import CheckpointStore
from pipeline.errors import ErrorWindowsError, UsageError
from pipeline.live_config import MAX_PARALLELISM, LiveConfig
from pipeline.local.jar_lock import read_lock

FILE_NAME = "job.json"
# 4: what a series puts away is kept in parcels; 3: series are settled in groups; 2: panes are
# closed, and windows settled, under other labels.
FORMAT = 4
# No record is nearly as long; a larger file is something else.
_MAX_BYTES = 100_000
_JAVA_SET = "flink"
_JAVA_MODULE = "org.apache.beam:beam-runners-flink-1.19"
# With another window or slide the state means something else; with another maximum parallelism
# Flink does not restore it.
_FIXED = ("window_seconds", "slide_seconds", "max_parallelism")
# Stands for the parts of a job whose record does not name them.
UNRECORDED = "unrecorded"
# Times of checkpoints are those of the store's clock, times of changes those of this machine's.
_CLOCKS_DIFFER = datetime.timedelta(minutes=1)


def graph_parts(config: LiveConfig) -> tuple[str, ...]:
    """The parts of a job's graph that its flags bring and take away, sorted.

    A part that goes may take state with it: Flink is then told to let that state go.
    """
    kind = "folder" if config.output_topic is None else "kafka"
    parts = [f"topic:{name}" for name in config.job.source_names]
    parts.append(f"output:{kind}")
    if config.job.output.samples:
        parts.append("samples")
    return tuple(sorted(parts))


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """The shape of a job.

    Attributes:
      window_seconds: length of its windows.
      slide_seconds: length of its panes.
      beam_version: of Beam's Java modules, which keep the state.
      python_sdk: version of apache-beam, which encodes what is kept.
      max_parallelism: into how many groups Flink divides the keys.
      parts: optional parts of its graph (`graph_parts`); None in records of before.
      gone: parts that earlier checkpoints may hold state of, each with when it went, in UTC.
      partitions: how many each topic had when its readers were made, which stay as they are;
        None where the brokers were not asked.
    """

    window_seconds: int
    slide_seconds: int
    beam_version: str
    python_sdk: str
    max_parallelism: int
    parts: tuple[str, ...] | None = None
    gone: Mapping[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    partitions: Mapping[str, int] | None = None

    @classmethod
    def of(cls, config: LiveConfig, *, partitions: Mapping[str, int] | None = None) -> JobRecord:
        """The record of a job that is about to start with what is installed here.

        Raises ErrorWindowsError when the lock of the Java modules is broken.
        """
        python_sdk = importlib.metadata.version("apache-beam")
        locked = config.job.java_runtime == "locked"
        return cls(
            window_seconds=config.job.grid.window_seconds,
            slide_seconds=config.job.grid.slide_seconds,
            beam_version=_locked_beam_version() if locked else python_sdk,
            python_sdk=python_sdk,
            max_parallelism=MAX_PARALLELISM,
            parts=graph_parts(config),
            partitions=partitions,
        )

    def continued(self, new: JobRecord, now: datetime.datetime) -> JobRecord:
        """This record once the job goes on as `new`; the versions stay those of the state.

        Args:
          new: of the start (`of`).
          now: when the parts go that `new` does not have.
        """
        parts = new.parts or ()
        before = (UNRECORDED,) if self.parts is None else self.parts
        gone = {**self.gone, **dict.fromkeys(set(before) - set(parts), now)}
        partitions = self.partitions
        if new.partitions is not None:
            # Only a topic that comes now gets readers now.
            partitions = {**new.partitions, **(self.partitions or {})}
            partitions = {topic: partitions[topic] for topic in new.partitions}
        return dataclasses.replace(
            self,
            parts=parts,
            gone={part: gone[part] for part in sorted(gone) if part not in parts},
            partitions=partitions,
        )

    def outgrew(self, checkpoint_time: datetime.datetime) -> bool:
        """Whether a checkpoint of that time may hold state of parts that have gone since."""
        return any(checkpoint_time <= went + _CLOCKS_DIFFER for went in self.gone.values())

    @classmethod
    def read(cls, store: CheckpointStore, job: str) -> JobRecord | None:
        """The record beside a job's checkpoints; None when there is none.

        Raises:
          UsageError: `job.json` is damaged, or of a newer format.
          UsageError, ServiceError: the store cannot be used.
        """
        folder = store.job(job)
        content = folder.read(FILE_NAME, _MAX_BYTES)
        if content is None:
            return None
        try:
            return cls._parse(content)
        except ValueError as error:
            raise UsageError(
                CHECKPOINT_DIR_FLAG,
                f"the record of job {job!r} is unusable ({error})",
                got=folder.uri(FILE_NAME),
                fix="Put it back from a copy, or use --fresh or another --job_name.",
            ) from None

    def write(self, store: CheckpointStore, job: str) -> None:
        """Puts the record beside a job's checkpoints, in place of an older one.

        Raises:
          UsageError, ServiceError: the store cannot be used.
        """
        gone = {part: time.isoformat() for part, time in self.gone.items()}
        fields = {"format": FORMAT, **dataclasses.asdict(self), "gone": gone}
        store.job(job).write(FILE_NAME, json.dumps(fields, indent=1).encode("ascii") + b"\n")

    @classmethod
    def _parse(cls, content: bytes) -> JobRecord:
        """Reads `job.json`; fields that are not known are passed over. Raises ValueError."""
        try:
            record = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError):
            raise ValueError("not JSON") from None
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        if record.get("format") != FORMAT:
            raise ValueError(f"format {record.get('format')!r}, known is {FORMAT}")
        return cls(
            window_seconds=_positive(record, "window_seconds"),
            slide_seconds=_positive(record, "slide_seconds"),
            beam_version=_version(record, "beam_version"),
            python_sdk=_version(record, "python_sdk"),
            max_parallelism=_positive(record, "max_parallelism"),
            parts=_parts(record),
            gone=_gone(record),
            partitions=_partitions(record),
        )


def require_same_shape(old: JobRecord, new: JobRecord) -> None:
    """Fails if a job of shape `new` cannot go on from a checkpoint of `old`.

    Raises:
      UsageError: it cannot.
    """
    for name in _FIXED:
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            raise UsageError(
                f"--{name}",
                f"the checkpoint was made with {was}",
                got=wanted,
                fix="Use --fresh (open windows lose what was counted before) or another "
                "--job_name.",
            )


def other_versions(old: JobRecord, new: JobRecord) -> str | None:
    """A note for a start with other versions of Beam than the checkpoint's, or None."""
    changes = [
        f"{what} {was}, now {now}"
        for what, was, now in (
            ("Beam for Java", old.beam_version, new.beam_version),
            ("Beam for Python", old.python_sdk, new.python_sdk),
        )
        if was != now
    ]
    return f"the checkpoint was made with {'; '.join(changes)}" if changes else None


def _positive(record: dict[str, object], name: str) -> int:
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value!r}")
    return value


def _version(record: dict[str, object], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}")
    return value


def _parts(record: dict[str, object]) -> tuple[str, ...] | None:
    value = record.get("parts")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ValueError(f"parts is {value!r}")
    return tuple(value)


def _gone(record: dict[str, object]) -> dict[str, datetime.datetime]:
    value = record.get("gone", {})
    if not isinstance(value, dict):
        raise ValueError(f"gone is {value!r}")
    times = {}
    for part, text in value.items():
        try:
            times[part] = datetime.datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise ValueError(f"gone is {value!r}") from None
        if times[part].tzinfo is None:
            raise ValueError(f"gone is {value!r}")
    return times


def _partitions(record: dict[str, object]) -> dict[str, int] | None:
    value = record.get("partitions")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"partitions is {value!r}")
    return {topic: _positive(value, topic) for topic in value}


def _locked_beam_version() -> str:
    for jar in read_lock(_JAVA_SET):
        if jar.module == _JAVA_MODULE:
            return jar.version
    raise ErrorWindowsError(f"the set {_JAVA_SET!r} of Java modules has no {_JAVA_MODULE}")
