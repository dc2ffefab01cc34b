#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Self-test of sva-testdev: no guest, the machine is driven through qtest.

usage: QEMU=/path/to/qemu-command selftest.py sva-testdev.so

Builds scalable-mode tables by hand in guest memory and checks what the device
does with them. Prints TAP; exit status 1 when something failed.
"""
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = "intel-iommu,intremap=off,scalable-mode=on,fsts=on,pasid-bits=20," \
       "device-iotlb=on,svm=on"
VTD = 0xfed90000
MMCONFIG = 0xb0000000
PAGE = 0x1000
SVAT = {}


def load_header():
    """Take the register interface from the header, so that it is tested too."""
    with open(os.path.join(HERE, "sva-testdev.h"), encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    for name, val in re.findall(r"#define SVAT_(\w+)[ \t]+(\S.*)", text):
        val = re.sub(r"(0x[0-9a-f]+|\d+)ULL", r"\1", val)
        SVAT[name] = eval(val, {}, {"SVAT_" + k: v for k, v in SVAT.items()})


def svat(name):
    return SVAT[name]


class Qemu:
    """A QEMU process without a CPU, and the qtest and QMP lines to it."""

    FREED_IS_GARBAGE = {"MALLOC_PERTURB_": "165"}

    def __init__(self, so, devices, env=None):
        self.dir = tempfile.mkdtemp(prefix="svat")
        self.qtest_srv = self.listen("qtest")
        self.qmp_srv = self.listen("qmp")
        cmd = os.environ.get("QEMU", "qemu-system-x86_64").split()
        cmd += ["-machine", "q35", "-m", "256", "-display", "none",
                "-nodefaults", "-accel", "qtest",
                "-qtest", f"unix:{self.dir}/qtest", "-qtest-log", "/dev/null",
                "-qmp", f"unix:{self.dir}/qmp"]
        for dev in devices:
            cmd += ["-device", dev]
        self.log = open(f"{self.dir}/log", "w+", encoding="utf-8")
        self.proc = subprocess.Popen(
            cmd, env={**os.environ, "LD_PRELOAD": so, **self.FREED_IS_GARBAGE, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def listen(self, name):
        srv = socket.socket(socket.AF_UNIX)
        srv.bind(f"{self.dir}/{name}")
        srv.listen(1)
        srv.settimeout(20)
        return srv

    def connect(self):
        """QEMU opens the qtest line first and QMP once the machine is there."""
        self.qmp = self.accept(self.qmp_srv)
        self.qtest = self.accept(self.qtest_srv)
        self.qmp.readline()
        self.monitor("qmp_capabilities")
        return self

    def accept(self, srv):
        sock, _ = srv.accept()
        sock.settimeout(20)
        return sock.makefile("rw", encoding="ascii")

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def cmd(self, text):
        self.qtest.write(text + "\n")
        self.qtest.flush()
        while True:
            line = self.qtest.readline()
            if not line:
                raise RuntimeError("QEMU is gone: " + self.output())
            if line.startswith("OK"):
                return line[3:].strip()
            if not line.startswith("IRQ"):
                raise RuntimeError(f"{text}: {line}")

    def monitor(self, execute, **arguments):
        json.dump({"execute": execute, "arguments": arguments}, self.qmp)
        self.qmp.write("\n")
        self.qmp.flush()
        while True:
            reply = json.loads(self.qmp.readline())
            if "return" in reply or "error" in reply:
                return reply

    def step(self, ns=1000000):
        self.cmd(f"clock_step {ns}")

    def rd(self, addr, size=8):
        return int(self.cmd(f"read{ {4: 'l', 8: 'q', 2: 'w', 1: 'b'}[size] } {addr:#x}"), 16)

    def wr(self, addr, val, size=8):
        self.cmd(f"write{ {4: 'l', 8: 'q', 2: 'w', 1: 'b'}[size] } {addr:#x} {val:#x}")

    def read(self, addr, n):
        return bytes.fromhex(self.cmd(f"read {addr:#x} {n:#x}")[2:])

    def write(self, addr, data):
        self.cmd(f"write {addr:#x} {len(data):#x} 0x{data.hex()}")

    def close(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)


class Machine(Qemu):
    """Adds config space, guest memory, the VT-d unit and its tables."""

    def __init__(self, so, devices, env=None):
        super().__init__(so, [UNIT] + devices, env)
        try:
            self.connect()
        except OSError:
            self.close()
            raise
        self.free = 0x1000000
        self.next_bar = 0xd0000000
        self.cmd(f"outl 0xcf8 {0x80000060:#x}")
        self.cmd(f"outl 0xcfc {MMCONFIG | 1:#x}")
        self.tail = 0
        self.start_unit()

    def page(self, n=1):
        addr = self.free
        self.free += n * PAGE
        return addr

    def vtd(self, reg, size=8):
        return self.rd(VTD + reg, size)

    def vtd_w(self, reg, val, size=8):
        self.wr(VTD + reg, val, size)

    def start_unit(self):
        self.root, self.queue, self.wait, self.prq = (self.page() for _ in range(4))
        self.ctx_tables = {}
        self.vtd_w(0x20, self.root | 1 << 10)
        self.vtd_w(0x18, 1 << 30, 4)
        self.vtd_w(0x90, self.queue | 1 << 11)
        self.vtd_w(0x18, 1 << 26, 4)
        self.vtd_w(0xd0, self.prq)
        self.vtd_w(0xe0, 1 << 31, 4)
        self.vtd_w(0x18, 1 << 31 | 1 << 26, 4)

    def submit(self, *descs):
        """Queue 256-bit descriptors and a wait; QEMU is done on return."""
        for d in descs + ((5 | 1 << 5 | 1 << 32, self.wait),):
            d = tuple(d) + (0,) * (4 - len(d))
            self.write(self.queue + self.tail * 32, struct.pack("<4Q", *d))
            self.tail = (self.tail + 1) % 128
        self.vtd_w(0x88, self.tail << 5)
        assert self.vtd(0x80) == self.tail << 5, "queue stopped"

    def flush_all(self):
        self.submit((1 | 1 << 4,), (7 | 3 << 4,), (2 | 1 << 4,))

    def context(self, dev, directory):
        if dev.bus not in self.ctx_tables:
            self.ctx_tables[dev.bus] = self.page(2)
            lo = self.ctx_tables[dev.bus]
            self.write(self.root + dev.bus * 16, struct.pack("<2Q", lo | 1, (lo + PAGE) | 1))
        entry = self.ctx_tables[dev.bus] + dev.devfn * 32
        pre_paside_dte = 7 << 2
        self.write(entry, struct.pack("<4Q", directory | 7 << 9 | pre_paside_dte | 1, 0, 0, 0))

    def fault(self):
        """The fault record as (reason, address, is_read, sid, pasid), cleared."""
        lo, hi = self.vtd(0x220), self.vtd(0x228)
        self.vtd_w(0x22c, 1 << 31, 4)
        self.vtd_w(0x34, 1, 4)
        if not hi >> 63:
            return None
        pasid = (hi >> 40) & 0xfffff if hi >> 31 & 1 else None
        return (hi >> 32 & 0xff, lo & ~0xfff, hi >> 62 & 1, hi & 0xffff, pasid)

    def page_requests(self):
        """Take the entries of the page request queue."""
        head, tail = self.vtd(0xc0), self.vtd(0xc8)
        out = []
        while head != tail:
            lo, hi = struct.unpack("<2Q", self.read(self.prq + head, 16))
            out.append({"sid": lo >> 16 & 0xffff, "pasid": lo >> 32 & 0xfffff,
                        "read": hi & 1, "write": hi >> 1 & 1, "lpig": hi >> 2 & 1,
                        "prgi": hi >> 3 & 0x1ff, "addr": hi & ~0xfff})
            head = (head + 32) % PAGE
        self.vtd_w(0xc0, head)
        self.vtd_w(0xdc, 3, 4)
        return out

    def respond(self, req, code=0):
        self.submit((9 | 1 << 4 | code << 12 | req["sid"] << 16 | req["pasid"] << 32,
                     req["prgi"] << 3))


class Space:
    """A 4-level first-stage page table."""

    def __init__(self, m):
        self.m = m
        self.root = m.page()

    def entry(self, va, level):
        """Address of the entry for @va at @level (0 = 4 KiB), tables made."""
        table = self.root
        for shift in range(39, 12 + 9 * level, -9):
            slot = table + (va >> shift & 511) * 8
            if not self.m.rd(slot) & 1:
                self.m.wr(slot, self.m.page() | 7)
            table = self.m.rd(slot) & ~0xfff
        return table + (va >> (12 + 9 * level) & 511) * 8

    def map(self, va, n=1, write=True):
        """Map fresh pages; returns the first one's address."""
        first = self.m.page(n)
        for i in range(n):
            self.m.wr(self.entry(va + i * PAGE, 0),
                      first + i * PAGE | (7 if write else 5))
        return first

    def map_2m(self, va):
        self.m.free = (self.m.free + 0x1fffff) & ~0x1fffff
        pa = self.m.page(512)
        self.m.wr(self.entry(va, 1), pa | 0x87)
        return pa

    def unmap(self, va):
        self.m.wr(self.entry(va, 0), 0)


class Dev:
    """A test device that was given a place in memory, tables and a PASID 0."""

    def __init__(self, m, bus, slot, caps=True):
        self.m, self.bus, self.devfn = m, bus, slot << 3
        self.sid = bus << 8 | self.devfn
        self.cfg = MMCONFIG + (bus << 20) + (self.devfn << 12)
        self.bar = m.next_bar
        m.next_bar += 0x100000
        m.wr(self.cfg + 0x10, self.bar, 4)
        m.wr(self.cfg + 0x14, 0, 4)
        m.wr(self.cfg + 4, 6, 2)
        self.directory = m.page(32)
        self.leaves = {}
        m.context(self, self.directory)
        self.rid_space = Space(m)
        self.bind(0, self.rid_space)
        if caps:
            self.enable()

    def enable(self):
        self.m.wr(self.cfg + 0x116, 7, 2)
        self.m.wr(self.cfg + 0x12c, 32, 4)
        self.m.wr(self.cfg + 0x124, 1, 2)
        self.m.wr(self.cfg + 0x106, 0x8000, 2)

    def bind(self, pasid, space, did=1):
        if pasid >> 6 not in self.leaves:
            self.leaves[pasid >> 6] = self.m.page()
            self.m.wr(self.directory + (pasid >> 6) * 8, self.leaves[pasid >> 6] | 1)
        entry = struct.pack("<4Q", 1 << 6 | 2 << 2 | 1, did, space.root, 0) if space else bytes(32)
        self.m.write(self.leaves[pasid >> 6] + (pasid & 63) * 64, entry)
        self.m.flush_all()

    def get(self, reg):
        return self.m.rd(self.bar + svat(reg))

    def put(self, reg, val):
        self.m.wr(self.bar + svat(reg), val)

    def ch(self, n, reg):
        return self.m.rd(self.bar + 0x2000 * (n + 1) + svat("CH_" + reg))

    def buf(self, n):
        return self.bar + 0x2000 * (n + 1) + 0x1000

    def set(self, n, **regs):
        for reg, val in regs.items():
            self.m.wr(self.bar + 0x2000 * (n + 1) + svat("CH_" + reg), val)

    def start(self, cmd, n=0, flags="", **regs):
        """Ring the doorbell; @flags are names. Returns the status at once."""
        bits = 0
        for name in flags.split():
            bits |= svat("F_" + name)
        self.set(n, FLAGS=bits, **regs)
        self.set(n, CMD=svat("CMD_" + cmd))
        return self.status(n)

    def status(self, n=0):
        val = self.ch(n, "STATUS")
        return next(k[3:] for k, v in SVAT.items() if k.startswith("ST_") and v == val)

    def settle(self, n=0):
        """Let virtual time pass until the channel is done."""
        for _ in range(200):
            if self.status(n) != "BUSY":
                break
            self.m.step()
        return self.status(n)

    def reset(self):
        self.put("CTRL", svat("CTRL_RESET"))


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def ok(self, good, name):
        self.n += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)

    def eq(self, got, want, name):
        self.ok(got == want, name)
        if got != want:
            print(f"# got {got!r}, want {want!r}", flush=True)


VA = 0x7f1234560000
SECRET = 0x1122334455667788


def test_registers(t, m, a, plain):
    t.eq(m.rd(a.cfg, 4), 0x11ea1234, "vendor and device id")
    t.eq(m.rd(plain.cfg, 4), 0x11eb1234, "device id of the plain variant")
    t.eq(m.rd(a.cfg + 0x82, 2) >> 4 & 0xf, 9, "root-complex-integrated endpoint")
    t.ok(m.rd(a.cfg + 0x84, 4) >> 28 & 1, "advertises FLR")
    t.eq(m.rd(a.cfg + 0x100, 2), 0xf, "ATS capability")
    t.eq(m.rd(a.cfg + 0x110, 2), 0x1b, "PASID capability")
    t.eq(m.rd(a.cfg + 0x114, 2), 0x1406, "PASID width 20, exec, priv")
    t.eq(m.rd(a.cfg + 0x120, 2), 0x13, "PRI capability")
    t.eq(m.rd(plain.cfg + 0x100, 4), 0, "plain variant has no extended capability")
    t.eq((a.get("ID"), a.get("VERSION")), (svat("ID_VALUE"), svat("VERSION_VALUE")),
         "identity registers")
    t.eq(a.get("STATE"), 0x16f, "state register: all enabled but MSI")
    m.wr(a.bar + 0x2000 + svat("CH_IOVA") + 4, 0x89abcdef, 4)
    m.wr(a.bar + 0x2000 + svat("CH_IOVA"), 0x01234567, 4)
    t.eq(a.ch(0, "IOVA"), 0x89abcdef01234567, "halves of a register")
    t.eq(m.rd(a.bar + 0x2000 + svat("CH_IOVA") + 4, 4), 0x89abcdef, "upper half alone")
    a.set(0, PASID=~0 & (1 << 64) - 1)
    t.eq(a.ch(0, "PASID"), 0xfffff, "PASID register has 20 bits")
    m.wr(a.buf(7) + 0xff8, 0x5566778811223344)
    t.eq(m.rd(a.buf(7) + 0xffc, 4), 0x55667788, "buffer of the last channel")
    t.eq(a.start("ATS", flags="REPEAT", n=1), "BUSY", "a repeated command starts")
    t.eq(a.start("DMA", n=1, LEN=8), "BUSY", "doorbell of a busy channel is ignored")
    t.eq(a.get("N_BUSY_CMDS"), 1, "and counted")
    t.eq(a.start("STOP", n=1), "STOPPED", "stop")
    for regs in ({"LEN": 0}, {"LEN": 4097}, {"LEN": 8, "BUF_OFF": 4089},
                 {"LEN": 8, "BUF_OFF": 2 ** 64 - 4}, {"LEN": 8, "GROUP": 33}):
        t.eq(a.start("DMA", **regs), "INVALID", f"refused parameters {regs}")
        a.reset()
    a.set(0, CMD=77)
    t.eq(a.status(), "INVALID", "unknown command")
    t.eq(a.start("FILL", flags="REPEAT", LEN=8), "INVALID", "FILL does not repeat")
    t.eq(a.start("DMA", IOVA=2 ** 64 - 8, LEN=16), "REFUSED", "range that wraps")
    a.reset()
    t.eq((a.ch(0, "IOVA"), a.ch(0, "GROUP"), m.rd(a.buf(7) + 0xff8)), (0, 8, 0), "reset")


def test_dma(t, m, a):
    space = Space(m)
    pa = space.map(VA, 2)
    rid_pa = a.rid_space.map(0x40000000)
    a.bind(5, space)
    m.wr(pa, SECRET)
    t.eq(a.start("DMA", flags="PASID", PASID=5, IOVA=VA, LEN=8), "OK", "read with PASID")
    t.eq(m.rd(a.buf(0)), SECRET, "data read with PASID")
    m.write(a.buf(0), bytes(range(256)) * 16)
    t.eq(a.start("DMA", flags="PASID WRITE", IOVA=VA + 0x801, LEN=4001, BUF_OFF=3), "OK",
         "unaligned write over a page boundary")
    t.eq(m.read(pa + 0x801, 4001), (bytes(range(256)) * 16)[3:4004], "data written")
    t.eq((a.get("N_DMA_OK"), a.get("N_BYTES_WRITTEN")), (3, 4001), "pieces and bytes counted")
    m.wr(rid_pa, 0xabcd)
    t.eq(a.start("DMA", IOVA=0x40000000, LEN=8, BUF_OFF=0), "OK", "read without PASID")
    t.eq(m.rd(a.buf(0)), 0xabcd, "data read without PASID")

    space.unmap(VA + PAGE)
    m.flush_all()
    t.eq(a.start("DMA", flags="PASID", IOVA=VA + 0x800, LEN=4096), "DMA_ERROR",
         "second page is gone")
    t.eq((a.ch(0, "BYTES"), a.ch(0, "FAIL_IOVA")), (0x800, VA + PAGE), "partial progress")
    t.eq(m.fault(), (0x71, VA + PAGE, 1, a.sid, 5), "fault record")
    t.eq(a.start("DMA", flags="PASID", PASID=0x12345, IOVA=VA, LEN=8), "DMA_ERROR",
         "a PASID that is not bound")
    t.eq(m.fault(), (0x51, VA, 1, a.sid, None), "fault record: no directory entry")
    t.eq(a.start("DMA", flags="PASID", PASID=6, IOVA=VA, LEN=8), "DMA_ERROR", "PASID nearby")
    t.eq(m.fault()[0], 0x5b, "fault record: empty entry")
    a.bind(0x12345, space)
    t.eq(a.start("DMA", flags="PASID", PASID=0x12345, IOVA=VA, LEN=8), "OK", "large PASID")
    for addr in (0xfee00000, 0xfeefffff):
        t.eq(a.start("DMA", flags="PASID", IOVA=addr, LEN=1), "REFUSED",
             f"PASID DMA to {addr:#x} is refused")
    t.eq(a.get("N_REFUSED"), 2, "refusals counted")

    errors = a.get("N_DMA_ERROR")
    m.wr(a.cfg + 4, 2, 2)
    for route in ("UNTRANSLATED", "ATC", "PRI", "TRANSLATED"):
        t.eq(a.start("DMA", flags=f"PASID FORCE {route}", IOVA=VA, LEN=8), "NO_MASTER",
             f"bus master off, {route.lower()}")
    t.eq(a.start("FLOOD", flags="PASID FORCE", IOVA=VA, COUNT=5), "NO_MASTER",
         "bus master off, flood")
    t.eq((a.get("N_NO_MASTER"), a.get("N_DMA_ERROR") - errors), (5, 0), "contained and counted")
    m.wr(a.cfg + 4, 6, 2)
    m.wr(a.cfg + 0x116, 0, 2)
    t.eq(a.start("DMA", flags="PASID", IOVA=VA, LEN=8), "NO_PASID", "PASID not enabled")
    t.eq(a.start("DMA", flags="PASID FORCE", IOVA=VA, LEN=8), "OK", "flawed: emitted all the same")
    m.wr(a.cfg + 0x116, 7, 2)


def test_two_devices(t, m, a, b, c):
    t.eq(m.rd(c.cfg + 0x82, 2) >> 4 & 0xf, 0, "behind a root port: plain endpoint")
    spaces = [Space(m) for _ in range(3)]
    for i, dev in enumerate((a, b, c)):
        m.wr(spaces[i].map(VA), SECRET + i)
        dev.bind(9, spaces[i], did=10 + i)
    for i, dev in enumerate((a, b, c)):
        t.eq(dev.start("DMA", flags="PASID", PASID=9, IOVA=VA, LEN=8), "OK", f"device {i}")
        t.eq(m.rd(dev.buf(0)), SECRET + i, "same PASID, own table")
    c.bind(9, None)
    t.eq(c.start("DMA", flags="PASID", PASID=9, IOVA=VA, LEN=8), "DMA_ERROR", "unbound")
    t.eq(m.fault()[3], c.sid, "source id behind the root port")
    t.eq(a.start("DMA", flags="PASID", PASID=9, IOVA=VA, LEN=8), "OK", "the other is untouched")
    a.set(2, PASID=9, IOVA=VA, LEN=8)
    t.eq(a.start("DMA", n=2, flags="PASID ATC"), "OK", "another channel of the same device")


def dev_tlb_inv(dev, pasid, addr, size=0):
    """Device-TLB invalidation with PASID; @size != 0 means a 2 MiB range."""
    if size:
        addr |= 0xff000 | 1 << 11
    dev.m.submit((8 | dev.sid << 16 | pasid << 32, addr))


def test_atc(t, m, a):
    space = Space(m)
    pa = space.map(VA)
    ro = space.map(VA + PAGE, write=False)
    huge = space.map_2m(0x40000000)
    a.bind(7, space)
    t.eq(a.start("ATS", flags="PASID WRITE", PASID=7, IOVA=VA + 8), "OK", "translation request")
    t.eq((a.ch(0, "XLAT_ADDR"), a.ch(0, "XLAT_SIZE"), a.ch(0, "XLAT_PERM") & 3),
         (pa + 8, PAGE, 3), "its answer")
    t.eq(a.start("ATS", flags="PASID WRITE", IOVA=VA + PAGE), "ATS_DENIED", "read-only page")
    t.eq(a.ch(0, "XLAT_PERM") & 3, 1, "but read is granted")
    t.eq(a.start("ATS", flags="PASID", IOVA=0x40012345), "OK", "large page")
    t.eq((a.ch(0, "XLAT_ADDR"), a.ch(0, "XLAT_SIZE")), (huge + 0x12345, 0x200000), "its answer")
    t.eq(a.start("ATS", flags="PASID", IOVA=VA + 2 * PAGE), "ATS_DENIED", "nothing mapped")
    t.eq(a.ch(0, "XLAT_SIZE"), 0, "no translation")
    t.eq(m.fault(), None, "and no fault record")
    t.eq((a.get("N_ATS_GRANTED"), a.get("N_ATS_DENIED"), a.get("ATC_ENTRIES")), (3, 1, 3),
         "counters")

    m.wr(pa, SECRET)
    t.eq(a.start("DMA", flags="PASID ATC", IOVA=VA, LEN=8), "OK", "DMA through the ATC")
    t.eq((m.rd(a.buf(0)), a.get("N_ATC_HITS"), a.get("N_ATC_MISSES")), (SECRET, 1, 0), "a hit")
    t.eq(a.start("DMA", flags="PASID ATC WRITE", IOVA=VA + PAGE, LEN=8), "ATS_DENIED",
         "write to the read-only page")
    m.wr(ro, 0x99)
    t.eq(a.start("DMA", flags="PASID ATC", IOVA=VA + PAGE, LEN=8), "OK", "read of it")

    other = Space(m)
    m.wr(other.map(VA), SECRET + 1)
    a.bind(8, other)
    t.eq(a.start("DMA", flags="PASID ATC", PASID=8, IOVA=VA, LEN=8), "OK", "another PASID")
    t.eq(m.rd(a.buf(0)), SECRET + 1, "has its own ATC entries")
    dev_tlb_inv(a, 8, VA)
    a.put("CTRL", svat("CTRL_CLEAR_COUNTERS"))
    t.eq((a.get("N_INVALIDATIONS"), a.get("ATC_ENTRIES")), (0, 3), "counters cleared")
    a.set(0, PASID=7)

    # The page goes away: cached until the device is told
    space.unmap(VA)
    m.flush_all()
    t.eq(a.start("DMA", flags="PASID ATC", IOVA=VA, LEN=8), "OK", "stale entry still works")
    dev_tlb_inv(a, 15, VA)
    t.eq(a.get("N_INVALIDATIONS"), 0, "invalidation of another PASID does not arrive")
    dev_tlb_inv(a, 7, VA + PAGE)
    t.eq((a.get("N_INVALIDATIONS"), a.get("ATC_ENTRIES")), (1, 2), "of another page: one entry")
    dev_tlb_inv(a, 7, VA)
    t.eq((a.get("INV_ADDR"), a.get("INV_SIZE"), a.get("INV_PASID")), (VA, PAGE, 7),
         "last invalidation")
    t.eq((a.get("ATC_ENTRIES"), a.get("N_ATC_DROPPED")), (1, 2), "entry dropped")
    t.eq(a.start("DMA", flags="PASID ATC", IOVA=VA, LEN=8), "ATS_DENIED", "no stale access")
    dev_tlb_inv(a, 7, 0x40000000, size=1)
    t.eq((a.get("ATC_ENTRIES"), a.get("INV_SIZE")), (0, 0x200000), "range invalidation")

    a.put("CTRL", svat("CTRL_IGNORE_INV"))
    space.map(VA)
    a.start("ATS", flags="PASID", IOVA=VA)
    dev_tlb_inv(a, 7, VA)
    t.eq((a.get("ATC_ENTRIES"), a.get("N_INV_IGNORED")), (1, 1), "told to ignore invalidations")
    a.put("CTRL", svat("CTRL_ATC_FLUSH"))
    t.eq(a.get("ATC_ENTRIES"), 0, "flush by register")

    pa = space.map(0x50000000, 300)
    t.eq(a.start("CHECK", flags="PASID ATC", IOVA=0x50000000, LEN=300 * PAGE), "BUSY", "300 pages")
    t.eq(a.settle(), "MISMATCH", "zeroes are not the pattern")
    t.eq((a.get("ATC_ENTRIES"), a.get("N_ATC_EVICTIONS")), (256, 44), "bounded ATC")
    m.wr(a.cfg + 0x106, 0, 2)
    t.eq(a.get("ATC_ENTRIES"), 0, "disabling ATS empties the ATC")
    t.eq(a.start("DMA", flags="PASID ATC", IOVA=0x50000000, LEN=8), "NO_ATS", "ATS not enabled")
    t.eq(a.start("ATS", flags="PASID FORCE"), "ATS_ERROR", "QEMU insists")
    n = a.get("N_INVALIDATIONS")
    dev_tlb_inv(a, 7, 0x50000000)
    t.eq(a.get("N_INVALIDATIONS"), n, "no notifications while disabled")
    m.wr(a.cfg + 0x106, 0x8000, 2)
    a.start("ATS", flags="PASID", IOVA=0x50000000)
    m.wr(a.cfg + 0x116, 0, 2)
    dev_tlb_inv(a, 7, 0x50000000)
    t.eq((a.get("ATC_ENTRIES"), a.get("N_INVALIDATIONS")), (0, n),
         "disabling PASID drops its entries and notifications")
    m.wr(a.cfg + 0x116, 7, 2)
    m.wr(pa + 16, SECRET)
    t.eq(a.start("DMA", flags="TRANSLATED", IOVA=pa + 16, LEN=8), "OK", "pre-translated DMA")
    t.eq(m.rd(a.buf(0)), SECRET, "reaches memory unchecked")
    a.rid_space.map(VA)
    t.eq(a.start("DMA", flags="ATC", IOVA=VA, LEN=8), "OK", "ATC without PASID")
    m.submit((3 | a.sid << 32, VA))
    t.eq((a.get("ATC_ENTRIES"), a.get("INV_PASID")), (0, svat("NO_PASID")),
         "its invalidation")


def test_pri(t, m, a):
    space = Space(m)
    space.entry(VA, 0)
    a.bind(11, space)
    a.set(0, PASID=11, IOVA=VA, LEN=8, PRGI=0x155)
    t.eq(a.start("PAGE_REQ", flags="PASID WRITE LPIG"), "BUSY", "page request")
    reqs = m.page_requests()
    t.eq(reqs, [{"sid": a.sid, "pasid": 11, "read": 1, "write": 1, "lpig": 1,
                 "prgi": 0x155, "addr": VA}], "its descriptor")
    t.eq(a.get("PRI_OUTSTANDING"), 1, "outstanding")
    m.respond({**reqs[0], "prgi": 0x154})
    t.eq((a.get("N_PRI_UNEXPECTED"), a.status()), (1, "BUSY"), "response to another group")
    m.respond(reqs[0])
    t.eq(a.settle(), "OK", "response")
    t.eq((a.get("PRI_OUTSTANDING"), a.get("N_PRI_SUCCESS"), a.get("PRI_LAST_PRGI"),
          a.get("PRI_LAST_PASID"), a.ch(0, "PRI_CODE")), (0, 2, 0x155, 11, 0), "counters")
    for code, want in ((1, "PRI_INVALID"), (15, "PRI_FAILURE")):
        a.start("PAGE_REQ", flags="PASID NO_READ WRITE LPIG")
        req = m.page_requests()[0]
        m.respond(req, code)
        t.eq((req["read"], a.settle()), (0, want), f"response code {code}")
    t.eq(a.start("PAGE_REQ", flags="PASID"), "OK", "request without LPIG does not wait")
    t.eq(a.start("PAGE_REQ", flags="PASID LPIG NO_WAIT"), "OK", "nor with NO_WAIT")
    reqs = m.page_requests()
    t.eq([r["lpig"] for r in reqs], [0, 1], "one group of two")
    t.eq(a.get("PRI_OUTSTANDING"), 2, "two outstanding")
    m.respond(reqs[1])
    t.eq((a.get("PRI_OUTSTANDING"), a.ch(0, "N_RESPONSES")), (0, 1), "one response for both")
    t.eq(a.start("STOP_MARKER", flags="PASID"), "OK", "stop marker")
    req = m.page_requests()[0]
    t.eq((req["read"], req["write"], req["lpig"]), (0, 0, 1), "its descriptor")
    t.eq((a.get("PRI_OUTSTANDING"), a.get("N_PRI_MARKERS")), (0, 1), "expects nothing")

    # DMA that retries
    t.eq(a.start("DMA", flags="PASID PRI WRITE", IOVA=VA + PAGE - 8, LEN=16), "BUSY",
         "DMA waits for two pages")
    reqs = m.page_requests()
    t.eq([(r["addr"], r["lpig"]) for r in reqs], [(VA, 0), (VA + PAGE, 1)], "one group")
    m.wr(a.buf(0), SECRET)
    m.wr(a.buf(0) + 8, SECRET + 1)
    pa = space.map(VA, 2)
    m.respond(reqs[-1])
    t.eq(a.settle(), "OK", "retried")
    t.eq((m.rd(pa + PAGE - 8), m.rd(pa + PAGE)), (SECRET, SECRET + 1), "data arrived")
    t.eq(a.start("DMA", flags="PASID PRI", IOVA=VA + 4 * PAGE), "BUSY", "DMA to nowhere")
    m.respond(m.page_requests()[0], 1)
    t.eq((a.settle(), a.ch(0, "FAIL_IOVA")), ("PRI_INVALID", VA + 4 * PAGE), "answered Invalid")
    a.start("DMA", flags="PASID PRI", RETRIES=3)
    n = 0
    while a.status() == "BUSY" and n < 10:
        m.respond(m.page_requests()[0])
        m.step()
        n += 1
    t.eq((a.status(), n), ("PRI_RETRIES", 3), "Success without a mapping: bounded retries")
    t.eq(a.start("DMA", flags="PASID PRI", TIMEOUT=50000000), "BUSY", "nobody answers")
    late = m.page_requests()[0]
    t.eq((a.settle(), a.get("N_PRI_TIMEOUTS")), ("PRI_TIMEOUT", 1), "timeout")
    n = a.get("N_PRI_UNEXPECTED")
    m.respond(late)
    t.eq(a.get("N_PRI_UNEXPECTED"), n + 1, "late response")
    a.start("DMA", flags="PASID PRI")
    t.eq(a.start("STOP"), "STOPPED", "stopped while waiting")
    m.respond(m.page_requests()[0])
    t.eq((a.get("PRI_OUTSTANDING"), a.status()), (0, "STOPPED"), "response afterwards")

    a.start("PAGE_REQ", flags="PASID LPIG NO_WAIT")
    m.wr(a.cfg + 0x116, 0, 2)
    n = a.get("N_PRI_SUCCESS")
    m.respond(m.page_requests()[0])
    t.eq(a.get("N_PRI_SUCCESS"), n, "no responses after PASID was disabled")
    m.wr(a.cfg + 0x116, 7, 2)
    m.wr(a.cfg + 0x124, 2, 2)
    m.wr(a.cfg + 0x124, 1, 2)
    t.eq(a.get("PRI_OUTSTANDING"), 0, "PRI reset forgets what is outstanding")

    # Limits and enable bits
    t.eq(a.start("PAGE_REQ", flags="PASID", PASID=12), "PRI_REFUSED", "unbound PASID")
    t.eq((a.get("PRI_ERRNO"), m.page_requests()), (22, []), "EINVAL, nothing queued")
    m.wr(a.cfg + 0x12c, 1, 4)
    t.eq((a.get("PRI_LIMIT"), a.start("PAGE_REQ", flags="PASID", PASID=11)), (1, "OK"), "limit 1")
    t.eq(a.start("PAGE_REQ", flags="PASID"), "PRI_LIMIT", "limit reached")
    t.eq(a.start("PAGE_REQ", flags="PASID FORCE"), "OK", "told to go beyond it")
    t.eq(m.rd(a.cfg + 0x126, 2) & 0x100, 0, "PRI is not stopped while enabled")
    m.wr(a.cfg + 0x124, 0, 2)
    t.eq(m.rd(a.cfg + 0x126, 2) & 0x100, 0, "nor with requests outstanding")
    m.wr(a.cfg + 0x124, 2, 2)
    t.eq((m.rd(a.cfg + 0x124, 2), m.rd(a.cfg + 0x126, 2) & 0x100), (0, 0x100), "PRI reset")
    t.eq(a.start("PAGE_REQ", flags="PASID"), "NO_PRI", "PRI not enabled")
    t.eq(a.start("PAGE_REQ", flags="PASID FORCE"), "PRI_REFUSED", "QEMU insists")
    m.wr(a.cfg + 0x12c, 32, 4)
    m.wr(a.cfg + 0x124, 1, 2)
    m.page_requests()


def test_flood(t, m, a):
    space = Space(m)
    space.entry(VA, 0)
    a.bind(13, space)
    a.set(0, PASID=13, IOVA=VA, COUNT=100, GROUP=4)
    t.eq(a.start("FLOOD", flags="PASID"), "BUSY", "lawful flood")
    t.eq((a.get("PRI_OUTSTANDING"), a.ch(0, "N_SENT")), (32, 32), "stops at the allocation")
    served = []
    while a.status() == "BUSY" and len(served) < 200:
        reqs = m.page_requests()
        served += reqs
        for r in reqs:
            if r["lpig"]:
                m.respond(r)
        m.step()
    t.eq(a.status(), "OK", "goes on as responses come")
    served += m.page_requests()
    t.eq([r["addr"] for r in served], [VA + i * PAGE for i in range(100)], "all pages asked for")
    t.eq(sum(r["lpig"] for r in served), 25, "groups of four")
    a.reset()

    a.set(0, PASID=13, IOVA=VA, COUNT=200, GROUP=0, PRGI=3)
    a.start("FLOOD", flags="PASID FORCE SAME_PRGI")
    t.eq(a.settle(), "OK", "unlawful flood")
    t.eq((a.ch(0, "N_SENT"), a.ch(0, "N_REFUSED"), a.get("PRI_ERRNO")), (127, 73, 28),
         "overflow: the queue takes 127, the rest is refused with ENOSPC")
    t.ok(m.vtd(0xdc, 4) & 2, "overflow bit")
    t.eq(a.start("DMA", n=1, flags="PASID PRI WRITE FORCE", PASID=13, IOVA=VA, LEN=8), "BUSY",
         "DMA meets the full queue")
    reqs = m.page_requests()
    t.eq({(r["lpig"], r["prgi"]) for r in reqs}, {(0, 3)}, "one PRGI, no LPIG")
    m.step(2000000)
    reqs = m.page_requests()
    t.eq(len(reqs), 1, "asks again once the queue is drained")
    space.map(VA)
    m.respond(reqs[0])
    t.eq(a.settle(1), "OK", "and completes")
    a.reset()


def test_fill(t, m, a):
    space = Space(m)
    a.bind(21, space)
    pages, base = 100, 0x600000000000
    a.set(0, PASID=21, IOVA=base, LEN=pages * PAGE, PATTERN=SECRET, GROUP=16)
    a.start("FILL", flags="PASID PRI")
    where, rounds = {}, 0
    while a.status() == "BUSY" and rounds < 50:
        rounds += 1
        for r in m.page_requests():
            where.setdefault(r["addr"], None)
            if where[r["addr"]] is None:
                where[r["addr"]] = space.map(r["addr"])
            if r["lpig"]:
                m.respond(r)
        m.step()
    t.eq((a.status(), a.ch(0, "BYTES"), len(where)), ("OK", pages * PAGE, pages),
         "fill of an empty range")
    t.eq(a.ch(0, "N_RESPONSES"), 7, "in groups of 16")
    good = all(struct.unpack("<512Q", m.read(pa, PAGE)) ==
               tuple(SECRET ^ (va + 8 * i) for i in range(512)) for va, pa in where.items())
    t.ok(good, "the pattern is in memory")
    for flags in ("PASID PRI", "PASID ATC", "PASID"):
        a.start("CHECK", flags=flags)
        t.eq(a.settle(), "OK", f"check: {flags}")
    m.wr(where[base + 5 * PAGE] + 24, 0)
    a.start("CHECK", flags="PASID ATC")
    t.eq((a.settle(), a.ch(0, "N_MISMATCH"), a.ch(0, "FAIL_IOVA")),
         ("MISMATCH", 1, base + 5 * PAGE + 24), "check finds one wrong word")


def test_loop(t, m, a):
    space = Space(m)
    pa = space.map(VA)
    a.bind(22, space)
    m.wr(pa, SECRET)
    a.set(3, PASID=22, IOVA=VA, LEN=8, PERIOD=100000, MATCH=SECRET + 1)
    t.eq(a.start("DMA", n=3, flags="PASID REPEAT"), "BUSY", "repeated read")
    m.step(1000000)
    t.eq((a.ch(3, "N_OK"), a.ch(3, "LAST_DATA"), a.ch(3, "N_CHANGES")), (11, SECRET, 0),
         "one round per period")
    m.wr(pa, SECRET + 1)
    m.step(1000000)
    t.eq((a.ch(3, "N_OK"), a.ch(3, "N_CHANGES"), a.ch(3, "N_MATCHES")), (21, 1, 10),
         "sees the data change")
    space.unmap(VA)
    m.submit((6 | 2 << 4 | 1 << 16 | 22 << 32,))
    m.step(1000000)
    t.eq((a.ch(3, "N_OK"), a.ch(3, "N_FAIL"), a.ch(3, "FIRST_FAIL"),
          a.ch(3, "ROUND_STATUS")), (21, 10, 22, svat("ST_DMA_ERROR")), "and the page go")
    space.map(VA)
    m.step(1000000)
    t.eq((a.ch(3, "N_OK"), a.status(3)), (31, "BUSY"), "and come back")
    t.eq(a.start("STOP", n=3), "STOPPED", "stop")
    m.step(1000000)
    t.eq(a.ch(3, "N_OK"), 31, "stopped indeed")
    a.start("DMA", n=4, flags="PASID PRI REPEAT WRITE", PASID=22, IOVA=VA + PAGE, LEN=8)
    m.step(300000)
    space.map(VA + PAGE)
    m.respond(m.page_requests()[0])
    m.step(1000000)
    t.eq((a.ch(4, "N_OK"), a.ch(4, "N_FAIL")), (11, 0), "repeats go through page requests too")
    a.reset()
    a.start("DMA", n=4, flags="PASID REPEAT", PASID=22, IOVA=VA, LEN=8)
    a.reset()
    m.step(1000000)
    t.eq((a.get("N_DMA_OK"), a.status(4)), (0, "OK"), "reset stops the engines")
    t.eq(a.start("DMA", n=4, flags="PASID", PASID=22, IOVA=VA, LEN=8), "OK", "usable again")
    m.fault()


def test_msi(t, m, a):
    pa = a.rid_space.map(0x41000000)
    m.wr(a.cfg + 0x44, 0x41000000, 4)
    m.wr(a.cfg + 0x48, 0, 4)
    m.wr(a.cfg + 0x4c, 0x4321, 2)
    m.wr(a.cfg + 0x42, 1, 2)
    a.start("MSI", n=2)
    m.step()
    t.eq((m.rd(pa, 4), a.get("IRQ_STATUS"), a.get("N_MSI")), (0x4321, 4, 1), "MSI by command")
    a.put("IRQ_STATUS", 4)
    t.eq(a.get("IRQ_STATUS"), 0, "write 1 to clear")
    m.wr(pa, 0, 4)
    a.start("DMA", flags="IRQ", IOVA=0x41000000, LEN=8)
    m.step()
    t.eq((m.rd(pa, 4), a.get("IRQ_STATUS")), (0x4321, 1), "MSI on completion")
    m.wr(pa, 0, 4)
    m.wr(a.cfg + 4, 2, 2)
    a.start("DMA", flags="IRQ", IOVA=0x41000000, LEN=8)
    m.step()
    m.wr(a.cfg + 4, 6, 2)
    t.eq((m.rd(pa, 4), a.status()), (0, "NO_MASTER"), "no MSI without bus mastering")
    m.wr(a.cfg + 0x42, 0, 2)


def test_plain(t, m, plain):
    pa = plain.rid_space.map(0x42000000)
    m.wr(pa, SECRET)
    t.eq(plain.start("DMA", IOVA=0x42000000, LEN=8), "OK", "plain variant: DMA without PASID")
    t.eq(m.rd(plain.buf(0)), SECRET, "data")
    t.eq(plain.get("STATE"), 1, "state without capabilities")
    for cmd, flags, want in (("DMA", "PASID", "NO_PASID"), ("DMA", "ATC", "NO_ATS"),
                             ("ATS", "", "NO_ATS"), ("PAGE_REQ", "", "NO_PRI"),
                             ("ATS", "FORCE", "ATS_ERROR"),
                             ("PAGE_REQ", "FORCE", "PRI_REFUSED")):
        t.eq(plain.start(cmd, flags=flags), want, f"{cmd} {flags}".strip())


def test_reset(t, m, a):
    space = Space(m)
    space.map(VA)
    a.bind(30, space)
    a.start("ATS", flags="PASID", PASID=30, IOVA=VA)
    t.eq(a.start("DMA", n=5, flags="PASID REPEAT", PASID=30, IOVA=VA, LEN=8), "BUSY", "running")
    m.wr(a.cfg + 0x88, 0x8000, 2)
    t.eq((m.rd(a.cfg + 0x106, 2), m.rd(a.cfg + 0x116, 2), m.rd(a.cfg + 0x124, 2),
          m.rd(a.cfg + 0x12c, 4), m.rd(a.cfg + 4, 2) & 4), (0, 0, 0, 0, 0), "FLR disables all")
    m.wr(a.cfg + 0x10, a.bar, 4)
    m.wr(a.cfg + 4, 6, 2)
    t.eq((a.status(5), a.get("ATC_ENTRIES"), a.ch(5, "LEN")), ("OK", 0, 0), "and stops all")
    a.enable()
    t.eq(a.start("DMA", flags="PASID", PASID=30, IOVA=VA, LEN=8), "OK", "usable again")


def test_hotplug(t, m):
    reply = m.monitor("device_add", driver="sva-testdev", bus="rp2", id="hot")
    t.ok("return" in reply, "device_add behind a root port")
    hot = Dev(m, 2, 0)
    space = Space(m)
    space.map(VA)
    hot.bind(40, space)
    t.eq(hot.start("DMA", flags="PASID ATC", PASID=40, IOVA=VA, LEN=8), "OK", "DMA of it")
    hot.start("DMA", n=1, flags="PASID REPEAT", PASID=40, IOVA=VA, LEN=8)
    hot.start("PAGE_REQ", n=2, flags="PASID LPIG", PASID=40, IOVA=VA + PAGE)
    m.monitor("device_del", id="hot")
    sltctl = MMCONFIG + (7 << 15) + m.rd(MMCONFIG + (7 << 15) + 0x34, 1) + 0x18
    m.wr(sltctl, m.rd(sltctl, 2) | 1 << 10 | 3 << 8, 2)
    t.eq(m.rd(hot.cfg, 4), 0xffffffff, "gone after the guest let it go")
    time.sleep(0.2)     # QEMU frees it from its RCU thread
    m.step(10000000)
    dev_tlb_inv(hot, 40, VA)
    m.respond(m.page_requests()[-1])
    reply = m.monitor("device_add", driver="sva-testdev", bus="rp2", id="hot")
    hot = Dev(m, 2, 0)
    hot.bind(40, space)
    t.eq(hot.start("DMA", flags="PASID ATC", PASID=40, IOVA=VA, LEN=8), "OK", "plugged again")
    m.monitor("system_reset")
    m.step()
    m.cmd(f"outl 0xcf8 {0x80000060:#x}")
    m.cmd(f"outl 0xcfc {MMCONFIG | 1:#x}")
    t.eq(m.rd(MMCONFIG + (3 << 15) + 0x116, 2), 0, "alive after a system reset")


def root_port(m, slot, bus):
    cfg = MMCONFIG + (slot << 15)
    window = m.next_bar
    m.wr(cfg + 0x18, bus << 16 | bus << 8, 4)
    m.wr(cfg + 0x20, (window >> 16 & 0xfff0) | (window + 0x100000 - 1 & 0xfff00000), 4)
    m.wr(cfg + 4, 6, 2)


def main_machine(t, so):
    m = Machine(so, ["sva-testdev,addr=3", "sva-testdev,addr=4", "sva-testdev-plain,addr=5",
                     "pcie-root-port,id=rp1,chassis=1,addr=6", "sva-testdev,bus=rp1",
                     "pcie-root-port,id=rp2,chassis=2,addr=7"])
    try:
        a, b, plain = Dev(m, 0, 3), Dev(m, 0, 4), Dev(m, 0, 5, caps=False)
        root_port(m, 6, 1)
        c = Dev(m, 1, 0)
        root_port(m, 7, 2)
        for test, args in ((test_registers, (a, plain)), (test_dma, (a,)),
                           (test_two_devices, (a, b, c)), (test_atc, (a,)), (test_pri, (a,)),
                           (test_flood, (a,)), (test_fill, (a,)), (test_fill, (c,)),
                           (test_loop, (a,)), (test_msi, (a,)), (test_plain, (plain,)),
                           (test_reset, (a,)), (test_hotplug, ())):
            print(f"# {test.__name__}", flush=True)
            test(t, m, *args)
            for dev in args:
                dev.reset()
        if t.failed:
            print("# " + m.output().replace("\n", "\n# "))
    finally:
        m.close()


def capability_bits(t, so):
    print("# capability bits", flush=True)
    m = Machine(so, ["sva-testdev,addr=3"],
                {"SVA_TESTDEV_ECAP_SET": "0x1000000000000",
                 "SVA_TESTDEV_CAP_CLEAR": "100000000000000"})
    try:
        before = m.vtd(8), m.vtd(0x10)
        m.rd(MMCONFIG + (3 << 15), 4)
        t.eq((m.vtd(8), m.vtd(0x10)), (before[0] & ~(1 << 56), before[1] | 1 << 48),
             "set by the environment")
        m.monitor("system_reset")
        m.step()
        m.cmd(f"outl 0xcf8 {0x80001800:#x}")
        m.cmd("inl 0xcfc")
        t.eq((m.vtd(8), m.vtd(0x10)), (before[0] & ~(1 << 56), before[1] | 1 << 48),
             "and again after reset")
    finally:
        m.close()


def refuses(t, so, devices, env, want):
    """QEMU must end by itself, with a failure and @want on stderr."""
    q = Qemu(so, devices, env)
    try:
        try:
            q.connect()
            q.cmd(f"outl 0xcf8 {0x80001800:#x}")
            q.cmd("inl 0xcfc")
        except (RuntimeError, OSError, ValueError):
            pass
        try:
            code = q.proc.wait(10)
        except subprocess.TimeoutExpired:
            code = "still running"
        t.ok(code == 1 and want in q.output(), f"fails loudly: {want}")
    finally:
        q.close()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    so = os.path.abspath(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))   # end QEMU as well
    load_header()
    t = Tap()
    main_machine(t, so)
    capability_bits(t, so)
    refuses(t, so, [UNIT, "sva-testdev,addr=3"], {"SVA_TESTDEV_ECAP_SET": "0xyz"},
            "SVA_TESTDEV_ECAP_SET is not a hexadecimal number")
    refuses(t, so, ["sva-testdev,addr=3"], {"SVA_TESTDEV_ECAP_SET": "1"},
            "no intel-iommu in the machine")
    print(f"1..{t.n}")
    sys.exit(t.failed != 0)


if __name__ == "__main__":
    main()
