"""What a job's checkpoints were made with, so that a start with another shape is refused.

Flink restores state by the labels of the graph and does not look at what it means: counts per
pane of 10 seconds would be added up as panes of 5. So the shape is kept beside the checkpoints,
in `job.json` of the job's folder, and compared before a start goes on from one.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json

from pipeline.checkpoint_store import CHECKPOINT_DIR_FLAG
from pipeline.checkpoints import CheckpointStore
from pipeline.config import JobConfig
from pipeline.errors import ErrorWindowsError, UsageError
from pipeline.local.jar_lock import read_lock

FILE_NAME = "job.json"
FORMAT = 1
# No record is nearly as long; a larger file is something else.
_MAX_BYTES = 100_000
_JAVA_SET = "flink"
_JAVA_MODULE = "org.apache.beam:beam-runners-flink-1.19"
# With another window or slide the state means something else; with another maximum parallelism
# Flink does not restore it.
_FIXED = ("window_seconds", "slide_seconds", "max_parallelism")


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """The shape of a job.

    Attributes:
      window_seconds: length of its windows.
      slide_seconds: length of its panes.
      beam_version: of Beam's Java modules, which keep the state.
      python_sdk: version of apache-beam, which encodes what is kept.
      max_parallelism: into how many groups Flink divides the keys.
    """

    window_seconds: int
    slide_seconds: int
    beam_version: str
    python_sdk: str
    max_parallelism: int

    @classmethod
    def of(cls, config: JobConfig, *, max_parallelism: int) -> JobRecord:
        """The record of a job that is about to start with what is installed here.

        Raises ErrorWindowsError when the lock of the Java modules is broken.
        """
        python_sdk = importlib.metadata.version("apache-beam")
        return cls(
            window_seconds=config.grid.window_seconds,
            slide_seconds=config.grid.slide_seconds,
            beam_version=_locked_beam_version() if config.java_runtime == "locked" else python_sdk,
            python_sdk=python_sdk,
            max_parallelism=max_parallelism,
        )

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
        fields = {"format": FORMAT, **dataclasses.asdict(self)}
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
        )


def incompatible(old: JobRecord, new: JobRecord) -> str | None:
    """Why a job of shape `new` cannot go on from a checkpoint of `old`, in one line, or None.

    The line opens with the flag, as all errors do.
    """
    for name in _FIXED:
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            return (
                f"--{name}: the checkpoint was made with {was}, got {wanted}. Use --fresh (open "
                "windows lose what was counted before) or another --job_name."
            )
    return None


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


def _locked_beam_version() -> str:
    for jar in read_lock(_JAVA_SET):
        if jar.module == _JAVA_MODULE:
            return jar.version
    raise ErrorWindowsError(f"the set {_JAVA_SET!r} of Java modules has no {_JAVA_MODULE}")
