"""The live job: the graph on Flink's mini-cluster, results as soon as their windows are over.

The Python part runs in this process (Beam's LOOPBACK environment), so results reach the
command through a queue; the Java part runs inside Flink's process (EMBEDDED).
"""

import contextlib
import itertools
import json
import pathlib
import queue
import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineState

from pipeline.config import JobConfig
from pipeline.console import TABLE_HEAD, print_json, print_result, print_sample
from pipeline.errors import JobFailedError
from pipeline.flink_options import runner_options
from pipeline.graph import build_live_graph
from pipeline.live_config import MAX_PARALLELISM
from pipeline.readers import live_sources
from pipeline.side_outputs import Places, write_side_outputs
from transforms.results import Result
from transforms.samples import Sample
from transforms.state_sampling import sample_often

CHECKPOINT_INTERVAL_MS = 10_000
_STATE_CHECK_SECONDS = 1.0
# What is shown at one go.
_MOST_AT_A_TIME = 10_000
_RETRIES = 1_000
_RETRY_DELAY_MS = 1_000

_received: "queue.SimpleQueue[Result | Sample]" = queue.SimpleQueue()


class _HandOverFn(beam.DoFn):
    """Gives elements to the command that waits in `show_results`, in the same process."""

    def process(self, element: Any) -> Iterable[None]:
        _received.put(element)
        return ()


def submit(
    config: JobConfig,
    *,
    parallelism: int,
    expansion_address: str,
    job_endpoint: str,
    checkpoints_dir: pathlib.Path,
    places: Places,
) -> Any:
    """Builds the live job and submits it; returns Beam's PipelineResult.

    Args:
      config: the checked configuration; read limits do not count.
      parallelism: of every step.
      expansion_address: of the expansion service, `host:port`; empty where Java has no part.
      job_endpoint: of the Flink job server, `host:port`.
      checkpoints_dir: where Flink keeps the state of the running job.
      places: of dead letters and ledger.
    """
    sample_often()
    options = _options(config, parallelism, job_endpoint, checkpoints_dir)
    pipeline = beam.Pipeline(options=options)
    sources = live_sources(config, expansion_address, on_cluster=False, properties_path=None)
    outputs = build_live_graph(pipeline, config, sources)
    _ = outputs.results | "ShowResults" >> beam.ParDo(_HandOverFn())
    if outputs.samples is not None:
        _ = outputs.samples | "ShowSamples" >> beam.ParDo(_HandOverFn())
    write_side_outputs(
        outputs,
        config,
        places,
        live=True,
        properties_path=config.properties_path,
    )
    return pipeline.run()


def show_results(result: Any, *, as_table: bool) -> None:
    """Prints results and samples as they come, until the job ends or Ctrl-C.

    Raises:
      JobFailedError: the job ended, which a live job does not do by itself.
    """
    highest = 0
    if as_table:
        print(TABLE_HEAD, flush=True)
    while True:
        try:
            one = _received.get(timeout=_STATE_CHECK_SECONDS)
        except queue.Empty:
            if PipelineState.is_terminal(result.state):
                raise JobFailedError(
                    f"the job ended on Flink with state {result.state}. "
                    "See the log of the job server."
                ) from None
            continue
        for _, run in itertools.groupby([one, *_received_meanwhile()], key=type):
            alike = list(run)
            for sample in alike:
                if isinstance(sample, Sample):
                    print_sample(sample, err=sys.stderr)
            results = [one for one in alike if isinstance(one, Result)]
            if not as_table:
                print_json([one.to_json() for one in results], out=sys.stdout)
                continue
            for one in results:
                if not one.final:
                    highest = max(highest, one.count)
                    print_result(json.loads(one.to_json()), highest, out=sys.stdout)


def _received_meanwhile() -> Iterator[Result | Sample]:
    with contextlib.suppress(queue.Empty):
        for _ in range(_MOST_AT_A_TIME):
            yield _received.get_nowait()


def _options(
    config: JobConfig, parallelism: int, job_endpoint: str, checkpoints_dir: pathlib.Path
) -> PipelineOptions:
    # A new job begins a new history; Flink would keep the old one's files for ever.
    shutil.rmtree(checkpoints_dir, ignore_errors=True)
    return PipelineOptions(
        [
            "--runner=PortableRunner",
            f"--job_endpoint={job_endpoint}",
            "--environment_type=LOOPBACK",
            "--streaming",
            f"--parallelism={parallelism}",
            f"--max_parallelism={MAX_PARALLELISM}",
            # Only a cluster has a place where metrics can be looked at.
            *runner_options(config, disable_metrics=True),
            f"--checkpointing_interval={CHECKPOINT_INTERVAL_MS}",
            "--state_backend=filesystem",
            f"--state_backend_storage_path={checkpoints_dir.as_uri()}",
            f"--number_of_execution_retries={_RETRIES}",
            f"--execution_retry_delay={_RETRY_DELAY_MS}",
        ]
    )
