"""Hosts made of network namespaces (hosts.sh), and the processes that run there.

  hosts = Hosts(2)                          # h1 and h2, which share hosts.folder as /srv
  job = hosts.start("h1", [program, "run", "/srv/job.yaml"], err)
  rank = find_rank(2)                       # None as long as there is none
  hosts.left()                              # ["h2: mpirun 4711", "h1: /dev/shm/vader_segment.h1"]
  hosts.close()
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

TOOL = str(pathlib.Path(__file__).parent / "hosts.sh")
# What jobs and Open MPI keep in folders for files that pass.
KEPT = ("tessera-job-", "ompi.", "openmpi-sessions-", "pmix-", "vader_segment.")


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
    def __init__(self, count, rate="1gbit"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tessera-inject-"))
        self.names = [f"h{i + 1}" for i in range(count)]
        self.script = subprocess.Popen([TOOL, "up", str(self.folder), str(count), rate], text=True,
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

    def start(self, name, words, err):
        """A command on a host, whose mpirun knows how to reach the others."""
        env = dict(os.environ, OMPI_MCA_plm_rsh_agent="/srv/agent", OMPI_ALLOW_RUN_AS_ROOT="1",
                   OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        return subprocess.Popen([TOOL, "in", str(self.folder), name] + words, env=env,
                                stdout=subprocess.DEVNULL, stderr=err)

    def path(self, name, path):
        """A file of a host, as it is reached from here."""
        return pathlib.Path(f"/proc/{self.first[name]}/root{path}")

    def find(self, wanted):
        """The first process on any host for which `wanted` holds; None when there is none."""
        spaces = {network(pid) for pid in self.first.values()}
        for pid in processes():
            if network(pid) in spaces and not ended(pid) and wanted(pid):
                return pid
        return None

    def left(self):
        found = []
        spaces = {network(pid): name for name, pid in self.first.items()}
        for pid in processes():
            host = spaces.get(network(pid))
            if host and pid not in self.first.values() and not ended(pid):
                found.append(f"{host}: {comm(pid)} {pid}")
        for name in self.names:
            for folder in ("/dev/shm", "/tmp"):
                found += [f"{name}: {folder}/{entry}" for entry in os.listdir(self.path(name, folder))
                          if folder == "/dev/shm" or entry.startswith(KEPT)]
        return found
