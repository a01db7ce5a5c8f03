"""Changes to the transforms that Beam's Java connector expands to, before they join the graph.

What the connector makes of `ReadFromKafka` is a graph of its own. Its reader is wanted as it is;
what stands before it (descriptors without offsets) and behind it (a conversion of every record)
can be left out. Then Python writes and reads values that only Java has a coder for, see
`transforms.java_coder`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping

from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.errors import JobFailedError
from pipeline.kafka_properties import is_secret

DESCRIPTORS = "descriptors"
_DESCRIPTOR_MAKER = "GenerateKafkaSourceDescriptor"
_CONVERTER = "Convert to ExternalKafkaRecord"
# Java's coders are classes, and stand in the graph in Java's own serial form.
_RECORD_CODER = b"org.apache.beam.sdk.io.kafka.KafkaRecordCoder"


_Ends = Callable[[beam_runner_api_pb2.PTransform], Mapping[str, str]]
_INPUTS: _Ends = operator.attrgetter("inputs")
_OUTPUTS: _Ends = operator.attrgetter("outputs")


def cut_off_descriptor_maker(
    components: beam_runner_api_pb2.Components, root: beam_runner_api_pb2.PTransform
) -> tuple[str, bytes]:
    """Removes what makes descriptors from an expanded KafkaIO read, and all before it.

    Returns:
      The id of the descriptors' PCollection, and the payload of its (Java) coder.

    Raises:
      JobFailedError: if the connector is not built as this module knows it.
    """
    transforms = components.transforms
    makers = [
        transform
        for transform in transforms.values()
        if transform.spec.urn == common_urns.primitives.PAR_DO.urn
        and _DESCRIPTOR_MAKER in transform.unique_name
    ]
    if len(makers) != 1 or len(makers[0].outputs) != 1:
        raise JobFailedError(
            "--java_runtime: this version of Beam's Kafka connector is built in a way the "
            "bounded read does not know. Use --java_runtime=locked."
        )
    (descriptors,) = makers[0].outputs.values()
    removed = _linked(transforms, descriptors, _OUTPUTS, _INPUTS)
    for transform in _remove(removed, components, root, keep=descriptors):
        transform.inputs[DESCRIPTORS] = descriptors
    coder = components.coders[components.pcollections[descriptors].coder_id]
    return descriptors, coder.spec.payload


def cut_off_converter(
    components: beam_runner_api_pb2.Components, root: beam_runner_api_pb2.PTransform
) -> bytes | None:
    """Removes what makes rows of records from an expanded KafkaIO read: the records come out.

    Only where the records come from a source that is no transform of Java's: there they have to be
    encoded in any case, and the conversion would be a stage of its own, with its own encoding.

    Returns:
      The payload of the records' (Java) coder; None if all was left as it was.
    """
    transforms = components.transforms
    converters = [
        transform for transform in transforms.values() if transform.unique_name.endswith(_CONVERTER)
    ]
    sources = [
        transform
        for transform in transforms.values()
        if transform.spec.urn == common_urns.deprecated_primitives.READ.urn
    ]
    if len(converters) != 1 or len(sources) != 1:
        return None
    (records,) = converters[0].inputs.values()
    coder = components.coders[components.pcollections[records].coder_id]
    if records not in sources[0].outputs.values() or _RECORD_CODER not in coder.spec.payload:
        return None
    removed = _linked(transforms, records, _INPUTS, _OUTPUTS)
    _remove(removed, components, root, keep=records)
    (output,) = root.outputs
    root.outputs[output] = records
    payload: bytes = coder.spec.payload
    return payload


def _linked(
    transforms: Mapping[str, beam_runner_api_pb2.PTransform],
    collection: str,
    near: _Ends,
    far: _Ends,
) -> set[str]:
    """The transforms on one side of a collection, by way of the collections between them."""
    found: set[str] = set()
    unread = [collection]
    while unread:
        one = unread.pop()
        for name, transform in transforms.items():
            if name not in found and one in near(transform).values():
                found.add(name)
                unread.extend(far(transform).values())
    return found


def _remove(
    names: set[str],
    components: beam_runner_api_pb2.Components,
    root: beam_runner_api_pb2.PTransform,
    *,
    keep: str,
) -> list[beam_runner_api_pb2.PTransform]:
    """Removes transforms and what they give, but for one collection.

    Returns:
      The transforms that lost parts.
    """
    transforms = components.transforms
    given = {output for name in names for output in transforms[name].outputs.values()}
    for collection in given - {keep}:
        del components.pcollections[collection]
    for name in names:
        del transforms[name]
    changed = []
    for transform in [*transforms.values(), root]:
        kept = [name for name in transform.subtransforms if name not in names]
        if len(kept) < len(transform.subtransforms):
            del transform.subtransforms[:]
            transform.subtransforms.extend(kept)
            changed.append(transform)
    return changed


def hide_secrets(transforms: Iterable[beam_runner_api_pb2.PTransform]) -> None:
    """Drops display data that would show a password on the runner's job page.

    KafkaIO displays its consumer settings, `sasl.jaas.config` among them.
    """
    for transform in transforms:
        shown = [
            item
            for item in transform.display_data
            if not is_secret(beam_runner_api_pb2.LabelledPayload.FromString(item.payload).label)
        ]
        del transform.display_data[:]
        transform.display_data.extend(shown)
