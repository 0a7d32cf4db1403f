#!/usr/bin/env python3
"""Breaks jobs over separate hosts at random moments, and sees what becomes of them.

  inject.py PROGRAM [--seed 1] [--each 1] [--hosts 2] [--only kill:rank,…]

Each case is what is done (kill, stop, term, int, cut) to whom (a rank, mpirun, the launcher; a host,
of which the link is cut), from before the ranks start to when they train. A case is good when the
job ends within 30 s, with the exit code that the case must have, says why, and leaves no process and
nothing in /dev/shm on any host. The same seed does the same. Needs root; without it, says so and
exits with 77.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOOL = str(pathlib.Path(__file__).parent / "hosts.sh")
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM, "int": signal.SIGINT}
# What is done, to whom -> exit codes that are right. Negative: ended by that signal, as is a launcher
# that has not begun the job yet.
CASES = {
    ("kill", "rank"): {3}, ("stop", "rank"): {3}, ("term", "rank"): {3}, ("int", "rank"): {3},
    ("kill", "mpirun"): {3}, ("stop", "mpirun"): {3}, ("term", "mpirun"): {3}, ("int", "mpirun"): {3},
    ("kill", "launcher"): {-9}, ("stop", "launcher"): {3}, ("term", "launcher"): {1, -15},
    ("int", "launcher"): {1, -2}, ("cut", "host"): {3},
}
PATIENCE = 30


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def environment(pid, name):
    try:
        entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for entry in entries:
        if entry.startswith(name.encode() + b"="):
            return entry.decode().split("=", 1)[1]
    return None


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def comm(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def network(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def ended(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


class Hosts:
    def __init__(self, count):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tessera-inject-"))
        self.names = [f"h{i + 1}" for i in range(count)]
        self.script = subprocess.Popen([TOOL, "up", str(self.folder), str(count)], text=True,
                                       stdout=subprocess.PIPE, start_new_session=True)
        if self.script.stdout.readline() != "ready\n":
            sys.exit("no hosts could be made")
        self.first = {n: int((self.folder / f"pid.{n}").read_text()) for n in self.names}

    def close(self):
        os.killpg(self.script.pid, signal.SIGKILL)
        self.script.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def link(self, name, state):
        subprocess.run([TOOL, "link", str(self.folder), name, state], check=True)

    def left(self):
        found = []
        spaces = {network(pid): name for name, pid in self.first.items()}
        for pid in processes():
            if network(pid) in spaces and pid not in self.first.values() and not ended(pid):
                found.append(f"{spaces[network(pid)]}: {comm(pid)} {pid}")
        for name, pid in self.first.items():
            for entry in os.listdir(f"/proc/{pid}/root/dev/shm"):
                found.append(f"{name}: /dev/shm/{entry}")
        return found


JOB = """program job
dim batch = 16, k = 8
input x[batch, k]
param w[k] = 0.5
loss = mean[batch](sum[k](x * w) ** 2.0)
output loss
pin x[batch: data]
"""
CONFIG = """program: {file: job.tess}
data: {inputs: {x: x.npy}}
train: {epochs: 1000000, optimizer: {sgd: {lr: 0.01}}}
"""


def write_npy(path, rows, columns):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() +
                     bytes(4 * rows * columns))


def find(what, job, rank):
    """The victim's process, or None as long as there is none."""
    if what == "launcher":
        return job.pid
    for pid in processes():
        line = cmdline(pid)
        if "/srv/job.yaml" not in line:
            continue
        if what == "mpirun" and comm(pid) == "mpirun":
            return pid
        if what == "rank" and environment(pid, "OMPI_COMM_WORLD_RANK") == str(rank):
            return pid
    return None


def one_case(hosts, program, deed, what, chance):
    for name in ("job.tess", "job.yaml"):
        (hosts.folder / name).write_text(JOB if name == "job.tess" else CONFIG)
    write_npy(hosts.folder / "x.npy", 160, 8)
    shutil.rmtree(hosts.folder / "out", ignore_errors=True)
    where = ",".join(f"{name}:2" for name in hosts.names)
    rank = chance.randrange(2 * len(hosts.names))
    delay = chance.choice([0.0, 0.2, 0.5, 1.0, 2.0]) * chance.random()
    env = dict(os.environ, OMPI_MCA_plm_rsh_agent="/srv/agent", OMPI_ALLOW_RUN_AS_ROOT="1",
               OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    err = tempfile.TemporaryFile()
    job = subprocess.Popen(
        [TOOL, "in", str(hosts.folder), "h1", program, "run", "/srv/job.yaml", "output.dir=/srv/out",
         "--host", where, "cluster.timeout=20s"], env=env, stdout=subprocess.DEVNULL, stderr=err)
    until = time.monotonic() + 60
    victim = None
    while victim is None and job.poll() is None and time.monotonic() < until:
        victim = find("rank" if what == "host" else what, job, rank)
    time.sleep(delay)
    host = hosts.names[rank // 2] if rank >= 2 else hosts.names[1]
    began = time.monotonic()
    if deed == "cut":
        hosts.link(host, "down")
    else:
        try:
            os.kill(victim, SIGNALS[deed])
        except ProcessLookupError:
            pass
    try:
        code = job.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        code = None
    seconds = time.monotonic() - began
    left = hosts.left()
    while left and time.monotonic() - began < PATIENCE:
        time.sleep(0.2)
        left = hosts.left()
    clean = time.monotonic() - began
    if deed == "cut":
        hosts.link(host, "up")
    err.seek(0)
    said = [line for line in err.read().decode(errors="replace").splitlines() if line.startswith("tessera: ")]
    problems = []
    not_begun = (deed, what) == ("stop", "launcher") and code is None and not left
    if code not in CASES[(deed, what)] and not not_begun:
        problems.append(f"exit code {code}")
    if left:
        problems.append("left: " + ", ".join(left))
    if not said and not not_begun and (code is None or code >= 0):
        problems.append("nothing said")
    target = f"{what} {rank}" if what == "rank" else host if what == "host" else what
    print(f"{deed:5} {target:9} after {delay:.2f} s: code {code} in {seconds:5.1f} s, clean in "
          f"{clean:5.1f} s  {'ok' if not problems else 'BAD: ' + '; '.join(problems)}\n"
          f"      {said[-1][:230] if said else ''}", flush=True)
    if job.poll() is None:
        job.kill()
        job.wait()
    return not problems


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
    chance = random.Random(arguments.seed)
    cases = [case for case in CASES for _ in range(arguments.each)]
    if arguments.only:
        wanted = [tuple(word.split(":")) for word in arguments.only.split(",")]
        cases = [case for case in cases if case in wanted]
    chance.shuffle(cases)
    bad = 0
    for deed, what in cases:
        hosts = Hosts(arguments.hosts)
        try:
            bad += not one_case(hosts, arguments.program, deed, what, chance)
        finally:
            hosts.close()
    print(f"{len(cases)} cases, {bad} bad")
    sys.exit(1 if bad else 0)


main()
