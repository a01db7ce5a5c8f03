"""The job's own flags, without importing Beam, so that `--help` answers at once.

Values stay text here; `pipeline.config` turns them into a checked configuration. No name
may be one of Beam's: a test compares them with every option class of the installed Beam.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pipeline import __version__
from pipeline.arguments import FlagParser
from transforms.timing import DEFAULT_ON_TIME_DELAY_MS

_EXAMPLES = """\
examples:
  count the error lines of a topic up to its present end, as a table or JSON lines:
    error-windows --kafka_bootstrap_servers=localhost:9092 --input_topic=logs
  write the results to a file, one minute every 5 seconds, 3 sample lines a slide:
    error-windows --kafka_bootstrap_servers=localhost:9092 --input_topic=logs \\
        --window_seconds=60 --slide_seconds=5 --samples=3 --output=counts.jsonl
  count a past hour again, as the live job did:
    error-windows --kafka_bootstrap_servers=localhost:9092 --input_topic=logs \\
        --from_time=2026-11-22T10:00:00Z --to_time=2026-11-22T11:00:00Z
  count live on Google Cloud Dataflow, results to a topic:
    error-windows --runner=DataflowRunner --project=my-project --region=europe-west4 \\
        --temp_location=gs://my-bucket/temp --kafka_bootstrap_servers=kafka:9092 \\
        --input_topic=logs --output=kafka:error-counts
  count lines with other words, of two topics, for the next two minutes:
    error-windows --kafka_bootstrap_servers=localhost:9092 --input_topic=web,shop \\
        --contains='payment failed' --max_read_time=120

other commands (each has its own --help):
  error-windows direct        the job on the DirectRunner, with a Kafka of its own if you name none
  error-windows flink         live counting on Flink, with a Kafka of its own if you name none
  error-windows dataflow      status, cancel: a job on Google Cloud Dataflow
  error-windows watch         the results of a live job as they come
  error-windows results       the results of a live job so far
  error-windows explain       what becomes of one record, and why
  error-windows dead-letters  records that a job could not use
  error-windows replay        puts dead letters back into their topics, each of them once
  error-windows kafka         a real Apache Kafka on this machine: start, stop, topic, consume, ...
  error-windows java          the Java modules the job uses: fetch, verify, lock

Beam's own flags (--runner, --job_name, ...) are taken too. Exit codes: 0 done, 1 the job
failed, 2 a flag is wrong, 130 interrupted.
"""


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    pass


def job_name(beam_arguments: Sequence[str]) -> str | None:
    """The value of Beam's `--job_name`, which names the results too, or None."""
    return beam_flag("--job_name", beam_arguments)


def is_for_dataflow(beam_arguments: Sequence[str]) -> bool:
    """Whether Beam's `--runner` is Dataflow, in one of the ways that Beam knows to say it."""
    return runner_name(beam_arguments) in ("dataflow", "dataflowrunner")


def runner_name(beam_arguments: Sequence[str]) -> str:
    """The value of Beam's `--runner` in lower case, without a module before it; may be empty."""
    return (beam_flag("--runner", beam_arguments) or "").rpartition(".")[2].lower()


def beam_flag(flag: str, beam_arguments: Sequence[str]) -> str | None:
    """The value of a flag for Beam, or None, without loading Beam."""
    parser = FlagParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, dest="value")
    value: str | None = parser.parse_known_args(beam_arguments)[0].value
    return value


def add_dataflow_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what only a job on Dataflow can be told, beside Beam's own flags."""
    dataflow = parser.add_argument_group("Dataflow (with Beam's --runner=DataflowRunner)")
    dataflow.add_argument(
        "--attach",
        action="store_true",
        help="show what Dataflow says of the job until it ends, or until Ctrl-C, which leaves the "
        "job alone",
    )


def add_consumer_flags(parser: argparse._ActionsContainer) -> None:
    """Adds the flags that say how to connect to Kafka, beside the address."""
    parser.add_argument(
        "--consumer_config",
        metavar="FILE",
        help="a .properties file of Java consumer settings, the place for passwords",
    )
    parser.add_argument(
        "--consumer_property",
        metavar="KEY=VALUE",
        action="append",
        help="one Java consumer setting; beats the file; repeat it for several",
    )


def build_parser(prog: str = "error-windows") -> FlagParser:
    """A parser of the job's own flags; defaults are the product's sentence."""
    parser = FlagParser(
        prog=prog,
        description="Counts the error lines of Kafka topics in sliding windows.",
        epilog=_EXAMPLES,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")

    kafka = parser.add_argument_group("Kafka")
    kafka.add_argument(
        "--kafka_bootstrap_servers",
        metavar="HOST:PORT[,HOST:PORT]",
        help="addresses of the brokers",
    )
    kafka.add_argument(
        "--input_topic",
        metavar="TOPIC[,TOPIC]",
        action="append",
        help="topic to read; repeat it or give a comma list for several",
    )
    kafka.add_argument(
        "--input_topic_pattern",
        metavar="REGEX",
        help="read also the topics whose whole name matches, as they are at the start",
    )
    kafka.add_argument(
        "--source",
        metavar="NAME=HOST:PORT/TOPIC[,TOPIC]",
        action="append",
        help="topics of a cluster; repeat it to count several clusters together, or apart with "
        "--group_by=kafka.source",
    )
    add_consumer_flags(kafka)
    kafka.add_argument(
        "--kafka_reader",
        metavar="beam|native",
        default="beam",
        help="beam: the connector of Beam itself, ReadFromKafka, in Java; native: one in Python "
        "on librdkafka, many times as fast",
    )

    counting = parser.add_argument_group("counting")
    counting.add_argument(
        "--window_seconds", metavar="SECONDS", default="30", help="length of a window"
    )
    counting.add_argument(
        "--slide_seconds",
        metavar="SECONDS",
        default="10",
        help="a window ends every so often; divides the window",
    )
    counting.add_argument(
        "--log_format",
        metavar="auto|plain|apache|json|logfmt|log4j|syslog",
        default="auto",
        help="how level, time and fields are read; auto decides for each line, plain looks for "
        "the word ERROR",
    )
    counting.add_argument(
        "--min_level",
        metavar="LEVEL",
        help="a line is an error line at this level or worse (default: ERROR); where the level "
        "cannot be read, if it holds the word ERROR",
    )
    counting.add_argument(
        "--levels", metavar="LEVEL[,LEVEL]", help="a line is an error line at just these levels"
    )
    counting.add_argument(
        "--contains",
        metavar="TEXT",
        help="a line is an error line if it holds this text, anywhere",
    )
    counting.add_argument(
        "--match",
        metavar="REGEX",
        help="a line is an error line if this matches anywhere (RE2's syntax)",
    )
    counting.add_argument(
        "--group_by",
        metavar="FIELD[,FIELD]",
        help="a series for every value, beside the total: a field of the line, such as service or "
        "kubernetes.pod.name, or kafka.key, kafka.topic, kafka.partition, kafka.source, "
        "kafka.header.NAME",
    )
    counting.add_argument(
        "--max_keys",
        metavar="N",
        default="1000",
        help="so many values have series of their own; all others share the series 'other'",
    )
    counting.add_argument(
        "--series_idle_seconds",
        metavar="SECONDS",
        default="3600",
        help="after so long without a line the series of a value gets no more zeros",
    )
    counting.add_argument(
        "--max_silence_seconds",
        metavar="SECONDS",
        default="86400",
        help="after so long without any line there are no more zeros until the next one",
    )

    times = parser.add_argument_group("time")
    times.add_argument(
        "--event_time",
        metavar="kafka|line",
        default="kafka",
        help="the time of a line: its record's timestamp, or what the line itself says",
    )
    times.add_argument(
        "--time_zone",
        metavar="ZONE",
        default="UTC",
        help="of times in lines that name none, such as Europe/Berlin",
    )
    times.add_argument(
        "--max_future_seconds",
        metavar="SECONDS",
        default="300",
        help="a record that is further ahead of the clock, or a line that is of its record, is a "
        "dead letter",
    )
    times.add_argument(
        "--max_past_seconds",
        metavar="SECONDS",
        default="630720000",
        help="the same for the past (default: 20 years)",
    )
    times.add_argument(
        "--allowed_lateness_seconds",
        metavar="SECONDS",
        default="3600",
        help="live: lines that come so late still amend their windows; later ones are dead letters",
    )
    times.add_argument(
        "--on_time_delay_seconds",
        metavar="SECONDS",
        default=f"{DEFAULT_ON_TIME_DELAY_MS / 1000:g}",
        help="live: a window waits so long for lines that are out of order",
    )
    times.add_argument(
        "--early_seconds",
        metavar="SECONDS",
        help="live: tell every window so often before its end, as revision -1",
    )

    reading = parser.add_argument_group(
        "how much to read (without these: all that is in the topics at the start)"
    )
    reading.add_argument(
        "--max_num_records", metavar="N", help="stop when so many records have been read"
    )
    reading.add_argument(
        "--max_read_time",
        metavar="SECONDS",
        help="take what arrives within this time, then stop",
    )
    reading.add_argument(
        "--from_time",
        metavar="TIME",
        help="count the lines of a past range of event time, from this time on: such as "
        "2026-11-22T10:00:00Z; in --time_zone if it names no zone; or milliseconds since 1970",
    )
    reading.add_argument(
        "--to_time",
        metavar="TIME",
        help="the end of the range, which is not in it; windows are told that lie wholly in it",
    )

    output = parser.add_argument_group("output")
    output.add_argument(
        "--output",
        metavar="-|PATH",
        default="-",
        help="where results go; - is stdout; on Dataflow: kafka:TOPIC, or a gs:// path for a read "
        "with an end",
    )
    output.add_argument(
        "--dead_letter",
        metavar="-|kafka:TOPIC|PATH",
        help="where records go that cannot be used, with the reason; - is stderr (default: they "
        "are only counted)",
    )
    output.add_argument(
        "--ledger",
        metavar="-|kafka:TOPIC|PATH",
        help="where the ledger goes: what became of every record; - is stderr",
    )
    output.add_argument(
        "--max_line_bytes",
        metavar="N",
        default="1048576",
        help="longer lines are dead letters",
    )
    output.add_argument(
        "--output_format",
        metavar="auto|json|table",
        default="auto",
        help="on stdout; auto: a table on a terminal, else JSON lines",
    )
    output.add_argument(
        "--samples",
        metavar="N",
        default="10",
        help="error lines of every slide to show on stderr; 0 shows none",
    )
    output.add_argument(
        "--verbose", action="store_true", help="show the log on stderr, not only in its file"
    )
    output.add_argument("--debug", action="store_true", help="show the full traceback of a failure")

    java = parser.add_argument_group("Java")
    java.add_argument(
        "--java_runtime",
        metavar="locked|beam",
        default="locked",
        help="locked: the verified modules of this version; beam: Beam downloads its own jars",
    )
    return parser
