"""Bytes that are no Sparkplug payload, and the limits of one that is (S10, S11)."""

from __future__ import annotations

import pytest
from fuzz_targets_values import BIRTH, GOLDEN, SPARK
from spark_bench import RESULT, birth, data

from device_adapters.decoding.spark_payload import read_payload
from device_adapters.decoding.sparkplug import areas_of, decode_spark, read_birth
from device_adapters.errors import DecodeError
from device_adapters.limits import SPARK_BYTES_MAX, SPARK_METRICS_MAX, SPARK_NAME_BYTES_MAX
from simulators.mqtt.spark_payload import Metric, chunk, number, payload

WRONG = {
    "cut in a number": (b"\x18\x80", "length"),
    "cut in a metric": (b"\x12\x05\x0a\x01a", "length"),
    "a metric that reaches out of the payload": (b"\x12\x7f", "length"),
    "a name that reaches out of its metric": (b"\x12\x03\x0a\x09a\x18\x01", "length"),
    "an overlong number": (b"\x18\x81\x00", "wire"),
    "a number above 64 bits": (b"\x18" + b"\xff" * 9 + b"\x02", "wire"),
    "a number of eleven bytes": (b"\x18" + b"\x80" * 10 + b"\x01", "wire"),
    "a group": (b"\x1b\x1c", "wire"),
    "an unknown field": (b"\x30\x01", "wire"),
    "field 0": (b"\x00\x01", "wire"),
    "a wrong wire type": (b"\x1a\x01\x00", "wire"),
    "seq twice": (b"\x18\x01\x18\x01", "duplicate_key"),
    "a name twice": (b"\x12\x06\x0a\x01a\x0a\x01a", "duplicate_key"),
    "two values": (b"\x12\x07\x0a\x01a\x50\x01\x58\x01", "duplicate_key"),
    "a value twice": (b"\x12\x07\x0a\x01a\x50\x01\x50\x01", "duplicate_key"),
    "a name that is not UTF-8": (b"\x12\x03\x0a\x01\xff", "not_utf8"),
    "an empty name": (b"\x12\x02\x0a\x00", "range"),
    "a boolean of 2": (b"\x12\x05\x0a\x01a\x70\x02", "range"),
    "an int above 32 bits": (b"\x12\x09\x0a\x01a\x50\x80\x80\x80\x80\x10", "range"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bytes_that_are_no_payload_are_refused(name: str) -> None:
    """P5, M5: what a protobuf library lets pass in silence is refused with its reason."""
    content, reason = WRONG[name]
    with pytest.raises(DecodeError) as caught:
        read_payload(content)
    assert caught.value.reason == reason


def test_limits_of_a_payload() -> None:
    """Each at its edge (style 8)."""
    assert read_payload(chunk(5, bytes(SPARK_BYTES_MAX - 3))).opaque
    name = "n" * SPARK_NAME_BYTES_MAX
    assert read_payload(payload([Metric("Int8", 1, name)], 0, 1)).metrics[0].name == name
    assert len(read_payload(chunk(2, b"\x10\x01") * SPARK_METRICS_MAX).metrics) == SPARK_METRICS_MAX
    for content in (
        chunk(5, bytes(SPARK_BYTES_MAX - 2)),
        payload([Metric("Int8", 1, f"{name}n")], 0, 1),
        chunk(2, b"\x10\x01") * (SPARK_METRICS_MAX + 1),
    ):
        with pytest.raises(DecodeError):
            read_payload(content)


def test_a_data_set_in_place_of_a_value_is_refused() -> None:
    """S4: DataSet, Template and bytes have no meaning for a record."""
    for field in (16, 17, 18):
        metrics = [
            number(2, 5) + chunk(field, b""),
            *(one.encode() for one in data({**RESULT, "Result/Number": 18})[1:]),
        ]
        content = b"".join(chunk(2, one) for one in metrics) + number(3, 2)
        with pytest.raises(DecodeError) as caught:
            decode_spark(SPARK, areas_of(GOLDEN["topic"], BIRTH, [content]))
        assert caught.value.reason == "wrong_kind"


def test_certificates_that_name_something_twice_are_refused() -> None:
    """S2: a name or an alias; a metric without a name."""
    for extra in (Metric("Int8", 1, "Task/Run", 50), Metric("Int8", 1, "y", 6), Metric("Int8", 1, None, 51)):
        with pytest.raises(DecodeError):
            read_birth(SPARK, payload([*birth(), extra], 0, 1))


def test_signed_numbers_come_in_their_own_width_or_in_that_of_the_field() -> None:
    """S4: encoders differ; both mean −1, which is then out of range, and never 255."""
    for sent in (0xFFFF, 0xFFFFFFFF):
        content = b"".join(chunk(2, one.encode()) for one in data({**RESULT, "Result/Number": 18}))
        content += chunk(2, number(2, 6) + number(10, sent)) + number(3, 2)
        with pytest.raises(DecodeError, match="range"):
            decode_spark(SPARK, areas_of(GOLDEN["topic"], BIRTH, [content]))
