"""The Java expansion service: turns `ReadFromKafka` into Java transforms.

For the DirectRunner the same process also runs them: with `--alsoStartLoopbackWorker` it is
a worker pool for the Java SDK too. Flink and Spark run them inside their processes (EMBEDDED),
Dataflow in a container of Beam's Java image, which gets the jars with the job.
"""

from __future__ import annotations

import pathlib

from pipeline.local.java_service import PATHING_JAR, REAL_JARS, JavaService
from pipeline.local.ports import free_port


class ExpansionService(JavaService):
    """The expansion service on loopback.

    Args:
      log_path: its stdout and stderr, appended to.
      embedded: expand for a runner that runs Java itself, with KafkaIO's unbounded source,
        whose position is then part of the runner's checkpoints.
      on_spark: expand for Spark, which runs Java itself too, and reads what has an end.
      in_containers: expand for a runner that starts Beam's Java image elsewhere, and hand the jars
        to the submission, which stages them. Without any of these: for the DirectRunner.
      jar: Beam's own, in the place of the locked modules.
    """

    def __init__(
        self,
        log_path: pathlib.Path,
        *,
        embedded: bool = False,
        on_spark: bool = False,
        in_containers: bool = False,
        jar: pathlib.Path | None = None,
    ) -> None:
        port = free_port()
        jar_set = "beam"
        if embedded:
            jar_set = "flink"
            runner = ["--defaultEnvironmentType=EMBEDDED", "--experiments=use_deprecated_read"]
        elif on_spark:
            jar_set = "spark"
            runner = ["--defaultEnvironmentType=EMBEDDED"]
        else:
            runner = [] if in_containers else ["--alsoStartLoopbackWorker"]
        # Beside the program that it was started from, a pathing jar is empty.
        staged = REAL_JARS if in_containers else PATHING_JAR
        super().__init__(
            "Java expansion service",
            jar_set=jar_set,
            main_class="org.apache.beam.sdk.expansion.service.ExpansionService",
            port=port,
            # Quick to start: what it does is over before the second compiler would pay, and
            # in a bounded read Python, not Java, is what limits the speed.
            java_options=["-XX:TieredStopAtLevel=1"],
            arguments=[
                str(port),
                f"--filesToStage={staged}",
                *runner,
            ],
            log_path=log_path,
            jar=jar,
        )
