# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mutations of files that hold other content: gzip, PNG, TIFF, NIfTI, and checkpoints (zip files with a pickle)."""

from __future__ import annotations

import functools
import gzip
import io
import pickle
import random
import struct
import warnings
import zipfile
import zlib

import torch

from .mutations import Mutation, mutate_bytes

__all__ = ["BOMB_BYTES", "gzipped", "mutate_checkpoint", "mutate_nifti", "mutate_png", "mutate_tiff"]

BOMB_BYTES = 1 << 30
"""What a small compressed file unpacks to, where a mutation makes a bomb of it."""

_BLOCK = 1 << 24


def gzipped(mutate: Mutation) -> Mutation:
    """A mutation of what is in a gzip file; now and then of the file, or a bomb."""

    def mutate_gzip(rng: random.Random, data: bytes) -> bytes:
        kind = rng.random()
        if kind < 0.15:
            return mutate_bytes(rng, data)
        if kind < 0.2:
            return data + _gzip_bomb() if rng.random() < 0.5 else data[: len(data) // 2] + _gzip_bomb()
        content = mutate(rng, gzip.decompress(data))
        return gzip.compress(content, 1, mtime=0) + (_gzip_bomb() if rng.random() < 0.05 else b"")

    return mutate_gzip


def mutate_nifti(rng: random.Random, data: bytes) -> bytes:
    """Fields of a NIfTI-1 header set to numbers that they should not have; otherwise bytes."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, data)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        offset, code, count = rng.choice(_NIFTI_FIELDS)
        place = offset + struct.calcsize(code) * rng.randrange(count)
        if place + struct.calcsize(code) <= len(changed):
            struct.pack_into(f"<{code}", changed, place, _number(rng, code))
    return bytes(changed)


_NIFTI_FIELDS = (
    *((0, "i", 1), (40, "h", 8), (40, "h", 8), (40, "h", 8), (70, "h", 1), (72, "h", 1), (76, "f", 8), (76, "f", 8)),
    *((108, "f", 1), (112, "f", 1), (116, "f", 1), (123, "B", 1), (252, "h", 1), (254, "h", 1), (256, "f", 6)),
    *((280, "f", 12), (280, "f", 12), (344, "B", 4)),
)
"""Offset, kind and number of sizeof_hdr, dim, datatype, bitpix, pixdim, vox_offset, slope, units, qform, sform."""


def _number(rng: random.Random, code: str) -> float:
    if code == "f":
        return rng.choice(
            (0.0, -1.0, 1.0, 1e-30, 1e30, 3e38, float("nan"), float("inf"), 0.001, 300.0, rng.gauss(0, 1))
        )
    if code == "B":
        return rng.randrange(256)
    largest = 32767 if code == "h" else 2**31 - 1
    return rng.choice(
        (0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 64, 128, 256, 512, 768, 1024, 1536, 1792, 2048, 2304, largest, -largest)
    )


def mutate_png(rng: random.Random, data: bytes) -> bytes:
    """Chunks of a PNG changed, with right check sums; otherwise bytes."""
    if rng.random() < 0.25 or not data.startswith(b"\x89PNG"):
        return mutate_bytes(rng, data)
    chunks, position = [], 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        chunks.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += 12 + length
    for _ in range(rng.choice((1, 1, 2))):
        _change_chunk(rng, chunks)
    return data[:8] + b"".join(_chunk(kind, content) for kind, content in chunks)


def _change_chunk(rng: random.Random, chunks: list[tuple[bytes, bytes]]) -> None:
    number = rng.randrange(len(chunks))
    kind, content = chunks[number]
    choice = rng.randrange(7)
    if choice <= 1 and chunks[0][0] == b"IHDR":
        fields = list(struct.unpack(">IIBBBBB", chunks[0][1][:13].ljust(13, b"\0")))
        for place in {rng.randrange(7), rng.randrange(3)}:
            values = (0, 1, 2**31 - 1, 2**32 - 1, 30_000, 65_535) if place < 2 else range(18)
            fields[place] = rng.choice(values)
        chunks[0] = b"IHDR", struct.pack(">IIBBBBB", *fields)
    elif choice == 2:
        del chunks[number]
        chunks.append((b"IEND", b""))
    elif choice == 3:
        chunks.insert(
            number, (rng.choice((b"IDAT", b"tEXt", b"PLTE", b"tRNS", b"acTL", b"iCCP", b"eXIf")), rng.randbytes(30))
        )
    elif choice == 4:
        chunks.insert(1, (rng.choice((b"zTXt", b"iTXt", b"iCCP")), b"Comment\0\0" + _zlib_bomb()))
    elif choice == 5:
        chunks[number] = kind, mutate_bytes(rng, content)
    else:
        size = rng.choice((20_000, 60_000))
        chunks[:] = [
            (b"IHDR", struct.pack(">IIBBBBB", size, size, 8, rng.choice((0, 2, 6)), 0, 0, 0)),
            (b"IDAT", _zlib_bomb()),
            (b"IEND", b""),
        ]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def mutate_tiff(rng: random.Random, data: bytes) -> bytes:
    """Entries of the first directory of a little-endian TIFF changed; otherwise bytes."""
    if rng.random() < 0.3 or data[:4] != b"II*\0":
        return mutate_bytes(rng, data)
    changed = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start) if start + 2 <= len(data) else (0,)
    for _ in range(rng.choice((1, 1, 2, 3))):
        place = start + 2 + 12 * rng.randrange(max(1, count))
        offset, code = rng.choice(((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "I"), (8, "H")))
        if place + 12 <= len(changed):
            value = rng.choice(
                (0, 1, 2, 3, 5, 6, 7, 8, 256, 257, 259, 262, 277, 320, 330, 32773, 34712, 50_000, 65_535)
            )
            value = rng.choice((value, 2**31, 2**32 - 1, len(data), start)) if code == "I" else value
            struct.pack_into(f"<{code}", changed, place + offset, value)
    if rng.random() < 0.2:  # a directory that is its own next one
        end = start + 2 + 12 * count
        if end + 4 <= len(changed):
            struct.pack_into("<I", changed, end, rng.choice((start, 8, 2**32 - 1)))
    return bytes(changed)


class _Command:
    """A pickle that would make a folder, were it executed."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return __import__("os").mkdir, ("/nonexistent/fuzz",)


def mutate_checkpoint(rng: random.Random, data: bytes) -> bytes:
    """Other names, shapes, types and values of weights; other objects; members of the zip file changed; bombs."""
    kind = rng.random()
    if kind < 0.15:
        return mutate_bytes(rng, data)
    if kind < 0.4:
        return _change_archive(rng, data)
    state = torch.load(io.BytesIO(data), weights_only=True)
    for _ in range(rng.choice((1, 1, 2))):
        state = _change_state(rng, state)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(state, stream, _use_new_zipfile_serialization=rng.random() < 0.85)
    return stream.getvalue()


def _change_archive(rng: random.Random, data: bytes) -> bytes:
    """The archive written again with a member changed, repeated, or replaced by one that unpacks to a gigabyte."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members)) if rng.random() < 0.5 else next(n for n in members if n.endswith("data.pkl"))
    stream, choice = io.BytesIO(), rng.randrange(6)
    packed = choice == 1 or rng.random() < 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
            for member, content in members.items():
                if member != name:
                    archive.writestr(member, content)
                elif choice == 1:
                    with archive.open(member, "w", force_zip64=True) as target:
                        for _ in range(BOMB_BYTES // _BLOCK // 4):
                            target.write(bytes(_BLOCK))
                elif choice == 2:
                    archive.writestr(member, pickle.dumps(_Command(), 2))
                elif choice == 3:
                    archive.writestr(member, content[: len(content) // 2])
                elif choice == 4:
                    archive.writestr("constants.pkl", pickle.dumps(()))  # marks a TorchScript archive
                    archive.writestr(member, content)
                else:
                    archive.writestr(member, mutate_bytes(rng, content))
    return stream.getvalue()


def _change_state(rng: random.Random, state: object) -> object:
    if not isinstance(state, dict) or not state:
        return {}
    name = rng.choice(list(state))
    tensor = state[name] if isinstance(state[name], torch.Tensor) else torch.zeros(3)
    if tensor.layout != torch.strided or tensor.numel() >= 1 << 22:  # sparse or without memory, by an earlier change
        tensor = torch.zeros(3)
    choice = rng.randrange(10)
    if choice == 0:
        del state[name]
    elif choice == 1:
        state[rng.choice((f"{name}x", 3, ("a", 1), "", name.swapcase() if isinstance(name, str) else "n"))] = tensor
    elif choice == 2:
        state[name] = tensor.flatten().float() * float(rng.choice(("nan", "inf", "1e38", "0")))
    elif choice == 3:
        dtypes = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64, torch.uint8)
        state[name] = tensor.to(rng.choice(dtypes))
    elif choice == 4:  # a size without memory
        state[name] = torch.zeros(1).expand(rng.choice((10, 1 << 20, 1 << 40)))
    elif choice == 5:
        state[name] = rng.choice((None, 1, "x", [tensor], {"a": tensor}, b"", 1e308, torch.eye(3).to_sparse()))
    elif choice == 6:
        return rng.choice(({"ema": state}, {"network": state}, {"ema": None}, {"network": [state]}, [state], tensor, 7))
    elif choice == 7:
        state[name] = tensor.t() if tensor.ndim == 2 else tensor.flatten()[:0]
    elif choice == 8:
        prefix = "displacement_net.members." + rng.choice(("0.", "1.", "x.", "", "99999999999999999999."))
        return {f"{prefix}{key}" if rng.random() < 0.7 else key: value for key, value in state.items()}
    else:
        state[name] = (
            tensor.clone().float().fill_(float(rng.choice(("nan", "inf", "-1e38")))) if tensor.numel() else tensor
        )
    return state


@functools.cache
def _gzip_bomb() -> bytes:
    """A megabyte that unpacks to :data:`BOMB_BYTES` of zeros: members of a gzip file follow one another."""
    return gzip.compress(bytes(_BLOCK), 9, mtime=0) * (BOMB_BYTES // _BLOCK)


@functools.cache
def _zlib_bomb() -> bytes:
    """Zeros of :data:`BOMB_BYTES`, packed."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(_BLOCK)) for _ in range(BOMB_BYTES // _BLOCK)) + packer.flush()
