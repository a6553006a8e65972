"""The measurements of scripts/bench, which builds the program and makes the media first.

Every figure of ours stands beside one of ffmpeg from the same run: machines differ, ratios do not. CPU is
user and system time of the processes themselves; the smallest of several runs counts, since what else runs
on the machine can only add. Memory is the resident set as the kernel counts it (VmHWM, VmRSS).
"""

import http.client
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bench_pace import Paced, Vlc

PROGRAM, MEDIA, FILM = sys.argv[1:4]
QUICK = "--quick" in sys.argv
RUNS = 3 if QUICK else 7
ITEMS = 500 if QUICK else 10_000
CHANNELS = 10 if QUICK else 50
WATCHED = 3 if QUICK else 20
# Of those with a client that lags, which is one more Python to keep up.
LAGGING = 3 if QUICK else 10
WINDOW_S = 6 if QUICK else 30
# Until the daemon is at rest, and until a ring has its full size.
REST_S = 4 if QUICK else 10
FILL_S = 8 if QUICK else 20
FFMPEG = ["ffmpeg", "-v", "error", "-nostdin", "-y"]

rows = []


def row(what, ours, theirs="", ratio=""):
    rows.append((what, ours, theirs, ratio))
    print(f"{what}: {ours}  |  {theirs}  {ratio}", file=sys.stderr)


def status_kb(pid, key):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) for line in status if line.startswith(key)), 0)
    except OSError:
        return 0


def run(arguments):
    """CPU seconds and the largest resident set in KB of one run to the end."""
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while True:
        # The kernel's ru_maxrss counts the parent that forked; the high-water mark of the program does not.
        peak = max(peak, status_kb(process.pid, "VmHWM"))
        pid, result, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = result
            if result:
                raise SystemExit(f"{arguments[0]} ended with {result}")
            return usage.ru_utime + usage.ru_stime, peak
        time.sleep(0.001)


def first_byte_ms(arguments):
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.stdout.read(1)
    elapsed = time.monotonic() - began
    process.kill()
    process.wait()
    return elapsed * 1000


def remux():
    for kind in ("mp4", "mkv"):
        source = f"{MEDIA}/{FILM}.{kind}"
        size = os.path.getsize(source)
        with open(source, "rb") as file:
            while file.read(1 << 20):
                pass
        ours, theirs, floor = [], [], []
        for _ in range(RUNS):
            ours.append(run([PROGRAM, "remux", source, "-o", "/dev/null"]))
            theirs.append(run([*FFMPEG, "-i", source, "-c", "copy", "-f", "mpegts", "/dev/null"]))
            floor.append(run(["sh", "-c", f"exec cat '{source}' | cat >/dev/null"]))
        cpu, peak = min(c for c, _ in ours), max(p for _, p in ours)
        their_cpu, their_peak = min(c for c, _ in theirs), max(p for _, p in theirs)
        name = f"remux {kind.upper()}, {size / 1e6:.0f} MB"
        row(f"{name}: CPU", f"{cpu * 1000:.0f} ms ({size / cpu / 1e9:.1f} GB/s)",
            f"{their_cpu * 1000:.0f} ms ({size / their_cpu / 1e9:.1f} GB/s)", f"{their_cpu / cpu:.1f} ×")
        row(f"{name}: largest RSS", f"{peak / 1024:.1f} MB", f"{their_peak / 1024:.1f} MB", f"{their_peak / peak:.0f} ×")
        ours = min(first_byte_ms([PROGRAM, "remux", source, "-o", "/dev/stdout"]) for _ in range(RUNS))
        theirs = min(first_byte_ms([*FFMPEG, "-i", source, "-c", "copy", "-f", "mpegts", "pipe:1"]) for _ in range(RUNS))
        row(f"{name}: process start to first byte", f"{ours:.1f} ms", f"{theirs:.0f} ms", f"{theirs / ours:.0f} ×")


class Daemon:
    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = os.environ | {
            "EXSTREAMD_DATA": f"{directory}/data", "EXSTREAMD_HTTP_LISTEN": "127.0.0.1",
            "EXSTREAMD_HTTP_PORT": str(self.port), "EXSTREAMD_HTTP_EXTRA_PORTS": "",
            "EXSTREAMD_DISCOVERY_HDHOMERUN": "false", "EXSTREAMD_DISCOVERY_SSDP": "false",
            # As in systemd/exstreamd.service.
            "MALLOC_ARENA_MAX": "2",
        }
        os.makedirs(f"{directory}/data", exist_ok=True)
        self.log = open(f"{directory}/log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "serve"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        for _ in range(200):
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.log.flush()
        raise SystemExit(f"the daemon did not start: {open(self.log.name).read()}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def cli(self, *arguments):
        subprocess.run([PROGRAM, *arguments], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()

    def metric(self, name):
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def rss_mb(self):
        return status_kb(self.pid, "VmRSS") / 1024

    def url(self, number):
        return f"http://127.0.0.1:{self.port}/auto/v{number}"


def cpu_s(pid):
    """CPU time of a process in seconds, of all threads that it ever had (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid):
    found = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                found += int(stat.read().rsplit(")", 1)[1].split()[1]) == pid
        except OSError:
            pass
    return found


class Viewers:
    """Clients that take what comes."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.bytes = 0

    def tune(self, daemon, number):
        """Milliseconds until the first byte of the stream."""
        client = socket.create_connection(("127.0.0.1", daemon.port))
        began = time.monotonic()
        client.sendall(f"GET /auto/v{number} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head or head.endswith(b"\r\n\r\n"):
            got = client.recv(65536)
            if not got:
                raise SystemExit(f"channel {number}: {head!r}")
            head += got
        elapsed = (time.monotonic() - began) * 1000
        self.add(client)
        return elapsed

    def add(self, client):
        client.setblocking(False)
        self.selector.register(client, selectors.EVENT_READ)

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self.selector.select(left):
                got = len(key.fileobj.recv(1 << 18))
                if not got:
                    raise SystemExit("a stream ended")
                self.bytes += got
            time.sleep(0.02)


def median(values):
    return sorted(values)[len(values) // 2]


def daemon():
    directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.dirname(MEDIA))
    box = None
    try:
        films, small = f"{directory}/media/films", f"{directory}/media/small"
        os.makedirs(films)
        for number in range(WATCHED):
            os.makedirs(f"{films}/{number + 1}")
            os.link(f"{MEDIA}/{FILM}.mp4", f"{films}/{number + 1}/Film {number + 1}.mp4")
        for number in range(ITEMS):
            folder = f"{small}/{number // 500}"
            if number % 500 == 0:
                os.makedirs(folder)
            os.link(f"{MEDIA}/tiny.mp4", f"{folder}/Short {number}.mp4")
        box = Daemon(directory)
        began, cpu = time.monotonic(), cpu_s(box.pid)
        box.cli("library", "add", f"{directory}/media")
        box.cli("library", "scan")
        scanned = time.monotonic() - began
        # Probing goes on behind the scan.
        probed, last = began, cpu_s(box.pid)
        while time.monotonic() - probed < 3 or time.monotonic() - began < 6:
            time.sleep(0.2)
            now = cpu_s(box.pid)
            if now - last > 0.01:
                probed = time.monotonic()
            last = now
        row(f"scan and probe of {ITEMS:,} items", f"{max(scanned, probed - began):.1f} s, {(last - cpu) / ITEMS * 1000:.2f} ms CPU each")
        for number in range(CHANNELS):
            folder = f"{films}/{number + 1}" if number < WATCHED else f"{small}/{number % max(ITEMS // 500, 1)}"
            box.cli("channel", "add", "--number", str(number + 1), "--name", f"Channel {number + 1}", "--folder", folder)
        time.sleep(REST_S / 2)
        after_scan = box.rss_mb()
        box.stop()
        box.start()
        time.sleep(REST_S)
        idle = box.rss_mb()
        row(f"RSS idle, {CHANNELS} channels, {ITEMS:,} items", f"{idle:.1f} MB ({after_scan:.1f} MB when it has just scanned)")

        viewers = Viewers()
        # The first channel on air also pays for what all share: code, the runtime's and the server's buffers.
        first = [viewers.tune(box, 1)]
        viewers.watch(FILL_S)
        shared = box.rss_mb() - box.metric("exstreamd_ring_bytes") / (1 << 20)
        first += [viewers.tune(box, number + 1) for number in range(1, WATCHED)]
        row("cold tune, copied: request to first byte", f"{median(first):.1f} ms (worst {max(first):.1f})")
        viewers.watch(FILL_S)
        ring = box.metric("exstreamd_ring_bytes") / (1 << 20)
        busy = box.rss_mb()
        row(f"processes for {WATCHED} copied channels", str(1 + children(box.pid)), str(WATCHED))

        source = f"{MEDIA}/{FILM}.mp4"
        with socket.create_server(("127.0.0.1", 0)) as server:
            to = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            peers = [subprocess.Popen([*FFMPEG, "-re", "-i", source, "-c", "copy", "-f", "mpegts", to],
                                      stdin=subprocess.DEVNULL) for _ in range(WATCHED)]
            for _ in peers:
                viewers.add(server.accept()[0])
        viewers.watch(3)
        # CPU of both over the same window.
        at = [cpu_s(p.pid) for p in peers], cpu_s(box.pid)
        viewers.watch(WINDOW_S)
        theirs = sum(cpu_s(p.pid) - was for p, was in zip(peers, at[0])) / WATCHED / WINDOW_S
        ours = (cpu_s(box.pid) - at[1]) / WATCHED / WINDOW_S
        their_rss = sum(status_kb(p.pid, "VmRSS") for p in peers) / len(peers) / 1024
        for peer in peers:
            peer.kill()
            peer.wait()
        per_channel = (busy - ring - shared) / (WATCHED - 1)
        row("RSS per further copied channel without its ring", f"{per_channel:.2f} MB (ring {ring / WATCHED:.1f} MB; the first one {shared - idle:.1f} MB)",
            f"{their_rss:.0f} MB", f"{their_rss / per_channel:.0f} ×")
        row("CPU per copied channel, sent to one client by TCP", f"{ours * 100:.2f} % of a core",
            f"{theirs * 100:.2f} %", f"{theirs / ours:.1f} ×")
        viewers.selector.close()
        frames = []
        # A channel nobody watches yet, and a client that probes as libav does by default.
        for number in range(WATCHED + 1, min(WATCHED + 6, CHANNELS + 1)):
            began = time.monotonic()
            subprocess.run([*FFMPEG, "-i", box.url(number), "-map", "0:v", "-frames:v", "1", "-f", "null", "-"], check=True)
            frames.append((time.monotonic() - began) * 1000)
        floor = []
        for _ in range(5):
            began = time.monotonic()
            subprocess.run([*FFMPEG, "-i", f"{MEDIA}/tiny.mp4", "-map", "0:v", "-frames:v", "1", "-f", "null", "-"], check=True)
            floor.append((time.monotonic() - began) * 1000)
        row("cold tune, copied: ffmpeg's start to first decoded frame", f"{median(frames):.0f} ms", f"{median(floor):.0f} ms (the file itself)")
    finally:
        if box:
            box.stop()
        shutil.rmtree(directory)


def joins():
    """Memory of ring and lagging client, with random access points at distances that matter to rings."""
    for seconds in (2, 10):
        directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.dirname(MEDIA))
        box = None
        try:
            for number in range(LAGGING):
                os.makedirs(f"{directory}/media/{number + 1}")
                os.link(f"{MEDIA}/gop{seconds}.mp4", f"{directory}/media/{number + 1}/Film {number + 1}.mp4")
            box = Daemon(directory)
            box.cli("library", "add", f"{directory}/media")
            box.cli("library", "scan")
            time.sleep(REST_S / 2)
            for number in range(LAGGING):
                folder = f"{directory}/media/{number + 1}"
                box.cli("channel", "add", "--number", str(number + 1), "--name", f"Channel {number + 1}", "--folder", folder)
            box.stop()
            box.start()
            time.sleep(REST_S / 2)
            viewers = Viewers()
            viewers.tune(box, 1)
            viewers.watch(FILL_S)
            first = box.rss_mb()
            for number in range(1, LAGGING):
                viewers.tune(box, number + 1)
            viewers.watch(FILL_S)
            ring, busy, cpu = box.metric("exstreamd_ring_bytes") / (1 << 20) / LAGGING, box.rss_mb(), cpu_s(box.pid)
            viewers.watch(WINDOW_S / 2)
            cpu = (cpu_s(box.pid) - cpu) / LAGGING / (WINDOW_S / 2)
            lagging = [Paced("127.0.0.1", box.port, f"/auto/v{number + 1}") for number in range(LAGGING)]

            def lag(seconds):
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    viewers.watch(0.01)
                    for client in lagging:
                        client.turn()

            lag(FILL_S)
            at = cpu_s(box.pid)
            lag(WINDOW_S / 2)
            replays = (cpu_s(box.pid) - at) / LAGGING / (WINDOW_S / 2) - cpu
            lost = sum(c.skips() for c in lagging)
            if lost:
                raise SystemExit(f"lagging clients lost something {lost} times")
            channel, client = (busy - first) / (LAGGING - 1), (box.rss_mb() - busy) / LAGGING
            row(f"RSS per further copied channel, random access every {seconds} s, all in", f"{channel:.2f} MB (ring {ring:.2f} MB)")
            row("... and of a client that lags by its burst, read again from the file", f"{client:.2f} MB, {replays * 100:.2f} % of a core")
            viewers.selector.close()
        finally:
            if box:
                box.stop()
            shutil.rmtree(directory)


def pace(minutes):
    """One client at the pace of the clock, and VLC where it is installed, for so long."""
    directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.dirname(MEDIA))
    box = vlc = None
    try:
        os.makedirs(f"{directory}/media/1")
        for name in ("gop2.mp4", "gop10.mp4", "film-short.mkv"):
            if os.path.exists(f"{MEDIA}/{name}"):
                os.link(f"{MEDIA}/{name}", f"{directory}/media/1/{name}")
        box = Daemon(directory)
        box.cli("library", "add", f"{directory}/media")
        box.cli("library", "scan")
        time.sleep(REST_S / 2)
        box.cli("channel", "add", "--number", "1", "--name", "Pace", "--folder", f"{directory}/media/1")
        client = Paced("127.0.0.1", box.port, "/auto/v1")
        if Vlc.is_here():
            vlc = Vlc(box.url(1), directory)
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end and not client.ended:
            client.turn()
            time.sleep(0.01)
        lost = client.skips()
        print(client.report())
        if vlc:
            said, complaints = vlc.stop()
            print(said)
            lost += complaints
        return int(lost > 0)
    finally:
        if vlc and vlc.process.poll() is None:
            vlc.process.kill()
        if box:
            box.stop()
        shutil.rmtree(directory)


if "pace" in sys.argv:
    sys.exit(pace(float(sys.argv[sys.argv.index("pace") + 1])))
remux()
if "remux" not in sys.argv:
    daemon()
    joins()
print("| what | exstreamd | ffmpeg | ratio |\n|---|---|---|---|")
for cells in rows:
    print("| " + " | ".join(cells) + " |")
