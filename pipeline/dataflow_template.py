"""The parameters of the Flex Template, made from the job's flags.

    python -m pipeline.dataflow_template > deploy/dataflow/metadata.json

A launcher hands every parameter on as `--name=value`. So the template has all flags that take a
value, but for those that only matter at a terminal.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from pipeline.flags import build_parser

# A worker has no terminal.
_OF_A_TERMINAL = ("output_format", "samples")
_TOPIC = r"kafka:[A-Za-z0-9._-]{1,249}"
_PLACE = [rf"^({_TOPIC}|gs://.+)$"]
_WHOLE, _DECIMAL = [r"^[0-9]+$"], [r"^[0-9]+([.][0-9]+)?$"]
_REGEXES = {
    "dead_letter": _PLACE,
    "kafka_bootstrap_servers": [r"^[^,\s]+:[0-9]{1,5}(,[^,\s]+:[0-9]{1,5})*$"],
    "ledger": _PLACE,
    "on_time_delay_seconds": _DECIMAL,
    "output": _PLACE,
}
_CHOICES = re.compile(r"[a-z0-9]+(?:\|[a-z0-9]+)*")
# Beam's own that belong to the image, or to running the job for long.
_OF_BEAM = {
    "dataflow_service_options": "options of the Dataflow service, with commas between them",
    "sdk_container_image": "the image of the Python workers: that of this template",
    "sdk_harness_container_image_overrides": "the image of the Java workers, where the settings of "
    "the Kafka client hold secrets: .*java.*,IMAGE",
    "update_compatibility_version": "the version of Beam that a running job to be updated was "
    "started with",
}


def template_metadata() -> dict[str, Any]:
    """The content of `metadata.json`."""
    flags = [_parameter(action) for action in build_parser()._actions if _is_for_templates(action)]
    of_beam = [
        {"name": name, "label": _label(name), "helpText": text, "isOptional": True}
        for name, text in _OF_BEAM.items()
    ]
    return {
        "name": "Error lines of Kafka topics",
        "description": "Counts the error lines of Kafka topics in sliding windows.",
        "streaming": True,
        "parameters": [*flags, *of_beam],
    }


def _is_for_templates(action: argparse.Action) -> bool:
    takes_value = action.nargs != 0
    return takes_value and action.dest not in _OF_A_TERMINAL


def _parameter(action: argparse.Action) -> dict[str, Any]:
    name = action.dest
    parameter: dict[str, Any] = {
        "name": name,
        "label": _label(name),
        "helpText": action.help,
        # A dash is no place of a worker's.
        "isOptional": name != "output",
    }
    metavar = str(action.metavar)
    if name in _REGEXES:
        parameter["regexes"] = _REGEXES[name]
    elif metavar in ("N", "SECONDS"):
        parameter["regexes"] = _WHOLE
    elif _CHOICES.fullmatch(metavar):
        parameter["regexes"] = [f"^({metavar})$"]
    if action.default is not None and name != "output":
        parameter["defaultValue"] = action.default
    return parameter


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("sdk", "SDK").replace("Sdk", "SDK")


if __name__ == "__main__":
    print(json.dumps(template_metadata(), indent=2))
