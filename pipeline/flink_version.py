"""Which versions of Flink a live job can be put on: one minor version per set of Java modules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.flink_rest import FlinkRest

if TYPE_CHECKING:
    from pipeline.live_config import LiveConfig

LOCKED = "1.19"
FLAG = "--flink_version"
_MINOR = re.compile(r"\d+\.\d+")


def check_flink_version(version: str | None, *, java_runtime: str) -> None:
    """Fails for a `--flink_version` that there are no Java modules for.

    Raises:
      UsageError: there are none.
    """
    if version is None:
        return
    if java_runtime == "locked":
        if version != LOCKED:
            raise UsageError(
                FLAG,
                f"the locked modules are for {LOCKED}",
                got=version,
                fix="Add --java_runtime=beam, for a cluster of yours.",
            )
    elif version not in published_versions():
        raise UsageError(
            FLAG,
            f"{_beam()} has no job server for it",
            got=version,
            fix=f"Choices: {', '.join(published_versions())}.",
        )


def require_flink_version(config: LiveConfig, rest: FlinkRest) -> str:
    """The minor version of a cluster, once it is known that the job can be put on it.

    Raises:
      UsageError: it cannot.
      ServiceError: no JobManager answers.
    """
    reported = str(rest.overview()["flink-version"])
    match = _MINOR.match(reported)
    minor = match[0] if match else reported
    if config.job.java_runtime == "locked":
        if minor != LOCKED:
            raise UsageError(
                "--flink_master",
                f"the cluster runs another Flink than the locked modules are for, {LOCKED}",
                got=reported,
                fix="Add --java_runtime=beam, or use a cluster of that version.",
            )
    elif config.flink_version not in (None, minor):
        raise UsageError(
            FLAG,
            f"the cluster runs Flink {reported}",
            got=config.flink_version,
            fix="Leave it away: the version is then the cluster's.",
        )
    elif minor not in published_versions():
        raise UsageError(
            "--flink_master",
            f"the cluster runs a Flink that {_beam()} has no job server for",
            got=reported,
            fix=f"Use a cluster of {', '.join(published_versions())}.",
        )
    return minor


def published_versions() -> Sequence[str]:
    """The minor versions that the installed Beam has a job server for; loads Beam."""
    from apache_beam.options.pipeline_options import FlinkRunnerOptions

    return tuple(FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS)


def _beam() -> str:
    from apache_beam import version

    return f"Beam {version.__version__}"
