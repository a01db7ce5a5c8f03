"""Puts the job on Dataflow: builds its graph, has Beam stage and submit it, follows it.

The graph is that of the other runners. Python runs in Beam's Python image with this package in it,
Java in Beam's Java image with the jars of the connector; both are staged with the job.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.runners.dataflow import dataflow_runner
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError
from apache_beam.runners.runner import PipelineState
from google.api_core import exceptions

from pipeline.config import KAFKA_OUTPUT, JobConfig
from pipeline.dataflow_service import in_words
from pipeline.errors import ErrorWindowsError, JobFailedError, ServiceError, UsageError
from pipeline.graph import Outputs, build_graph, build_live_graph
from pipeline.kafka_properties import is_secret
from pipeline.live_sinks import WriteResultsToKafka
from pipeline.offset_ranges import OffsetRange
from pipeline.readers import bounded_sources, live_sources
from pipeline.runner import root_cause
from pipeline.side_outputs import Places, write_side_outputs
from pipeline.sinks import WriteResults
from pipeline.stable_ids import StableIds
from transforms.escape import escape_terminal

Ranges = Mapping[str, Sequence[OffsetRange]]

_CONSOLE = "https://console.cloud.google.com/dataflow/jobs/{region}/{id}?project={project}"
_LOG = logging.getLogger(__name__)


class DataflowJob(NamedTuple):
    """A job that was submitted.

    Attributes:
      name: of the job.
      id: Dataflow's; None for a graph that was only written, for a template.
      place: its page in the console, or where the graph is.
      result: Beam's.
    """

    name: str
    id: str | None
    place: str
    result: Any


def submit(
    config: JobConfig, options: PipelineOptions, ranges: Ranges | None, expansion_address: str
) -> DataflowJob:
    """Builds the graph, stages it and what workers need, and starts the job.

    Args:
      config: the checked configuration, every topic by name.
      options: Beam's (`pipeline.dataflow_options`).
      ranges: what to read, by cluster; None: without end.
      expansion_address: of the expansion service, `host:port`; empty where Java has no part.

    Raises:
      ErrorWindowsError: the job is not there; the text says why.
    """
    cloud = options.view_as(GoogleCloudOptions)
    try:
        pipeline = beam.Pipeline(options=options)
        pipeline.component_id_map = StableIds()
        _build(pipeline, config, ranges, expansion_address)
        # Without the round trip through its own proto, which costs composites their display data.
        result = pipeline.run(test_runner_api=False)
    except ErrorWindowsError:
        raise
    except Exception as error:
        _LOG.exception("the job was not submitted")
        raise _refusal(error, config.job) from error
    if not result.has_job:
        return DataflowJob(config.job, None, cloud.template_location, result)
    job_id = result.job_id()
    place = _CONSOLE.format(region=cloud.region, id=job_id, project=cloud.project)
    return DataflowJob(config.job, job_id, place, result)


def follow(job: DataflowJob) -> None:
    """Shows on stderr what Dataflow says of a job, until it ends; Ctrl-C leaves the job alone.

    Raises:
      JobFailedError: it failed, or was cancelled.
    """
    said = _Said()
    dataflow_runner._LOGGER.addHandler(said)
    try:
        print(f"messages of {job.name} (Ctrl-C ends this, not the job)", file=sys.stderr)
        job.result.wait_until_finish()
    except KeyboardInterrupt:
        print(f"job {job.name} goes on: {job.place}", file=sys.stderr)
        raise
    except dataflow_runner.DataflowRuntimeException as error:
        state = job.result.state
        if state in (PipelineState.DRAINED, PipelineState.UPDATED):
            return
        if state == PipelineState.CANCELLED:
            raise JobFailedError(f"job {job.name} was cancelled. {job.place}") from error
        raise JobFailedError(
            f"job {job.name} failed on Dataflow: {root_cause(str(error))}. {job.place}"
        ) from error
    finally:
        dataflow_runner._LOGGER.removeHandler(said)


class _Said(logging.Handler):
    """Prints what Beam logs of a job: its states, and Dataflow's messages."""

    def emit(self, record: logging.LogRecord) -> None:
        print(escape_terminal(record.getMessage()), file=sys.stderr)


def _build(
    pipeline: beam.Pipeline, config: JobConfig, ranges: Ranges | None, expansion_address: str
) -> None:
    kafka, place = config.kafka, config.output.path
    # Workers look for the file only where they need it.
    secrets_path = config.properties_path if any(map(is_secret, kafka.properties)) else None
    outputs: Outputs
    if ranges is None:
        sources = live_sources(
            config, expansion_address, on_cluster=True, properties_path=secrets_path
        )
        outputs = build_live_graph(pipeline, config, sources)
    else:
        sources = bounded_sources(
            config, ranges, expansion_address, on_cluster=True, properties_path=secrets_path
        )
        outputs = build_graph(pipeline, config, sources)
    _ = outputs.results | "WriteResults" >> (
        WriteResultsToKafka(
            place.removeprefix(KAFKA_OUTPUT),
            kafka.bootstrap_servers,
            kafka.properties.public(),
            secrets_path,
        )
        if place.startswith(KAFKA_OUTPUT)
        else WriteResults(place)
    )
    write_side_outputs(
        outputs,
        config,
        Places(config.output.dead_letter, config.output.ledger),
        live=ranges is None,
        properties_path=secrets_path,
    )


def _refusal(error: Exception, name: str) -> ErrorWindowsError:
    """What kept the job from being there, in one line."""
    if isinstance(error, (DataflowJobAlreadyExistsError, exceptions.Conflict)):
        conflict = isinstance(error, exceptions.Conflict)
        reason = in_words(error) if conflict else root_cause(str(error))
        return UsageError(
            "--job_name",
            f"Dataflow has such a job ({reason})",
            got=name,
            fix="Add --update to change it, or choose another name.",
        )
    if isinstance(error, exceptions.GoogleAPICallError):
        return ServiceError(
            f"Dataflow: it refuses the job ({in_words(error)}). Correct what it names."
        )
    reason = root_cause(str(error))
    if isinstance(error, OSError):
        return ServiceError(
            f"--temp_location: staging failed ({reason}). Check access to the bucket."
        )
    return JobFailedError(f"the job was not submitted: {reason}. The log has the whole story.")
