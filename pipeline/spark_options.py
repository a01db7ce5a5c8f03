"""What Beam is told of a job on Spark."""

import json
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions

from pipeline.config import WORKER
from pipeline.spark import PROCESS_ENVIRONMENT, SparkRun
from transforms import worker_plugin

_WORKER_IDLE_MS = 60_000


def spark_options(arguments: Sequence[str], run: SparkRun, job_endpoint: str) -> PipelineOptions:
    """Beam's options for a job server that is there already.

    Args:
      arguments: the user's flags for Beam.
      run: where the job runs.
      job_endpoint: of the job server, `host:port`.
    """
    given = PipelineOptions(list(arguments)).view_as(PortableOptions)
    changes = [
        # What `SparkRunner` is beneath: it would start a job server of its own, from Beam's jar.
        "--runner=PortableRunner",
        f"--job_endpoint={job_endpoint}",
        # Beam would ask pip for all packages on this machine, and send the list along.
        "--experiments=disable_logging_submission_environment",
        f"--environment_type={run.environment}",
        # Else what does not fit into memory is read from Kafka again.
        "--storage_level=MEMORY_AND_DISK",
        # Else a worker ends with its task, and the next task starts another.
        f"--environment_cache_millis={_WORKER_IDLE_MS}",
        worker_plugin.ARGUMENT,
    ]
    if run.environment == PROCESS_ENVIRONMENT and given.environment_config is None:
        # Found on the PATH of the executors.
        changes.append(f"--environment_config={json.dumps({'command': WORKER})}")
    return PipelineOptions([*arguments, *changes])
