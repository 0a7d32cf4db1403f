#!/usr/bin/env python3
"""Breaks jobs over separate hosts at random moments, and sees what becomes of them.

  inject.py PROGRAM [--seed 1] [--each 1] [--hosts 2] [--only kill:rank,…]

Each case is what is done (kill, stop, term, int, cut, full) to whom (a rank, mpirun, its daemon on
another host, the launcher; a host, of which the link is cut; a disk: of the run's folder, of the
checkpoints, of what passes), from before the ranks start to when they train. Pairs of deeds, as
stop+kill, are done to two whom chance chooses. A case is good when the job ends within 30 s, with the
exit code that the case must have, names who is to blame, and leaves no process and nothing in
/dev/shm or /tmp on any host; and when the job then goes on from its last checkpoint, or begins anew
where there is none, and ends with the bits of one that nothing happened to. Every third job starts
again by itself. The same seed does the same. Needs root; without it, says so and exits with 77.
"""
import argparse
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from separate_hosts import Hosts, cmdline, comm, environment

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM, "int": signal.SIGINT}
# What is done, to whom -> exit codes that are right, and what must be said, where {} is the rank or
# the host. Negative codes: ended by that signal, as is a launcher that has not begun the job yet.
DIED = r"rank {}( on h\d+)? died: signal \d+ "
MISSED = r"ranks? [^:]*\b{}\b"
CASES = {
    ("kill", "rank"): ({3}, DIED), ("int", "rank"): ({3}, DIED), ("term", "rank"): ({3}, DIED),
    ("stop", "rank"): ({3}, MISSED),
    ("kill", "mpirun"): ({3}, "mpirun "), ("stop", "mpirun"): ({3}, "mpirun "),
    ("term", "mpirun"): ({3}, "mpirun "), ("int", "mpirun"): ({3}, "mpirun "),
    ("kill", "daemon"): ({3}, r"\bh\d|mpirun "), ("stop", "daemon"): ({0, 3}, ""),
    ("kill", "launcher"): ({-9}, ""), ("stop", "launcher"): ({3}, "supervises the job was stopped"),
    ("term", "launcher"): ({1, -15}, "signal 15 "), ("int", "launcher"): ({1, -2}, "signal 2 "),
    ("cut", "host"): ({3}, r"\b{}\b"),
    ("full", "run"): ({1}, "No space left"), ("full", "saved"): ({1}, "No space left"),
    ("full", "shm"): ({1, 3}, "."), ("full", "tmp"): ({1, 3}, "."),
    ("kill+kill", "two"): ({1, 3, -9}, ""), ("stop+kill", "two"): ({1, 3, -9}, ""),
    ("stop+term", "two"): ({1, 3, -15}, ""), ("stop+stop", "two"): ({1, 3}, ""),
    ("term+kill", "two"): ({1, 3, -9, -15}, ""),
}
# Ranks that keep checkpoints leave in good order when they are told SIGTERM, once they listen.
LEAVES = {("term", "rank"): DIED + "|signal 15 ", ("term", "mpirun"): "mpirun |signal 15 ",
          ("int", "mpirun"): "mpirun |signal 15 "}
DISKS = {"run": "/mnt/run", "saved": "/mnt/saved", "shm": "/dev/shm", "tmp": "/tmp"}
PATIENCE = 30
TIMEOUT = 6
STEPS = {1: 100000, 2: 12000}  # by the number of hosts: some seconds

JOB = """program job
dim batch = 16, k = 8
input x[batch, k]
param w[k] = normal(0, 1)
loss = mean[batch](sum[k](x * w) ** 2.0)
output loss
pin x[batch: data]
"""
# One plan for all, as another one may have other bits; what links can do is measured at each start.
CONFIG = """program: {file: job.tess}
plan: {mesh: {data: RANKS}}
data: {inputs: {x: x.npy}}
train: {epochs: 1000000, optimizer: {adam: {lr: 0.0001}}}
"""


def write_npy(path, rows, columns):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    chance = random.Random(7)
    values = struct.pack(f"<{rows * columns}f", *(chance.gauss(0, 1) for _ in range(rows * columns)))
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values)


class Case:
    def __init__(self, program, deed, whom, hosts, chance, bits):
        self.program, self.deed, self.whom, self.chance, self.bits = program, deed, whom, chance, bits
        self.hosts = Hosts(1 if deed == "full" else hosts)
        self.rank = chance.randrange(2 * len(self.hosts.names))
        self.steps = STEPS[min(2, len(self.hosts.names))]
        self.where = ",".join(f"{name}:2" for name in self.hosts.names)
        self.host = self.hosts.names[self.rank // 2 if self.rank >= 2 else -1]
        self.delay = chance.choice([0.0, 0.2, 0.5, 1.0, 2.0, 4.0]) * chance.random()
        self.keeps = deed == "full" or chance.random() < 0.7
        self.restarts = self.keeps and whom == "rank" and chance.random() < 0.33
        self.err = tempfile.TemporaryFile()

    def write(self):
        (self.hosts.folder / "job.tess").write_text(JOB)
        (self.hosts.folder / "job.yaml").write_text(CONFIG.replace("RANKS", str(2 * len(self.hosts.names))))
        write_npy(self.hosts.folder / "x.npy", 160, 8)
        self.out, self.saved = "/srv/out", "/srv/saved"
        if self.deed != "full":
            return
        subprocess.run(["nsenter", "-t", str(self.hosts.first["h1"]), "--mount", "sh", "-c",
                        "mount -t tmpfs tmpfs /mnt; mkdir /mnt/run /mnt/saved; "
                        "for each in /mnt/run /mnt/saved /dev/shm /tmp; do "
                        "mount -t tmpfs -o size=64m tmpfs $each; done"], check=True)
        self.out = "/mnt/run/out" if self.whom == "run" else self.out
        self.saved = "/mnt/saved/all" if self.whom == "saved" else self.saved

    def words(self, *more):
        settings = [f"output.dir={self.out}", f"cluster.timeout={TIMEOUT}s", f"train.steps={self.steps}",
                    "cluster.transport=mpi", "--host", self.where]
        if self.keeps:
            settings.append(f"checkpoint={{dir: {self.saved}, every: {self.steps // 50} steps}}")
        if self.restarts:
            settings.append("restart={limit: 1, backoff: 0.2 s}")
        return [self.program, "run", "/srv/job.yaml"] + settings + list(more)

    def find(self, what, rank):
        """The victim's process, or None as long as there is none."""
        if what == "launcher":
            return self.job.pid
        if what == "daemon":
            return self.hosts.find(lambda pid: comm(pid) == "orted")
        if what == "mpirun":
            return self.hosts.find(lambda pid: comm(pid) == "mpirun" and "/srv/job.yaml" in cmdline(pid))
        return self.hosts.find(lambda pid: environment(pid, "OMPI_COMM_WORLD_RANK") == str(rank) and
                               "/srv/job.yaml" in cmdline(pid))

    def do(self, deed, what, rank):
        if deed == "cut":
            return self.hosts.link(self.host, "down")
        if deed == "full":
            try:
                with open(self.hosts.path("h1", DISKS[what] + "/filler"), "wb", buffering=0) as file:
                    for size in (1 << 20, 4096):
                        while file.write(bytes(size)) == size:
                            pass
            except OSError:
                pass
            return None
        victim = self.find(what, rank)
        try:
            if victim:
                os.kill(victim, SIGNALS[deed])
        except ProcessLookupError:
            pass
        return None

    def break_it(self):
        if "+" not in self.deed:
            return self.do(self.deed, self.whom, self.rank)
        for deed in self.deed.split("+"):
            whom = self.chance.choice(["rank", "mpirun", "launcher", "daemon"])
            rank = self.chance.randrange(2 * len(self.hosts.names))
            self.done.append(f"{deed} {whom}{f' {rank}' if whom == 'rank' else ''}")
            self.do(deed, whom, rank)
            time.sleep(self.chance.choice([0, 0, 0.3, 1.5]) * self.chance.random())
        return None

    def said(self):
        self.err.seek(0)
        return [line for line in self.err.read().decode(errors="replace").splitlines() if line]

    def goes_on(self):
        """Why the job does not end with the right bits; "" when it does."""
        err = tempfile.TemporaryFile()
        if self.deed == "full":
            os.remove(self.hosts.path("h1", DISKS[self.whom] + "/filler"))
        self.restarts = False
        last = f"output.dir={self.out}-last"
        words = self.words(last, *(["--resume"] if self.keeps else []))
        if self.hosts.start("h1", words, err).wait(timeout=120) != 0:
            err.seek(0)
            return "does not go on: " + err.read().decode(errors="replace").strip().splitlines()[-1]
        return self.compare(last.split("=")[1])

    def compare(self, folder):
        files = sorted(self.hosts.path("h1", folder).parent.glob(os.path.basename(folder) + "*"))
        models = [file / "model.safetensors" for file in files if (file / "model.safetensors").exists()]
        if not models:
            return "no model in " + folder
        bits = models[-1].read_bytes()
        wanted = self.bits.setdefault(len(self.hosts.names), None)
        return "" if wanted is None or bits == wanted else "other bits than without a fault"

    def whole(self):
        """The bits of a job that nothing happens to."""
        self.write()
        words = [self.program, "run", "/srv/job.yaml", "output.dir=/srv/whole", f"train.steps={self.steps}",
                 "cluster.transport=mpi", "--host", self.where]
        if self.hosts.start("h1", words, self.err).wait(timeout=120) != 0:
            sys.exit("\n".join(self.said()))
        return (self.hosts.folder / "whole/model.safetensors").read_bytes()

    def run(self):
        self.write()
        self.done = []
        self.job = self.hosts.start("h1", self.words(), self.err)
        until = time.monotonic() + 60
        first = "mpirun" if self.deed in ("cut", "full") or "+" in self.deed else self.whom
        if self.whom == "daemon":
            first, self.rank = "rank", 2  # files of a daemon that has started no rank yet stay
        while self.find(first, self.rank) is None and self.job.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(self.delay)
        began = time.monotonic()
        self.break_it()
        patience = PATIENCE if not self.restarts and self.deed not in ("full",) else 90
        try:
            code = self.job.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            code = None
        seconds = time.monotonic() - began
        code = self.continued(code)
        left = self.hosts.left()
        while [one for one in left if "filler" not in one] and time.monotonic() - began < patience:
            time.sleep(0.2)
            left = self.hosts.left()
        left = [one for one in left if "filler" not in one]
        clean = time.monotonic() - began
        if self.deed == "cut":
            self.hosts.link(self.host, "up")
        problems = self.problems(code, left)
        if not left and code not in (None, 0):
            problems += [text for text in [self.goes_on()] if text]
        whom = f"rank {self.rank}" if self.whom == "rank" else self.host if self.whom == "host" else self.whom
        if self.done:
            whom = ", ".join(self.done)
        said = [line for line in self.said() if line.startswith("tessera: ")]
        verdict = "BAD: " + "; ".join(problems) if problems else "ok"
        print(f"{self.deed:5} {whom:9}{' (restarts)' if self.restarts else ''} after {self.delay:.2f} s: "
              f"code {code} in {seconds:5.1f} s, clean in {clean:5.1f} s  {verdict}")
        print("      " + (said[-1][:230] if said else ""), flush=True)
        if problems:
            print("\n".join("      | " + line[:400] for line in self.said()[-12:]), flush=True)
        if self.job.poll() is None:
            self.job.kill()
            self.job.wait()
        return not problems

    def continued(self, code):
        """A stopped launcher whose job is gone, or done, can only end when it is told to go on."""
        if code is None and "stop" in self.deed and ("stop launcher" in self.done or self.whom == "launcher"):
            os.kill(self.job.pid, signal.SIGCONT)
            try:
                return self.job.wait(timeout=10)
            except subprocess.TimeoutExpired:
                pass
        return code

    def problems(self, code, left):
        codes, must_say = CASES[(self.deed, self.whom)]
        if self.keeps and (self.deed, self.whom) in LEAVES:
            codes, must_say = codes | {1}, LEAVES[(self.deed, self.whom)]
        said = "\n".join(self.said())
        problems = ["left: " + ", ".join(left)] if left else []
        # The fault came too late, or the job started again, or the full disk is not needed any more.
        if code == 0 and not problems:
            return [text for text in [self.compare(self.out)] if text]
        not_begun = (self.deed, self.whom) == ("stop", "launcher") and code is None and not left
        if not_begun:
            return problems
        if code not in codes:
            problems.append(f"exit code {code}")
        blamed = self.host if self.whom == "host" else str(self.rank)
        if (code is None or code >= 0) and not re.search(must_say.replace("{}", blamed), said):
            problems.append("does not say who is to blame")
        if code not in (None, 0) and code >= 0 and "tessera: " not in said:
            problems.append("nothing said")
        return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=1, help="how often each case is tried")
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--only", help="DEED:WHOM, as kill:rank; several with commas")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("hosts made of network namespaces take root: skipped")
        sys.exit(77)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs must not inherit that it is ignored
    chance = random.Random(arguments.seed)
    cases = [case for case in CASES for _ in range(arguments.each)]
    if arguments.only:
        wanted = [tuple(word.split(":")) for word in arguments.only.split(",")]
        cases = [case for case in cases if case in wanted]
    if arguments.hosts == 1:
        cases = [case for case in cases if case[1] not in ("host", "daemon")]
    chance.shuffle(cases)
    bits = {}
    bad = 0
    for deed, whom in cases:
        case = Case(arguments.program, deed, whom, arguments.hosts, random.Random(chance.random()), bits)
        try:
            if len(case.hosts.names) not in bits:
                bits[len(case.hosts.names)] = case.whole()
                shutil.rmtree(case.hosts.folder / "whole")
            bad += not case.run()
        finally:
            case.hosts.close()
    print(f"{len(cases)} cases, {bad} bad")
    sys.exit(1 if bad else 0)


main()
