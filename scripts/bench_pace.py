"""A client that takes a channel at exactly the pace of its clock references, and counts what is missing.

Like a player with a small buffer it takes what it is given at first and then never reads faster than the
programme runs, so it stays seconds behind the newest bytes all the time.
"""

import collections
import os
import re
import shutil
import socket
import subprocess
import time

PACKET = 188


class Paced:
    """One client. `turn` takes what is due and never waits."""

    def __init__(self, host, port, path):
        self.socket = socket.socket()
        # What the kernel holds is not what a player has taken.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self.socket.connect((host, port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(head.decode())
        self.socket.setblocking(False)
        self.rest = b""
        self.counters, self.first, self.last = {}, None, None
        self.bytes = self.lost_packets = self.announced_breaks = self.clock_gaps = 0
        self.waited_s, self.empty_since = 0.0, None
        self.ended = False

    def due(self):
        """Whether the clock that has been read lies behind the one on the wall."""
        if self.first is None:
            return True
        return self.last - self.first[0] <= time.monotonic() - self.first[1]

    def turn(self):
        while self.due() and not self.ended:
            try:
                got = self.socket.recv(16 << 10)
            except BlockingIOError:
                self.empty_since = self.empty_since or time.monotonic()
                return
            if self.empty_since:
                self.waited_s = max(self.waited_s, time.monotonic() - self.empty_since)
                self.empty_since = None
            self.ended = not got
            self.bytes += len(got)
            data = self.rest + got
            whole = len(data) - len(data) % PACKET
            for at in range(0, whole, PACKET):
                self.packet(data[at:at + PACKET])
            self.rest = data[whole:]

    def packet(self, packet):
        if packet[0] != 0x47:
            raise SystemExit("not a transport stream")
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == 0x1FFF:
            return
        has_payload, counter = packet[3] & 0x10, packet[3] & 0x0F
        field = packet[5] if packet[3] & 0x20 and packet[4] else 0
        expected = self.counters.get(pid, counter - 1 if has_payload else counter) + (1 if has_payload else 0)
        if field & 0x80:
            self.announced_breaks += 1
        elif counter != expected & 0x0F:
            self.lost_packets += 1
        self.counters[pid] = counter
        if field & 0x10:
            clock = (int.from_bytes(packet[6:10], "big") << 1 | packet[10] >> 7) / 90_000
            if self.first is None:
                self.first = (clock, time.monotonic())
            elif not 0 <= clock - self.last <= 0.1:
                self.clock_gaps += 1
            self.last = clock

    def report(self):
        """What was missing, in words."""
        took = self.last - self.first[0] if self.first else 0
        return (f"{took / 60:.1f} minutes of programme, {self.bytes / 1e6:.0f} MB: {self.lost_packets} packets missing, "
                f"{self.announced_breaks} breaks announced, {self.clock_gaps} gaps of the clock, "
                f"longest wait {self.waited_s * 1000:.0f} ms{', ended early' if self.ended else ''}")

    def skips(self):
        return self.lost_packets + self.announced_breaks + self.clock_gaps + self.ended


class Vlc:
    """VLC without a screen on the same channel, and what it complains of."""

    # What VLC 3 says when something is missing, comes late or does not fit.
    COMPLAINTS = re.compile(r"discontinuity|RESET_PCR|buffer too late|lost|skipp|deadlock|underrun|corrupt|main error|decoder error")
    # And when it has no time to decode: that is the machine's.
    LATE = "picture is too late"

    def __init__(self, url, directory):
        self.log = f"{directory}/vlc"
        command = ["cvlc", "-vv", "--no-color", "--vout", "dummy", "--aout", "dummy", "--no-lua", url]
        if os.getuid() == 0:
            # It does not run as root.
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={directory}/home", *command]
            os.mkdir(f"{directory}/home", 0o777)
            os.chown(f"{directory}/home", 65534, 65534)
            os.chmod(directory, 0o711)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.began = time.monotonic()

    @staticmethod
    def is_here():
        return shutil.which("cvlc") is not None

    def stop(self):
        """Ends it, and returns what it said in words, and how many complaints there were."""
        ended_early, took = self.process.poll() is not None, time.monotonic() - self.began
        self.process.terminate()
        self.process.wait(20)
        said, decoders, late = collections.Counter(), 0, 0
        with open(self.log, encoding="utf-8", errors="replace") as log:
            for line in log:
                decoders += "using video decoder module" in line or "using audio decoder module" in line
                late += self.LATE in line
                if self.COMPLAINTS.search(line):
                    said[re.sub(r"^\[[^]]*\] |\d+", "", line).strip()[:80]] += 1
        words = "; ".join(f"{count} × {what}" for what, count in said.most_common(5)) or "no complaint"
        if late:
            words += f" ({late} pictures decoded too late)"
        early = ", ended early" if ended_early else "" if decoders else ", decoded nothing"
        return f"VLC for {took / 60:.1f} minutes: {words}{early}", sum(said.values()) + bool(early)
