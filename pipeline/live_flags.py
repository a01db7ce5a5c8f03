"""The flags of live counting on Flink, beside the job's own."""

from __future__ import annotations

import argparse

from pipeline.errors import UsageError

# What only a cluster has: by the names in the namespace, with their flags.
_OF_A_CLUSTER = {
    "attach": "--attach",
    "checkpoint_dir": "--checkpoint_dir",
    "checkpoint_interval_seconds": "--checkpoint_interval_seconds",
    "fresh": "--fresh",
    "restore_from": "--from",
    "high_availability": "--high_availability",
    "metrics_port": "--metrics_port",
    "rest_port": "--rest_port",
    "s3_endpoint": "--s3_endpoint",
    "task_managers": "--task_managers",
    "worker_command": "--worker_command",
}


def add_live_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what a live job can be told."""
    live = parser.add_argument_group("live job")
    live.add_argument(
        "--job_name",
        metavar="NAME",
        default="errors",
        help="names results, checkpoints and the job on Flink",
    )
    live.add_argument(
        "--parallelism",
        metavar="N",
        default="1",
        help="parallel readers and workers; at most the partitions of the topics makes sense",
    )
    live.add_argument(
        "--disable_metrics",
        action="store_true",
        help="do without the job's counters on a cluster: --kafka_reader=beam is faster then, see "
        "docs/readers.md (inside one process there are none)",
    )
    live.add_argument(
        "--checkpoint_dir",
        metavar="PATH|URI",
        help="where checkpoints go, a place that all hosts share: a path or s3://bucket/folder "
        "(default: checkpoints in the run folder)",
    )
    live.add_argument(
        "--checkpoint_interval_seconds", metavar="SECONDS", default="10", help="how often"
    )
    live.add_argument(
        "--fresh",
        action="store_true",
        help="start without the state of earlier runs (default: go on from the newest checkpoint)",
    )
    live.add_argument(
        "--from",
        dest="restore_from",
        metavar="PATH",
        help="go on from this checkpoint or savepoint",
    )
    live.add_argument(
        "--demo_rate",
        metavar="N",
        default="100",
        help="demo lines a second, when no --kafka_bootstrap_servers is given",
    )
    live.add_argument(
        "--worker_command",
        metavar="PATH",
        help="error-windows-worker on the hosts of the TaskManagers (default: the installed one)",
    )


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what a cluster can be told."""
    cluster = parser.add_argument_group("cluster")
    add_place_flags(cluster)
    cluster.add_argument(
        "--flink_version",
        metavar="MINOR",
        help="of a cluster of yours, such as 1.20, with --java_runtime=beam (default: what it "
        "reports)",
    )
    cluster.add_argument(
        "--high_availability",
        action="store_true",
        help="ZooKeeper, two JobManagers, two TaskManagers: the job survives the loss of any",
    )
    cluster.add_argument(
        "--task_managers",
        metavar="N",
        help="TaskManagers to start, with two slots each (default: 1; 2 with high availability)",
    )
    cluster.add_argument(
        "--rest_port",
        metavar="PORT",
        help="of Flink's REST API and web UI (default: 8081 if it is free)",
    )
    cluster.add_argument(
        "--metrics_port",
        metavar="PORT",
        help="serve Prometheus metrics: the first JobManager here, the others on the next ports. "
        "Flink's reporter listens on all addresses of the machine",
    )
    cluster.add_argument(
        "--s3_endpoint",
        metavar="URL",
        help="of an S3-compatible store for an s3:// --checkpoint_dir (default: Amazon's)",
    )


def add_place_flags(parser: argparse._ActionsContainer) -> None:
    """Adds what says which cluster is meant."""
    parser.add_argument(
        "--flink_master",
        metavar="http://HOST:PORT|[local]",
        help="a cluster of yours; [local]: Flink inside this command "
        "(default: a local cluster of its own processes)",
    )
    parser.add_argument(
        "--run_dir",
        metavar="FOLDER",
        help="folder of the local cluster: pid files, logs, state (default: .run/flink)",
    )


def refuse_flags_of_a_cluster(flags: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Fails for what Flink inside one process cannot do, which would have no effect there.

    Raises:
      UsageError: for the first of them that is not left as it is.
    """
    for name, flag in _OF_A_CLUSTER.items():
        if getattr(flags, name) != parser.get_default(name):
            raise UsageError(
                flag,
                "Flink inside one process has no such thing",
                fix="Leave --flink_master=[local] away.",
            )
