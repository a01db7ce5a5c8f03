"""The bounded read: descriptors, and the surgery on the expanded connector."""

from __future__ import annotations

from typing import Any

import pytest
from apache_beam.portability.api import beam_runner_api_pb2

from pipeline.errors import JobFailedError
from pipeline.expanded_kafka import cut_off_converter, cut_off_descriptor_maker, hide_secrets
from pipeline.offset_ranges import OffsetRange
from pipeline.sources import encode_descriptor

PAR_DO = "beam:transform:pardo:v1"
READ = "beam:transform:read:v1"


def test_a_descriptor_is_a_row_of_seven_fields_with_nulls_for_times_and_servers() -> None:
    """By hand: 7 fields, 1 byte of nulls (3, 5, 6), topic, then varints."""
    expected = bytes([7, 1, 0b110_1000, 2]) + b"t8" + bytes([3, 5, 0xAC, 0x02])

    assert expected == encode_descriptor(OffsetRange("t8", 3, 5, 300))


# Id, label, URN, inputs, outputs and parts.
Transform = tuple[str, str, str, dict[str, str], dict[str, str], list[str]]


def _components(*transforms: Transform) -> beam_runner_api_pb2.Components:
    """Transforms and no collections."""
    components = beam_runner_api_pb2.Components()
    for name, label, urn, inputs, outputs, parts in transforms:
        components.transforms[name].CopyFrom(
            beam_runner_api_pb2.PTransform(
                unique_name=label,
                spec=beam_runner_api_pb2.FunctionSpec(urn=urn),
                inputs=inputs,
                outputs=outputs,
                subtransforms=parts,
            )
        )
    return components


def _expanded(
    maker_name: str,
) -> tuple[beam_runner_api_pb2.Components, beam_runner_api_pb2.PTransform]:
    components = _components(
        ("create", "Read/Create", PAR_DO, {}, {"out": "seed"}, []),
        ("make", f"Read/ParDo({maker_name})", PAR_DO, {"in": "seed"}, {"out": "descriptors"}, []),
        (
            *("read", "Read/ReadSourceDescriptors", PAR_DO),
            *({"in": "descriptors"}, {"out": "records"}, []),
        ),
    )
    for name in ("seed", "descriptors", "records"):
        components.pcollections[name].coder_id = f"{name}-coder"
    components.coders["descriptors-coder"].spec.payload = b"java"
    root = beam_runner_api_pb2.PTransform(
        unique_name="Read", subtransforms=["create", "make", "read"], outputs={"out": "records"}
    )
    return components, root


def test_what_makes_descriptors_is_cut_off_with_all_before_it() -> None:
    """The reader stays, its input becomes the input of the whole."""
    components, root = _expanded("GenerateKafkaSourceDescriptor")

    found = cut_off_descriptor_maker(components, root)

    assert ("descriptors", b"java") == found
    assert ["read"] == list(components.transforms)
    assert ["descriptors", "records"] == sorted(components.pcollections)
    assert (["read"], {"descriptors": "descriptors"}) == (
        list(root.subtransforms),
        dict(root.inputs),
    )


def test_a_connector_that_is_built_otherwise_is_refused() -> None:
    """Rather no job than one that reads something else."""
    components, root = _expanded("SomethingNew")

    with pytest.raises(JobFailedError) as caught:
        cut_off_descriptor_maker(components, root)

    expected = (
        "--java_runtime: this version of Beam's Kafka connector is built in a way the "
        "bounded read does not know. Use --java_runtime=locked."
    )
    assert expected == str(caught.value)


def _with_converter(
    *, source: str = READ, coder: bytes = b"..org.apache.beam.sdk.io.kafka.KafkaRecordCoder.."
) -> tuple[beam_runner_api_pb2.Components, beam_runner_api_pb2.PTransform]:
    """A read that makes rows of its records in two steps, the first of two parts."""
    components = _components(
        ("read", "Read/Source", source, {}, {"out": "records"}, []),
        ("convert", "Convert to ExternalKafkaRecord", "", {"in": "records"}, {"o": "java"}, ["do"]),
        ("do", "Convert to ExternalKafkaRecord/Do", PAR_DO, {"in": "records"}, {"o": "java"}, []),
        ("rows", "Convert.ConvertTransform", PAR_DO, {"in": "java"}, {"out": "rows"}, []),
    )
    for name in ("records", "java", "rows"):
        components.pcollections[name].coder_id = f"{name}-coder"
    components.coders["records-coder"].spec.payload = coder
    root = beam_runner_api_pb2.PTransform(
        unique_name="Read", subtransforms=["read", "convert", "rows"], outputs={"out": "rows"}
    )
    return components, root


def test_what_makes_rows_is_cut_off_behind_an_unbounded_source() -> None:
    """Its records come out as they are."""
    components, root = _with_converter()

    payload = cut_off_converter(components, root)

    assert components.coders["records-coder"].spec.payload == payload
    assert ["read"] == list(components.transforms)
    assert ["records"] == list(components.pcollections)
    assert (["read"], {"out": "records"}) == (list(root.subtransforms), dict(root.outputs))


@pytest.mark.parametrize("other", [{"source": PAR_DO}, {"coder": b"some.other.Coder"}])
def test_rows_stay_where_the_connector_is_built_otherwise(other: Any) -> None:
    """A source that is a transform has the conversion in its own stage, where it costs little."""
    components, root = _with_converter(**other)
    before = beam_runner_api_pb2.Components()
    before.CopyFrom(components)

    assert cut_off_converter(components, root) is None
    assert before == components
    assert {"out": "rows"} == dict(root.outputs)


def test_passwords_are_not_displayed_on_the_job_page() -> None:
    """KafkaIO's display data holds every consumer setting; secrets among them are dropped."""
    transform = beam_runner_api_pb2.PTransform()
    for label in ("sasl.jaas.config", "group.id"):
        payload = beam_runner_api_pb2.LabelledPayload(label=label, string_value="x")
        transform.display_data.add(
            urn="beam:display_data:labelled:v1", payload=payload.SerializeToString()
        )

    hide_secrets([transform])

    labels = [
        beam_runner_api_pb2.LabelledPayload.FromString(item.payload).label
        for item in transform.display_data
    ]
    assert ["group.id"] == labels
