"""What the driver of a live job is told, in a file of the run folder.

The command that starts a job writes it; the driver, which is started again whenever it ends,
reads it. No secrets are in it: settings with secrets stay in a file that only this user reads.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import pathlib

from pipeline.arguments import FlagParser
from pipeline.config import KAFKA_OUTPUT, STDOUT, consumer_settings
from pipeline.errors import ServiceError
from pipeline.flags import build_parser
from pipeline.kafka_properties import write_properties_file
from pipeline.live_flags import add_cluster_flags, add_live_flags

# The stage of a driver whose job runs.
JOB_RUNS = "running"
# Stages of a driver that does not go on.
GIVEN_UP = "given up"
CANCELLED = "cancelled"

_SPEC_FILE = "job.json"
_STATUS_FILE = "driver.json"
_PROPERTIES_FILE = "consumer.properties"
# What holds for one start only, or is no part of the job.
_NOT_KEPT = ("fresh", "restore_from", "attach")
# Relative ones are so to the folder of the command that starts the job, and of no other.
_PATHS = ("checkpoint_dir", "consumer_config", "output", "run_dir")


@dataclasses.dataclass(frozen=True)
class JobSpec:
    """A job and where it runs.

    Attributes:
      flags: the job's own flags, name to value, as the parser gave them; None where not given.
      rest_urls: of the cluster's JobManagers.
      not_before: checkpoints that are older do not count; None: all do.
      restore_from: the checkpoint to go on from while there is no newer one of this job.
    """

    flags: dict[str, object]
    rest_urls: tuple[str, ...]
    not_before: datetime.datetime | None
    restore_from: str | None

    def write(self, folder: pathlib.Path) -> None:
        """Replaces the spec of a run folder. Raises OSError."""
        content = {
            "flags": self.flags,
            "rest_urls": self.rest_urls,
            "not_before": None if self.not_before is None else self.not_before.isoformat(),
            "restore_from": self.restore_from,
        }
        write_json(folder / _SPEC_FILE, content)

    @staticmethod
    def read(folder: pathlib.Path) -> JobSpec | None:
        """The spec of a run folder, None if there is none.

        Raises:
          ServiceError: the file is damaged.
        """
        path = folder / _SPEC_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            not_before = content["not_before"]
            return JobSpec(
                flags=dict(content["flags"]),
                rest_urls=tuple(content["rest_urls"]),
                not_before=(
                    None if not_before is None else datetime.datetime.fromisoformat(not_before)
                ),
                restore_from=content["restore_from"],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"job: its file cannot be read ({error}), got {str(path)!r}. "
                "Delete it and start the job again."
            ) from None

    def namespace(self) -> argparse.Namespace:
        """The flags as the parser gives them."""
        parser = live_parser("error-windows flink")
        flags = parser.parse_args([])
        for name, value in self.flags.items():
            setattr(flags, name, value)
        return flags


def absolute(place: str) -> str:
    """A path as it is from any folder; what is no path (`-`, `kafka:TOPIC`, a URI) stays."""
    if place == STDOUT or place.startswith((KAFKA_OUTPUT, "file:")) or "://" in place:
        return place
    return str(pathlib.Path(place).absolute())


def live_parser(prog: str) -> FlagParser:
    """A parser of all flags of a live job."""
    parser = build_parser(prog)
    add_live_flags(parser)
    add_cluster_flags(parser)
    return parser


def kept_flags(
    flags: argparse.Namespace, folder: pathlib.Path, *, own_properties: bool
) -> dict[str, object]:
    """The flags for a spec.

    Args:
      flags: the job's.
      folder: of the spec.
      own_properties: write the consumer's settings, secrets among them, to a file of the
        folder that only this user reads; else they stay where the flags say.

    Raises:
      UsageError: a setting is wrong.
    """
    kept = {name: value for name, value in vars(flags).items() if name not in _NOT_KEPT}
    kept |= {name: absolute(kept[name]) for name in _PATHS if kept.get(name)}
    if not own_properties:
        return kept
    settings = consumer_settings(flags)
    kept |= {"consumer_config": None, "consumer_property": None}
    if settings:
        path = folder / _PROPERTIES_FILE
        write_properties_file(path, settings)
        kept["consumer_config"] = str(path)
    return kept


@dataclasses.dataclass(frozen=True)
class DriverStatus:
    """What the driver is doing.

    Attributes:
      stage: in words.
      job_id: Flink's, once the job runs.
      restored_from: the checkpoint that this run went on from.
      submissions: how often the driver has submitted the job.
      error: why it cannot go on.
    """

    stage: str
    job_id: str | None = None
    restored_from: str | None = None
    submissions: int = 0
    error: str | None = None

    def write(self, folder: pathlib.Path) -> None:
        """Replaces the status of a run folder. Raises OSError."""
        write_json(folder / _STATUS_FILE, dataclasses.asdict(self))

    @staticmethod
    def read(folder: pathlib.Path) -> DriverStatus | None:
        """The status of a run folder, None if there is none that can be read."""
        try:
            return DriverStatus(**json.loads((folder / _STATUS_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @staticmethod
    def remove(folder: pathlib.Path) -> None:
        """Forgets the status of an earlier driver."""
        (folder / _STATUS_FILE).unlink(missing_ok=True)


def write_json(path: pathlib.Path, content: object) -> None:
    """Replaces a file, so that a reader sees all of it or nothing. Raises OSError."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(content) + "\n", encoding="utf-8")
    draft.replace(path)
