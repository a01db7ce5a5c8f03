"""`error-windows flink`, which `./run_flink.sh` runs: live counting on Flink, and its clusters.

Without a command word it counts, on a local cluster, inside one process (`[local]`) or on a
cluster of the user's. Without brokers it brings its own input: a real Apache Kafka and demo
lines at a steady rate.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.arguments import rewrite_habits
from pipeline.errors import UsageError
from pipeline.job_spec import live_parser
from pipeline.live_flags import refuse_flags_of_a_cluster
from pipeline.local.flink_job_server import LOCAL_MASTER

_PROG = "run_flink.sh"
COMMANDS = ("start", "stop", "status", "logs", "cancel", "savepoint", "rescale")
_EPILOG = """\
examples:
  a cluster, a Kafka and lines of its own, until Ctrl-C:
    run_flink.sh
  the topics of your Kafka:
    run_flink.sh --kafka_bootstrap_servers=localhost:9092 --input_topic=logs
  on your cluster, results to a topic:
    run_flink.sh --flink_master=http://jobmanager:8081 --checkpoint_dir=s3://bucket/checkpoints \\
        --kafka_bootstrap_servers=localhost:9092 --input_topic=logs --output=kafka:error-counts

commands (each has its own --help):
  run_flink.sh start       a local cluster in the background, and the job on it
  run_flink.sh stop        ends it; the next start goes on from the last checkpoint
  run_flink.sh status      processes, the job, its checkpoints
  run_flink.sh logs NAME   what a process has written
  run_flink.sh cancel      ends the job
  run_flink.sh savepoint   keeps the job's state, to start a changed job from
  run_flink.sh rescale N   gives the job another parallelism
"""


def main(argv: Sequence[str]) -> int:
    """Runs a command, or counts live until Ctrl-C; returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    if argv and argv[0] in COMMANDS:
        from pipeline import flink_commands

        return flink_commands.main(argv)
    parser = live_parser(_PROG)
    parser.epilog = _EPILOG
    parser.add_argument(
        "--attach",
        action="store_true",
        help="with --flink_master: show the results, also of a job that runs already",
    )
    flags, unknown = parser.parse_known_args(rewrite_habits(argv))
    if unknown and unknown[0].startswith("--runner"):
        raise UsageError(
            "--runner",
            "a live job runs on Flink",
            got=unknown[0].partition("=")[2] or None,
            fix="Leave it away; run_direct.sh takes SparkRunner, for reads with an end.",
        )
    if unknown:
        raise UsageError(
            unknown[0].partition("=")[0], "no such flag of the live job", fix="See --help."
        )
    if flags.flink_master is None:
        from pipeline.live_run import run_on_local_cluster

        return run_on_local_cluster(flags)
    if flags.flink_master == LOCAL_MASTER:
        from pipeline.live_services import run_live

        refuse_flags_of_a_cluster(flags, parser)
        return run_live(flags)
    from pipeline.remote_run import run_on_cluster

    return run_on_cluster(flags)
