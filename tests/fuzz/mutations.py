# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mutations of file contents: bytes, text, tables, JSON, XML. Each is a function of a random generator and the content.

All of them are deterministic: the same generator state and content give the same result, so that a seed replays a case.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["EXTREMES", "Mutation", "mutate_bytes", "mutate_csv", "mutate_json", "mutate_text", "mutate_xml"]

Mutation = Callable[[random.Random, bytes], bytes]

LARGEST = 1_500_000
"""Bytes of a mutated file: larger ones cost time without finding more."""

EXTREMES = (
    *("0", "-1", "1", "2147483647", "2147483648", "-2147483649", "4294967295", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551616", "65535", "65536", "1e30", "1e308", "-1e308", "1e309", "1e-30"),
    *("1e-320", "NaN", "nan", "inf", "-Infinity", "0.0", "-0.0", "0x10", "1_000", "٣", "²", "1,5", "", " ", "None"),
    "9" * 5000,
)
"""Texts of numbers that programs believe too easily."""

_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_FLOATS = (0.0, -1.0, 1e30, 1e-30, 1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DEPTHS = (3, 50, 500, 20_000, 100_000)


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """One to a few mutations without regard to the format."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(_BYTE_MUTATIONS)(rng, data)[:LARGEST]
    return data


def mutate_text(rng: random.Random, data: bytes) -> bytes:
    """One to a few mutations of lines, words and numbers; now and then of bytes or of the encoding."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        data = rng.choice(_TEXT_MUTATIONS)(rng, data)[:LARGEST]
    return data


def mutate_csv(rng: random.Random, data: bytes) -> bytes:
    """As text, or with quotes, separators and cells that do not belong there."""
    if rng.random() < 0.5:
        return mutate_text(rng, data)
    lines = data.split(b"\n")
    number = rng.randrange(len(lines))
    cells = re.split(rb"[,;\t]", lines[number])
    separator = next((sign for sign in (b";", b"\t") if sign in lines[0]), b",")
    place = rng.randrange(len(cells))
    cells[place] = rng.choice(
        [
            *(b'"', b'"unclosed', b'a"b"c', b'"two\nlines"', b"\0", b"../../etc/passwd", b"/etc/passwd", b"C:\\x"),
            *(b"", b"  ", b"x" * 200_000, b"," * 5000, b"\xff\xfe", "é/ß".encode(), b"=1+1", b"#", b"..", b"."),
            *(text.encode() for text in EXTREMES),
        ]
    )
    if rng.random() < 0.2:
        rng.shuffle(cells)
    lines[number] = separator.join(cells)
    return b"\n".join(lines)


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Nodes of the document replaced, repeated, renamed or taken away; otherwise as text."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_text(rng, data)
    if rng.random() < 0.25:
        return mutate_text(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _changed_node(rng, document)
    return json.dumps(document).encode()


def mutate_xml(rng: random.Random, data: bytes) -> bytes:
    """Document types, entities, depth, comments and encodings that do not belong there; otherwise as text."""
    if rng.random() < 0.4:
        return mutate_text(rng, data)
    start = data.find(b"<plist")
    head, body = (data[:start], data[start:]) if start > 0 else (b"", data)
    depth = rng.choice(_DEPTHS)
    return rng.choice(
        [
            lambda: head + b"<!DOCTYPE" * depth + body,
            lambda: b"<!DOCTYPE " * depth,
            lambda: head + b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">]>' + body.replace(b"Mass", b"&a;"),
            lambda: head + _entities() + body.replace(b"Mass", b"&e9;"),
            lambda: head + b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + body,
            lambda: head + b"<!--" + b"-" * depth + b"-->" + body,
            lambda: head + b"<?pi" * depth + body,
            lambda: head + b"<array>" * depth + body,
            lambda: head + b"<dict><key>a</key>" * depth,
            lambda: head + b"<!" * depth + body,
            lambda: body.replace(b"<string>", b"<string><![CDATA[", 1),
            lambda: b'<?xml version="1.0" encoding="' + rng.choice((b"utf-16", b"rot13", b"x" * 99)) + b'"?>' + body,
            lambda: data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-7"))),
            lambda: body.replace(b"(", b"(" * depth, 1),
            lambda: body.replace(b"real", b"data").replace(b"integer", b"date"),
            lambda: body.replace(b"array", b"dict"),
            lambda: re.sub(rb"<integer>\d+", b"<integer>" + b"9" * depth, body, count=1),
            lambda: re.sub(rb"<(string|key)>[^<]*", b"<\\1>" + b" " * depth + b"x", body, count=2),
        ]
    )()


def _entities() -> bytes:
    """Nine levels of ten references each: a thousand million times the first."""
    levels = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    return b'<!DOCTYPE x [<!ENTITY e0 "lol">' + levels + b"]>"


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, data: bytes) -> bytes:
    """A number of one to eight bytes at a place, at the beginning more often than elsewhere: there are the headers."""
    code, size = rng.choice((("B", 1), ("H", 2), ("I", 4), ("I", 4), ("f", 4), ("d", 8), ("Q", 8)))
    value: float
    if code in "fd":
        value = rng.choice(_FLOATS) if code == "d" else rng.choice((0.0, -1.0, 1e30, 1e-30, float("nan"), float("inf")))
    else:
        value = rng.choice((*_INTEGERS, 1 << 62, (1 << 64) - 1)) & ((1 << 8 * size) - 1)
    if len(data) < size:
        return data
    last = len(data) - size
    place = rng.randint(0, min(last, rng.choice((64, 400, 4000)))) if rng.random() < 0.7 else rng.randint(0, last)
    return data[:place] + struct.pack(rng.choice("<>") + code, value) + data[place + size :]


def _truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((0, 1, 2, 132, len(data) // 2, len(data) - 1, rng.randint(0, len(data))))]


def _insert(rng: random.Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    new = rng.choice((b"\0", b"\xff", b"\n", rng.randbytes(4), rng.randbytes(100), b"\0" * 4096))
    return data[:place] + new + data[place:]


def _delete(rng: random.Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    return data[:place] + data[place + rng.choice((1, 2, 4, 16, 256, 4096)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    """A block many times over: quadratic readers show here."""
    place, size = rng.randint(0, len(data)), rng.choice((1, 2, 9, 40, 300))
    block = data[place : place + size]
    return data[:place] + block * rng.choice((2, 10, 1000, 270_000 // max(1, size))) + data[place:]


def _swap(rng: random.Random, data: bytes) -> bytes:
    first, second = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    size = min(rng.choice((2, 8, 64)), second - first)
    return (
        data[:first]
        + data[second : second + size]
        + data[first + size : second]
        + data[first : first + size]
        + data[second + size :]
    )


def _noise(rng: random.Random, data: bytes) -> bytes:
    place = rng.randint(0, len(data))
    size = rng.choice((1, 8, 64, 512))
    return data[:place] + rng.randbytes(size) + data[place + size :]


_BYTE_MUTATIONS: Sequence[Mutation] = (
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _truncate,
    _insert,
    _delete,
    _repeat,
    _swap,
    _noise,
)


def _number(rng: random.Random, data: bytes) -> bytes:
    """A number replaced by an extreme one."""
    found = list(_NUMBER.finditer(data[:200_000]))
    if not found:
        return _flip(rng, data)
    match = rng.choice(found)
    return data[: match.start()] + rng.choice(EXTREMES).encode() + data[match.end() :]


def _word(rng: random.Random, data: bytes) -> bytes:
    """A word taken away, doubled, or in another's place."""
    found = list(re.finditer(rb"\w+", data[:200_000]))
    if not found:
        return _flip(rng, data)
    match, other = rng.choice(found), rng.choice(found)
    new = rng.choice((b"", match[0] * 2, other[0], other[0].swapcase(), b"x" * 100_000, "ü∞".encode()))
    return data[: match.start()] + new + data[match.end() :]


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    number, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(other, lines[number])
    elif kind == 2:
        lines[number], lines[other] = lines[other], lines[number]
    elif kind == 3:
        lines[number : number + 1] = [lines[number]] * min(5000, LARGEST // (len(lines[number]) + 1))
    else:
        lines[number] = lines[number][: rng.randint(0, len(lines[number]))]
    return b"\n".join(lines)


def _sign(rng: random.Random, data: bytes) -> bytes:
    """A sign or many of one: brackets, quotes, separators, ends of lines of other systems."""
    place = rng.randint(0, len(data))
    signs = (
        b"[",
        b"{",
        b"(",
        b'"',
        b"'",
        b"<",
        b"&",
        b"#",
        b",",
        b";",
        b"\r",
        b"\0",
        b"\x1a",
        b"\\",
        b" ",
        b"\t",
        b"-",
    )
    return data[:place] + rng.choice(signs) * rng.choice((1, 2, 1000, 100_000)) + data[place:]


def _encoding(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    kind = rng.randrange(4)
    if kind == 0:
        return b"\xef\xbb\xbf" + data
    if kind == 1:
        return text.encode("utf-16")
    if kind == 2:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\x0b", "\u2028".encode(), b"")))
    return data.upper() if rng.random() < 0.5 else data.lower()


_TEXT_MUTATIONS: Sequence[Mutation] = (_number, _number, _number, _word, _line, _sign, _encoding, mutate_bytes)


def _changed_node(rng: random.Random, document: Any) -> Any:
    """The document with one node changed; nodes are drawn by a walk from the root, so that upper ones come often."""
    holder, key, node = None, None, document
    while isinstance(node, (dict, list)) and node and rng.random() < 0.8:
        holder, key = node, rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = node[key]
    new = _other_node(rng, node)
    if holder is None:
        return new
    kind = rng.random()
    if kind < 0.6:
        holder[key] = new
    elif kind < 0.75:
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice(("", "x" * 5000, str(key).upper(), "_target_", "٣"))] = holder.pop(key)
    else:
        holder[key:key] = [node] * rng.choice((1, 2, 1000))
    return document


def _other_node(rng: random.Random, node: Any) -> Any:
    if isinstance(node, list) and node and rng.random() < 0.4:
        return rng.choice(([], node[:1], node * 2, node[::-1], [node], node[0]))
    nested: Any = 0
    for _ in range(rng.choice((1, 40, 400))):
        nested = [nested]
    return rng.choice(
        (
            *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, 1e-320, 0.5, -0.0),
            *(float("nan"), float("inf"), "", " ", "x" * 100_000, "NaN", "1", "\0", "\ud800", "../x", "/etc/passwd"),
            *([], {}, [[]], {"a": None}, [None] * 3, [1e9] * 3, nested, 65535, 16, 3),
        )
    )
