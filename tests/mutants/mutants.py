#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""mutants.py - break the module in one place at a time, and see who notices

usage: tests/mutants/mutants.py [OPTION]...

  --only PATTERN  mutants whose name or file matches the shell pattern (repeatable)
  --jobs N        so many at once (default 1)
  --list          only say which there are
  --show          their changes, too
  --again         run again those that are known to survive or to hang
  --keep-caught   what was caught once, and whose file has not changed since,
                  counts as caught: for work on the tests
  --guest         try what the host tests do not catch in the guest, too, as
                  `make check-mutants` does
  --kernel K      of the guest (default 6.1; for locks it is 6.1-kcsan)

Names: hand/NAME, from hand.txt; KIND/FILE/FUNCTION/WHAT[#N], made here. The
host tests (tests/host) come first; what they do not see goes to the guest suite
in GUEST below that is about the file, with one boot for each mutant. Results are
kept in build/mutants by the hash of everything that they depend on, so a run
that was stopped goes on where it was.

The last lines name what is wrong: survivors that are not in survivors.txt, and
mutants in there that are caught or do not exist.

exit: 0 nothing is wrong, 1 something is, 2 usage
"""

import argparse
import concurrent.futures
import difflib
import fnmatch
import hashlib
import json
import os
import queue
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, "build", "mutants")

# Files that the host tests do not compile: see NOT_HERE in tests/host/Makefile.
# The others go there only when the host tests let a mutant pass.
GUEST = {
    "acs": "preflight", "ats": "sva/s_attach", "bind": "memory/t_dma",
    "chardev": "abi", "client": "abi", "device": "abi", "event": "abi",
    "main": "life", "owner": "life", "pasid_alloc": "abi", "pin": "sva/s_pin",
    "power": "sleep", "space": "memory/t_mm", "vtd_fault": "sva/s_fault",
    "vtd_irq": "sva/s_fault", "vtd_prq": "sva/s_prq", "vtd_unit": "life",
    "walk": "abi", "pasid_table": "many", "vtd_ctx": "life",
    "vtd_qi": "trace", "vtd_qi_recover": "trace", "check": "preflight", "preflight": "preflight",
    "info": "netlink", "netlink": "netlink", "vtd_dmar": "preflight",
}

# For locks that are not taken: lockdep, and KCSAN.
LOCK_KERNEL = "6.1-kcsan"

# Only in modules for tests (Kbuild).
NOT_SHIPPED = ["inject"]

# The host test that is most likely to see a file's mutants comes first.
FIRST = {
    "pasid_alloc": "test_pasid", "vtd_dmar": "test_dmar", "vtd_qi": "test_qi",
    "vtd_fault": "test_fault", "vtd_prq": "test_prq", "chardev": "test_ioctl",
    "event": "test_fault", "check": "test_units", "acs": "test_units",
    "owner": "test_units", "vtd_qi_recover": "test_broken",
    "client": "test_ioctl", "device": "test_ioctl", "power": "test_power",
}
# Of the CPU's time: a busy machine is no hang.
HOST_SECONDS = 120

# A lock that one function takes and another drops.
LOCK_PARTNERS = {
    ("hold_begin", "vtdp_lock"): "hold_end",
    ("vtdp_qi_begin", "qi->lock"): "vtdp_qi_submit",
}


class Mutant:
    """One change of one file."""

    def __init__(self, name, file, old, new, about="", rule=""):
        self.name, self.file, self.about, self.rule = name, file, about, rule
        self.old, self.new = old, new

    def diff(self):
        return "".join(difflib.unified_diff(
            self.old.splitlines(True), self.new.splitlines(True), self.file, self.name, n=1))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def die(text):
    print("mutants.py: " + text, file=sys.stderr)
    sys.exit(2)


# ---- hand.txt --------------------------------------------------------------------

def hand_mutants():
    """Blocks of hand.txt; a block whose lines are not there, once, is an error."""
    result, errors, block = [], [], None
    names = set()

    def end():
        if not block:
            return
        if not block["lines"]:
            errors.append("hand.txt: %s: no lines" % block["name"])
            return
        text = read(block["file"])
        old = "".join(l[1:] + "\n" for l in block["lines"] if l[0] in " -")
        new = "".join(l[1:] + "\n" for l in block["lines"] if l[0] in " +")
        count = text.count(old)
        if count != 1:
            errors.append("hand.txt: %s: its lines are %d times in %s" % (block["name"], count, block["file"]))
            return
        result.append(Mutant("hand/" + block["name"], block["file"], text,
                             text.replace(old, new), block["about"], block["rule"]))

    for nr, line in enumerate(read("tests/mutants/hand.txt").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("@"):
            end()
            name, rule, file, about = (line[1:].split(None, 3) + [""] * 4)[:4]
            if name in names or not about:
                errors.append("hand.txt:%d: twice, or without a word about it" % nr)
            names.add(name)
            block = {"name": name, "rule": rule, "file": file, "about": about, "lines": []}
        elif line[0] in " +-" and block:
            block["lines"].append(line)
        else:
            errors.append("hand.txt:%d: not understood" % nr)
    end()
    if errors:
        die("\n".join(errors))
    return result


# ---- made by pattern ---------------------------------------------------------------

def functions(lines):
    """(name, first line of the body, last line) of each function."""
    name = start = None
    for i, line in enumerate(lines):
        found = re.match(r"[a-z].*?\b(\w+)\(", line)
        if found and not line.rstrip().endswith(";"):
            name = found.group(1)
        if line.rstrip() == "{" and name:
            start = i + 1
        elif line.rstrip() == "}" and start is not None:
            yield name, start, i
            name = start = None


def statement_end(lines, i):
    while not re.search(r";\s*(/\*.*\*/\s*)?$", lines[i]):
        i += 1
    return i


def indent(line):
    return line[:len(line) - len(line.lstrip())]


DROPS = {
    "descriptor": r"vtdp_qi_(context_global|context_device|pasid_cache|iotlb|piotlb|devtlb|response|drain)",
    "barrier": r"(dma_wmb|dma_rmb|dma_mb|smp_wmb|smp_rmb|smp_mb|wmb|rmb|mb)",
    "flush": r"(vtdp_flush_table|vtdp_flush_root|clflush_cache_range)",
}
LOCK = re.compile(r"\b(spin_lock|mutex_lock)(_irqsave|_irq|_interruptible)?\(([^(),]+)[,)]")
UNLOCK = re.compile(r"\b(spin_unlock|mutex_unlock)(_irqrestore|_irq)?\(([^(),]+)[,)]")
REFUSAL = re.compile(r"\b(return|err =)\b[^;]*-E(?!NOMEM|INTR|AGAIN)[A-Z]+\b|\breturn unit_refuse\(")
# Functions that say yes or no to a permission.
PREDICATE = re.compile(r"\bcapable\(|may_act_on\(|pdev->untrusted|owner_userspace\(|owner_aliased\(|\.admin = true")


def drop_mutants(file, lines, name, start, end):
    for i in range(start, end):
        for kind, pattern in DROPS.items():
            found = re.match(r"\s*(%s)\(" % pattern, lines[i])
            if not found:
                continue
            last = statement_end(lines, i)
            new = lines[:i] + [indent(lines[i]) + ";\n"] + lines[last + 1:]
            yield "%s/%s/%s/%s" % (kind, file, name, found.group(1)), new


def unlocked(line, what):
    """The line without its calls on a lock."""
    line = re.sub(r"if \(mutex_lock_interruptible\(%s\)\)" % re.escape(what), "if (0)", line)
    line = re.sub(r"= mutex_lock_interruptible\(%s\)" % re.escape(what), "= 0", line)
    line = re.sub(r"if \(mmap_read_lock_killable\(%s\)\)" % re.escape(what), "if (0)", line)
    return re.sub(r"\b(spin|mutex)_(un)?lock(_irqsave|_irqrestore|_irq)?\(%s(, flags)?\)" % re.escape(what),
                  "(void)0", line)


def lock_mutants(file, lines, all_functions):
    bodies = {n: (s, e) for n, s, e in all_functions}
    for name, (start, end) in bodies.items():
        taken = {}
        partner = None
        for i in range(start, end):
            found = LOCK.search(lines[i])
            if found:
                taken.setdefault(found.group(3), []).append(i)
        for what, places in taken.items():
            for k, i in enumerate(places):
                stop = places[k + 1] if k + 1 < len(places) else end
                touched = [i] + [j for j in range(i + 1, stop)
                                 if (u := UNLOCK.search(lines[j])) and u.group(3) == what]
                partner = LOCK_PARTNERS.get((name, what.lstrip("&")))
                if partner and partner in bodies:
                    touched += [j for j in range(*bodies[partner])
                                if (u := UNLOCK.search(lines[j])) and u.group(3).endswith(what.lstrip("&"))]
                if len(touched) == 1:
                    continue
                new = list(lines)
                for j in touched:
                    found = (LOCK.search(lines[j]) or UNLOCK.search(lines[j])).group(3)
                    new[j] = unlocked(lines[j], found)
                yield "lock/%s/%s/%s" % (file, name, what.strip("&")), new


def check_mutants(file, lines, name, start, end):
    i = start
    while i < end:
        if not re.match(r"\s*(} )?(else )?if \(", lines[i]):
            i += 1
            continue
        # The condition ends where its parentheses do.
        depth, j, col = 0, i, lines[i].index("if (") + 3
        while True:
            depth += lines[j][col:].count("(") - lines[j][col:].count(")")
            if depth == 0 or j + 1 >= end:
                break
            j, col = j + 1, 0
        cond = "".join(lines[i:j + 1])
        body = lines[j + 1] if j + 1 < end else ""
        refusal = REFUSAL.search(body)
        if refusal or PREDICATE.search(cond):
            head = lines[i].index("if (") + 4
            tail = lines[j].rstrip()
            brace = tail.endswith("{")
            tail = tail[:-1].rstrip() if brace else tail
            if tail.endswith(")"):
                new = list(lines)
                new[j] = tail + ")" + (" {" if brace else "") + "\n"
                new[i] = new[i][:head] + "0 && (" + new[i][head:]
                # unit_refuse() names what is missing a line further down.
                what = re.search(r"-(E[A-Z0-9]+)\b|\bVTDPASID_(CHECK_\w+)", body) if refusal else None
                yield "check/%s/%s/%s" % (file, name, (what.group(1) or what.group(2)) if what else "permission"), new
        i = j + 1


def made_mutants():
    seen = {}
    for path in sorted(os.listdir(os.path.join(TOP, "src"))):
        if not path.endswith((".c", ".h")):
            continue
        base = path[:-2]
        if base in NOT_SHIPPED:
            continue
        text = read("src/" + path)
        lines = text.splitlines(True)
        every = list(functions(lines))
        found = []
        for name, start, end in every:
            found += drop_mutants(base, lines, name, start, end)
            found += check_mutants(base, lines, name, start, end)
        found += lock_mutants(base, lines, every)
        if base == "check":
            # What refuses, out of the table of checks.
            for i, line in enumerate(lines):
                entry = re.match(r"\tCHECK(?:_\w+)?\(([A-Z]\w*),", line)
                if not entry:
                    continue
                j = i
                while not lines[j].rstrip().endswith("),"):
                    j += 1
                if re.search(r"CHECK_UNIT\(|\.refuses = ", "".join(lines[i:j + 1])):
                    found.append(("check/check/table/" + entry.group(1), lines[:i] + lines[j + 1:]))
        if base == "chardev":
            for i, line in enumerate(lines):
                op = next((m.group(1) for k in (i, i - 1, i - 2)
                           if (m := re.match(r"\tIOCTL_OP(?:_IN|_OUT)?\((\w+),", lines[k]))), None)
                if ".admin = true" in line and op:
                    new = list(lines)
                    new[i] = line.replace(".admin = true", ".admin = false")
                    found.append(("check/chardev/%s/admin" % op, new))
        for name, new in found:
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += "#%d" % seen[name]
            yield Mutant(name, "src/" + path, text, "".join(new))


# ---- running -----------------------------------------------------------------------

def tree_hash(paths):
    h = hashlib.sha256()
    for top in paths:
        full = os.path.join(TOP, top)
        files = [full] if os.path.isfile(full) else sorted(
            os.path.join(d, f) for d, _, fs in os.walk(full) for f in fs)
        for file in files:
            h.update(file[len(TOP):].encode() + b"\0")
            with open(file, "rb") as f:
                h.update(f.read())
    return h.hexdigest()


def run(args, timeout, log, cpu=None, **more):
    """Return: exit status; 124 when out of time."""
    if cpu:
        more["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    with open(log, "ab") as out:
        child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                 start_new_session=True, **more)
        try:
            rc = child.wait(timeout)
            return 124 if cpu and rc in (-signal.SIGKILL, -signal.SIGXCPU) else rc
        except subprocess.TimeoutExpired:
            return 124
        finally:
            # Tests have children, which a mutant may keep from ending.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


class Bench:
    """A copy of the tree to break things in, built."""

    HOST = "build/host"

    def __init__(self, nr, base=None):
        self.dir = os.path.join(BUILD, "tree.%d" % nr)
        self.log = os.path.join(BUILD, "tree.%d.log" % nr)
        shutil.rmtree(self.dir, ignore_errors=True)
        if base:
            subprocess.run(["cp", "-a", base.dir, self.dir], check=True)
            return
        os.makedirs(self.dir)
        subprocess.run(["cp", "-a", "--parents", "Kbuild", "src", "include", "scripts", "tests/host", self.dir],
                       cwd=TOP, check=True)
        open(self.log, "wb").close()
        if self.make("progs"):
            die("the host tests do not build without mutants either: %s" % self.log)
        subprocess.run([self.dir + "/tests/host/seeds.py", os.path.join(self.dir, self.HOST, "seeds")], check=True)
        self.keep = None

    def make(self, *targets):
        return run(["make", "-s", "-C", self.dir + "/tests/host", "ROOT=" + self.dir,
                    "O=" + os.path.join(self.dir, self.HOST), *targets], 600, self.log)

    def tests(self, file):
        """(name, arguments), the most promising first."""
        names = sorted(f[:-2] for f in os.listdir(self.dir + "/tests/host")
                       if f.startswith("test_") and f.endswith(".c"))
        first = FIRST.get(file, "test_bind")
        names.sort(key=lambda n: (n != first, n != "test_bind", n))
        seeds = os.path.join(self.dir, self.HOST, "seeds")
        fuzzers = sorted(f[:-2] for f in os.listdir(self.dir + "/tests/host")
                         if f.startswith("fuzz_") and f.endswith(".c") and f[:-2] not in ("fuzz_main", "fuzz_model"))
        inputs = {n: [os.path.join(d, f) for d, _, fs in os.walk(os.path.join(seeds, n[5:])) for f in fs]
                  for n in fuzzers}
        # As `make check` runs them.
        return ([(n, []) for n in names] + [(n, ["--runs", "500"] + sorted(inputs[n])) for n in fuzzers] +
                [("fuzz_model", ["--no-shrink", "--ops", "60000"])])

    def host(self, mutant):
        """Who catches it: a name; None: nobody; "does not build"."""
        path = os.path.join(self.dir, mutant.file)
        base = os.path.basename(mutant.file)[:-2]
        objects = [os.path.join(self.dir, self.HOST, d, f)
                   for d in ("src", ".") for f in os.listdir(os.path.join(self.dir, self.HOST, d)) if f.endswith(".o")]
        if not mutant.file.endswith(".h"):
            objects = [o for o in objects if o.endswith("/src/" + base + ".o")]
            if not objects:
                return "not tried"
        saved = [path] + objects
        for file in saved:
            shutil.copy2(file, file + ".saved")
        open(self.log, "wb").close()
        try:
            with open(path, "w", encoding="utf-8") as f:
                f.write(mutant.new)
            for name, args in self.tests(base):
                program = os.path.join(self.dir, self.HOST, name)
                if self.make(program):
                    return "does not build"
                env = dict(os.environ, ASAN_OPTIONS="detect_stack_use_after_return=0")
                rc = run([program, *args], 1800, self.log, HOST_SECONDS, env=env, cwd=self.dir)
                if rc:
                    return name + (" (hangs)" if rc == 124 else "")
            return None
        finally:
            for file in saved:
                os.replace(file + ".saved", file)

    def guest(self, mutant, kernel, *more):
        """The same with the module in the guest."""
        suite = GUEST.get(os.path.basename(mutant.file)[:-2])
        if not suite:
            return None
        path = os.path.join(self.dir, mutant.file)
        shutil.copy2(path, path + ".saved")
        ko = self.dir + "/build/ko/" + kernel
        logs = self.dir + "/build/logs"
        try:
            with open(path, "w", encoding="utf-8") as f:
                f.write(mutant.new)
            if run([TOP + "/scripts/kbuild.sh", kernel, "--src", self.dir, "--out", ko], 900, self.log):
                return "does not build"
        finally:
            os.replace(path + ".saved", path)
        rc = run([TOP + "/tests/run-guest.sh", "--kernel", kernel, "--module", ko + "/vtdpasid.ko",
                  "--only", suite, "--log-dir", logs, *more], 1800, self.log)
        if rc not in (0, 1, 124):
            die("%s on %s: status %d, see %s" % (suite, mutant.name, rc, self.log))
        return "guest " + suite if rc else None


def survivors_read():
    result = {}
    for nr, line in enumerate(read("tests/mutants/survivors.txt").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        if line[0] in " \t":
            result[last] += " " + line.strip()
            continue
        last, _, reason = line.partition(":")
        if not reason.strip():
            die("survivors.txt:%d: no reason" % nr)
        result[last] = reason.strip()
    return result


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kernel", default="6.1")
    for flag in ("list", "show", "again", "keep-caught", "guest"):
        parser.add_argument("--" + flag, action="store_true")
    try:
        opts = parser.parse_args()
    except SystemExit as e:
        sys.exit(e.code)

    every = hand_mutants() + list(made_mutants())
    known = survivors_read()
    wrong = ["survivors.txt: no such mutant: " + n for n in known if n not in {m.name for m in every}]
    # An argument without wildcards may name a file.
    chosen = [m for m in every if not opts.only or any(
        fnmatch.fnmatchcase(m.name, p) or os.path.basename(m.file) in (p, p + ".c", p + ".h")
        for p in opts.only)]
    if not chosen:
        die("nothing matches")
    if opts.list or opts.show:
        for m in chosen:
            print(m.diff() if opts.show else m.name + ("" if not m.about else ": " + m.about))
        print("%d mutants" % len(chosen))
        return 0

    os.makedirs(BUILD, exist_ok=True)
    tests = tree_hash(["tests/host"])
    sources = tree_hash(["src", "include", "Kbuild"])
    store = os.path.join(BUILD, "results.json")
    results = {}
    if os.path.exists(store):
        with open(store, encoding="utf-8") as f:
            results = json.load(f)

    def cached(m):
        r = results.get(m.name)
        if not r or r["text"] != hashlib.sha256(m.new.encode()).hexdigest():
            return None
        caught = r["by"] not in (None, "not tried")
        if (r["sources"], r["tests"]) != (sources, tests) and not (opts.keep_caught and caught):
            return None
        if caught and opts.again and "(hangs)" in r["by"]:
            return None
        if not caught and (opts.again or (opts.guest and not r["guest"])):
            return None
        return r

    todo = [m for m in chosen if not cached(m)]
    start, done = time.time(), 0
    if todo:
        print("%d mutants, %d of them known from before" % (len(chosen), len(chosen) - len(todo)), flush=True)
        benches = queue.Queue()
        first = Bench(0)
        # A test that fails anyway would catch everything.
        none = Mutant("none", "src/bind.c", read("src/bind.c"), read("src/bind.c"))
        by = first.host(none)
        for kernel in {opts.kernel, LOCK_KERNEL} if opts.guest else ():
            by = by or first.guest(none, kernel)
        if by:
            die("without mutants it is this, too: %s, see %s" % (by, first.log))
        benches.put(first)
        for i in range(1, min(opts.jobs, len(todo))):
            benches.put(Bench(i, first))

        def work(m):
            bench = benches.get()
            began = time.time()
            try:
                by = bench.host(m)
                # What no test on this bed can see, none in the guest can.
                if by in (None, "not tried") and opts.guest and (opts.again or m.name not in known):
                    by = bench.guest(m, LOCK_KERNEL if m.name.startswith("lock/") else opts.kernel, "--no-build")
                return m, by, time.time() - began
            finally:
                benches.put(bench)

        with concurrent.futures.ThreadPoolExecutor(max_workers=opts.jobs) as pool:
            for future in concurrent.futures.as_completed([pool.submit(work, m) for m in todo]):
                m, by, took = future.result()
                results[m.name] = {"text": hashlib.sha256(m.new.encode()).hexdigest(), "by": by,
                                   "sources": sources, "tests": tests, "guest": opts.guest}
                with open(store + ".new", "w", encoding="utf-8") as f:
                    json.dump(results, f, indent=0)
                os.replace(store + ".new", store)
                done += 1
                print("%4d/%d %6.0f s  %-62s %s (%.0f s)" % (
                    done, len(todo), time.time() - start, m.name, by or "SURVIVED", took), flush=True)
        for bench in range(opts.jobs):
            shutil.rmtree(os.path.join(BUILD, "tree.%d" % bench), ignore_errors=True)

    print("\n%-64s %s" % ("mutant", "caught by"))
    caught = untried = 0
    for m in chosen:
        by = results[m.name]["by"]
        print("%-64s %s" % (m.name, by or ("survived, see survivors.txt" if m.name in known else "SURVIVED")))
        if by == "does not build" and m.name.startswith("hand/"):
            wrong.append("%s does not build" % m.name)
        tried = by != "not tried"
        untried += not tried
        if by is None and m.name not in known:
            wrong.append("%s survives, and is not in survivors.txt" % m.name)
        if by is not None and tried and m.name in known:
            wrong.append("%s is in survivors.txt, but caught by %s" % (m.name, by))
        caught += by is not None and tried
    for text in wrong:
        print("WRONG: " + text)
    print("%d mutants: %d caught, %d survived, %d not tried; %d things wrong" % (
        len(chosen), caught, len(chosen) - caught - untried, untried, len(wrong)))
    if untried:
        print("Not tried are those of files that only the guest can run: --guest")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
