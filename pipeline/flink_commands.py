"""`run_flink.sh start|stop|status|logs|cancel|savepoint|rescale`: clusters, and the job on them.

A cluster is the local one of a run folder, or one of the user's (`--flink_master`).
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Callable, Sequence

from pipeline.arguments import FlagParser, rewrite_habits, whole_number
from pipeline.checkpoints import SAVEPOINTS
from pipeline.config import names_brokers
from pipeline.console import Progress
from pipeline.deployment import Deployment, cluster_config_from_flags
from pipeline.errors import EXIT_DONE, EXIT_FAILED, ErrorWindowsError, ServiceError, UsageError
from pipeline.flink_rest import FlinkJob, FlinkRest, rest_url
from pipeline.flink_status import show_status
from pipeline.job_spec import JobSpec, live_parser
from pipeline.job_start import check_input, prepare_job, prepare_output, require_no_live_job
from pipeline.live_config import LiveConfig, cluster_dir, live_config_from_flags, note_reader
from pipeline.live_flags import add_place_flags
from pipeline.local.flink_job_server import LOCAL_MASTER
from pipeline.logs import configure_logging
from pipeline.main import note_secrets
from pipeline.resume import open_store
from pipeline.unread_partitions import unread_partitions
from transforms.escape import escape_terminal

_PROG = "run_flink.sh"
_POLL_SECONDS = 0.5
_END_TIMEOUT_SECONDS = 60.0


def main(argv: Sequence[str]) -> int:
    """Runs one of the commands and returns its exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    name, *arguments = argv
    if name == "start":
        return _start(live_parser(f"{_PROG} start").parse_args(rewrite_habits(arguments)))
    parser = FlagParser(prog=f"{_PROG} {name}", allow_abbrev=False, description=_WHAT[name])
    add_place_flags(parser)
    configure_logging(verbose=False)
    if name in _ADD_FLAGS:
        _ADD_FLAGS[name](parser)
    flags = parser.parse_args(rewrite_habits(arguments))
    if flags.flink_master == LOCAL_MASTER:
        raise UsageError(
            "--flink_master",
            f"{name} is for clusters; Flink inside one process ends with its command",
            got=flags.flink_master,
            fix="Leave it away, or name a cluster of yours.",
        )
    return _RUN[name](flags)


def _start(flags: argparse.Namespace) -> int:
    """A local cluster in the background, and the job if topics are named."""
    configure_logging(verbose=flags.verbose)
    if flags.flink_master is not None:
        raise UsageError(
            "--flink_master",
            "start makes a local cluster",
            got=flags.flink_master,
            fix="Leave it away; without `start` the job is put on that cluster.",
        )
    deployment = Deployment(cluster_dir(flags))
    with_job = names_brokers(flags) or bool(flags.input_topic)
    config = live_config_from_flags(flags) if with_job else None
    cluster_config = cluster_config_from_flags(flags)
    note_secrets(flags)
    note_reader(flags)
    with Progress() as progress:
        if config is not None:
            progress.stage(f"asking {config.job.kafka.bootstrap_servers} for the topics")
            check_input(config)
            prepare_output(config)
            progress.clear()
        if deployment.is_running():
            _say(f"the cluster runs already: {deployment.web_ui}")
            if config is not None:
                require_no_live_job(deployment.rest, config.job.job)
                _require_no_other_job(deployment, config.job.job)
        else:
            deployment.start(
                cluster_config, with_kafka=False, detached=True, show_progress=progress.stage
            )
            _say(f"the cluster runs: {deployment.web_ui}")
        if config is not None:
            prepare_job(deployment.folder, flags, deployment.rest.urls)
            deployment.start_driver()
            status = deployment.wait_for_job(progress.stage)
            begun = f"from {status.restored_from}" if status.restored_from else "new"
            _say(f"job {config.job.job} runs ({begun}) as {status.job_id}")
            progress.clear()
            _say(f"results: error-windows watch --from={config.output}")
    _say(f"end: {_PROG} stop")
    return EXIT_DONE


def _require_no_other_job(deployment: Deployment, job: str) -> None:
    spec = JobSpec.read(deployment.folder)
    other = spec is not None and spec.flags["job_name"] != job
    if other and deployment.driver_state().pid:
        raise UsageError(
            "--job_name",
            "another job is kept running on this cluster",
            got=job,
            fix="Cancel that one first, or start another cluster with --run_dir.",
        )


def _stop(flags: argparse.Namespace) -> int:
    _require_local(flags, "stop")
    if Deployment(cluster_dir(flags)).supervisor.stop():
        _say("stopped; the next start goes on from the last checkpoint")
    else:
        _say("no cluster runs")
    return EXIT_DONE


def _status(flags: argparse.Namespace) -> int:
    deployment = None
    if flags.flink_master is None:
        deployment = Deployment(cluster_dir(flags))
        if not deployment.is_running():
            print(json.dumps({"running": False}) if flags.json else "not running")
            return EXIT_FAILED
        rest = deployment.rest
    else:
        rest = FlinkRest([rest_url(flags.flink_master)])

    def warning_of(job: str) -> str | None:
        try:
            config = live_config_from_flags(_spec_of(flags, job).namespace())
        except ErrorWindowsError:
            # Not started from here, or not with flags that still hold.
            return None
        return unread_partitions(config)

    return show_status(rest, deployment, as_json=flags.json, warning_of=warning_of)


def _logs(flags: argparse.Namespace) -> int:
    _require_local(flags, "logs")
    deployment = Deployment(cluster_dir(flags))
    names = sorted(path.stem for path in deployment.folder.glob("*.log"))
    if flags.name is None:
        print("\n".join(names))
        return EXIT_DONE
    if flags.name not in names:
        raise UsageError(
            "NAME", "no such log", got=flags.name, fix=f"Use one of {', '.join(names) or 'none'}."
        )
    lines = whole_number("--lines", flags.lines)
    with open(deployment.supervisor.log_path(flags.name), "rb") as log:
        for line in collections.deque(log, maxlen=lines):
            print(escape_terminal(line.rstrip(b"\r\n")))
    return EXIT_DONE


def _cancel(flags: argparse.Namespace) -> int:
    rest, deployment = _cluster(flags)
    job = _live_job(rest, flags.job_name)
    if deployment is not None:
        deployment.stop_driver()
    rest.cancel(job.id)
    _wait_for_end(rest, job)
    _say(f"job {job.name} is cancelled; the next start goes on from its last checkpoint")
    return EXIT_DONE


def _savepoint(flags: argparse.Namespace) -> int:
    rest, deployment = _cluster(flags)
    job = _live_job(rest, flags.job_name)
    folder = flags.to
    if folder is None:
        folder = _savepoints_uri(_spec_of(flags, job.name))
    with Progress() as progress:
        location = _take_savepoint(
            rest, deployment, job, folder, cancel=flags.cancel, progress=progress
        )
    print(location)
    if flags.cancel:
        _say(f"job {job.name} has ended; the next start goes on from the savepoint")
    return EXIT_DONE


def _rescale(flags: argparse.Namespace) -> int:
    """A savepoint, the end of the job, and its start with another parallelism."""
    rest, deployment = _cluster(flags)
    job = _live_job(rest, flags.job_name)
    whole_number("N", flags.parallelism)
    folder = cluster_dir(flags) if deployment else _remote_folder(flags, job.name)
    spec = _spec_of(flags, job.name)
    changed = dataclasses.replace(spec, flags={**spec.flags, "parallelism": flags.parallelism})
    config = live_config_from_flags(changed.namespace())
    with Progress() as progress:
        _require_slots(rest, config.parallelism)
        if deployment is None:
            from pipeline.launch_job import fetch_java, launch_job

            # The job must not end for a start that is not possible.
            fetch_java(config, rest, progress.stage)
        location = _take_savepoint(
            rest, deployment, job, _savepoints_uri(spec), cancel=True, progress=progress
        )
        _say(f"savepoint {location}")
        changed.write(folder)
        if deployment is not None:
            deployment.start_driver()
            status = deployment.wait_for_job(progress.stage)
            job_id = status.job_id
        else:
            launched = launch_job(config, rest, folder=folder, show_progress=progress.stage)
            job_id = launched.job.id
    _say(f"job {job.name} runs with parallelism {config.parallelism} as {job_id}")
    return EXIT_DONE


def _take_savepoint(
    rest: FlinkRest,
    deployment: Deployment | None,
    job: FlinkJob,
    folder: str,
    *,
    cancel: bool,
    progress: Progress,
) -> str:
    if cancel and deployment is not None:
        deployment.stop_driver()
    progress.stage(f"taking a savepoint of {job.name}")
    try:
        request = rest.start_savepoint(job.id, folder, cancel_job=cancel)
        while True:
            location = rest.savepoint(job.id, request)
            if location is not None:
                break
            time.sleep(_POLL_SECONDS)
        if cancel:
            _wait_for_end(rest, job)
    except ErrorWindowsError:
        if cancel and deployment is not None:
            # The job goes on, and so does who looks after it.
            deployment.start_driver()
        raise
    progress.clear()
    return location


def _require_slots(rest: FlinkRest, parallelism: int) -> None:
    slots = rest.overview()["slots-total"]
    if parallelism > slots:
        raise UsageError(
            "N",
            f"more than the {slots} slots of the cluster",
            got=parallelism,
            fix="Add TaskManagers, or choose less.",
        )


def _cluster(flags: argparse.Namespace) -> tuple[FlinkRest, Deployment | None]:
    if flags.flink_master is not None:
        return FlinkRest([rest_url(flags.flink_master)]), None
    deployment = Deployment(cluster_dir(flags))
    if not deployment.is_running():
        raise ServiceError(
            f"--run_dir: no cluster runs there, got {str(deployment.folder)!r}. "
            "Start one, or name yours with --flink_master."
        )
    return deployment.rest, deployment


def _live_job(rest: FlinkRest, name: str | None) -> FlinkJob:
    live = [job for job in rest.jobs() if not job.ended]
    chosen = [job for job in live if name in (None, job.name)]
    if len(chosen) == 1 or (chosen and name is not None):
        return chosen[0]
    names = ", ".join(sorted({job.name for job in live})) or "no job"
    problem = "several jobs run" if chosen else "no such job runs"
    raise UsageError(
        "--job_name", problem, got=name, fix=f"On the cluster: {names}. Give the name of one."
    )


def _spec_of(flags: argparse.Namespace, job: str) -> JobSpec:
    """The flags that a job was started with from this machine."""
    folder = cluster_dir(flags) if flags.flink_master is None else _remote_folder(flags, job)
    spec = JobSpec.read(folder)
    if spec is None or spec.flags["job_name"] != job:
        raise ServiceError(
            f"--run_dir: job {job!r} was not started from here, got {str(folder)!r}. "
            "Use the run folder it was started with, or give --to=URI where that is possible."
        )
    return spec


def _remote_folder(flags: argparse.Namespace, job: str) -> pathlib.Path:
    # Loads more than the local commands need.
    from pipeline.remote_run import remote_folder

    return remote_folder(flags, job)


def _savepoints_uri(spec: JobSpec) -> str:
    config: LiveConfig = live_config_from_flags(spec.namespace())
    return open_store(config).job(config.job.job).uri(SAVEPOINTS)


def _wait_for_end(rest: FlinkRest, job: FlinkJob) -> None:
    deadline = time.monotonic() + _END_TIMEOUT_SECONDS
    while any(one.id == job.id and not one.ended for one in rest.jobs()):
        if time.monotonic() > deadline:
            raise ServiceError(
                f"job {job.name}: it does not end, got state {job.state}. Look at Flink's web UI."
            )
        time.sleep(_POLL_SECONDS)


def _require_local(flags: argparse.Namespace, command: str) -> None:
    if flags.flink_master is not None:
        raise UsageError(
            "--flink_master",
            f"{command} is for local clusters",
            got=flags.flink_master,
            fix="Use the tools of that cluster.",
        )


def _say(text: str) -> None:
    print(escape_terminal(text), file=sys.stderr, flush=True)


def _add_job_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--job_name", metavar="NAME", help="which job (default: the one that runs)")


def _add_status_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object")


def _add_logs_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a log (default: list them)")
    parser.add_argument("--lines", metavar="N", default="100", help="so many last lines")


def _add_savepoint_flags(parser: argparse.ArgumentParser) -> None:
    _add_job_flag(parser)
    parser.add_argument("--cancel", action="store_true", help="and end the job")
    parser.add_argument(
        "--to", metavar="URI", help="folder for it (default: beside the job's checkpoints)"
    )


def _add_rescale_flags(parser: argparse.ArgumentParser) -> None:
    _add_job_flag(parser)
    parser.add_argument("parallelism", metavar="N", help="the new parallelism")


_WHAT = {
    "stop": "Ends the local cluster; the next start goes on from the last checkpoint.",
    "status": "Shows the processes, the job and its checkpoints (exit code 1: not running).",
    "logs": "Shows what a process of the local cluster has written.",
    "cancel": "Ends the job; the next start goes on from its last checkpoint.",
    "savepoint": "Keeps the job's state and prints where; with --cancel ends the job, to start "
    "a changed one.",
    "rescale": "Gives the job another parallelism: a savepoint, and a start from it.",
}
_ADD_FLAGS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "status": _add_status_flags,
    "logs": _add_logs_flags,
    "cancel": _add_job_flag,
    "savepoint": _add_savepoint_flags,
    "rescale": _add_rescale_flags,
}
_RUN: dict[str, Callable[[argparse.Namespace], int]] = {
    "stop": _stop,
    "status": _status,
    "logs": _logs,
    "cancel": _cancel,
    "savepoint": _savepoint,
    "rescale": _rescale,
}
