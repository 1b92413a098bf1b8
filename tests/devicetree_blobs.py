"""Device tree blobs for tests, built without dtc: a node is a dict, what is in it a property or a node."""

import random
import struct
from typing import Any, TypeAlias

NodeDict: TypeAlias = dict[str, Any]

BEGIN, END_NODE, PROP, NOP, END = (struct.pack(">I", tag) for tag in (1, 2, 3, 4, 9))


def property_bytes(value: object) -> bytes:
    """Return a property's bytes: an int is a cell, a list has cells or strings, True is empty."""
    match value:
        case True:
            return b""
        case int():
            return struct.pack(">I", value)
        case str():
            return value.encode() + b"\0"
        case list():
            return b"".join(property_bytes(each) for each in value)
        case bytes():
            return value
    raise AssertionError(value)


def padded(data: bytes) -> bytes:
    """Return `data` filled up to whole words."""
    return data + bytes(-len(data) % 4)


def begin(name: str) -> bytes:
    """Return the tag and name that begin a node."""
    return BEGIN + padded(name.encode() + b"\0")


def flat(node: NodeDict, strings: bytearray, name: str = "") -> bytes:
    """Return a node's part of the structure block; its property names go to `strings`."""
    properties, children = b"", b""
    for key, value in node.items():
        if isinstance(value, dict):
            children += flat(value, strings, key)
        else:
            data = property_bytes(value)
            properties += PROP + struct.pack(">II", len(data), len(strings)) + padded(data)
            strings += key.encode() + b"\0"
    return begin(name) + properties + children + END_NODE


def joined(
    structure: bytes, strings: bytes = b"", *, version: int = 17, compatible: int = 16, reserved: bytes = b""
) -> bytes:
    """Return a blob of these blocks."""
    reservations = reserved + bytes(16)
    at = 40 + len(reservations)
    sizes = (at + len(structure) + len(strings), at, at + len(structure), 40, version, compatible, 0)
    header = struct.pack(">10I", 0xD00DFEED, *sizes, len(strings), len(structure))
    return header + reservations + structure + strings


def blob(root: NodeDict) -> bytes:
    """Return the blob of a whole tree."""
    strings = bytearray()
    structure = flat(root, strings) + END
    return joined(structure, bytes(strings))


GIC: NodeDict = {"compatible": "arm,gic-400", "interrupt-controller": True, "#interrupt-cells": 3, "phandle": 1}


def machine(device: NodeDict, shared: NodeDict | None = None, /, **others: object) -> NodeDict:
    """Return a tree with a GIC, `device` as `/gpu@1000`, shared as `gpu0` with what `shared` adds or replaces."""
    chosen = {"compatible": "xen,coproc", "coproc-path": "/gpu@1000", "coproc-id": "gpu0", **(shared or {})}
    return {
        "#address-cells": 1,
        "#size-cells": 1,
        "interrupt-parent": 1,
        "chosen": {"scf-0": chosen},
        "gic": dict(GIC),
        "gpu@1000": device,
        **others,
    }


def gpu(**properties: object) -> NodeDict:
    """Return a device that nothing is wrong with; names of properties with `_` for `-`."""
    stated = {name.replace("_", "-"): value for name, value in properties.items()}
    sound: NodeDict = {
        "compatible": "acme,gpu",
        "reg": [0x1000, 0x1000],
        "interrupts": [0, 20, 4],
        "clock-frequency": 10**8,
    }
    return {**sound, **stated}


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return `data` with one to four bytes, words or stretches changed."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(found) - 3)
        match dice.randrange(6):
            case 0:
                del found[at : at + dice.randint(1, 8)]
            case 1:
                found[at:at] = found[at : at + dice.randint(1, 40)]
            case 2 | 3:
                found[at] = dice.randrange(256)
            case _:
                word = dice.choice([0, 1, 2, 3, 4, 9, dice.randrange(64), 2**31, 2**32 - 1])
                struct.pack_into(">I", found, at & ~3, word)
    return bytes(found)
