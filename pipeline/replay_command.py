"""`error-windows replay`: puts dead letters back into their topics, each of them once."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence

from pipeline.arguments import FlagParser, rewrite_habits, whole_number
from pipeline.console import how_many, wants_table
from pipeline.dead_letter_choice import CLUSTER_FLAG, add_dead_letter_flags, choice_from_flags
from pipeline.dead_letter_console import DeadLetterView, bad_records_note
from pipeline.dead_letter_json import dead_letter_id
from pipeline.dead_letter_source import source_from_flags
from pipeline.errors import EXIT_DONE, UsageError
from pipeline.kafka_properties import KafkaProperties
from pipeline.replay import BATCH, Replay
from pipeline.replay_markers import TARGET_FLAG, read_replayed
from pipeline.source_flags import kafka_properties
from transforms.dead_letters import DeadLetter
from transforms.escape import escape_terminal
from transforms.records import cluster_and_topic

_PROG = "error-windows replay"
_EXAMPLES = f"""\
examples:
  what was too long, after a job with a larger --max_line_bytes has taken over:
    {_PROG} --from=kafka:dead-letters --reason=oversized \\
        --kafka_bootstrap_servers=localhost:9092
  see first what that would be:
    {_PROG} --from=kafka:dead-letters --reason=oversized --dry_list \\
        --kafka_bootstrap_servers=localhost:9092
  lines whose own time was wrong, counted as of now:
    {_PROG} --from=dead-letters --reason=timestamp --new_timestamp \\
        --kafka_bootstrap_servers=localhost:9092

A record goes back with its key, value, headers and timestamp, and the header
error_windows.replayed=TOPIC/PARTITION/OFFSET. What has been replayed into a topic is never
replayed into it again; topic TOPIC.replayed holds which. If the job cannot use it this time
either, it comes back as a new dead letter, which can be replayed in its turn.

Records are produced in transactions. Whoever reads the topic must do so with
isolation.level=read_committed: other readers see what an interrupted replay had begun, and see
it again when the next one does it.
"""


def main(argv: Sequence[str]) -> int:
    """Replays the chosen dead letters and returns the exit code.

    Raises:
      ErrorWindowsError: for everything that ends it early.
    """
    # --topic is a flag of its own here.
    flags = _parser().parse_args(rewrite_habits(argv, keep=("--topic",)))
    batch = whole_number("--batch", flags.batch)
    chosen = choice_from_flags(flags)
    properties = kafka_properties(flags)
    source = source_from_flags(flags)
    targets = (
        (_target(letter, flags.cluster, flags.to_topic), letter)
        for letter in source.read_all()
        if letter in chosen
    )
    if flags.dry_list:
        _list(targets, properties)
    else:
        _replay(targets, properties, flags.new_timestamp, batch)
    if source.bad_records:
        print(bad_records_note(source), file=sys.stderr)
    return EXIT_DONE


def _target(letter: DeadLetter, cluster: str | None, to_topic: str | None) -> str:
    """The topic that the dead letter goes to, on the brokers of the flags."""
    own_cluster, topic = cluster_and_topic(letter.record.topic)
    if own_cluster and cluster is None:
        raise UsageError(
            CLUSTER_FLAG,
            "missing, and the dead letters are of several clusters",
            got=dead_letter_id(letter),
            fix=f"Choose one, such as {CLUSTER_FLAG}={own_cluster}, and give its brokers.",
        )
    return to_topic or topic


def _replay(
    targets: Iterator[tuple[str, DeadLetter]],
    properties: KafkaProperties,
    new_timestamp: bool,
    batch: int,
) -> None:
    replays: dict[str, Replay] = {}
    chosen = 0
    shown = 0
    with contextlib.ExitStack() as report:
        report.callback(lambda: _summarise(chosen, list(replays.values())))
        with contextlib.ExitStack() as stack:
            for target, letter in targets:
                replay = replays.get(target)
                if replay is None:
                    replay = stack.enter_context(
                        Replay(target, properties, new_timestamp=new_timestamp, batch=batch)
                    )
                    replays[target] = replay
                chosen += 1
                replay.add(letter)
                done = sum(one.replayed for one in replays.values())
                if done != shown:
                    shown = done
                    _show_progress(done)


def _show_progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} replayed", end="", file=sys.stderr, flush=True)


def _summarise(chosen: int, replays: Sequence[Replay]) -> None:
    """Tells what became of the chosen ones, also when the replay was ended early."""
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    replayed = sum(one.replayed for one in replays)
    before = sum(one.before for one in replays)
    without_time = sum(one.without_time for one in replays)
    line = f"{how_many(chosen, 'dead letter')} chosen: {replayed:,} replayed"
    if replays:
        line += f" into {', '.join(one.target for one in replays)}"
    line += f", {before:,} skipped as replayed before"
    print(escape_terminal(line), file=sys.stderr)
    if without_time:
        print(
            f"note: {how_many(without_time, 'dead letter')} without a time that can be produced "
            "again left out; --new_timestamp gives the present one",
            file=sys.stderr,
        )
    open_ = chosen - replayed - before - without_time
    if open_:
        print(
            f"note: {how_many(open_, 'dead letter')} not replayed; run it again to go on",
            file=sys.stderr,
        )


def _list(targets: Iterator[tuple[str, DeadLetter]], properties: KafkaProperties) -> None:
    """Lists what would be replayed now."""
    view = DeadLetterView(sys.stdout, as_table=wants_table("auto"))
    replayed: dict[str, set[str]] = {}
    before = 0
    for target, letter in targets:
        if target not in replayed:
            replayed[target] = read_replayed(target, properties)
        if dead_letter_id(letter) in replayed[target]:
            before += 1
        else:
            view.show(letter)
    sys.stdout.flush()
    print(f"would replay {view.summary()}; {before:,} skipped as replayed before", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = FlagParser(
        prog=_PROG,
        description="Produces dead letters into their topics again, each of them once.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kafka = add_dead_letter_flags(parser)
    kafka.add_argument(
        TARGET_FLAG, metavar="TOPIC", help="another topic than the records' own; it must exist"
    )
    kafka.add_argument(
        "--batch",
        metavar="N",
        default=str(BATCH),
        help=f"dead letters of one transaction (default: {BATCH})",
    )
    parser.add_argument(
        "--new_timestamp",
        action="store_true",
        help="stamp records with the present time instead of their own",
    )
    parser.add_argument(
        "--dry_list", action="store_true", help="list what would be replayed, and replay nothing"
    )
    return parser
