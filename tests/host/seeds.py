#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""seeds.py - the inputs that the fuzz targets begin with

usage: tests/host/seeds.py DIR

Writes DIR/parse, DIR/ioctl and DIR/prq: what is usual, what is at an edge, and
what was found once (FOUND, as hex).
"""

import os
import struct
import sys

# (target, name, what it broke, bytes)
FOUND = [
]


def scope(kind, bus, *path, enum=0):
    body = b"".join(struct.pack("BB", d, f) for d, f in path)
    return struct.pack("BBHBB", kind, 6 + len(body), 0, enum, bus) + body


def structure(kind, body):
    return struct.pack("<HH", kind, 4 + len(body)) + body


def drhd(flags, segment, base, *scopes):
    return structure(0, struct.pack("<BBHQ", flags, 0, segment, base) + b"".join(scopes))


def rmrr(segment, base, limit, *scopes):
    return structure(1, struct.pack("<HHQQ", 0, segment, base, limit) + b"".join(scopes))


def dmar(*structures):
    body = b"".join(structures)
    return (b"DMAR" + struct.pack("<IBB", 48 + len(body), 1, 0) + b"OEMID " + b"TABLE   " +
            struct.pack("<IIIBB", 1, 0, 0, 45, 1) + bytes(10) + body)


def parse_seeds():
    yield "one", dmar(drhd(1, 0, 0xfed90000))
    yield "two", dmar(drhd(0, 0, 0xfed90000, scope(1, 0, (2, 0)), scope(2, 0, (28, 0), (0, 0)), scope(3, 0xf0, (31, 0), enum=2)),
                      drhd(1, 0, 0xfed91000, scope(4, 0, (31, 0))),
                      rmrr(0, 0x7b000000, 0x7b7fffff, scope(1, 0, (20, 0))))
    yield "andd", dmar(drhd(1, 0, 0xfed90000, scope(5, 0, (21, 0), enum=1)),
                       structure(4, struct.pack("<3xB", 1) + b"\\_SB.PCI0.I2C0\0"))
    yield "deep", dmar(drhd(0, 1, 0xfed90000, scope(2, 0, *[(i, 0) for i in range(16)])))
    yield "unknown", dmar(structure(9, bytes(12)), drhd(1, 0, 0xfed90000))
    yield "cut", dmar(drhd(1, 0, 0xfed90000, scope(1, 0, (2, 0))))[:-3]
    yield "empty", b""
    yield "fault", struct.pack("<QQ", 0x7fff12345000, 1 << 63 | 0x71 << 32 | 1 << 31 | 0x54321 << 40 | 0x1234)


# Steps of fuzz_ioctl: the calls in its order.
GET_INFO, UNIT_INFO, TAKEOVER, HANDBACK, ATTACH, DETACH, DEVICE_INFO, PASID_ALLOC, PASID_FREE, BIND, UNBIND, SYNC, WALK, BINDING_INFO = range(14)
CLAIMED, DRIVEN, PLAIN = 0x10, 0x08, 0x18


def ioctl(call, body=b"", what=0):
    return bytes([call, what, len(body)]) + body


def other(nr, arg=0):
    return bytes([0xc0 | nr, arg])


def ioctl_seeds():
    flags0 = bytes(4)
    attach = ioctl(ATTACH, struct.pack("<IHHI", 0, 0, CLAIMED, 0))
    attach_pri = ioctl(ATTACH, struct.pack("<IHHI", 3, 0, DRIVEN, 0))
    bind = ioctl(BIND, struct.pack("<III", 0, 1, 0))
    yield "info", ioctl(GET_INFO) + ioctl(UNIT_INFO) + ioctl(UNIT_INFO, flags0 + struct.pack("<I", 7))
    yield "life", (attach + bind + other(3, 0x18) + other(5) * 8 + ioctl(SYNC, struct.pack("<IQQ", 0, 0x7f0000000000, 4096)) +
                   ioctl(BINDING_INFO, struct.pack("<II", 0, 1)) + ioctl(UNBIND, struct.pack("<III", 0, 1, 0)) +
                   ioctl(PASID_FREE, struct.pack("<III", 0, 1, 0)) + ioctl(DETACH, struct.pack("<III", 0, 1, 0)) + ioctl(HANDBACK))
    yield "close", attach + attach_pri + bind + other(3, 0x18) + other(5) * 4 + other(8, 0) + attach
    yield "exit", attach + bind + other(3, 0x18) + other(5) * 4 + other(0, 1) + other(12, 0) + other(6, 128) + other(7)
    yield "two", attach + bind + other(0, 1) + bind + other(0, 0) + ioctl(UNBIND, struct.pack("<III", 0, 2, 0))
    yield "reserve", (attach + ioctl(PASID_ALLOC, struct.pack("<III", 1, 40000, 0)) + ioctl(BIND, struct.pack("<III", 0, 1, 40000)) +
                      ioctl(WALK, struct.pack("<IHHIQ", 1, 0, CLAIMED, 0, 0)))
    yield "no-pasid", attach + ioctl(BIND, struct.pack("<III", 1, 1, 0)) + other(3, 0x18) + other(5) * 4
    yield "pri", attach_pri + bind + other(14, 0x07) * 3 + other(9) * 4 + other(14, 0x05) + other(8, 0)
    yield "sizes", b"".join(bytes([c, 1, 4]) + struct.pack("<I", n) for c in range(14) for n in (0, 4096))
    yield "tail", b"".join(bytes([c, 1, 255]) + struct.pack("<I", 4096) + bytes([0] * 254 + [1]) for c in range(5))
    yield "faulty", b"".join(ioctl(c, what=2 | n << 4) for c in range(14) for n in (0, 1, 3))
    yield "nobody", b"".join(ioctl(c, what=4) for c in range(14))
    yield "memory", b"".join(other(13, n) + attach + other(13, n) + bind for n in (1, 2, 4, 8))
    yield "driver", attach + bind + other(11, 0x42) + attach + other(11, 0x02) + attach + other(11, 0x81)
    yield "signal", attach + other(10, 1) + bind + ioctl(GET_INFO) + other(10, 0) + bind


def prq_seeds():
    bind = bytes([0xa9, 1, 0xa9, 2, 0xac, 8, 0xac, 10])
    run = bytes([0xa0, 0]) * 6
    yield "one", bind + bytes([0, 1, 0x2c]) + run
    yield "group", bind + bytes([0, 1, 0x08, 0, 1, 0x10, 0, 1, 0x28]) + run
    yield "marker", bind + bytes([0, 1, 0x20]) + run
    yield "strange", bind + bytes([0, 1, 0x3f, 1, 0, 0, 0, 1, 0x3a, 0, 2, 0, 0, 1, 0x39, 0, 0, 1]) + run
    yield "unbind", bind + bytes([0, 1, 0x28, 0, 1, 0x29, 0, 1, 0x6a, 0xae, 3, 0xa8, 0, 0xa3, 0, 0xa5, 0, 0xa5, 0]) + run
    yield "detach", bytes([0, 1, 0x28, 0, 0, 0x29, 0xab, 1, 0xaa, 3, 0, 1, 0x28]) + run
    yield "flood", bind + b"".join(bytes([0, 1, 0x28 | g & 7]) + bytes([0, 1, 8 | g & 7]) * 20 for g in range(8)) + run * 3
    yield "nobody", bytes([0, 0x21, 0x28, 0, 0x41, 0x2b, 0x34, 0x12, 0, 0, 0, 0x81, 0x2d, 0xff, 0xff, 0x0f, 0]) + run


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in (("parse", parse_seeds()), ("ioctl", ioctl_seeds()), ("prq", prq_seeds())):
        where = os.path.join(sys.argv[1], target)
        os.makedirs(where, exist_ok=True)
        found = [(n, bytes.fromhex(h)) for t, n, _, h in FOUND if t == target]
        for name, data in list(seeds) + found:
            with open(os.path.join(where, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
