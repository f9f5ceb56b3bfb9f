# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mutations of DICOM files as trees of elements, written without any check, which pydicom's writer would not do."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field

from .mutations import EXTREMES, mutate_bytes

__all__ = ["Element", "encode_dicom", "mutate_dicom", "parse_dicom"]

_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_VRS = (
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"OB", b"OF", b"OW", b"PN"),
    *(b"SH", b"SL", b"SQ", b"SS", b"ST", b"TM", b"UI", b"UL", b"UN", b"US", b"UT", b"UC", b"UR", b"OD", b"SV", b"UV"),
)
_NUMBERS = {b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"FD": "d", b"FL": "f"}
_TEXTS = (b"DS", b"IS", b"CS", b"LO", b"SH", b"UI", b"DA", b"TM", b"PN", b"AS", b"ST", b"LT", b"DT")
_PIXELS = (0x7FE0, 0x0010)
_PATIENT = 0x0010
"""Group of the identity, which stays in its place: elsewhere it is not an identity that a reader could know of."""
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
_SYNTAXES = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"),
    *("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"),
    *("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.201"),
    *("", "1.2.3", "x", "1.2.840.10008.1.2.1\0\0\0"),
)
_INTERESTING = (
    *((0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0008), (0x0028, 0x0002), (0x0028, 0x0004), (0x0028, 0x0100)),
    *((0x0028, 0x0101), (0x0028, 0x0102), (0x0028, 0x0103), (0x0028, 0x0030), (0x0020, 0x0032), (0x0020, 0x0037)),
    *((0x0020, 0x0052), (0x0008, 0x0016), (0x0008, 0x0018), (0x0008, 0x0060), (0x0028, 0x1052), (0x0028, 0x1053)),
    *((0x3006, 0x0050), (0x3006, 0x0046), (0x3006, 0x0084), (0x3006, 0x0022), (0x0062, 0x0004), (0x0062, 0x000B)),
    *((0x5200, 0x9229), (0x5200, 0x9230), (0x0020, 0x0013), (0x0020, 0x0011), (0x0018, 0x0050), (0x0062, 0x0002)),
    *((0x0062, 0x000E), (0x0018, 0x1060), (0x0028, 0x0301), (0x0008, 0x0005), (0x0020, 0x000E), (0x0020, 0x000D)),
)
"""Elements that readers compute with; half of the mutations go there."""


@dataclass
class Element:
    """One element: the bytes of its value, or the items of a sequence."""

    tag: tuple[int, int]
    vr: bytes
    value: bytes = b""
    items: list[list[Element]] | None = field(default=None)


def parse_dicom(data: bytes) -> tuple[list[Element], list[Element]]:
    """File meta information and data set of a file in explicit VR little endian with preamble."""
    meta, end = _parse(data, 132, len(data), only_group=2)
    elements, _ = _parse(data, end, len(data))
    return meta, elements


def encode_dicom(meta: list[Element], elements: list[Element], implicit: bool = False, deflate: bool = False) -> bytes:
    """A file of these elements, whatever they are."""
    body = b"".join(_encode(element, implicit) for element in elements)
    if deflate:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(body) + packer.flush()
    head = b"".join(_encode(element, False) for element in meta if element.tag[1] != 0)
    length = Element((2, 0), b"UL", struct.pack("<I", len(head)))
    return b"\0" * 128 + b"DICM" + _encode(length, False) + head + body


def mutate_dicom(rng: random.Random, data: bytes) -> bytes:
    """One to a few changes of elements; now and then another transfer syntax, or changes of bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(rng, data)
    meta, elements = parse_dicom(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change(rng, elements if rng.random() < 0.95 else meta)
    implicit = deflate = False
    kind = rng.random()
    if kind < 0.15:
        syntax = rng.choice(_SYNTAXES)
        implicit, deflate = (syntax == _SYNTAXES[0], syntax == _SYNTAXES[3]) if rng.random() < 0.7 else (False, False)
        for element in meta:
            if element.tag == (2, 0x10):
                element.value = syntax.encode() + b"\0" * (len(syntax) % 2)
    encoded = encode_dicom(meta, elements, implicit, deflate)
    return mutate_bytes(rng, encoded) if rng.random() < 0.05 else encoded


def _change(rng: random.Random, elements: list[Element]) -> None:  # noqa: C901, PLR0912
    """Change one element, of an item as often as of the data set itself."""
    place = _place(rng, elements)
    if place is None:
        return
    holder, index = place
    element = holder[index]
    kind = rng.randrange(12)
    if kind == 0:
        del holder[index]
    elif kind == 1:
        holder.insert(index, Element(element.tag, element.vr, element.value, element.items))
    elif kind == 2 and element.tag[0] != _PATIENT:
        element.tag = rng.choice(_INTERESTING)
    elif kind == 3:
        element.vr = rng.choice(_VRS)
        if element.vr == b"SQ":
            element.items = rng.choice(([], [[]]))
        else:
            element.items = None
    elif kind == 4:
        _change_items(rng, element)
    elif kind == 5 and element.tag == _PIXELS:
        element.value = mutate_bytes(rng, element.value)
    elif kind == 5:
        other = rng.choice([other for other in holder if other.tag[0] != _PATIENT] or [element])
        element.value, element.items = other.value, other.items
    elif kind == 6:
        element.value, element.items = b"", None if element.items is None else []
    elif kind == 7 and element.items is None:
        element.value += rng.choice((b"\\", b"\\" + element.value, b"\\1\\2\\3", b"\0", b" " * 40))
    elif kind == 8 and element.items is None:
        # Another number of another kind: FD in place of DS, or LO where a number is expected.
        vr, code = rng.choice(tuple(_NUMBERS.items()))
        element.vr, element.value = vr, struct.pack(f"<{code}", _extreme(rng, code))
    else:
        _change_value(rng, element)


def _change_value(rng: random.Random, element: Element) -> None:
    if element.items is not None:
        _change_items(rng, element)
    elif element.vr in _NUMBERS:
        code = _NUMBERS[element.vr]
        element.value = struct.pack(f"<{code}", _extreme(rng, code)) * rng.choice((1, 1, 1, 2, 3))
    elif element.vr in _TEXTS:
        parts = element.value.split(b"\\")
        parts[rng.randrange(len(parts))] = rng.choice((*EXTREMES, "x" * 70_000, "*", "\x1b$B", "1.2.3")).encode()
        element.value = b"\\".join(parts)
    else:
        element.value = mutate_bytes(rng, element.value)


def _extreme(rng: random.Random, code: str) -> float:
    if code in "fd":
        return rng.choice((0.0, -1.0, 1e30, 1e-30, 1e-5, 300.0, float("nan"), float("inf"), float("-inf")))
    bits = 8 * struct.calcsize(f"<{code}")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if code.islower() else (0, (1 << bits) - 1)
    return rng.choice((0, 1, 2, 3, 7, 8, 12, 16, 32, 64, 255, 31_000, low, high, high - 1))


def _change_items(rng: random.Random, element: Element) -> None:
    """Items taken away, repeated, nested deeply; or a sequence where a value was."""
    items = element.items if element.items else [[Element(element.tag, b"LO", b"x ")]]
    kind = rng.randrange(6)
    if kind == 0:
        items = []
    elif kind == 1:
        items = [[]]
    elif kind == 2:
        items = [*items, rng.choice(items)]
    elif kind == 3:
        items = items * rng.choice((2, 20))
    elif kind == 4:
        items = [item for item in items if rng.random() < 0.5]
    else:
        for _ in range(rng.choice((1, 30, 2000))):
            items = [[Element(element.tag, b"SQ", b"", items)]]
    element.vr, element.items = b"SQ", items[:5000]


def _place(rng: random.Random, elements: list[Element]) -> tuple[list[Element], int] | None:
    """A list of elements and an index, drawn among all of the tree, elements of interest first."""
    places = list(_walk(elements))
    wanted = [place for place in places if place[0][place[1]].tag in _INTERESTING]
    places = wanted if wanted and rng.random() < 0.5 else places
    return rng.choice(places) if places else None


def _walk(elements: list[Element]) -> list[tuple[list[Element], int]]:
    places, queue = [], [elements]
    while queue and len(places) < 20_000:
        holder = queue.pop()
        for index, element in enumerate(holder):
            places.append((holder, index))
            queue.extend(element.items or [])
    return places


def _parse(data: bytes, position: int, end: int, only_group: int | None = None) -> tuple[list[Element], int]:
    elements: list[Element] = []
    while position + 8 <= end:
        tag = struct.unpack_from("<HH", data, position)
        if only_group is not None and tag[0] != only_group:
            break
        if tag in (_ITEM_END, _SEQUENCE_END):
            return elements, position + 8
        vr = data[position + 4 : position + 6]
        if vr in _LONG:
            (length,), start = struct.unpack_from("<I", data, position + 8), position + 12
        else:
            (length,), start = struct.unpack_from("<H", data, position + 6), position + 8
        if vr == b"SQ":
            items, position = _parse_items(data, start, end if length == _UNDEFINED else start + length)
            elements.append(Element(tag, vr, b"", items))
        elif length == _UNDEFINED:  # encapsulated pixels, kept as they are with their end
            position = data.index(struct.pack("<HHI", *_SEQUENCE_END, 0), start) + 8
            elements.append(Element(tag, b"..", data[start - 12 : position]))
        else:
            position = start + length
            elements.append(Element(tag, vr, data[start:position]))
    return elements, position


def _parse_items(data: bytes, position: int, end: int) -> tuple[list[list[Element]], int]:
    items = []
    while position + 8 <= end:
        *tag, length = struct.unpack_from("<HHI", data, position)
        position += 8
        if tuple(tag) != _ITEM:
            break
        stop = end if length == _UNDEFINED else position + length
        elements, position = _parse(data, position, stop)
        items.append(elements)
    return items, position


def _encode(element: Element, implicit: bool) -> bytes:
    """Bytes of an element, of deep trees as well: without recursion."""
    done: dict[int, bytes] = {}
    stack = [element]
    while stack:
        present = stack[-1]
        waiting = [child for item in present.items or [] for child in item if id(child) not in done]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if id(present) not in done:
            done[id(present)] = _encode_one(present, done, implicit)
    return done[id(element)]


def _encode_one(element: Element, done: dict[int, bytes], implicit: bool) -> bytes:
    if element.vr == b"..":
        return element.value
    value = element.value
    if element.items is not None:
        contents = (b"".join(done[id(child)] for child in item) for item in element.items)
        value = b"".join(struct.pack("<HHI", *_ITEM, len(content)) + content for content in contents)
    value += b"\0" if element.vr in (b"UI", b"OB", b"UN") and len(value) % 2 else b" " * (len(value) % 2)
    head = struct.pack("<HH", *element.tag)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    if element.vr in _LONG:
        return head + element.vr + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + element.vr + struct.pack("<H", min(len(value), 0xFFFE)) + value[:0xFFFE]
