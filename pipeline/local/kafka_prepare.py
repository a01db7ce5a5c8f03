"""Makes everything ready to run Kafka brokers, and says how: any process manager can run them.

`prepare_kafka` starts none. Its programs can be started, ended and started again in any
order; `kafka_wait.wait_for_kafka` tells when they serve.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import time

from pipeline.local.kafka_folder import BrokerFiles, ClusterState, folder_errors
from pipeline.local.kafka_layout import MAIN_CLASS, PreparedKafka, lay_out_kafka
from pipeline.local.kafka_log import ended_error, log_size, timeout_error
from pipeline.local.process import ManagedProcess

__all__ = ["PreparedKafka", "format_storage", "prepare_kafka"]

FORMAT_TIMEOUT_SECONDS = 60.0


def prepare_kafka(
    data_dir: pathlib.Path,
    *,
    brokers: int | None = None,
    port: int | None = None,
    log_path: pathlib.Path | None = None,
    timeout_seconds: float = FORMAT_TIMEOUT_SECONDS,
) -> PreparedKafka:
    """Makes folders, ports, settings and storage for brokers, and starts none of them.

    A folder that was used before keeps its cluster id, ports and records. Two must not
    prepare one folder at the same time: `kafka_folder.start_lock` sees to that.

    Args:
      data_dir: created if it is not there.
      brokers: 1 or 3, each a broker and a controller; None for as many as the folder was
        made for, 1 in a new one.
      port: for clients of the first broker, the others have the next ones; None for those
        of the last time, else free ones.
      log_path: where Kafka's storage tool writes, see `BrokerFiles.log_beside`.
      timeout_seconds: for Kafka's storage tool, in a new folder.

    Raises:
      AlreadyRunningError: `EmbeddedKafka` runs brokers of this folder.
      UsageError: a port is taken or not allowed, or the folder is for another number of
        brokers.
      ServiceError: the folder cannot be used.
      JavaNotFoundError, JarsMissingError: there is nothing to run them with.
    """
    data_dir = data_dir.absolute()
    prepared = lay_out_kafka(data_dir, brokers=brokers, port=port)
    format_storage(data_dir, prepared, log_path=log_path, timeout_seconds=timeout_seconds)
    return prepared


def format_storage(
    data_dir: pathlib.Path,
    prepared: PreparedKafka,
    *,
    log_path: pathlib.Path | None = None,
    timeout_seconds: float = FORMAT_TIMEOUT_SECONDS,
) -> None:
    """Formats what is not formatted yet; all brokers' at the same time.

    Raises:
      ServiceError: Kafka's tool failed, or was not done in time.
    """
    deadline = time.monotonic() + timeout_seconds
    state = ClusterState.read(data_dir)
    if state is None or all(broker.formatted for broker in state.brokers):
        return
    with contextlib.ExitStack() as stack:
        tools = []
        all_files = BrokerFiles.of_all(data_dir, len(state.brokers))
        for files, program in zip(all_files, prepared.programs, strict=True):
            java = program.argv[: program.argv.index(MAIN_CLASS)]
            arguments = ["format", "-t", state.cluster_id, "-c", str(files.settings)]
            log = files.log_beside(log_path)
            log_start = log_size(log)
            tool = ManagedProcess.start(
                program.name,
                # What an interrupted first start left is either complete or written again.
                [*java, "kafka.tools.StorageTool", *arguments, "--ignore-formatted"],
                log_path=log,
                env=program.environment,
            )
            tools.append((stack.enter_context(tool), log, log_start))
        for tool, log, log_start in tools:
            exit_code = tool.wait(max(0.0, deadline - time.monotonic()))
            if exit_code is None:
                raise timeout_error(log, log_start)
            if exit_code != 0:
                raise ended_error(exit_code, log, log_start)
    done = tuple(dataclasses.replace(broker, formatted=True) for broker in state.brokers)
    with folder_errors(data_dir):
        dataclasses.replace(state, brokers=done).write(data_dir)
