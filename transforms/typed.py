"""Types of tagged outputs, which Beam does not infer."""

from collections.abc import Mapping
from typing import Any

from apache_beam.typehints.native_type_compatibility import convert_to_beam_type


def set_output_types(outputs: Any, types: Mapping[str, Any]) -> None:
    """Gives every output of a multi-output transform its element type, so that coders fit."""
    for tag, element_type in types.items():
        outputs[tag].element_type = convert_to_beam_type(element_type)
