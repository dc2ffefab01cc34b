#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""netlink-spec.py - the numbers that docs/netlink/vtdpasid.yaml implies, as C

usage: tests/netlink-spec.py SPEC INCLUDE-DIR

Writes a C file that compiles if, and only if, the headers in INCLUDE-DIR give
each name the number that the spec gives it. Names that a header has and the
spec lacks are printed to standard error.

exit: 0 written, 1 headers have more than the spec, 2 the spec is no good
"""
import re
import sys

import yaml


def fail(text):
    """The spec is no good."""
    print(text, file=sys.stderr)
    sys.exit(2)


def c_name(prefix, name):
    """The C name of an entry."""
    return (prefix + name).replace("-", "_").upper()


def numbered(entries, first):
    """Names and numbers of a list of entries."""
    value = first
    for entry in entries:
        if isinstance(entry, dict):
            value = entry.get("value", value)
            entry = entry["name"]
        yield entry, value
        value += 1


def definitions(spec):
    """Names and numbers of enums and flags, with the header they are in."""
    for item in spec["definitions"]:
        prefix = item.get("name-prefix", "%s-%s-" % (spec["name"], item["name"]))
        header = item.get("header", spec["uapi-header"])
        for name, value in numbered(item["entries"], item.get("value-start", 0)):
            if item["type"] == "flags":
                value = 1 << value
            yield header, prefix, c_name(prefix, name), value


def identifiers(spec):
    """Names and numbers of attributes and commands."""
    for part in spec["attribute-sets"] + [spec["operations"]]:
        prefix = part["name-prefix"]
        value = 0
        for name, value in numbered(part.get("attributes") or part["list"], 1):
            yield c_name(prefix, name), value
        # What the header has beyond the spec would be above this.
        yield c_name(prefix, "max"), value


def check_references(spec):
    """Whatever names an attribute, an enum or a group names one that is there."""
    sets = {s["name"]: [a["name"] for a in s["attributes"]]
            for s in spec["attribute-sets"]}
    enums = [d["name"] for d in spec["definitions"]]
    groups = [g["name"] for g in spec["mcast-groups"]["list"]]
    for part in spec["attribute-sets"]:
        for attribute in part["attributes"]:
            if attribute.get("enum", enums[0]) not in enums:
                fail("%s: no such enum" % attribute)
    for op in spec["operations"]["list"]:
        if op.get("mcgrp", groups[0]) not in groups:
            fail("%s: no such group" % op["name"])
        messages = [m for kind in ("do", "dump") for m in op.get(kind, {}).values()]
        for message in messages + [op.get("event", {})]:
            for name in message.get("attributes", []):
                if name not in sets[op["attribute-set"]]:
                    fail("%s: no such attribute: %s" % (op["name"], name))


def unknown(found, include):
    """Numbers of a header that begin like those of the spec, and are not there."""
    names = {name for _, _, name, _ in found}
    number = re.compile(r"#define (\w+)\s+(?:\d+|\(1 << \d+\))\s*(?:/\*|$)")
    for header in {header for header, _, _, _ in found}:
        prefixes = tuple(c_name(p, "") for h, p, _, _ in found if h == header)
        with open("%s/%s" % (include, header), encoding="utf-8") as lines:
            for line in lines:
                match = number.match(line)
                if match and match[1].startswith(prefixes) and match[1] not in names:
                    yield "%s: %s is not in the spec" % (header, match[1])


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        with open(sys.argv[1], encoding="utf-8") as stream:
            spec = yaml.safe_load(stream)
        check_references(spec)
        found = list(definitions(spec))
        numbers = [(name, value) for _, _, name, value in found] + list(identifiers(spec))
    except (yaml.YAMLError, KeyError, TypeError) as err:
        fail("%s: %r" % (sys.argv[1], err))

    for header in sorted({header for header, _, _, _ in found}):
        print('#include "%s"' % header)
    for name, value in numbers:
        print('_Static_assert(%s == %d, "%s");' % (name, value, name))
    for group in spec["mcast-groups"]["list"]:
        print('_Static_assert(sizeof(%s) == sizeof("%s"), "group");' %
              (c_name(spec["name"] + "-mcgrp-", group["name"]), group["name"]))
    print('_Static_assert(sizeof(%s_FAMILY_NAME) == sizeof("%s"), "family");' %
          (spec["name"].upper(), spec["name"]))
    more = list(unknown(found, sys.argv[2]))
    print("\n".join(more), file=sys.stderr, end="\n" if more else "")
    sys.exit(1 if more else 0)


main()
