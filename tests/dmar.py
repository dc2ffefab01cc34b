#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# dmar.py FILE - write a DMAR table for QEMU's unit, which names functions
#
# Linux takes it from the initial file system, kernel/firmware/acpi/, in place of
# the firmware's, if ids are the same and the revision is higher. VT-d spec 8.
import struct
import sys

BOCHS = (b"BOCHS ", b"BXPC    ")


def scope(kind, number, bus, *path):
    steps = b"".join(struct.pack("<BB", *step) for step in path)
    return struct.pack("<BBHBB", kind, 6 + len(steps), 0, number, bus) + steps


def structure(kind, body):
    return struct.pack("<HH", kind, 4 + len(body)) + body


structures = [
    # QEMU's unit takes all; it has an ACPI device with requester id 00:1e.3.
    structure(0, struct.pack("<BBHQ", 1, 0, 0, 0xFED90000) +
              scope(3, 0, 0xFF, (0, 0)) + scope(5, 1, 0, (0x1E, 3))),
    # Reserved regions of 00:06.0 and of 00:07.0.
    structure(1, struct.pack("<HHQQ", 0, 0, 0x1F000000, 0x1F000FFF) + scope(1, 0, 0, (6, 0))),
    structure(1, struct.pack("<HHQQ", 0, 0, 0x1F001000, 0x1F001FFF) + scope(1, 0, 0, (7, 0))),
    # Root ports with ATS: one that is not there.
    structure(2, struct.pack("<BBH", 0, 0, 0) + scope(2, 0, 0, (0x1C, 0))),
    structure(4, struct.pack("<HBB", 0, 0, 1) + b"\\_SB.PCI0.UA00\0"),
    # 00:04.0 does not work without ATS.
    structure(5, struct.pack("<BBH", 1, 0, 0) + scope(1, 0, 0, (4, 0))),
]
body = struct.pack("<BB", 47, 0) + bytes(10) + b"".join(structures)
header = struct.pack("<4sIBB6s8sI4sI", b"DMAR", 36 + len(body), 1, 0, *BOCHS, 0x7FFFFFFF, b"BXPC", 1)
table = bytearray(header + body)
table[9] = -sum(table) & 0xFF
with open(sys.argv[1], "wb") as out:
    out.write(table)
