#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare QEMU's record of invalidation descriptors with the specification.

usage: trace-check.py TRACE OUTPUT

TRACE is QEMU's trace file with the events vtd_inv_desc and vtd_inv_qi_tail,
OUTPUT what x_trace printed. Each "#@ phase" line of OUTPUT names a step and the
descriptors that were submitted in it; this program says for each step what the
"Guidance to Software for Invalidations" of the VT-d specification asks for
(tables in 6.5.3.3 of revision 4.1) and compares. TAP on standard output.

exit: 0 all as expected, 1 not, 2 usage
"""

import re
import sys

# 6.5.2: types and granularities
CC, IOTLB, DEVTLB, WAIT, PIOTLB, PC, DEVPIOTLB = 1, 2, 3, 5, 6, 7, 8
CC_GLOBAL, CC_DOMAIN, CC_DEVICE = 1, 2, 3
IOTLB_GLOBAL, IOTLB_DOMAIN = 1, 2
PC_DOMAIN, PC_PASID, PC_GLOBAL = 0, 1, 3
PIOTLB_PASID, PIOTLB_PAGE = 2, 3

# The module's domain ids (src/vtdpasid.h)
DID_NONE, DID_SVA, DID_PASS, DID_BLOCKED, DID_FIRST_RID = 0, 1, 2, 3, 4

# A page-selective invalidation must cover 2 MiB: what was 4 KiB to the kernel
# may have been part of a larger translation (design, section 6).
MIN_AM = 9
MAX_AM = 18


class Mismatch(Exception):
    pass


def bits(value, high, low):
    return value >> low & (1 << high - low + 1) - 1


class Descriptor:
    """The two low quadwords; QEMU refuses others with more."""

    def __init__(self, lo, hi):
        self.lo, self.hi = lo, hi
        self.type = bits(lo, 3, 0) | bits(lo, 11, 9) << 4
        self.gran = bits(lo, 5, 4)
        self.did = bits(lo, 31, 16)

    def __str__(self):
        lo, hi, did = self.lo, self.hi, self.did
        if self.type == CC:
            name = {1: "global", 2: "domain", 3: "device"}.get(self.gran, "?")
            return f"context-cache {name} did={did} sid={bits(lo, 47, 32):#06x} fm={bits(lo, 49, 48)}"
        if self.type == IOTLB:
            name = {1: "global", 2: "domain", 3: "page"}.get(self.gran, "?")
            drain = ("W" if lo >> 6 & 1 else "-") + ("R" if lo >> 7 & 1 else "-")
            return f"iotlb {name} did={did} drain={drain} hi={hi:#x}"
        if self.type == PC:
            name = {0: "domain", 1: "pasid", 3: "global"}.get(self.gran, "?")
            return f"pasid-cache {name} did={did} pasid={bits(lo, 51, 32)}"
        if self.type == PIOTLB:
            name = {2: "pasid", 3: "page"}.get(self.gran, "?")
            text = f"pasid-iotlb {name} did={did} pasid={bits(lo, 51, 32)}"
            if self.gran == PIOTLB_PAGE:
                text += f" addr={hi & ~0xfff:#x} am={hi & 63} ih={hi >> 6 & 1}"
            return text
        if self.type == WAIT:
            return f"wait sw={lo >> 5 & 1} fn={lo >> 6 & 1} if={lo >> 4 & 1} data={lo >> 32:#x}"
        return f"type {self.type} lo={lo:#x} hi={hi:#x}"


class Expected:
    """A descriptor whose every bit is known, but for those in ignore."""

    def __init__(self, lo, hi=0, ignore=0):
        self.lo, self.hi, self.ignore = lo, hi, ignore

    def matches(self, d):
        return d.lo & ~self.ignore == self.lo & ~self.ignore and d.hi == self.hi

    def __str__(self):
        return str(Descriptor(self.lo, self.hi))


def context_global():
    return Expected(CC | CC_GLOBAL << 4)


def context_device(rid, did=None):
    """Hardware ignores the domain id in scalable mode, but for 0 under CM."""
    ignore = 0xffff << 16 if did is None else 0
    return Expected(CC | CC_DEVICE << 4 | (did or 0) << 16 | rid << 32, ignore=ignore)


def pasid_cache(gran, did=0, pasid=0):
    return Expected(PC | gran << 4 | did << 16 | pasid << 32)


def pasid_iotlb(did, pasid):
    return Expected(PIOTLB | PIOTLB_PASID << 4 | did << 16 | pasid << 32)


class Step:
    """One phase: its name, its values, its doorbells (lists of descriptors)."""

    def __init__(self, name, values, batches, cap):
        self.name, self.values, self.batches = name, values, batches
        self.cap = cap
        self.caching = bool(cap >> 7 & 1)

    def value(self, key):
        return int(self.values[key], 0)

    # -- what a batch must be ----------------------------------------------

    def iotlb(self, gran, did=0):
        """Drained, where the unit can (CAP.DWD, CAP.DRD)."""
        drain = (self.cap >> 54 & 1) << 6 | (self.cap >> 55 & 1) << 7
        return Expected(IOTLB | gran << 4 | did << 16 | drain)

    def check_wait(self, batch):
        """The last one waits for the others: status write, fenced by its place."""
        d = batch[-1]
        if d.type != WAIT or not d.lo >> 5 & 1:
            raise Mismatch(f"the batch does not end with a status-writing wait, but: {d}")
        if d.hi & 3 or not d.hi:
            raise Mismatch(f"status address {d.hi:#x}")
        if d.lo & 0xffffff0f & ~(WAIT | 0x60):
            raise Mismatch(f"reserved bits or interrupt in the wait: {d.lo:#x}")
        for d in batch[:-1]:
            if d.type == WAIT:
                raise Mismatch("a wait in the middle of the batch")

    def check_batches(self, *expected):
        """Exactly these batches, in order, each with its wait."""
        expected = [batch for batch in expected if batch]
        if len(self.batches) != len(expected):
            raise Mismatch(f"{len(self.batches)} doorbells, {len(expected)} expected")
        for batch, want in zip(self.batches, expected):
            self.check_wait(batch)
            got = batch[:-1]
            if len(got) != len(want):
                raise Mismatch(f"{len(got)} descriptors before the wait, {len(want)} expected")
            for d, e in zip(got, want):
                if not e.matches(d):
                    raise Mismatch(f"{d}, expected: {e}")

    # -- transitions of the spec's tables ----------------------------------

    def entry_gone(self, did, pasid):
        """PASID-table entry, first-stage or pass-through, from present to not."""
        return [pasid_cache(PC_PASID, did, pasid), pasid_iotlb(did, pasid)]

    def table_gone(self, did):
        """PASID-directory entry, with its PASID table: all PASIDs in it, and the
        IOTLB of the domain (table 28 of revision 5.10)."""
        return [pasid_cache(PC_DOMAIN, did), self.iotlb(IOTLB_DOMAIN, did)]

    def entry_new(self, did, pasid):
        """From not present to present: nothing without CM. With it, what was
        cached as not present has domain id 0 (6.2.3)."""
        if not self.caching:
            return []
        return [pasid_cache(PC_PASID, DID_NONE, pasid)] + self.entry_gone(did, pasid)

    def context_gone(self, rid, *dids):
        """Context entry changed, or went: all that was cached through it."""
        return ([context_device(rid)] + [pasid_cache(PC_DOMAIN, d) for d in dids] +
                [self.iotlb(IOTLB_DOMAIN, d) for d in dids])

    def context_new(self, rid):
        """Context entry from not present to present."""
        if not self.caching:
            return []
        return [context_device(rid, DID_NONE), self.iotlb(IOTLB_DOMAIN, DID_NONE)]

    # -- steps ---------------------------------------------------------------

    def check_nothing(self):
        self.check_batches()

    check_quiet = check_nothing

    def check_takeover(self):
        """With ESRTPS the set-root command does it (11.4.2)."""
        if self.cap >> 63 & 1:
            self.check_batches()
        else:
            self.check_batches([context_global(), pasid_cache(PC_GLOBAL), self.iotlb(IOTLB_GLOBAL)])

    def check_handback(self):
        self.check_batches([context_global(), pasid_cache(PC_GLOBAL), self.iotlb(IOTLB_GLOBAL)])

    def check_attach_claimed(self):
        self.check_batches(self.context_new(self.value("rid")))

    def check_attach_driven(self):
        self.check_batches(self.context_gone(self.value("rid"), DID_PASS))

    check_detach_driven = check_attach_driven
    check_driver_unbind = check_attach_driven

    def check_driver_bind(self):
        self.check_batches(self.context_new(self.value("rid")))

    def check_detach_claimed(self):
        self.check_batches(self.context_gone(self.value("rid"), DID_BLOCKED))

    def check_detach_dead(self):
        """The address space's entry went when it died; its table, if it is not
        the first, goes now."""
        leaf = self.value("pasid") >= 64
        self.check_batches(self.table_gone(DID_SVA) if leaf else [],
                           self.context_gone(self.value("rid"), DID_BLOCKED))

    def check_detach_bound(self):
        self.check_batches(self.entry_gone(DID_SVA, self.value("pasid")),
                           self.context_gone(self.value("rid"), DID_BLOCKED))

    def check_bind(self):
        self.check_batches(self.entry_new(DID_SVA, self.value("pasid")))

    def check_bind_two(self):
        new = self.entry_new(DID_SVA, self.value("pasid"))
        self.check_batches(new, new)

    def check_bind_grow(self):
        """The larger directory, then the entry in it."""
        self.check_batches(self.context_gone(self.value("rid"), DID_BLOCKED, DID_SVA),
                           self.entry_new(DID_SVA, self.value("pasid")))

    def check_unbind(self):
        self.check_batches(self.entry_gone(DID_SVA, self.value("pasid")))

    # All devices of the unit at once: they share domain id and PASID.
    check_exit = check_unbind

    def rid_did(self):
        """The domain id that this binding without PASID got."""
        dids = {d.did for batch in self.batches for d in batch
                if d.type in (PC, PIOTLB) and d.did >= DID_FIRST_RID}
        if len(dids) > 1:
            raise Mismatch(f"more than one domain id: {sorted(dids)}")
        return dids.pop() if dids else DID_FIRST_RID

    def check_bind_no_pasid(self):
        """Entry 0: the blocked one goes, the address space's comes."""
        self.check_batches(self.entry_gone(DID_BLOCKED, 0), self.entry_new(self.rid_did(), 0))

    def check_unbind_no_pasid(self):
        self.check_batches(self.entry_gone(self.rid_did(), 0), self.entry_new(DID_BLOCKED, 0))

    # -- the address space changes -------------------------------------------

    def flushed(self, d):
        """Pages (first, last) that a PASID-IOTLB descriptor drops; None: all."""
        pasid = self.value("pasid")
        if pasid_iotlb(DID_SVA, pasid).matches(d):
            return None
        am, first = d.hi & 63, d.hi >> 12
        page = Expected(PIOTLB | PIOTLB_PAGE << 4 | DID_SVA << 16 | pasid << 32, d.hi)
        if not page.matches(d):
            raise Mismatch(f"{d} is no flush of PASID {pasid} in domain {DID_SVA}")
        # IH stays 0: paging-structure caches go, too
        if not MIN_AM <= am <= MAX_AM or d.hi & 0xfc0 or first & (1 << am) - 1:
            raise Mismatch(f"{d}: mask, hint or alignment")
        return first, first + (1 << am) - 1

    def flushes(self):
        """What each batch, of one descriptor and a wait, drops."""
        result = []
        for batch in self.batches:
            self.check_wait(batch)
            if len(batch) != 2:
                raise Mismatch(f"{len(batch) - 1} descriptors before the wait, 1 expected")
            result.append(self.flushed(batch[0]))
        if not result:
            raise Mismatch("nothing was invalidated")
        return result

    def check_covered(self):
        """The kernel may tell of a range in pieces, and more than once."""
        first, last = self.value("first") >> 12, self.value("last") >> 12
        flushes = self.flushes()
        if None in flushes:
            return flushes
        for piece in sorted(flushes):
            if piece[0] <= first <= piece[1]:
                first = piece[1] + 1
        if first <= last:
            raise Mismatch(f"page {first:#x} was not covered")
        return flushes

    def check_notifier_large(self):
        """As check_notifier(), or all of the PASID."""
        if set(self.check_covered()) != {None}:
            self.check_notifier()

    def check_notifier(self):
        """The smallest block that is large enough, and nothing else."""
        first, last = self.value("first") >> 12, self.value("last") >> 12
        am = max(MIN_AM, (first ^ last).bit_length())
        start = first >> am << am
        for piece in self.check_covered():
            if piece != (start, start + (1 << am) - 1):
                raise Mismatch(f"not the smallest block, which has mask {am}")

    check_sync = check_notifier
    check_notifier_wide = check_covered
    check_notifier_hugetlb = check_covered
    check_notifier_any = flushes

    def check_notifier_hugetlb_left(self):
        """Others are left: the kernel may report 4 KiB of a huge page."""
        if set(self.check_covered()) != {None}:
            raise Mismatch("only a part of the PASID was invalidated, with hugetlb pages mapped")

    def check(self):
        method = getattr(self, "check_" + self.name.replace("-", "_"), None)
        if not method:
            raise Mismatch("no such step is known")
        method()


def read_trace(path):
    """Descriptors in batches, one for each write of the tail."""
    desc = re.compile(r"vtd_inv_desc\b.*?\bhigh 0x([0-9a-f]+) low 0x([0-9a-f]+)")
    batches = []
    with open(path, encoding="utf-8", errors="replace") as trace:
        for line in trace:
            if "vtd_inv_qi_tail" in line:
                batches.append([])
                continue
            match = desc.search(line)
            if match:
                if not batches:
                    batches.append([])
                batches[-1].append(Descriptor(int(match[2], 16), int(match[1], 16)))
    return [batch for batch in batches if batch]


def read_phases(path):
    cap, phases = None, []
    with open(path, encoding="utf-8", errors="replace") as output:
        for line in output:
            words = line.split()
            if words[:2] == ["#@", "unit"]:
                cap = int(dict(w.split("=", 1) for w in words[2:])["cap"], 0)
            elif words[:2] == ["#@", "phase"]:
                phases.append((words[2], dict(w.split("=", 1) for w in words[3:])))
    return cap, phases


def cut(batches, number, start, end):
    """The batches whose descriptors are those from start to end."""
    result = []
    while number < len(batches) and start < end:
        start += len(batches[number])
        result.append(batches[number])
        number += 1
    if start != end:
        raise Mismatch(f"the step's {end} descriptors do not end with a doorbell")
    return result, number


def run(trace, output):
    batches = read_trace(trace)
    cap, phases = read_phases(output)
    total = sum(len(batch) for batch in batches)
    failed = tests = number = 0

    def result(good, text, why=()):
        nonlocal failed, tests
        tests += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {tests} - {text}")
        for line in why[:12]:
            print("# " + line)
        if len(why) > 12:
            print(f"# ... and {len(why) - 12} lines more")

    result(cap is not None and phases, "the program named its steps")
    if cap is None or not phases:
        print(f"1..{tests}")
        return 1
    for name, values in phases:
        what = " ".join([name] + [f"{k}={v}" for k, v in values.items()
                                  if k in ("what", "which", "before")])
        start = int(values["from"])
        end = total if values["to"] == "end" else int(values["to"])
        step_batches = []
        try:
            step_batches, number = cut(batches, number, start, end)
            if len(step_batches) != int(values["doorbells"]):
                raise Mismatch(f"QEMU saw {len(step_batches)} doorbells, "
                               f"the module counted {values['doorbells']}")
            Step(name, values, step_batches, cap).check()
        except Mismatch as error:
            why = [str(error)]
            for i, batch in enumerate(step_batches):
                why += [f"doorbell {i + 1}: {d}" for d in batch]
            result(False, what, why)
        else:
            result(True, what)
    result(number == len(batches), "no descriptor was left over",
           [str(d) for batch in batches[number:] for d in batch][:20])
    print(f"1..{tests}")
    return failed != 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        sys.exit(2)
    sys.exit(run(sys.argv[1], sys.argv[2]))
