"""Samples as JSON lines, for files: `[pane_end_ms, total, [line in Base64, ...]]`."""

from __future__ import annotations

import base64
import json

from transforms.samples import Sample


def sample_to_json(sample: Sample) -> str:
    """`[pane_end_ms,total,[lines in Base64]]` on one line."""
    lines = [base64.b64encode(line).decode("ascii") for line in sample.lines]
    return json.dumps([sample.pane_end_ms, sample.total, lines])


def sample_from_json(line: str | bytes) -> Sample:
    """The sample of a line of `sample_to_json`. Raises ValueError if it is none."""
    try:
        pane_end_ms, total, lines = json.loads(line)
        decoded = tuple(base64.b64decode(one, validate=True) for one in lines)
    except TypeError as error:
        raise ValueError(f"not a sample: {error}") from error
    if type(pane_end_ms) is not int or type(total) is not int:
        raise ValueError("not a sample: its numbers are none")
    return Sample(pane_end_ms, total, decoded)
