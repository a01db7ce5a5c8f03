"""Beam's options for a job on Dataflow, checked as far as that needs no network.

Beam has checks of its own. They come after the graph is built, name no fix, and leave out some
mistakes: an unknown flag, a zone for a region, a label that the service refuses.
"""

import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from pipeline.errors import UsageError
from pipeline.kafka_properties import is_secret
from pipeline.runner import require_known_flags
from transforms import worker_plugin

# Where gcloud, and Beam after it, looks for a region.
REGION_VARIABLE = "CLOUDSDK_COMPUTE_REGION"

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}")
_ZONE = re.compile(r"([a-z]+-[a-z]+[0-9]{1,2})-[a-z]")
_STORAGE = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(?P<object>[^\r\n]*)")
_JOB_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_LABEL_KEY = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
_LABEL_VALUE = re.compile(r"[\w-]{0,63}")
# Of a checkout; an installed package has none.
_SETUP_FILE = pathlib.Path(__file__).resolve().parents[1] / "setup.py"
_DEFAULTS = (
    # Everything a worker runs is in the two packages; the main session holds the command.
    "--no_save_main_session",
    # Beam would stage the list of all packages on this machine, with the addresses they came from.
    "--experiments=disable_logging_submission_environment",
    worker_plugin.ARGUMENT,
)
_OF_LIVE_JOBS = ("--streaming",)


def dataflow_options(arguments: Sequence[str], *, job: str, live: bool) -> PipelineOptions:
    """Beam's options for a job on Dataflow.

    Args:
      arguments: Beam's flags as the user gave them.
      job: the name of the job.
      live: whether it has no end.

    Raises:
      UsageError: a flag is unknown, missing or wrong.
    """
    require_known_flags(arguments)
    _require_no_secrets(arguments)
    kind = _OF_LIVE_JOBS if live else ()
    options = PipelineOptions([*_DEFAULTS, *kind, *arguments, f"--job_name={job}"])
    if options.view_as(StandardOptions).streaming and not live:
        raise UsageError(
            "--streaming",
            "a read with an end is a batch job",
            fix="Leave it away, or the limits of the read (--max_num_records, --max_read_time, "
            "--from_time, --to_time).",
        )
    cloud = options.view_as(GoogleCloudOptions)
    _check_place(cloud)
    _check_storage(cloud)
    _check_job(cloud, live=live)
    _set_package(options)
    return options


def place_options(arguments: Sequence[str], *, job: str) -> PipelineOptions:
    """Beam's options that say where a job is.

    Raises:
      UsageError: a flag is unknown, missing or wrong.
    """
    require_known_flags(arguments)
    options = PipelineOptions([*arguments, f"--job_name={job}"])
    _check_place(options.view_as(GoogleCloudOptions))
    return options


def bucket_of(flag: str, path: str | None) -> str:
    """The bucket of a `gs://bucket/folder`.

    Raises:
      UsageError: it is none.
    """
    fix = "Write it like gs://my-bucket/folder."
    if path is None:
        raise UsageError(flag, "missing", fix=fix)
    match = _STORAGE.fullmatch(path)
    if match is None:
        raise UsageError(flag, "not a path in a Cloud Storage bucket", got=path, fix=fix)
    return match["bucket"]


def has_own_images(options: PipelineOptions, *, java: bool) -> bool:
    """Whether the Python part, and the Java part if there is one, run in images of the user's."""
    worker = options.view_as(WorkerOptions)
    return bool(worker.sdk_container_image) and (
        not java or bool(worker.sdk_harness_container_image_overrides)
    )


def _require_no_secrets(arguments: Sequence[str]) -> None:
    """Beam's options become part of the job, for everybody to see who sees the job."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--") and (is_secret(name) or "connection_string" in name):
            raise UsageError(
                name,
                "a secret, which would be readable in the job",
                fix="Leave it away: this job reads and writes Kafka and Cloud Storage only.",
            )


def _check_place(cloud: Any) -> None:
    if cloud.project is None:
        raise UsageError("--project", "missing", fix="Give the ID of the Google Cloud project.")
    if _PROJECT.fullmatch(cloud.project) is None:
        raise UsageError(
            "--project",
            "a project number" if cloud.project.isdigit() else "not a project ID",
            got=cloud.project,
            fix="Give the ID, such as my-project-123: `gcloud projects list` shows it.",
        )
    cloud.region = cloud.region or os.environ.get(REGION_VARIABLE)
    if cloud.region is None:
        raise UsageError(
            "--region", "missing", fix=f"Give one, such as europe-west4, or set {REGION_VARIABLE}."
        )
    if (zone := _ZONE.fullmatch(cloud.region)) is not None:
        raise UsageError(
            "--region",
            "a zone",
            got=cloud.region,
            fix=f"Give its region, {zone[1]}; --worker_zone takes a zone.",
        )
    if _REGION.fullmatch(cloud.region) is None:
        raise UsageError(
            "--region", "not a region", got=cloud.region, fix="Write it like europe-west4."
        )


def _check_storage(cloud: Any) -> None:
    bucket_of("--temp_location", cloud.temp_location)
    if cloud.staging_location is not None:
        bucket_of("--staging_location", cloud.staging_location)
    account = cloud.service_account_email
    if account is not None and _ACCOUNT.fullmatch(account) is None:
        raise UsageError(
            "--service_account_email",
            "not a service account",
            got=account,
            fix="Write it like workers@my-project.iam.gserviceaccount.com.",
        )


def _check_job(cloud: Any, *, live: bool) -> None:
    if _JOB_NAME.fullmatch(cloud.job_name) is None:
        raise UsageError(
            "--job_name",
            "not a name that Dataflow takes",
            got=cloud.job_name,
            fix="Lower-case letters, digits and '-', a letter first, at most 63.",
        )
    if cloud.update and not live:
        raise UsageError(
            "--update", "only a live job can be updated", fix="Leave the limits of the read away."
        )
    mapping = cloud.transform_name_mapping
    if mapping is not None:
        _check_mapping(mapping, update=cloud.update)
    for label in cloud.labels or ():
        _check_label(label)


def _check_mapping(mapping: Any, *, update: bool) -> None:
    flag = "--transform_name_mapping"
    if not update:
        raise UsageError(flag, "says nothing without --update", fix="Add --update.")
    names = [*mapping, *mapping.values()] if isinstance(mapping, dict) else [None]
    if not all(isinstance(name, str) for name in names):
        raise UsageError(
            flag,
            "not a JSON object of names",
            got=json.dumps(mapping),
            fix='Write it like {"old name": "new name"}.',
        )


def _check_label(label: str) -> None:
    if "{" in label:
        # A whole JSON object, which Beam reads.
        return
    key, _, value = label.partition("=")
    if (
        _LABEL_KEY.fullmatch(key) is None
        or _LABEL_VALUE.fullmatch(value) is None
        or (value != value.lower() or key != key.lower())
    ):
        raise UsageError(
            "--labels",
            "not a label",
            got=label,
            fix="Write it like team=shop: lower-case letters, digits, '_' and '-', at most 63.",
        )


def _set_package(options: PipelineOptions) -> None:
    """Has workers install this package, where no image of the user's has it."""
    setup = options.view_as(SetupOptions)
    if setup.setup_file is None:
        if options.view_as(WorkerOptions).sdk_container_image or setup.extra_packages:
            return
        if not _SETUP_FILE.is_file():
            raise UsageError(
                "--setup_file",
                "missing, and this package was not started from its sources",
                fix="Give its setup.py, or an image with it (--sdk_container_image).",
            )
        setup.setup_file = str(_SETUP_FILE)
    if not os.path.isfile(setup.setup_file):
        raise UsageError(
            "--setup_file", "no such file", got=setup.setup_file, fix="Give the path of setup.py."
        )
    # Beam changes to its folder, by a path that it then takes from there.
    setup.setup_file = os.path.abspath(setup.setup_file)
