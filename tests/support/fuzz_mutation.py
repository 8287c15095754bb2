"""Mutations of bytes for fuzzing: of bits, chunks, lines, numbers, base64 and length fields. Pure Python, seeded."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Mutation = Callable[[random.Random, bytes], bytes]

_NUMBER = re.compile(rb"[0-9]+")
_INTERESTING = (
    b"",
    b"\x00",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b"\r\n",
    b"+",
    b"-0",
    b"00",
    b"01",
    b"1e3",
    b"1.0",
    b"-1",
    b"NaN",
    b"null",
    b"9007199254740991",
    b"9007199254740992",
    b"18446744073709551616",
    b"9" * 400,
    b"\xff",
    b"\xc3\x28",
    b"\xe2\x80\x94 ",
    b"\xc2\xa0",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0041",
    b"\x7f",
    b"{}",
    b"[]",
    b'""',
    b"true",
    b"=",
    b"==",
    b"/",
    b"../",
    b"\xef\xbb\xbf",
    b"[" * 40,
    b'{"a":' * 40,
    b"\xff\xff",
    b"\x00\x00",
    b"A" * 64,
)


def _bit(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _chunk(rng: random.Random, data: bytes) -> tuple[int, int]:
    begin = rng.randrange(len(data))
    return begin, min(len(data), begin + 1 + int(rng.expovariate(0.1)))


def _cut(rng: random.Random, data: bytes) -> bytes:
    begin, end = _chunk(rng, data)
    return data[:begin] + data[end:]


def _double(rng: random.Random, data: bytes) -> bytes:
    begin, end = _chunk(rng, data)
    return data[:end] + data[begin:]


def _move(rng: random.Random, data: bytes) -> bytes:
    begin, end = _chunk(rng, data)
    rest = data[:begin] + data[end:]
    at = rng.randrange(len(rest) + 1)
    return rest[:at] + data[begin:end] + rest[at:]


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _extend(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice(_INTERESTING)


def _number(rng: random.Random, data: bytes) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _byte(rng, data)
    one = rng.choice(found)
    value = int(one[0][:30])
    choices = (value + 1, max(0, value - 1), 0, value * 10, 2**53 - 1, 2**53, 2**64)
    text = b"%d" % rng.choice(choices) if rng.random() < 0.8 else b"0" + one[0]
    return data[: one.start()] + text + data[one.end() :]


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            lines[at], lines[to] = lines[to], lines[at]
        case 1:
            lines.insert(to, lines[at])
        case _:
            del lines[at]
    return b"\n".join(lines)


def _length(rng: random.Random, data: bytes) -> bytes:
    width = rng.choice((1, 2, 4, 8))
    at = rng.randrange(len(data))
    value = rng.choice((0, 1, 255, 256, 65_535, len(data), len(data) + 1, 2**53)) % (1 << 8 * width)
    return data[:at] + value.to_bytes(width, rng.choice(("big", "little"))) + data[at + width :]


_MUTATIONS: Sequence[Mutation] = (_bit, _byte, _cut, _double, _move, _truncate, _extend, _number, _line, _length)


def mutate(rng: random.Random, data: bytes, others: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One to four mutations of an input."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = rng.randrange(len(_MUTATIONS) + 2)
        if not data or kind == len(_MUTATIONS):
            data = _insert(rng, data, tokens)
        elif kind > len(_MUTATIONS):
            data = _splice(rng, data, rng.choice(others))
        else:
            data = _MUTATIONS[kind](rng, data)
    return data


def _insert(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    token = rng.choice(tokens) if tokens and rng.random() < 0.5 else rng.choice(_INTERESTING)
    at = rng.randrange(len(data) + 1)
    end = at if rng.random() < 0.5 else min(len(data), at + len(token))
    return data[:at] + token + data[end:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
