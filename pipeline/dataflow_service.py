"""What is asked of Google Cloud: buckets, jobs by name, and their end.

With Beam's own clients, so that flags for endpoint and login mean the same everywhere.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import google.auth
import requests
from apache_beam.io.gcp.gcsio import create_storage_client
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import dataflow

from pipeline.dataflow_options import bucket_of
from pipeline.errors import ServiceError, UsageError

_TIMEOUT_SECONDS = 30.0
# What Google's clients put before the words of a service that is asked by REST.
_REQUEST = re.compile(r"^[A-Z]+ https?://\S+: ")


class DataflowService:
    """Dataflow and Cloud Storage, for one project and region.

    Args:
      options: Beam's, checked (`pipeline.dataflow_options`).

    Raises:
      UsageError: there is no login for Google Cloud on this machine.
    """

    def __init__(self, options: PipelineOptions) -> None:
        self._options = options
        self._cloud = options.view_as(GoogleCloudOptions)
        if not self._cloud.no_auth:
            _require_login()
        self._client = DataflowApplicationClient(options)

    def require_bucket(self, flag: str, path: str) -> None:
        """Fails if the bucket of a `gs://` path is not there for us.

        Raises:
          UsageError: there is none of this name, or no access to it.
          ServiceError: Cloud Storage does not answer.
        """
        bucket = bucket_of(flag, path)
        storage = create_storage_client(self._options, not self._cloud.no_auth)
        with _answers("Cloud Storage"):
            try:
                # Without repetitions, which would take minutes.
                found = storage.lookup_bucket(bucket, timeout=_TIMEOUT_SECONDS, retry=None)
            except exceptions.Forbidden as error:
                raise UsageError(
                    flag,
                    f"no access to bucket {bucket} ({in_words(error)})",
                    got=path,
                    fix="Give a bucket that this login may read and write.",
                ) from None
        if found is None:
            raise UsageError(
                flag, f"there is no bucket {bucket}", got=path, fix="Make it, or give another."
            )

    def active_job(self, name: str) -> Any | None:
        """The job of a name that has not ended, None if there is none.

        Raises:
          UsageError: Dataflow knows no such project or region, or lets this login in neither.
          ServiceError: it does not answer.
        """
        request = dataflow.ListJobsRequest(
            project_id=self._cloud.project,
            location=self._cloud.region,
            filter=dataflow.ListJobsRequest.Filter.ACTIVE,
            name=name,
        )
        with _answers("Dataflow"):
            try:
                jobs = self._client._jobs_client.list_jobs(request, timeout=_TIMEOUT_SECONDS)
                return next((job for job in jobs if job.name == name), None)
            except (exceptions.BadRequest, exceptions.Forbidden, exceptions.NotFound) as error:
                raise self._unknown_place(error) from None

    def cancel(self, job_id: str) -> None:
        """Asks Dataflow to end a job at once.

        Raises:
          ServiceError: it does not.
        """
        with _answers("Dataflow"):
            self._client.modify_job_state(job_id, "JOB_STATE_CANCELLED")

    def _unknown_place(self, error: exceptions.GoogleAPICallError) -> UsageError:
        # The service tells a wrong region from a wrong project by its words only.
        reason = in_words(error)
        about_region = "region" in reason or "location" in reason
        return UsageError(
            "--region" if about_region else "--project",
            f"Dataflow refuses it ({reason})",
            got=self._cloud.region if about_region else self._cloud.project,
            fix="Correct it, or have the Dataflow API enabled and this login let in.",
        )


def in_words(error: exceptions.GoogleAPICallError) -> str:
    """What the service says, without the request that it says it of."""
    return _REQUEST.sub("", str(error.message)).rstrip(".")


def state_name(job: Any) -> str:
    """The state of a job in Dataflow's words, without their beginning: `RUNNING`."""
    return str(dataflow.JobState(job.current_state).name).removeprefix("JOB_STATE_")


def _require_login() -> None:
    """Fails at once where Beam would try for half a minute, then go on without a login."""
    try:
        google.auth.default()
    except DefaultCredentialsError:
        raise UsageError(
            "--runner",
            "there is no login for Google Cloud on this machine",
            got="DataflowRunner",
            fix="Run `gcloud auth application-default login`, or set "
            "GOOGLE_APPLICATION_CREDENTIALS.",
        ) from None


@contextlib.contextmanager
def _answers(service: str) -> Iterator[None]:
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise ServiceError(
            f"{service}: it refuses what was asked ({in_words(error)}). Correct what it names."
        ) from error
    except (exceptions.GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
        raise ServiceError(
            f"{service}: no answer ({type(error).__name__}). Check the network and the login."
        ) from error
