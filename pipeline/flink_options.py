"""What Beam's runner on Flink is told about bundles, wherever Flink runs."""

from __future__ import annotations

from pipeline.config import JobConfig

# Python hands back counts so often. Three steps in a row hold the watermark back as long, and a
# result waits for all of them.
_BUNDLE_MS = 150
# Flink asks a source for its watermark so often; its default of 200 ms would come on top.
_WATERMARK_INTERVAL_MS = 50
# Java hands records to Python whenever so many bytes are there. With Beam's million Python would
# begin when a bundle is nearly over, and Java would wait for it.
_BUFFER_BYTES = 64_000
# The native reader itself ends a call after as long; what is left of a bundle would be waited for.
_NATIVE_BUNDLE_MS = 20
# Beam's default of 1,000 would end a bundle, and wait for Python, every few milliseconds.
_BUNDLE_RECORDS = 100_000


def runner_options(config: JobConfig, *, disable_metrics: bool) -> list[str]:
    """Arguments of the runner; docs/readers.md tells what each brings.

    Args:
      config: of the job.
      disable_metrics: whether to do without Beam's metrics on Flink.
    """
    if config.needs_java:
        intervals = [
            f"--max_bundle_time_mills={_BUNDLE_MS}",
            f"--auto_watermark_interval={_WATERMARK_INTERVAL_MS}",
            f"--experiments=data_buffer_size_limit={_BUFFER_BYTES}",
        ]
    else:
        intervals = [f"--max_bundle_time_mills={_NATIVE_BUNDLE_MS}"]
    return [
        *intervals,
        f"--max_bundle_size={_BUNDLE_RECORDS}",
        # Steps hand elements on without copies, for no step changes one that it was given.
        "--object_reuse",
        # Else a bundle that a checkpoint finds unfinished is finished within it, and what it gives
        # is kept until the step's next bundle begins (`DoFnOperator.snapshotState`): for a step
        # that gets nothing more, never. A job whose first checkpoint came while it was given its
        # partitions never read one of them. It is kept by the number of the output, too, and the
        # job server numbers a stage's outputs in no fixed order: a later start would send it the
        # wrong way (seen: ClassCastException, "Couldn't flush pushed back").
        "--finish_bundle_before_checkpointing",
        *(["--disable_metrics"] if disable_metrics else []),
    ]
