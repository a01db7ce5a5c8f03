"""The examples and tables in docs/results.md."""

from __future__ import annotations

import json
import pathlib

import pytest

from pipeline import errors
from tests.unit.doc_examples import examples, names_in, play, rows
from transforms import metrics
from transforms.results import Result


@pytest.mark.parametrize("example", examples("results.md"))
def test_examples(example: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """Tables, JSON lines, samples and summaries are as the page shows them."""
    assert example == play(example, monkeypatch, tmp_path)


def test_every_field_of_a_result_is_in_the_table() -> None:
    """In the order of the JSON."""
    result = Result("errors", None, 0, 30_000, 1, 0, True, None)

    assert list(json.loads(result.to_json())) == names_in(rows("results.md", "field"))


def counters() -> set[str]:
    """The names of all counters of the job."""
    names = {value for name, value in vars(metrics).items() if name.isupper()}
    return names - {metrics.NAMESPACE}


def test_every_counter_is_in_the_table() -> None:
    """And no other."""
    names = names_in(rows("results.md", "name"))

    assert counters() == set(names)
    assert len(counters()) == len(names)


def test_every_counter_is_in_the_table_of_prometheus() -> None:
    """With the name that Flink gives it; one more counter is Beam's own."""
    names = {row[0].strip("`"): row[1].strip("`") for row in rows("flink.md", "counter")}
    del names["droppedDueToLateness"]

    assert counters() == set(names)
    assert all(flink_name.endswith(f"_error_windows_{name}") for name, flink_name in names.items())


def test_every_exit_code_is_in_the_table() -> None:
    """In ascending order."""
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}

    assert [str(code) for code in sorted(codes)] == [row[0] for row in rows("results.md", "code")]
