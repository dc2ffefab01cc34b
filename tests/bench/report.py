#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Make a table, bench.json and bench.svg of what the boots of run.sh printed.

usage: report.py [--quick] [--partial] [--update] BASELINE DIRECTORY

DIRECTORY has NAME.out and NAME.trace of the boots. BASELINE is compared with,
or with --update written. --partial leaves out what was not measured.

exit: 0; 1 when a figure is worse than the baseline, or missing; 2 usage
"""

import json
import os
import re
import subprocess
import sys

IQT = 0x88              # the doorbell, spec 11.4.9.2
MARK = 0xbe000000       # bench.h
TYPES = {1: "context", 2: "iotlb", 3: "devtlb", 5: "wait", 6: "piotlb", 7: "pasid-cache",
         8: "dev-piotlb", 9: "response"}

INSTRUCTIONS, DOORBELLS, COUNT, RATIO = "instructions", "doorbells", "count", "ratio"


class Boot:
    """What one boot measured."""

    def __init__(self, directory, name):
        self.ticks, self.values, self.phases, self.done = {}, {}, {}, False
        path = os.path.join(directory, name)
        with open(path + ".out", errors="replace") as f:
            for line in f:
                self.read_line(line.split())
        if os.path.exists(path + ".trace"):
            with open(path + ".trace", errors="replace") as f:
                self.read_trace(f)

    def read_line(self, words):
        if words[:1] != ["@"]:
            return
        if words[1] == "ticks":
            self.ticks[words[2]] = int(words[4])
        elif words[1] == "value":
            self.values[words[2]] = int(words[3])
        elif words[1] == "done":
            self.done = True
        elif words[1] == "phase":
            self.phases[int(words[2])] = {"name": words[3], "rounds": []}

    def read_trace(self, lines):
        current = None
        for line in lines:
            m = re.match(r"vtd_reg_write addr 0x([0-9a-f]+) size 0x\w+ value 0x([0-9a-f]+)", line)
            if m:
                addr, value = int(m[1], 16), int(m[2], 16)
                if addr == 0 and value & 0xff000000 == MARK:
                    phase = self.phases.get((value & 0xffffff) >> 1)
                    if value & 1:
                        current = {"doorbells": 0, "types": []}
                    elif current is not None and phase is not None:
                        phase["rounds"].append(current)
                        current = None
                elif addr == IQT and current is not None:
                    current["doorbells"] += 1
                continue
            m = re.match(r"vtd_inv_desc invalidate desc type .+ high \S+ low 0x([0-9a-f]+)", line)
            if m and current is not None:
                low = int(m[1], 16)
                current["types"].append(TYPES.get(low & 0xf | low >> 5 & 0x70, "?"))

    def rounds(self, name):
        for phase in self.phases.values():
            if phase["name"] == name and phase["rounds"]:
                return phase["rounds"]
        raise KeyError(name)

    def doorbells(self, name):
        return median([r["doorbells"] for r in self.rounds(name)])

    def descriptors(self, name):
        return median([len(r["types"]) for r in self.rounds(name)])

    def types(self, name):
        """The round in the middle, in order."""
        rounds = sorted(self.rounds(name), key=lambda r: len(r["types"]))
        return rounds[len(rounds) // 2]["types"]


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


class Row:
    """One figure of ours, the peer's, and the goal."""

    def __init__(self, key, text, kind, ours, peer=None, goal=None, ratio=None):
        self.key, self.text, self.kind = key, text, kind
        self.ours, self.peer, self.goal, self.ratio_goal = ours, peer, goal, ratio

    @property
    def ratio(self):
        return self.ours / self.peer if self.peer else None

    @property
    def goal_text(self):
        if self.ratio_goal is not None:
            return f"<= {self.ratio_goal:g} x"
        return "" if self.goal is None else f"<= {self.goal:g}"

    @property
    def verdict(self):
        if self.ratio_goal is not None and self.peer:
            return "met" if self.ratio <= self.ratio_goal else "MISSED"
        if self.goal is not None:
            return "met" if self.ours <= self.goal else "MISSED"
        return ""


def number(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 100 or x == int(x) else f"{x:.2f}"


STORM = 1000
EXIT = 8


def figures(boots):
    """All rows; a KeyError names what was not measured."""
    rows = []

    def add(boot_names, *args):
        """@args are as for Row; what is a function gets the boots."""
        have = [boots.get(n) for n in boot_names]
        if None in have:
            missing.update(n for n in boot_names if n not in boots)
            return
        rows.append(Row(*[a(*have) if callable(a) else a for a in args]))

    missing = set()
    both = ("ours", "peer")

    def ticks(which, name, less=None):
        def get(*b):
            boot = b[which]
            return boot.ticks[name] - (boot.ticks[less] if less else 0)
        return get

    def bells(which, name, per=1):
        return lambda *b: b[which].doorbells(name) / per

    def descs(which, name, per=1):
        return lambda *b: b[which].descriptors(name) / per

    def pair(key, text, name, less=None, **goal):
        add(both, key, text, INSTRUCTIONS, ticks(0, name, less), ticks(1, name, less),
            goal.get("goal"), goal.get("ratio"))

    def counted(key, text, name, goal=None, per=1, descriptors_goal=None):
        add(both, key + "-doorbells", text + ": doorbells", DOORBELLS, bells(0, name, per),
            bells(1, name, per), goal)
        add(both, key + "-descriptors", text + ": descriptors", COUNT, descs(0, name, per),
            descs(1, name, per), descriptors_goal)

    # 5: PASID cache, PASID-based IOTLB, fence, device TLB, wait with drain
    pair("unbind", "unbind", "unbind-device-2", ratio=0.5)
    counted("unbind", "unbind", "unbind-device-2", 1, descriptors_goal=5)
    pair("unbind-last", "unbind the mm's last device", "unbind-last", ratio=0.5)
    pair("bind-second", "bind a second device, same mm", "bind-device-2", ratio=0.6)
    pair("bind-eighth", "bind an eighth device, same mm", "bind-device-8", ratio=0.6)
    pair("bind-first", "first bind of an mm, less mm_take_all_locks", "bind-first-vmas-0",
         "locks-vmas-0", ratio=0.7)
    pair("pair-again", "unbind and bind again, same client and mm", "pair-again", ratio=0.3)
    add(both, "pair-again-vmas", "  of it for 100 more mappings (a registration)", COUNT,
        *[lambda *b, w=w: b[w].ticks["pair-again-vmas-100"] - b[w].ticks["pair-again"]
          for w in (0, 1)], 100)
    for n in (1, 2, 4, 8):
        pair(f"notifier-{n}", f"notifier, {n} device{'s' * (n > 1)} (munmap of 4 KiB)",
             f"munmap-4k-devices-{n}", "munmap-4k-devices-0", ratio=0.6 if n in (1, 8) else None)
    counted("notifier", "notifier, 8 devices", "munmap-4k-devices-8", 1)
    pair("notifier-1g", "notifier, 8 devices (munmap of 1 GiB)", "munmap-1g-devices-8",
         "munmap-1g-devices-0")
    pair("notifier-none", "notifier, when the mm's last binding is gone", "munmap-4k-after-1",
         "munmap-4k-devices-0")
    counted("notifier-far", "munmap where no device can have been", "munmap-far-devices-8", 0)
    counted("exit", f"end of an mm on {EXIT} devices", f"exit-devices-{EXIT}", 1)
    pair("request-write", "page request served, write, above the CPU's fault", "request-write",
         "cpu-write", ratio=0.5)
    pair("request-read", "page request served, read, above the CPU's fault", "request-read",
         "cpu-read", ratio=0.5)
    pair("request-present", "page request for a page that is there", "request-present")
    counted("request", "page request", "request-write")
    add(both, "storm", f"storm of {STORM:,}, pages there, for each request", INSTRUCTIONS,
        *[lambda *b, w=w: b[w].ticks["storm-present"] / STORM for w in (0, 1)], None, 0.5)
    add(both, "storm-write", f"storm of {STORM:,}, pages not there, for each", INSTRUCTIONS,
        *[lambda *b, w=w: b[w].ticks["storm-write"] / STORM for w in (0, 1)])
    counted("storm", f"storm of {STORM:,}, for each request", "storm-present", 0.25, STORM)
    counted("storm-write", f"storm of {STORM:,}, pages not there, for each", "storm-write",
            0.25, STORM)
    add(("ours", "peer", "peer-empty"), "table-pages",
        "table pages for each device, up to 63 PASIDs", COUNT,
        lambda o, p, e: o.values["table-pages"],
        lambda o, p, e: (p.values["iommu-pages"] - e.values["iommu-pages"]) /
        p.values["devices"], 2)
    add(("ours",), "ioctl-bind", "bind a second device, as a user pays it", INSTRUCTIONS,
        ticks(0, "ioctl-bind-device-2"))
    add(("ours",), "ioctl-unbind", "unbind, as a user pays it", INSTRUCTIONS,
        ticks(0, "ioctl-unbind-device-2"))
    scale(add)
    return rows, missing


def scale(add):
    def value(name, of=None):
        return lambda b: b.values[name] / (b.values[of] if of else 1)

    one = ("pasids",)
    add(one, "pasid-alloc", "allocate a PASID, the 1,000,000th", INSTRUCTIONS,
        value("pasid-alloc-at-1000000"))
    add(one, "pasid-alloc-flat", "  against the 1,000th", RATIO,
        value("pasid-alloc-at-1000000", "pasid-alloc-at-1000"), None, 1.5)
    add(one, "pasid-free", "free a PASID, of 1,048,575, in no order", INSTRUCTIONS,
        value("pasid-free-left-1048575"))
    add(one, "pasid-free-flat", "  against the last", RATIO,
        lambda b: b.values["pasid-free-left-1048575"] /
        min(v for k, v in b.values.items() if k.startswith("pasid-free-left")), None, 1.5)
    add(one, "pasid-again", "allocate a PASID when all rest in quarantine", INSTRUCTIONS,
        value("pasid-again-at-100000"))
    add(one, "pasid-again-flat", "  against the first", RATIO,
        value("pasid-again-at-100000", "pasid-again-at-1000"), None, 1.5)
    add(one, "pasid-bytes", "bytes for each PASID", COUNT, value("pasid-bytes"))

    one = ("processes",)
    add(one, "processes", "processes bound to 4 devices each", COUNT,
        lambda b: b.values["processes"])
    for what in ("bind", "unbind"):
        add(one, f"processes-{what}", f"  {what} by the last of them", INSTRUCTIONS,
            lambda b, w=what: b.ticks[f"processes-last-{w}"])
        add(one, f"processes-{what}-flat", "    against the first", RATIO,
            lambda b, w=what: b.ticks[f"processes-last-{w}"] / b.ticks[f"processes-first-{w}"],
            None, 1.5)
    add(one, "processes-bytes", "  bytes for the bindings of each", COUNT,
        lambda b: b.values["process-bytes-second-half"] - b.values["process-bytes-alone"])
    add(one, "processes-bytes-flat", "    second half against first", RATIO,
        value("process-bytes-second-half", "process-bytes-first-half"), None, 1.5)

    one = ("smp",)
    add(one, "smp", "unmappings by 4 CPUs at once, 2 devices: doorbells for each", DOORBELLS,
        lambda b: b.values["smp-doorbells"] // b.values["smp-events"], None, 1)
    add(one, "smp-lost", "  completions lost (devices cut off, units broken)", COUNT,
        lambda b: b.values["smp-stopped"] + b.values["smp-broken"], None, 0)

    one = ("takeover",)
    add(one, "takeover", "takeover, 200 functions with drivers on 25 buses", INSTRUCTIONS,
        lambda b: b.ticks["takeover"])
    add(one, "takeover-doorbells", "  doorbells", DOORBELLS, lambda b: b.doorbells("takeover"))
    add(one, "takeover-pages", "  pages", COUNT, value("takeover-pages"))


def print_table(rows):
    lines = [("operation", "ours", "peer", "ratio", "goal", "verdict")]
    for row in rows:
        lines.append((row.text, number(row.ours), number(row.peer),
                      f"{row.ratio:.2f}" if row.ratio is not None else "",
                      row.goal_text, row.verdict))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    for i, line in enumerate(lines):
        print("  ".join([line[0].ljust(widths[0])] +
                        [line[c].rjust(widths[c]) for c in (1, 2, 3)] +
                        [line[4].rjust(widths[4]), line[5]]).rstrip())
        if not i:
            print("  ".join("-" * w for w in widths))


def worse(rows, baseline):
    """What got worse by more than 5 %, or a doorbell."""
    for row in rows:
        old = baseline.get(row.key)
        if old is None or row.kind == COUNT and row.key.startswith("processes"):
            continue
        step = 1 if row.kind == DOORBELLS and row.ours >= 1 else 0
        if step and row.ours >= old + step or not step and row.ours > old * 1.05 + 0.005:
            yield f"{row.key}: {number(row.ours)}, was {number(old)}"


def plot(rows, boots, directory):
    """Cost against size, four panels."""
    ours, peer, pasids = (boots.get(n) for n in ("ours", "peer", "pasids"))
    if not (ours and peer and pasids):
        return
    devices = (1, 2, 4, 8)
    data = []

    def block(points):
        data.append("\n".join(f"{x} {y}" for x, y in points) + "\n")

    for boot in (ours, peer):
        zero = boot.ticks["munmap-4k-devices-0"]
        block((n, boot.ticks[f"munmap-4k-devices-{n}"] - zero) for n in devices)
    for boot in (ours, peer):
        block((n, boot.ticks[f"bind-first-vmas-{n}"]) for n in (0, 50, 100, 200))
    for boot in (ours, peer):
        block((len_log, boot.ticks[f"munmap-{size}-devices-8"] -
               boot.ticks[f"munmap-{size}-devices-0"])
              for len_log, size in ((12, "4k"), (21, "2m"), (30, "1g")))
    block(sorted((int(k.rsplit("-", 1)[1]), v) for k, v in pasids.values.items()
                 if k.startswith("pasid-alloc-at")))
    dat, svg = (os.path.join(directory, "bench." + s) for s in ("dat", "svg"))
    with open(dat, "w") as f:
        f.write("\n\n".join(data))

    def panel(title, x, first, titles, extra=""):
        curves = ", ".join(
            f"'{dat}' index {first + i} with linespoints lw 2 title '{t}'"
            for i, t in enumerate(titles))
        return f"set title '{title}'\nset xlabel '{x}'\n{extra}\nplot {curves}\n"

    sides = ("vtdpasid", "in-kernel driver")
    script = (f"set terminal svg size 1000,760 font 'sans,12' background 'white'\n"
              f"set output '{svg}'\nset key top left\nset grid\nset yrange [0:]\n"
              "set ylabel 'instructions'\nset multiplot layout 2,2\n" +
              panel("mmu notifier, 4 KiB", "devices", 0, sides) +
              panel("first bind of an mm", "additional mappings", 2, sides) +
              panel("mmu notifier, 8 devices", "log2 of the bytes unmapped", 4, sides) +
              panel("allocating a PASID", "PASIDs in use", 6, sides[:1],
                    "set logscale x\nset format x '10^{%L}'") + "unset multiplot\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    options = {a for a in sys.argv[1:] if a.startswith("--")}
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(args) != 2 or options - {"--quick", "--partial", "--update"}:
        print(__doc__, file=sys.stderr)
        return 2
    baseline_path, directory = args
    boots = {}
    for name in ("peer", "peer-empty", "ours", "pasids", "processes", "smp", "takeover"):
        if os.path.exists(os.path.join(directory, name + ".out")):
            boot = Boot(directory, name)
            if boot.done:
                boots[name] = boot
    rows, missing = figures(boots)
    print_table(rows)
    print("\nThe peer runs with ECAP.SMPWC set in the emulated unit, which QEMU does not report.")
    print("Instructions as QEMU counts them, -icount shift=0; the machine's load is no part of them.")
    with open(os.path.join(directory, "bench.json"), "w") as f:
        json.dump({row.key: {"what": row.text.strip(), "unit": row.kind, "ours": row.ours,
                             "peer": row.peer, "goal": row.goal_text, "verdict": row.verdict}
                   for row in rows}, f, indent=1)
        f.write("\n")
    plot(rows, boots, directory)
    if missing and "--partial" not in options:
        print(f"not measured: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    if "--update" in options:
        with open(baseline_path, "w") as f:
            json.dump({"licence": "SPDX-License-Identifier: GPL-2.0-only"} |
                      {row.key: round(row.ours, 3) for row in rows}, f, indent=1)
            f.write("\n")
        return 0
    baseline = {}
    if os.path.exists(baseline_path):
        with open(baseline_path) as f:
            baseline = json.load(f)
    bad = list(worse(rows, baseline))
    for line in bad:
        print(f"worse than the baseline: {line}", file=sys.stderr)
    return 1 if bad else 0


sys.exit(main())
