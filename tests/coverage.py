#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""coverage.py - which lines of src/ the tests run, and why not the others

usage: tests/coverage.py [--kernel K] [--logs DIR] [--host DIR]

  --kernel K   of the guest tests that `run-guest.sh --coverage` ran (6.1-debug)
  --logs DIR   where their results are (build/logs)
  --host DIR   build of tests/host with --coverage, that ran (build/host.gcov)

Prints a table: of each file the lines and branches that the guest tests and the
host tests run. A branch is taken or not in a build: the compilers' builds for
guest and host have other branches, and are not added up. Lines do: what neither
runs is listed, each with the reason that tests/coverage.txt gives.

exit: 0 each has a reason, 1 some have none, or a reason fits no line, 2 usage
"""

import argparse
import collections
import functools
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD = os.environ.get("VTDPASID_BUILD", os.path.join(TOP, "build"))
DECLARATION = re.compile(r"\t+(?!return|goto)(?:\w+ )+[\w*\[\], ]+;$")
REASONS = os.path.join(HERE, "coverage.txt")


def die(text):
    print("coverage.py: " + text, file=sys.stderr)
    sys.exit(2)


@functools.lru_cache(maxsize=None)
def source(file):
    """Lines of a file of src/, counted from 1."""
    with open("%s/src/%s" % (TOP, file), encoding="utf-8") as f:
        return [""] + f.read().splitlines()


@functools.lru_cache(maxsize=None)
def functions(file):
    """(lines of its head, lines of its body) of each function: the head ends with its declarations."""
    result, first, lines = [], None, source(file)
    for nr, line in enumerate(lines):
        if re.match(r"[a-z].*\w\(", line) and not line.endswith(";"):
            first = nr
        elif line == "{" and first:
            at = nr + 1
            while re.match(r"\t(?!return |goto )(?:\w+ )+\**\w+(?: =|;|,|\[)", lines[at]):
                while not lines[at].endswith(";"):
                    at += 1
                at += 1
            end = lines.index("}", nr)
            result.append((range(first, at), range(at, end)))
            first = None
    return result


class Counts:
    """How often each line of each file ran, and each of its branches."""

    def __init__(self):
        self.lines = collections.defaultdict(dict)      # file: {line: count}
        self.branches = collections.defaultdict(dict)   # file: {(line, number of branches, which): count}
        self.function = collections.defaultdict(dict)   # file: {line: name}

    def add(self, output):
        """What gcov --json-format --stdout says: one document for each object."""
        for text in output.splitlines():
            if not text.startswith("{"):
                continue
            for file in json.loads(text)["files"]:
                found = re.search(r"(?:^|/)src/(\w+\.[ch])$", file["file"])
                if not found:
                    continue
                for line in file["lines"]:
                    self.add_line(found.group(1), line)

    def has_run(self, file, nr):
        """The head of a function ran if its body did: compilers move that code elsewhere."""
        lines = self.lines[file]
        return lines.get(nr) or any(
            nr in head and any(lines.get(n) for n in body) for head, body in functions(file))

    def add_line(self, file, line):
        nr = line["line_number"]
        # KASAN's compiler counts variables that it gives a place on the stack.
        if DECLARATION.match(source(file)[nr]):
            return
        self.lines[file][nr] = self.lines[file].get(nr, 0) + line["count"]
        if line.get("function_name"):
            self.function[file][nr] = line["function_name"]
        for i, branch in enumerate(line["branches"]):
            key = (nr, len(line["branches"]), i)
            self.branches[file][key] = self.branches[file].get(key, 0) + branch["count"]


def gcov(command, directory):
    """gcov for all objects in a directory."""
    names = sorted(os.path.basename(f) for f in glob.glob(directory + "/*.gcda"))
    done = subprocess.run([*command, "--json-format", "--stdout", "--branch-probabilities", *names],
                          cwd=directory, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        die("gcov failed in " + directory)
    return done.stdout


def guest_counts(logs, kernel):
    counts = Counts()
    every = sorted(glob.glob("%s/guest-%s-*.gcov" % (logs, kernel)))
    if not every:
        die("no counts in %s: tests/check-debug.sh --coverage" % logs)
    os.makedirs(BUILD + "/run", exist_ok=True)
    for directory in every:
        with open(directory + "/notes", encoding="utf-8") as f:
            notes = f.read().strip()
        # gcov of the compiler that built it, where notes and counts are together.
        with tempfile.TemporaryDirectory(dir=BUILD + "/run") as work:
            for file in glob.glob(notes + "/src/*.gcno") + glob.glob(directory + "/mnt/src/*.gcda"):
                shutil.copy(file, work)
            script = '. "$1/scripts/common.sh"; in_root "$(kernel_root "$2")" "$3" sh -c \'cd /mnt && exec "$@"\' - ' \
                'gcov "${@:4}"'
            counts.add(gcov(["bash", "-c", script, "-", TOP, kernel, work], work))
    return counts


def host_counts(directory):
    counts = Counts()
    if not glob.glob(directory + "/src/*.gcda"):
        die("no counts in %s: tests/check-debug.sh --coverage" % directory)
    counts.add(gcov(["gcov"], directory + "/src"))
    return counts


def reasons_read():
    """{(file, function): (reason, [text of lines; none means all])}"""
    result, key = {}, None
    with open(REASONS, encoding="utf-8") as f:
        for nr, line in enumerate(f, 1):
            line = line.rstrip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("\t"):
                result[key][1].append(" ".join(line.split()))
            elif line.startswith(" "):
                result[key] = (result[key][0] + line, result[key][1])
            else:
                found = re.fullmatch(r"(\w+\.[ch]) (\w+): (\S.*)", line)
                if not found:
                    die("coverage.txt:%d: not understood" % nr)
                key = found.group(1, 2) + (nr,)
                result[key] = (found.group(3), [])
    return result


def percent(part, whole):
    return "%5.1f %%" % (100 * part / whole) if whole else "      -"


def ran(values):
    return sum(1 for v in values if v)


def table(guest, host, files):
    print("%-16s %6s %8s %8s %8s   %17s %17s" % (
        "", "lines", "guest", "host", "either", "guest's branches", "host's branches"))
    total = collections.Counter()

    def row(name, c):
        print("%-16s %6d  %s  %s  %s    %6d  %s    %6d  %s" % (
            name, c["lines"], percent(c["guest"], c["lines"]), percent(c["host"], c["lines"]),
            percent(c["either"], c["lines"]), c["gb"], percent(c["gbt"], c["gb"]), c["hb"],
            percent(c["hbt"], c["hb"])))

    for file in files:
        lines = set(guest.lines[file]) | set(host.lines[file])
        c = collections.Counter(
            lines=len(lines),
            guest=ran(guest.has_run(file, nr) for nr in lines),
            host=ran(host.has_run(file, nr) for nr in lines),
            either=ran(guest.has_run(file, nr) or host.has_run(file, nr) for nr in lines),
            gb=len(guest.branches[file]), gbt=ran(guest.branches[file].values()),
            hb=len(host.branches[file]), hbt=ran(host.branches[file].values()))
        row(file, c)
        total += c
    row("all", total)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--kernel", default="6.1-debug")
    parser.add_argument("--logs", default=BUILD + "/logs")
    parser.add_argument("--host", default=BUILD + "/host.gcov")
    try:
        opts = parser.parse_args()
    except SystemExit as e:
        sys.exit(e.code)
    reasons = reasons_read()
    guest, host = guest_counts(opts.logs, opts.kernel), host_counts(opts.host)
    files = sorted(set(guest.lines) | set(host.lines))
    table(guest, host, files)

    wrong, used = [], set()
    print("\nnot run, and why:")
    for file in files:
        text = source(file)
        for nr in sorted(set(guest.lines[file]) | set(host.lines[file])):
            if guest.has_run(file, nr) or host.has_run(file, nr):
                continue
            function = guest.function[file].get(nr) or host.function[file].get(nr) or "?"
            what = " ".join(text[nr].split())
            key = next((k for k, (_, lines) in reasons.items()
                        if k[:2] == (file, function) and (not lines or what in lines)), None)
            used.add(key)
            if key is None:
                wrong.append("%s:%d: %s: %s" % (file, nr, function, what))
            else:
                print("%s:%d: %s: %s\n\t%s" % (file, nr, function, what, reasons[key][0]))
    for (file, function, nr), (_, lines) in reasons.items():
        try:
            with open("%s/src/%s" % (TOP, file), encoding="utf-8") as f:
                every = f.read()
        except FileNotFoundError:
            every = ""
        have = {" ".join(line.split()) for line in every.splitlines()}
        for line in lines:
            if line not in have:
                wrong.append("coverage.txt:%d: no such line: %s" % (nr, line))
        if not re.search(r"\b%s\(" % function, every):
            wrong.append("coverage.txt:%d: no such function: %s" % (nr, function))
        if (file, function, nr) not in used:
            print("coverage.txt:%d: %s of %s: ran this time" % (nr, function, file))
    for text in wrong:
        print("WRONG: " + text)
    print("%d lines not run without a reason, or reasons without a line" % len(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
