#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""syz-check.py - is include/uapi/vtdpasid.syz.txt what the header says?

Each structure has the header's fields in their order, at their offsets, and its
size; each ioctl of the header is there, with its structure, and goes out where
the structure gives something out; each flag of a structure is in its list. What
the header says is asked of the compiler. Prints what is wrong, and nothing else.
"""

import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = os.path.join(TOP, "include/uapi/vtdpasid.h")
SYZ = os.path.join(TOP, "include/uapi/vtdpasid.syz.txt")
wrong = []


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def width(kind, resources):
    """Bytes of a type."""
    found = re.fullmatch(r"array\[(.*), (\d+)\]", kind)
    if found:
        return width(found.group(1), resources) * int(found.group(2))
    if kind == "vma64" or kind.startswith("ptr64["):
        return 8
    if kind in resources:
        return width(resources[kind], resources)
    found = re.search(r"\bint(8|16|32|64)\b", kind)
    if not found:
        wrong.append("not understood: " + kind)
        return 0
    return int(found.group(1)) // 8


def main():
    header, syz = read(HEADER), re.sub(r"(?m)^#.*\n", "", read(SYZ))
    resources = dict(re.findall(r"(?m)^resource (\w+)\[(\w+)\]", syz))
    structs = {n: re.findall(r"(?m)^\t(\w+)\t+(.*?)(?:\t\(out\))?$", b)
               for n, b in re.findall(r"(?m)^(\w+) \{\n(.*?)^\}", syz, re.S)}
    outs = {n: re.findall(r"(?m)^\t(\w+)\t.*\(out\)$", b)
            for n, b in re.findall(r"(?m)^(\w+) \{\n(.*?)^\}", syz, re.S)}
    flags = {n: v.split(", ") for n, v in re.findall(r"(?m)^(\w+) = (.*)$", syz)}
    calls = dict(re.findall(r"(?m)^ioctl\$(\w+)\(.*const\[\1\], arg ptr\[(\w+, \w+)\]\)$", syz))

    real = {n: re.findall(r"(?m)^\t__(?:aligned_)?u\d+ (\w+)(?:\[\d+\])?;", b)
            for n, b in re.findall(r"(?m)^struct (\w+) \{\n(.*?)^\};", header, re.S)}
    for name in sorted(set(real) ^ set(structs)):
        wrong.append("%s: only in one of both" % name)
    asks = []
    for name in sorted(set(real) & set(structs)):
        if [f for f, _ in structs[name]] != real[name]:
            wrong.append("%s: not the same fields in the same order" % name)
            continue
        at = 0
        for field, kind in structs[name]:
            asks.append("_Static_assert(offsetof(struct %s, %s) == %d, \"%s.%s\");" % (name, field, at, name, field))
            at += width(kind, resources)
        asks.append("_Static_assert(sizeof(struct %s) == %d, \"%s\");" % (name, at, name))
        want = [f for f in real[name] if f.startswith("out_")]
        if outs[name] != want:
            wrong.append("%s: what it gives out is not marked as such" % name)

    # PREFLIGHT is told the size of what it gives out.
    size = re.search(r"(?m)^\tresult_size\tconst\[(\d+), int32\]$", syz)
    asks.append("_Static_assert(sizeof(struct vtdpasid_check_result) == %s, \"result_size\");" %
                (size.group(1) if size else 0))

    ioctls = re.findall(r"(?m)^#define (VTDPASID_\w+)\s+_IO\(", header)
    for name in sorted(set(ioctls) ^ set(calls)):
        wrong.append("%s: only in one of both, or without its structure" % name)
    for name in sorted(set(ioctls) & set(calls)):
        way, arg = calls[name].split(", ")
        if arg != name.lower() or (way == "inout") != bool(outs.get(arg)):
            wrong.append("%s: argument %s, %s" % (name, arg, way))
    for name, values in flags.items():
        for value in values:
            if value.startswith("VTDPASID_"):
                asks.append("enum { check_%s = %s };" % (value, value))
    # Those that a caller passes; events and states have names, too.
    for prefix in ("ATTACH", "PASID", "BIND", "WALK", "PIN"):
        want = re.findall(r"(?m)^#define (VTDPASID_%s_\w+)\s+\(1 << \d+\)" % prefix, header)
        if prefix == "WALK":
            want = want[:1]
        if flags.get("vtdpasid_%s_flags" % prefix.lower()) != want:
            wrong.append("flags of %s: %s in the header" % (prefix, ", ".join(want)))

    with tempfile.NamedTemporaryFile("w", suffix=".c") as f:
        f.write("#include <stddef.h>\n#include \"%s\"\n%s\n" % (HEADER, "\n".join(asks)))
        f.flush()
        result = subprocess.run(["gcc", "-std=c11", "-fsyntax-only", f.name], capture_output=True, text=True, check=False)
        wrong.extend(l for l in result.stderr.splitlines() if "error:" in l)
    for text in wrong:
        print("include/uapi/vtdpasid.syz.txt: " + text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
