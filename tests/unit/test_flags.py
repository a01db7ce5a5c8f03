"""The job's flags, next to Beam's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.arguments import rewrite_habits
from pipeline.flags import add_dataflow_flags, build_parser, is_for_dataflow, job_name


def _option_strings_of_beam() -> set[str]:
    parser = PipelineOptions([])._visible_options
    assert parser is not None
    names: set[str] = set()
    stack = list(PipelineOptions.__subclasses__())
    while stack:
        options_class = stack.pop()
        stack.extend(options_class.__subclasses__())
        one = build_parser().__class__(add_help=False)
        options_class._add_argparse_args(one)
        names.update(option for action in one._actions for option in action.option_strings)
    return names


def test_no_flag_of_ours_is_one_of_beams() -> None:
    """Beam would take it for its own, or fail when it builds its parser."""
    parser = build_parser()
    add_dataflow_flags(parser)
    ours = {option for action in parser._actions for option in action.option_strings}
    ours -= {"-h", "--help"}

    beams = _option_strings_of_beam()

    assert "--bootstrap_servers" in beams
    assert set() == ours & beams


def test_habits_of_kafka_users_reach_our_flags() -> None:
    """Beam 2.77 owns --bootstrap_servers and would swallow it in silence."""
    expected = ["--kafka_bootstrap_servers=a:1", "--kafka_bootstrap_servers", "b:2", "--x=y=z"]

    assert expected == rewrite_habits(
        ["--bootstrap_servers=a:1", "--bootstrap-server", "b:2", "--x=y=z"]
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], None), (["--job_name=web"], "web"), (["--job_name", "web", "--x"], "web")],
)
def test_the_job_is_named_by_beams_flag(arguments: list[str], expected: str | None) -> None:
    """Results carry the name that the runner shows."""
    assert expected == job_name(arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], False),
        (["--runner=DirectRunner"], False),
        (["--runner=DataflowRunner"], True),
        (["--runner", "dataflow"], True),
        (["--runner=apache_beam.runners.dataflow.dataflow_runner.DataflowRunner"], True),
    ],
)
def test_dataflow_is_known_by_beams_flag(arguments: list[str], expected: bool) -> None:
    """In the ways that Beam takes."""
    assert expected == is_for_dataflow(arguments)


def test_help_shows_defaults_and_examples_without_loading_beam() -> None:
    """--help answers at once: no Beam, no Java, no Kafka client."""
    code = (
        "import sys\n"
        "from pipeline.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as end:\n"
        "    print(end.code, 'apache_beam' in sys.modules, file=sys.stderr)\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert "0 False\n" == ran.stderr
    for text in ("(default: 30)", "(default: 10)", "examples:", "--input_topic=logs", "Exit codes"):
        assert text in ran.stdout
