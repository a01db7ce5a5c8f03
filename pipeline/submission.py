"""Puts a live job on a Flink cluster: builds the graph, submits it, waits until it runs.

The job is named by `LiveConfig.job.job` and keeps no tie to this process: results go to a
Kafka topic or a folder, and its Python part runs beside the TaskManagers (Beam's PROCESS
environment), its Java part inside them (EMBEDDED).
"""

import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from pipeline.checkpoint_store import CHECKPOINT_DIR_FLAG
from pipeline.errors import ErrorWindowsError, JobFailedError, ServiceError, UsageError
from pipeline.flink_options import runner_options
from pipeline.flink_rest import FlinkJob, FlinkRest
from pipeline.graph import build_live_graph
from pipeline.live_config import MAX_PARALLELISM, LiveConfig
from pipeline.live_sinks import (
    WriteResultsToFolder,
    WriteResultsToKafka,
    WriteSamplesToFolder,
)
from pipeline.local.expansion import ExpansionService
from pipeline.local.flink_job_server import FlinkJobServer
from pipeline.readers import live_sources
from pipeline.runner import root_cause
from pipeline.side_outputs import Places, write_side_outputs
from pipeline.stable_ids import StableIds
from transforms import worker_plugin

# For ever, at a pause that spares the brokers.
_RETRIES = 2_147_483_647
_RETRY_DELAY_MS = 1_000
_CHECKPOINT_TIMEOUT_MS = 120_000
_POLL_SECONDS = 0.5
_RUNNING_TIMEOUT_SECONDS = 180.0
# Flink answers from what it knew up to 3 s before (web.refresh-interval).
_CAUSE_TIMEOUT_SECONDS = 10.0
# What Flink says when it cannot go on from a checkpoint, in 1.19's words.
_RESTORE_FAILURES = (
    "Failed to rollback to checkpoint/savepoint",
    "Could not restore",
    "Cannot restore",
    "Failed to restore",
    "Failed when trying to restore",
    "Cannot find checkpoint or savepoint",
    "Could not find checkpoint or savepoint",
    # A damaged file may fail with anything at all (EOFException): where it does tells.
    "CheckpointCoordinator.restoreSavepoint(",
    "StreamTaskStateInitializerImpl.streamOperatorStateContext(",
)
# What it says of state that no step of the graph takes, also 1.19's words.
_LOST_STATE = re.compile(
    r"Cannot map checkpoint/savepoint state for operator (.+?) to the new program"
)
_LOG = logging.getLogger(__name__)


class RestoreError(ServiceError):
    """Flink cannot go on from the checkpoint that it was given."""


def submit(
    config: LiveConfig,
    rest: FlinkRest,
    *,
    expansion: ExpansionService | None,
    job_server: FlinkJobServer,
    checkpoint_uri: str,
    restore_from: str | None,
    may_lose_state: bool,
    show_progress: Callable[[str], None],
) -> FlinkJob:
    """Submits the job and returns it when every task of it runs.

    Args:
      config: the checked configuration.
      rest: of the cluster.
      expansion: a Java service that is starting; None where nothing is read with Java.
      job_server: Beam's, of that cluster, starting.
      checkpoint_uri: the folder of the job's checkpoints.
      restore_from: a checkpoint or savepoint to go on from.
      may_lose_state: whether it may hold state of parts that the graph has no more.
      show_progress: is told what is being done.

    Raises:
      UsageError: it holds state that no step of the graph takes, and may not.
      RestoreError: Flink cannot go on from `restore_from`; the job was cancelled.
      JobFailedError: the job failed before it ran.
      ServiceError: a service does not answer.
    """
    known = {job.id for job in rest.jobs()}
    show_progress("building the graph")
    pipeline = beam.Pipeline(
        options=_options(config, job_server.address(), checkpoint_uri, restore_from, may_lose_state)
    )
    pipeline.component_id_map = StableIds()
    _build(pipeline, config, "" if expansion is None else expansion.address())
    show_progress("submitting the job to Flink")
    result = pipeline.run()
    job = _wait_for_job(rest, config.job.job, known, result, restore_from)
    show_progress("waiting for the job's tasks")
    return _wait_until_it_runs(rest, job.id, restore_from)


def _build(pipeline: beam.Pipeline, config: LiveConfig, expansion_address: str) -> None:
    sources = live_sources(
        config.job, expansion_address, on_cluster=True, properties_path=config.properties_path
    )
    outputs = build_live_graph(pipeline, config.job, sources)
    topic = config.output_topic
    if topic is None:
        _ = outputs.results | "WriteResults" >> WriteResultsToFolder(config.output)
    else:
        kafka = config.job.kafka
        _ = outputs.results | "WriteResults" >> WriteResultsToKafka(
            topic, kafka.bootstrap_servers, kafka.properties.public(), config.properties_path
        )
    if outputs.samples is not None and topic is None:
        _ = outputs.samples | "WriteSamples" >> WriteSamplesToFolder(config.output)
    write_side_outputs(
        outputs,
        config.job,
        Places(config.dead_letter, config.ledger),
        live=True,
        properties_path=config.properties_path,
    )


def _options(
    config: LiveConfig,
    job_endpoint: str,
    checkpoint_uri: str,
    restore_from: str | None,
    may_lose_state: bool,
) -> PipelineOptions:
    worker = json.dumps({"command": config.worker_command})
    arguments = [
        "--runner=PortableRunner",
        f"--job_name={config.job.job}",
        f"--job_endpoint={job_endpoint}",
        "--environment_type=PROCESS",
        f"--environment_config={worker}",
        worker_plugin.ARGUMENT,
        "--streaming",
        f"--parallelism={config.parallelism}",
        f"--max_parallelism={MAX_PARALLELISM}",
        *runner_options(config.job, disable_metrics=config.disable_metrics),
        f"--checkpointing_interval={config.checkpoint_interval_seconds * 1000}",
        f"--checkpoint_timeout_millis={_CHECKPOINT_TIMEOUT_MS}",
        "--externalized_checkpoints_enabled",
        "--retain_externalized_checkpoints_on_cancellation",
        "--state_backend=filesystem",
        f"--state_backend_storage_path={checkpoint_uri}",
        f"--number_of_execution_retries={_RETRIES}",
        f"--execution_retry_delay={_RETRY_DELAY_MS}",
    ]
    if restore_from is not None:
        arguments.append(f"--savepoint_path={restore_from}")
        if may_lose_state:
            # Else a label that changed by accident would cost the counts behind it in silence.
            arguments.append("--allow_non_restored_state")
    return PipelineOptions(arguments)


def _wait_for_job(
    rest: FlinkRest, name: str, known: set[str], result: Any, restore_from: str | None
) -> FlinkJob:
    """The new job on the cluster, as soon as the cluster knows it."""
    while True:
        for job in rest.jobs():
            if job.name == name and job.id not in known:
                return job
        if PipelineState.is_terminal(result.state):
            raise _failure(_messages(result), restore_from)
        time.sleep(_POLL_SECONDS)


def _wait_until_it_runs(rest: FlinkRest, job_id: str, restore_from: str | None) -> FlinkJob:
    deadline = time.monotonic() + _RUNNING_TIMEOUT_SECONDS
    while True:
        job = next((job for job in rest.jobs() if job.id == job_id), None)
        if job is None:
            raise JobFailedError("the job is gone from Flink: its JobManager was restarted.")
        if job.runs:
            return job
        if job.ended:
            raise _failure("\n".join(_why_it_ended(rest, job_id)[:1]), restore_from)
        causes = rest.exceptions(job_id)
        if restore_from is not None and any(says_restore_failed(cause) for cause in causes):
            rest.cancel(job_id)
            raise _failure("\n".join(causes[:1]), restore_from)
        if time.monotonic() > deadline:
            _LOG.warning("the job has not got all its tasks: %s", root_cause("\n".join(causes)))
            return job
        time.sleep(_POLL_SECONDS)


def _why_it_ended(rest: FlinkRest, job_id: str) -> list[str]:
    deadline = time.monotonic() + _CAUSE_TIMEOUT_SECONDS
    while not (causes := rest.exceptions(job_id)) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return causes


def _failure(message: str, restore_from: str | None) -> ErrorWindowsError:
    _LOG.error("the job failed: %s", message)
    lost = _LOST_STATE.search(message)
    if restore_from is not None and lost is not None:
        return UsageError(
            CHECKPOINT_DIR_FLAG,
            f"the checkpoint holds state of operator {lost[1]}, which this job does not have, "
            "though none of its topics or other parts went",
            fix="Start it with the version of this package that made the checkpoint; or use "
            "--fresh, and know what that loses.",
        )
    if restore_from is not None and says_restore_failed(message):
        return RestoreError(f"checkpoint: Flink cannot go on from it ({root_cause(message)}).")
    return JobFailedError(f"the job failed on Flink: {root_cause(message)}")


def says_restore_failed(message: str) -> bool:
    """Whether a failure of Flink's is that it cannot go on from a checkpoint."""
    return any(words in message for words in _RESTORE_FAILURES)


def _messages(result: Any) -> str:
    try:
        result.wait_until_finish()
    except RuntimeError as error:
        return str(error)
    return f"it ended in state {result.state}"
