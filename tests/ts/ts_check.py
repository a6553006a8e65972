#!/usr/bin/env python3
"""ts_check.py - MPEG-TS checker, Python standard library only.

  ts_check.py FILE.ts [--strict] [--compact]
  curl -sN URL | ts_check.py - --seconds 20 --arrival --arrival-silence-ms 200
  ts_check.py --list-rules

Prints one JSON object.  Exit status: 0 = all hard checks pass, 1 = at least one
hard check failed, 2 = no transport stream found / usage.

Hard checks follow ETSI TR 101 290 priority 1 and 2 plus
"joinable" rules of our own: first packet is PAT, PMT before any ES packet, first
video access unit is a key frame carrying its parameter sets; and "one timeline"
rules: DTS order, picture holds in display order, the audio frame grid, delivery
before DTS.  Every rule is one line of RULES below; the JSON gives count, worst
value and first position of each rule that was hit.

Memory is constant: nothing is kept per packet, per picture or per PCR.
"""
import argparse, heapq, json, os, select, sys, time, zlib
from collections import Counter, deque

# ---- 1. constants and the table of rules ------------------------------------
HZ = 27_000_000
PCR_MOD = (1 << 33) * 300
PTS_MOD = 1 << 33
JITTER = 180                # 2 ms: timestamps that came from a millisecond container
HEAD = 65536                # bytes of a video PES that are looked at (ends at the first slice)
WINDOW = 24                 # display intervals before and after, for the local frame duration
VIDEO = {0x01: "mpeg1video", 0x02: "mpeg2video", 0x10: "mpeg4", 0x1B: "h264", 0x24: "hevc"}
AUDIO = {0x03: "mp1/mp2", 0x04: "mp2", 0x0F: "aac-adts", 0x11: "aac-latm",
         0x81: "ac3", 0x87: "eac3"}
OTHER = {0x06: "private-pes", 0x05: "private-sections", 0x15: "id3", 0x86: "scte35"}

# name: (when it is an error, unit of "worst", meaning)
#   H always   S with --strict   R reported only   else the options that make it an error
RULES = {
    "1.1 TS_sync_loss": ("H", None, "two or more bad sync bytes in a row"),
    "1.2 Sync_byte_error": ("H", None, "a packet does not begin with 0x47"),
    "1.3 PAT_error": ("H", "ms", "PAT missing, wrong or rarer than --pat-ms"),
    "1.4 Continuity_count_error": ("H", None, "continuity counter"),
    "1.5 PMT_error": ("H", "ms", "PMT missing, rarer than --pmt-ms, or changed without a new version"),
    "1.6 PID_error": ("H", "ms", "a PID of the PMT is never seen or ends --pid-s early"),
    "2.1 Transport_error": ("H", None, "transport_error_indicator"),
    "2.2 CRC_error": ("H", None, "CRC of a section"),
    "2.3a PCR_repetition_error": ("H", "ms", "PCR interval over --pcr-ms, also at the end of the input"),
    "2.3b PCR_discontinuity_indicator_error": ("H", "ms", "PCR steps back or over --jump-s, unannounced"),
    "2.4 PCR_accuracy_error": ("cbr", "ns", "more than 500 ns off a constant rate"),
    "2.5 PTS_error": ("H", "ms", "no new time stamp for 700 ms"),
    "PCR_not_increasing": ("H", "ms", "PCR equal to or below the one before"),
    "AF_length": ("H", None, "adaptation field length"),
    "AF_reserved": ("H", None, "adaptation_field_control 0"),
    "PES_start": ("H", None, "payload_unit_start without a PES start code"),
    "PES_length": ("H", "bytes", "a PES holds more or fewer bytes than it declares"),
    "START_not_PAT": ("H", None, "first packet is not the PAT (off: --mid-stream)"),
    "START_ES_before_PMT": ("H", None, "elementary data before the PMT (off: --mid-stream)"),
    "START_not_keyframe": ("H", None, "first picture is not a random access point (off: --mid-stream; --open-gop widens)"),
    "DISC_not_keyframe": ("S", None, "first picture after an announced discontinuity is not a random access point"),
    "KEY_without_parameter_sets": ("H", None, "random access point without SPS+PPS (HEVC also VPS, MPEG-2 sequence header)"),
    "LEADING_picture": ("S", "ms", "picture before its random access point in display order, after a start or discontinuity"),
    "DTS_backward": ("H", "ms", "DTS below the one before"),
    "DTS_equal": ("S", None, "DTS equal to the one before"),
    "PTS_lt_DTS": ("H", "ms", "PTS before DTS"),
    "PTS_jump": ("H", "ms", "time stamps step over --jump-s, unannounced"),
    "PTS_duplicate": ("H", None, "two pictures or audio PES with one PTS"),
    "PTS_before_key": ("H", "ms", "picture after a key frame in decode order shown before it"),
    "PTS_overlap": ("H", "ms", "picture decoded before a key frame shown after it, or shown too late for its place"),
    "VIDEO_gap": ("max_gap_frames", "ms", "a picture stands longer than 1 + --max-gap-frames (reporting: 0.5) local frame durations; see --allow-holds"),
    "AUDIO_gap": ("S max_audio_gap_frames", "frames", "hole of more than --max-audio-gap-frames (1) on the audio frame grid"),
    "AUDIO_overlap": ("S max_audio_overlap_frames", "frames", "audio frames overlap by more than --max-audio-overlap-frames (0.25)"),
    "AUDIO_sync": ("H", "bytes", "bytes between audio frames, or a broken frame header"),
    "DTS_late": ("H", "ms", "a PES begins after its DTS (last PCR before it)"),
    "AU_late": ("S min_lead_ms", "ms", "last byte arrives later than DTS - --min-lead-ms (0), by interpolated PCR"),
    "AV_drift": ("max_drift_ms", "ms", "audio and video PTS progress differ by more than --max-drift-ms within a segment"),
    "ARRIVAL_late": ("arrival_late_ms", "ms", "arrives later than PCR by more than --arrival-late-ms"),
    "ARRIVAL_ahead": ("arrival_ahead_s", "s", "arrives ahead of PCR by more than --arrival-ahead-s"),
    "ARRIVAL_silence": ("arrival_silence_ms", "ms", "no byte for --arrival-silence-ms"),
    "PMT_version_change": ("no_changes", None, "PMT version changed"),
    "PID_set_change": ("no_changes", None, "PIDs, stream types or PCR PID changed"),
    "VIDEO_params_change": ("no_changes", None, "profile, level or picture size changed"),
    "AUDIO_params_change": ("no_changes", None, "audio codec, sample rate or layout changed"),
}


# ---- 2. bits and counters ---------------------------------------------------
_CRC = []
for _i in range(256):
    _c = _i << 24
    for _ in range(8):
        _c = ((_c << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if _c & 0x80000000 else (_c << 1) & 0xFFFFFFFF
    _CRC.append(_c)


def crc32_mpeg(data):
    c = 0xFFFFFFFF
    for b in data:
        c = ((c << 8) & 0xFFFFFFFF) ^ _CRC[(c >> 24) ^ b]
    return c


def sdiff(a, b, mod):
    """signed a-b on a counter that wraps at mod"""
    d = (a - b) % mod
    return d - mod if d >= mod // 2 else d


def unroll(ts, ref):
    """the wrapped time stamp ts as a number near ref that does not wrap"""
    return ts if ref is None else ref + sdiff(ts, ref, PTS_MOD)


def mode(values):
    """most frequent value, the larger one of equals"""
    return max(Counter(values).items(), key=lambda kv: (kv[1], kv[0]))[0]


class Bits:
    """RBSP bit reader (emulation prevention removed)"""
    def __init__(self, nal):
        self.v = nal.replace(b"\x00\x00\x03", b"\x00\x00")
        self.p = 0

    def u(self, n):
        r = 0
        for _ in range(n):
            r = (r << 1) | ((self.v[self.p >> 3] >> (7 - (self.p & 7))) & 1)
            self.p += 1
        return r

    def ue(self):
        z = 0
        while self.u(1) == 0:
            z += 1
            if z > 31:
                raise ValueError
        return (1 << z) - 1 + (self.u(z) if z else 0)

    def se(self):
        k = self.ue()
        return (k + 1) // 2 if k & 1 else -(k // 2)


# ---- 3. parameter sets, access units, audio headers -------------------------
def h264_sps(nal):
    try:
        b = Bits(nal[1:])
        prof, _, lvl = b.u(8), b.u(8), b.u(8)
        b.ue()
        chroma = 1
        if prof in (100, 110, 122, 244, 44, 83, 86, 118, 128):
            chroma = b.ue()
            if chroma == 3:
                b.u(1)
            b.ue(); b.ue(); b.u(1)
            if b.u(1):
                for i in range(8 if chroma != 3 else 12):
                    if b.u(1):
                        last = nxt = 8
                        for _ in range(16 if i < 6 else 64):
                            if nxt:
                                nxt = (last + b.se()) % 256
                            last = nxt or last
        b.ue()
        t = b.ue()
        if t == 0:
            b.ue()
        elif t == 1:
            b.u(1); b.se(); b.se()
            for _ in range(b.ue()):
                b.se()
        b.ue(); b.u(1)
        w = (b.ue() + 1) * 16
        hm = b.ue() + 1
        fmo = b.u(1)
        if not fmo:
            b.u(1)
        h = hm * 16 * (2 - fmo)
        b.u(1)
        if b.u(1):
            l, r, tp, bt = b.ue(), b.ue(), b.ue(), b.ue()
            cx = 1 if chroma in (0, 3) else 2
            cy = (2 if chroma == 1 else 1) * (2 - fmo)
            w -= (l + r) * cx
            h -= (tp + bt) * cy
        return {"profile": prof, "level": lvl / 10, "width": w, "height": h, "interlaced_capable": not fmo}
    except (IndexError, ValueError):
        return {"parse_error": True}


def hevc_sps(nal):
    try:
        b = Bits(nal[2:])
        b.u(4)
        sub = b.u(3)
        b.u(1); b.u(2)
        tier, prof = b.u(1), b.u(5)
        b.u(32); b.u(48)
        lvl = b.u(8)
        flags = [(b.u(1), b.u(1)) for _ in range(sub)]
        if sub:
            b.u(2 * (8 - sub))
        for p, l in flags:
            b.u(88 * p + 8 * l)
        b.ue()
        chroma = b.ue()
        if chroma == 3:
            b.u(1)
        w, h = b.ue(), b.ue()
        if b.u(1):
            l, r, tp, bt = b.ue(), b.ue(), b.ue(), b.ue()
            w -= (l + r) * (2 if chroma in (1, 2) else 1)
            h -= (tp + bt) * (2 if chroma == 1 else 1)
        return {"profile": prof, "tier": tier, "level": lvl / 30, "width": w, "height": h, "bit_depth": 8 + b.ue()}
    except (IndexError, ValueError):
        return {"parse_error": True}


class AccessUnit:
    """what the head of one video PES says; rap is "closed", "open" or None"""
    __slots__ = ("rap", "ps", "aud", "sps", "leading", "rasl", "no_leading", "recovery", "annexb")

    def __init__(self, annexb):
        self.rap, self.sps = None, []
        self.ps = self.aud = self.leading = self.rasl = self.no_leading = self.recovery = False
        self.annexb = annexb


def start_codes(data):
    """positions after each 00 00 01, and where the unit ends"""
    i = data.find(b"\x00\x00\x01")
    while 0 <= i < len(data) - 3:
        j = data.find(b"\x00\x00\x01", i + 3)
        yield i + 3, j if j >= 0 else len(data)
        i = j


def sei_recovery(nal):
    """recovery_frame_cnt of a recovery point SEI, or None (H.264 D.1.8)"""
    v = nal.replace(b"\x00\x00\x03", b"\x00\x00")
    i = 1
    while i + 2 < len(v):
        kind = size = 0
        while i < len(v) and v[i] == 255:
            kind += 255; i += 1
        kind += v[i] if i < len(v) else 0
        i += 1
        while i < len(v) and v[i] == 255:
            size += 255; i += 1
        size += v[i] if i < len(v) else 0
        i += 1
        if kind == 6 and size:
            try:
                return Bits(v[i:i + size]).ue()
            except (IndexError, ValueError):
                return None
        i += size
    return None


def h264_au(data):
    au, pps, first, cnt = AccessUnit(data[:4] == b"\0\0\0\1" or data[:3] == b"\0\0\1"), False, True, None
    for s, e in start_codes(data):
        t = data[s] & 31
        if first:
            au.aud, first = t == 9, False
        if t == 7:
            au.sps.append(data[s:e].rstrip(b"\x00"))
        elif t == 8:
            pps = True
        elif t == 6:
            c = sei_recovery(data[s:e])
            if c is not None:
                cnt, au.recovery = c, True
        elif 1 <= t <= 5:
            if t == 5:
                au.rap = "closed"
                au.no_leading = True
            elif cnt == 0:
                try:
                    b = Bits(data[s + 1:s + 16])
                    b.ue()
                    au.rap = "open" if b.ue() % 5 == 2 else None
                except (IndexError, ValueError):
                    pass
            break
    au.ps = bool(au.sps) and pps
    return au


def hevc_au(data):
    au, seen = AccessUnit(data[:4] == b"\0\0\0\1" or data[:3] == b"\0\0\1"), []
    for s, e in start_codes(data):
        t = (data[s] >> 1) & 63
        seen.append(t)
        if t == 33:
            au.sps.append(data[s:e].rstrip(b"\x00"))
        elif t < 32:
            if 16 <= t <= 20:
                au.rap = "closed"
                au.no_leading = t in (18, 20)
            elif t == 21:
                au.rap = "open"
            au.leading, au.rasl = 6 <= t <= 9, t in (8, 9)
            break
    au.ps, au.aud = {32, 33, 34} <= set(seen), seen[:1] == [35]
    return au


def mpeg2_au(data):
    au, closed = AccessUnit(data[:3] == b"\0\0\1"), False
    au.aud = True
    for s, e in start_codes(data):
        t = data[s]
        if t == 0xB3:
            au.ps = True
            au.sps.append(data[s:s + 8])
        elif t == 0xB5 and au.sps and e - s > 2 and data[s + 1] >> 4 == 1:
            au.sps[0] += data[s + 1:s + 4]
        elif t == 0xB8 and e - s >= 5:
            closed = data[s + 4] & 0x60 == 0x40           # closed_gop and not broken_link
        elif t == 0 and e - s >= 3:
            k = (data[s + 2] >> 3) & 7
            au.rap = ("closed" if closed else "open") if k == 1 else None
            au.leading = k == 3
            break
    return au


def mpeg2_seq(d):
    r = {"width": d[1] << 4 | d[2] >> 4, "height": (d[2] & 15) << 8 | d[3], "aspect": d[4] >> 4, "frame_rate_code": d[4] & 15}
    if len(d) >= 11:
        r["profile_level"] = (d[8] & 15) << 4 | d[9] >> 4
    return r


AU_PARSER = {"h264": (h264_au, h264_sps), "hevc": (hevc_au, hevc_sps),
             "mpeg2video": (mpeg2_au, mpeg2_seq), "mpeg1video": (mpeg2_au, mpeg2_seq)}

ADTS_RATE = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
MPA_KBPS = {(1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
            (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
            (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
            (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
            (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
            (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)}


# Each returns (frame bytes, samples, sample rate, what it is) or None if no frame begins at i.
def adts_frame(b, i):
    if b[i] != 0xFF or b[i + 1] & 0xF6 != 0xF0 or (b[i + 2] >> 2) & 15 > 12:
        return None
    ln = (b[i + 3] & 3) << 11 | b[i + 4] << 3 | b[i + 5] >> 5
    rate = ADTS_RATE[(b[i + 2] >> 2) & 15]
    if ln < 7:
        return None
    return ln, 1024 * ((b[i + 6] & 3) + 1), rate, "aac profile %d %d Hz channels %d" % (b[i + 2] >> 6, rate, (b[i + 2] & 1) << 2 | b[i + 3] >> 6)


def ac3_frame(b, i):
    if b[i] != 0x0B or b[i + 1] != 0x77:
        return None
    bsid = b[i + 5] >> 3
    if bsid <= 10:
        fs, cod, acmod = b[i + 4] >> 6, b[i + 4] & 63, b[i + 6] >> 5
        if fs == 3 or cod > 37:
            return None
        kb = AC3_KBPS[cod >> 1]
        ln = (kb * 4, 2 * (kb * 96000 // 44100 + (cod & 1)), kb * 6)[fs]
        rate = (48000, 44100, 32000)[fs] >> max(0, bsid - 8)
        skip = 2 * (bool(acmod & 1 and acmod != 1) + bool(acmod & 4) + (acmod == 2))
        lfe = ((b[i + 6] << 8 | b[i + 7]) >> (12 - skip)) & 1
        return ln, 1536, rate, "ac3 %d Hz acmod %d lfe %d" % (rate, acmod, lfe)
    if bsid > 16:
        return None
    ln = 2 * (((b[i + 2] & 7) << 8 | b[i + 3]) + 1)
    fs, blk = b[i + 4] >> 6, (b[i + 4] >> 4) & 3
    rate = (48000, 44100, 32000)[fs] if fs < 3 else (24000, 22050, 16000, 0)[blk]
    n = 1536 if fs == 3 else (256, 512, 768, 1536)[blk]
    if not rate:
        return None
    if b[i + 2] >> 6 == 1 or (b[i + 2] >> 3) & 7:         # dependent or further substream: same time
        return ln, 0, rate, None
    return ln, n, rate, "eac3 %d Hz acmod %d lfe %d" % (rate, (b[i + 4] >> 1) & 7, b[i + 4] & 1)


def mpa_frame(b, i):
    if b[i] != 0xFF or b[i + 1] & 0xE0 != 0xE0:
        return None
    ver, layer, br, sr = (b[i + 1] >> 3) & 3, 4 - ((b[i + 1] >> 1) & 3), b[i + 2] >> 4, (b[i + 2] >> 2) & 3
    if ver == 1 or layer == 4 or br in (0, 15) or sr == 3:
        return None
    rate = (44100, 48000, 32000)[sr] >> (0 if ver == 3 else 1 if ver == 2 else 2)
    bps = 1000 * MPA_KBPS[(1 if ver == 3 else 2, layer)][br - 1]
    pad = (b[i + 2] >> 1) & 1
    n = 384 if layer == 1 else 576 if layer == 3 and ver != 3 else 1152
    ln = (12 * bps // rate + pad) * 4 if layer == 1 else n // 8 * bps // rate + pad
    return ln, n, rate, "mpeg audio layer %d %d Hz channels %d" % (layer, rate, 1 if b[i + 3] >> 6 == 3 else 2)


AUDIO_FRAME = {"aac-adts": (adts_frame, b"\xff"), "ac3": (ac3_frame, b"\x0b\x77"), "eac3": (ac3_frame, b"\x0b\x77"),
               "mp1/mp2": (mpa_frame, b"\xff"), "mp2": (mpa_frame, b"\xff")}


# ---- 4. running measurements ------------------------------------------------
class Intervals:
    """time between events: count, mean, max"""
    def __init__(self):
        self.count, self.first, self.last, self.worst = 0, None, None, 0.0

    def add(self, t):
        """returns the interval that ends at t, in ms"""
        d = 0.0 if self.last is None else (t - self.last) * 1000
        self.first = t if self.first is None else self.first
        self.count, self.last, self.worst = self.count + 1, t, max(self.worst, d)
        return d

    def json(self):
        if self.count < 2:
            return None
        return {"count": self.count, "mean_ms": round(1000 * (self.last - self.first) / (self.count - 1), 2), "max_ms": round(self.worst, 2)}


class Hull:
    """convex hull of (packet, PCR): gives the extreme distance from any line without keeping the points"""
    def __init__(self):
        self.up, self.lo = [], []

    def add(self, x, y):
        for h, sign in ((self.up, 1), (self.lo, -1)):
            while len(h) > 1 and sign * ((h[-1][0] - h[-2][0]) * (y - h[-1][1]) - (h[-1][1] - h[-2][1]) * (x - h[-1][0])) >= 0:
                h.pop()
            h.append((x, y))
            if len(h) > 4096:
                del h[1:-1:2]

    def residuals(self, x0, y0, k):
        return (min(y - y0 - k * (x - x0) for x, y in self.lo), max(y - y0 - k * (x - x0) for x, y in self.up))


class Display:
    """pictures of one stream in display order, and how long each stands"""
    def __init__(self, chk, st):
        self.chk, self.st = chk, st
        self.heap, self.last = [], None
        self.past, self.pending = deque(maxlen=WINDOW), deque()
        self.shown = self.gaps = self.allowed = self.missing = 0
        self.longest = self.extra = self.normal = self.last_frame = 0
        self.shortest = self.unsure_from = None
        self.rates = Counter()

    def push(self, pts, dts, pos):
        # PTS >= DTS and DTS grows, so nothing still to come can be shown before this DTS.
        heapq.heappush(self.heap, (pts, pos))
        while self.heap and (self.heap[0][0] <= dts or len(self.heap) > 64):
            self.out(*heapq.heappop(self.heap))

    def out(self, pts, pos):
        self.shown += 1
        if self.last is not None:
            d = pts - self.last
            if d == 0:
                self.chk.hit("PTS_duplicate", "PID 0x%04x two pictures at PTS %d" % (self.st.pid, pts % PTS_MOD), None, pos)
                return
            if d < 0:
                self.chk.hit("PTS_overlap", "PID 0x%04x picture comes %.1f ms too late for its place" % (self.st.pid, -d / 90), -d / 90, pos)
                return
            self.pending.append((d, pts, pos))
            if len(self.pending) > WINDOW:
                self.judge()
        self.last = pts

    def judge(self):
        d, pts, pos = self.pending.popleft()
        self.longest = max(self.longest, d)
        self.shortest = d if self.shortest is None else min(self.shortest, d)
        gap = False
        if d > self.normal + JITTER:
            # the frame rate may change here, so the slower side decides
            after = [x[0] for x in self.pending]
            sides = [mode(w) for w in (self.past, after) if len(w) > 1]
            n = self.chk.a.max_gap_frames
            n = 0.5 if n is None else n
            sure = self.unsure_from is None or pts < self.unsure_from
            if sure and sides and d > (1 + n) * max(sides) + JITTER:
                ref, gap = max(sides), True
                what = "PID 0x%04x picture stands %.1f ms, frame duration %.1f ms, PTS %d" % (self.st.pid, d / 90, ref / 90, pts % PTS_MOD)
                self.missing += round(d / ref) - 1
                self.extra += d - ref
                if self.chk.hold_allowed(d / 90):
                    self.allowed += 1
                else:
                    self.gaps += 1
                    self.chk.hit("VIDEO_gap", what, d / 90, pos)
        self.normal = self.normal if gap else d
        self.past.append(d)
        if d in self.rates or len(self.rates) < 64:
            self.rates[d] += 1

    def frame(self):
        """local frame duration in 90 kHz ticks, 0 if unknown"""
        w = list(self.past)[-8:] + [x[0] for x in self.pending]
        return mode(w) if w else self.last_frame

    def flush(self, cut):
        # Pictures shown after the last DTS may have lost others in between to the end of a capture, or to an
        # announced discontinuity: how long they stand cannot be told.
        self.unsure_from = self.heap[0][0] if cut and self.heap else None
        while self.heap:
            self.out(*heapq.heappop(self.heap))
        self.last_frame = self.frame()
        while self.pending:
            self.judge()
        self.last = self.unsure_from = None
        self.past.clear()

    def json(self):
        return {"shown": self.shown, "frame_ms": [round(k / 90, 3) for k, _ in self.rates.most_common(3)],
                "largest_hold_ms": round(self.longest / 90, 2), "shortest_ms": None if self.shortest is None else round(self.shortest / 90, 2),
                "gaps": self.gaps, "holds_allowed": self.allowed, "frames_missing": self.missing, "held_extra_ms": round(self.extra / 90, 1)}


class AudioGrid:
    """audio frames of one stream: exact durations against PTS"""
    def __init__(self, chk, st):
        self.chk, self.st = chk, st
        self.parse, self.sync = AUDIO_FRAME[st.codec]
        self.buf, self.base, self.marks = bytearray(), 0, deque()
        self.synced = False
        self.end = None                # where the next frame should be, 90 kHz
        self.dur = 0.0
        self.desc = None
        self.frames = self.changes = self.skipped = 0
        self.gap = self.overlap = self.sum_gap = self.sum_overlap = 0.0

    def reset(self):
        self.base += len(self.buf)
        self.buf.clear()
        self.marks.clear()
        self.synced, self.end = False, None

    def begin(self, pts, payload):
        if pts is not None:
            self.marks.append((self.base + len(self.buf), pts))
            if len(self.marks) > 64:
                self.marks.popleft()
        self.feed(payload)

    def feed(self, data):
        buf, i = self.buf, 0
        buf += data
        n = len(buf)
        while n - i >= 9:
            h = self.parse(buf, i)
            if h is None:
                if self.synced:
                    self.chk.hit("AUDIO_sync", "PID 0x%04x no %s frame where one should begin" % (self.st.pid, self.st.codec))
                    self.synced = False
                j = buf.find(self.sync, i + 1)
                j = n - 1 if j < 0 else j
                if self.frames:
                    self.skipped += j - i
                    self.chk.worst("AUDIO_sync", self.skipped)
                i = j
                continue
            if n - i < h[0]:
                break
            if not self.synced and not any(m[0] == self.base + i for m in self.marks):
                if n - i < h[0] + 9:
                    break
                if self.parse(buf, i + h[0]) is None:      # looked like a header, was not
                    i += 1
                    continue
            self.synced = True
            self.frame(self.base + i, *h[1:])
            i += h[0]
        del buf[:i]
        self.base += i

    def frame(self, off, samples, rate, desc):
        self.frames += 1
        dur = samples * 90000 / rate
        self.dur = dur or self.dur
        if desc is not None and desc != self.desc:
            if self.desc is not None:
                self.changes += 1
                self.chk.change("AUDIO_params_change", "PID 0x%04x %s -> %s" % (self.st.pid, self.desc, desc), splice=True)
            self.desc = desc
        pts = None
        while self.marks and self.marks[0][0] <= off:
            pts = self.marks.popleft()[1]
        if pts is None:
            if self.end is not None:
                self.end += dur
            return
        if self.end is not None:
            self.compare(pts - self.end)
        self.end = pts + dur
        self.chk.lead(self.st, pts, self.chk.n)

    def compare(self, dev):
        a, frames = self.chk.a, dev / self.dur
        if dev >= 0:
            self.gap = max(self.gap, dev)
            self.sum_gap += dev
        elif dev > -45000:
            self.overlap = max(self.overlap, -dev)
            self.sum_overlap -= dev
        n = 1.0 if a.max_audio_gap_frames is None else a.max_audio_gap_frames
        o = 0.25 if a.max_audio_overlap_frames is None else a.max_audio_overlap_frames
        if dev > n * self.dur + JITTER:
            self.chk.hit("AUDIO_gap", "PID 0x%04x %.2f frames (%.1f ms) missing" % (self.st.pid, frames, dev / 90), frames)
        elif -45000 < dev < -o * self.dur - JITTER:        # more is DTS_backward
            self.chk.hit("AUDIO_overlap", "PID 0x%04x frames overlap by %.2f (%.1f ms)" % (self.st.pid, -frames, -dev / 90), -frames)

    def json(self):
        return {"frames": self.frames, "frame_ms": round(self.dur / 90, 3), "format": self.desc, "format_changes": self.changes,
                "max_gap_ms": round(self.gap / 90, 2), "max_overlap_ms": round(self.overlap / 90, 2),
                "sum_gap_ms": round(self.sum_gap / 90, 1), "sum_overlap_ms": round(self.sum_overlap / 90, 1), "skipped_bytes": self.skipped}


class Arrival:
    """wall clock against PCR, all relative to the first PCR"""
    def __init__(self, chk):
        self.chk, self.base = chk, None
        self.lag = self.lag_min = self.lag_max = 0.0
        self.burst = None              # how far ahead the opening burst went; None while it lasts
        self.win = (0.0, 0.0)
        self.after = 0.0               # furthest ahead beyond the burst
        self.last_read, self.silence = None, 0.0

    def read(self, now):
        """some bytes came, or the capture ended while waiting for them"""
        if self.last_read is not None and now - self.last_read > self.silence:
            self.silence = now - self.last_read
        a = self.chk.a
        if self.last_read is not None and a.arrival_silence_ms is not None and (now - self.last_read) * 1000 > a.arrival_silence_ms:
            self.chk.hit("ARRIVAL_silence", "no byte for %.0f ms" % ((now - self.last_read) * 1000), (now - self.last_read) * 1000)
        self.last_read = now

    def pcr(self, now, stream_s):
        if self.base is None:
            self.base = now - stream_s
        wall = now - self.base
        self.lag = wall - stream_s
        self.lag_min, self.lag_max = min(self.lag_min, self.lag), max(self.lag_max, self.lag)
        a = self.chk.a
        if a.arrival_late_ms is not None and self.lag * 1000 > a.arrival_late_ms:
            self.chk.hit("ARRIVAL_late", "PCR arrives %.0f ms late" % (self.lag * 1000), self.lag * 1000)
        if self.burst is None:
            # the opening burst lasts until half a second runs at no more than 1.5 times real time
            if wall - self.win[0] >= 0.5:
                if stream_s - self.win[1] <= 1.5 * (wall - self.win[0]):
                    self.burst = max(0.0, self.win[1] - self.win[0])
                self.win = (wall, stream_s)
        lim = a.arrival_ahead_s
        free = self.burst if self.burst is not None and (lim is None or self.burst <= lim) else 0.0
        self.after = max(self.after, -self.lag - free) if self.burst is not None else 0.0
        if lim is not None and -self.lag - free > lim:
            self.chk.hit("ARRIVAL_ahead", "PCR arrives %.2f s early (opening burst %.2f s)" % (-self.lag, free), -self.lag)

    def json(self, wall, dur, first_byte):
        return {"wall_s": round(wall, 3), "stream_s": round(dur, 3), "ahead_max_s": round(-self.lag_min, 3), "behind_max_s": round(self.lag_max, 3),
                "end_lag_s": round(self.lag, 3), "longest_silence_s": round(self.silence, 3), "first_byte_s": round(first_byte, 3),
                "burst_s": None if self.burst is None else round(self.burst, 3), "ahead_beyond_burst_s": round(self.after, 3)}


# ---- 5. one elementary stream -----------------------------------------------
class Stream:
    def __init__(self, chk, pid, stype, pmt_pid):
        self.pid, self.stype, self.pmt_pid = pid, stype, pmt_pid
        self.codec = VIDEO.get(stype) or AUDIO.get(stype) or OTHER.get(stype) or hex(stype)
        self.kind = "video" if stype in VIDEO else "audio" if stype in AUDIO else "data"
        self.lang = None
        self.gone = False          # no longer in the PMT
        self.pes = 0
        self.want, self.got = None, 0   # declared and received bytes of the current PES
        self.open = False          # a PES has begun
        self.buf = None            # head of the current video PES
        self.buf_meta = None
        self.last_n = 0            # last packet of the current PES
        self.first_pts = self.last_pts = self.last_dts = None     # unrolled from the second on
        self.seg_first = self.max_pts = None    # first and highest PTS since the last discontinuity
        self.pts_span = 0
        self.dts_back = self.dts_equal = self.pts_lt_dts = 0
        self.jumps = self.announced_jumps = 0
        self.max_pts_gap = 0
        self.pts_missing = 0
        self.reset = False         # a discontinuity was announced since the last timestamp
        self.lead = [None, None]   # PTS/DTS minus PCR, seconds: min, max
        self.lead_end = None       # the same at the last byte, by interpolated PCR: min
        self.late = 0
        self.durs = Counter()
        self.since_pcr, self.since_dts = 0, 0      # first DTS after the newest PCR
        # video
        self.display = Display(chk, self) if self.kind == "video" else None
        self.au = self.key = self.open_points = self.leading = 0
        self.first_au = self.first_key_au = None
        self.key_no_ps = self.key_no_rai = self.rai_no_key = 0
        self.aud_missing = self.not_annexb = 0
        self.recovery_points = 0
        self.sps_set, self.sps_now = {}, None
        self.gop_n = self.gop_sum = self.gop_max = 0
        self.last_key_dts = self.shown_dts = None
        self.joined = False        # pictures are complete from here on
        self.entry = True          # no random access point yet since the start or a discontinuity
        self.rap = None            # (PTS, access unit, entered the stream here) of the last one
        # audio
        self.grid = None

    def end_pts(self):
        """where the stream's content ends so far"""
        if self.kind == "video":
            return None if self.max_pts is None else self.max_pts + self.display.frame()
        return round(self.grid.end) if self.grid and self.grid.end is not None else self.last_pts


# ---- 6. the checker ---------------------------------------------------------
class Checker:
    def __init__(self, a):
        self.a = a
        self.n = 0
        self.rules = {}            # rule -> count, worst, first position
        self.errors = []
        self.cc, self.dup = {}, set()
        self.prev_pkt = {}
        self.pids = Counter()
        self.sect = {}
        self.pat = None
        self.pat_first, self.pat_iv, self.pat_changes = None, Intervals(), 0
        self.pmt_of = {}           # pmt pid -> program
        self.pmt = {}              # pmt pid -> dict
        self.streams = {}
        self.retired = []
        self.pcr_pid = self.pcr_pmt = None
        self.last_pcr = None
        self.pcr_t = 0             # unrolled PCR, 0 at the first, standing still over a discontinuity
        self.pcr_off = 0           # PCR - pcr_t in this segment
        self.pcr_n0 = None         # packet of the first PCR, of the segment's first PCR
        self.seg_n = 0
        self.recent = deque(maxlen=64)     # (packet, pcr_t, segment)
        self.pending = []          # (packet, function): wait for the PCR after that packet
        self.seg = 0
        self.pcr_count = self.iv_n = self.iv_sum = self.iv_max = self.over_40 = self.over_100 = 0
        self.rate_min = self.rate_max = None
        self.rate_sum = self.rate_n = 0
        self.hull = Hull()
        self.pcr_disc_flagged = 0
        self.order = []            # what the first packets were
        self.first_seen = {}       # pid -> packet
        self.null = self.scrambled = self.af_len_err = 0
        self.holds = [list(h) for h in sorted(a.allow_holds, key=lambda h: h[1])]
        self.changes, self.change_count = [], 0
        self.boundaries, self.boundary_count = [], 0
        self.arrival = Arrival(self) if a.arrival else None
        self.t0 = self.t_first = None

    # ---- findings -------------------------------------------------------
    def level(self, rule):
        """is a hit of this rule an error, with these options"""
        when = RULES[rule][0].split()
        name = rule.split()
        if any(x in self.a.ignore for x in (rule, name[0], name[-1])):
            return False
        if any(x in self.a.hard for x in (rule, name[0], name[-1])):
            return True
        return "H" in when or ("S" in when and self.a.strict) or any(
            getattr(self.a, o) is not None and getattr(self.a, o) is not False for o in when if len(o) > 1)

    def hit(self, rule, msg, worst=None, pos=None):
        pos = self.n if pos is None else pos
        r = self.rules.get(rule)
        if r is None:
            r = self.rules[rule] = {"count": 0, "worst": None, "unit": RULES[rule][1], "first_packet": pos,
                                    "first_time_s": 0.0 if rule.startswith("START") else round(self.pcr_t / HZ, 3), "error": self.level(rule)}
        r["count"] += 1
        if worst is not None:
            self.worst(rule, worst)
        if r["count"] <= max(3, self.a.max_errors // 2):
            self.errors.append({"check": rule, "packet": pos, "msg": msg})

    def worst(self, rule, value):
        r = self.rules.get(rule)
        if r and (r["worst"] is None or value > r["worst"]):
            r["worst"] = round(value, 3)

    def change(self, rule, msg, splice=False):
        self.hit(rule, msg)
        self.change_count += 1
        if len(self.changes) < 64:
            self.changes.append({"what": rule, "time_s": round(self.pcr_t / HZ, 3), "packet": self.n, "detail": msg})
        if splice:
            self.boundary("parameters", False)

    def hold_allowed(self, ms):
        """spend one of the announced holds on this one, the shortest that covers it"""
        for h in self.holds:
            if h[0] > 0 and ms <= h[1]:
                h[0] -= 1
                return True
        return False

    def boundary(self, kind, new_segment):
        """compare audio and video PTS progress here; new_segment: the time base ends"""
        b = {"kind": kind, "time_s": round(self.pcr_t / HZ, 3), "packet": self.n, "audio": []}
        live = [s for s in self.streams.values() if not s.gone]
        for v in [s for s in live if s.kind == "video" and s.seg_first is not None][:1]:
            for s in live:
                if s.kind != "audio" or s.seg_first is None or v.max_pts is None:
                    continue
                start = sdiff(s.seg_first, v.seg_first, PTS_MOD)
                end = sdiff(s.end_pts(), v.end_pts(), PTS_MOD)
                b["audio"].append({"pid": s.pid, "start_offset_ms": round(start / 90, 2), "end_offset_ms": round(end / 90, 2),
                                   "drift_ms": round((end - start) / 90, 2), "audio_holes_ms": round(s.grid.sum_gap / 90, 1) if s.grid else None,
                                   "video_held_ms": round(v.display.extra / 90, 1)})
                lim = self.a.max_drift_ms
                if (new_segment or kind == "end") and lim is not None and abs(end - start) > lim * 90:
                    self.hit("AV_drift", "PID 0x%04x %.1f ms against video between the ends of the segment" % (s.pid, (end - start) / 90), abs(end - start) / 90)
        near = self.boundaries and b["time_s"] - self.boundaries[-1]["time_s"] < 0.5 and self.boundaries[-1]["kind"] == kind
        if not near:
            self.boundary_count += 1
            if len(self.boundaries) < 64:
                self.boundaries.append(b)
        if new_segment:
            for s in live:
                s.seg_first = s.max_pts = None

    # ---- sections -------------------------------------------------------
    def section_feed(self, pid, payload, pusi):
        s = self.sect.get(pid)
        if pusi:
            ptr = payload[0]
            if s is not None and ptr:
                s += payload[1:1 + ptr]
                self.section_try(pid, s)
            s = bytearray(payload[1 + ptr:])
            self.sect[pid] = s
        elif s is not None:
            s += payload
        if s is not None:
            self.section_try(pid, s)

    def section_try(self, pid, s):
        while len(s) >= 3 and s[0] != 0xFF:
            ln = 3 + (((s[1] & 0x0F) << 8) | s[2])
            if len(s) < ln:
                return
            sec = bytes(s[:ln])
            del s[:ln]
            if crc32_mpeg(sec) != 0:
                self.hit("2.2 CRC_error", "PID 0x%04x table 0x%02x" % (pid, sec[0]))
                continue
            self.section(pid, sec)
        if s and s[0] == 0xFF:
            self.sect.pop(pid, None)

    def section(self, pid, sec):
        tid = sec[0]
        if pid == 0:
            if tid != 0:
                self.hit("1.3 PAT_error", "table_id 0x%02x on PID 0" % tid)
                return
            if self.pat_first is None:
                self.pat_first = self.n
            self.when(self.n, self.pat_at)
            progs = {}
            for i in range(8, len(sec) - 4, 4):
                num = (sec[i] << 8) | sec[i + 1]
                ppid = ((sec[i + 2] & 0x1F) << 8) | sec[i + 3]
                if num:
                    progs[ppid] = num
            if self.pat is not None and progs != self.pat:
                self.pat_changes += 1
                for p in set(self.pat) - set(progs):
                    self.pmt_of.pop(p, None)
            self.pat = progs
            self.pmt_of.update(progs)
        elif pid in self.pmt_of and tid == 2:
            self.pmt_section(pid, sec)

    def pat_at(self, t):
        d = self.pat_iv.add(t)
        if d > self.a.pat_ms:
            self.hit("1.3 PAT_error", "PAT interval %.0f ms" % d, d)

    def pmt_at(self, m, t):
        d = m["iv"].add(t)
        if d > self.a.pmt_ms:
            self.hit("1.5 PMT_error", "PMT interval %.0f ms" % d, d)

    def pmt_section(self, pid, sec):
        ver = (sec[5] >> 1) & 31
        content = sec[8:-4]
        m = self.pmt.get(pid)
        if m is None:
            m = self.pmt[pid] = {"first": self.n, "iv": Intervals(), "changes": 0, "content": None, "sig": None, "ver": ver}
        self.when(self.n, lambda t: self.pmt_at(m, t))
        if m["content"] == content and m["ver"] == ver:
            return
        pcr_pid = ((sec[8] & 0x1F) << 8) | sec[9]
        i = 12 + (((sec[10] & 0x0F) << 8) | sec[11])
        sts = []
        while i + 5 <= len(sec) - 4:
            ep = ((sec[i + 1] & 0x1F) << 8) | sec[i + 2]
            dl = ((sec[i + 3] & 0x0F) << 8) | sec[i + 4]
            sts.append((sec[i], ep, sec[i + 5:i + 5 + dl]))
            i += 5 + dl
        sig = (pcr_pid, tuple((st, ep) for st, ep, _ in sts))
        new = m["content"] is None
        if not new:
            m["changes"] += 1
            if m["ver"] == ver:
                self.hit("1.5 PMT_error", "PMT content changed without version change")
            else:
                self.change("PMT_version_change", "PMT 0x%04x version %d -> %d" % (pid, m["ver"], ver))
            if m["sig"] != sig:
                text = lambda g: "PCR 0x%04x, " % g[0] + " ".join("0x%02x@0x%04x" % x for x in g[1])
                self.change("PID_set_change", text(m["sig"]) + " -> " + text(sig), splice=True)
        m.update(ver=ver, content=content, sig=sig, pcr_pid=pcr_pid)
        for s in self.streams.values():
            if s.pmt_pid == pid and s.pid not in [x[1] for x in sts]:
                s.gone = True
        for st, ep, desc in sts:
            cur = self.streams.get(ep)
            if cur is None or cur.stype != st:
                if cur is not None and len(self.retired) < 32:
                    self.finish(cur)
                    self.retired.append(cur)
                cur = self.streams[ep] = Stream(self, ep, st, pid)
            cur.gone = False
            self.descriptors(cur, desc)
            if cur.kind == "audio" and cur.grid is None and cur.codec in AUDIO_FRAME:
                cur.grid = AudioGrid(self, cur)
        if self.pcr_pmt in (None, pid):
            self.pcr_pmt = pid
            if pcr_pid != self.pcr_pid:
                self.pcr_pid, self.last_pcr = pcr_pid, None

    @staticmethod
    def descriptors(cur, desc):
        j = 0
        while j + 2 <= len(desc):
            tag, l = desc[j], desc[j + 1]
            body = desc[j + 2:j + 2 + l]
            if tag == 0x0A and l >= 3:
                cur.lang = body[:3].decode("latin1")
            if cur.stype == 6:
                if tag == 0x6A:
                    cur.codec, cur.kind = "ac3", "audio"
                if tag == 0x7A:
                    cur.codec, cur.kind = "eac3", "audio"
                if tag == 0x59:
                    cur.codec = "dvbsub"
                if tag == 0x05 and l >= 4 and body[:4] == b"Opus":
                    cur.codec, cur.kind = "opus", "audio"
            j += 2 + l

    # ---- PES ------------------------------------------------------------
    def finish(self, st):
        """the current PES is over"""
        if st.want is not None and st.got != st.want:
            self.hit("PES_length", "PID 0x%04x declares %d, holds %d bytes" % (st.pid, st.want, st.got), abs(st.got - st.want))
        st.want = None
        if st.buf is not None:
            self.au_done(st)

    def pes_start(self, st, pl, rai):
        self.finish(st)
        st.open = False
        if len(pl) < 9 or pl[:3] != b"\x00\x00\x01":
            self.hit("PES_start", "PID 0x%04x has no PES start code at PUSI" % st.pid)
            return
        st.open = True
        st.pes += 1
        length = pl[4] << 8 | pl[5]
        st.want, st.got, st.last_n = (6 + length if length else None), len(pl), self.n
        fl = pl[7] >> 6
        hl = 9 + pl[8]
        pts = dts = None
        def ts(o):
            return ((pl[o] >> 1) & 7) << 30 | pl[o + 1] << 22 | (pl[o + 2] >> 1) << 15 | pl[o + 3] << 7 | pl[o + 4] >> 1
        if fl & 2 and len(pl) >= 14:
            pts = dts = ts(9)
            if fl == 3 and len(pl) >= 19:
                dts = ts(14)
        reset = st.reset
        if pts is None:
            st.pts_missing += 1
        elif st.kind != "data":
            dts = unroll(dts, st.last_dts)
            pts = dts + sdiff(pts, dts, PTS_MOD)
            self.stamp(st, pts, dts)
        if st.display:
            st.buf = bytearray(pl[hl:])
            st.buf_meta = (rai, pts, dts, self.n, reset and not st.reset)
        elif st.grid:
            if reset:
                st.grid.reset()
            st.grid.begin(pts, pl[hl:])

    def stamp(self, st, pts, dts):
        lim = self.a.jump_s * 90000
        if pts < dts:
            st.pts_lt_dts += 1
            self.hit("PTS_lt_DTS", "PID 0x%04x by %.1f ms" % (st.pid, (dts - pts) / 90), (dts - pts) / 90)
        if st.last_dts is None:
            st.first_pts = pts
        else:
            d = dts - st.last_dts
            if st.reset:
                if d <= 0 or d > lim:
                    st.announced_jumps += 1
            elif d < 0:
                st.dts_back += 1
                self.hit("DTS_backward", "PID 0x%04x by %.3f s" % (st.pid, -d / 90000), -d / 90)
            elif d == 0:
                st.dts_equal += 1
                self.hit("DTS_equal", "PID 0x%04x" % st.pid)
                if st.kind == "audio":
                    self.hit("PTS_duplicate", "PID 0x%04x two PES at PTS %d" % (st.pid, pts % PTS_MOD))
            elif d > lim:
                st.jumps += 1
                self.hit("PTS_jump", "PID 0x%04x forward %.3f s" % (st.pid, d / 90000), d / 90)
            if 0 < d <= lim:
                if d in st.durs or len(st.durs) < 256:
                    st.durs[d] += 1
                st.pts_span += d
                if not st.reset and d > st.max_pts_gap:
                    st.max_pts_gap = d
                    if d > 0.7 * 90000:
                        self.hit("2.5 PTS_error", "PID 0x%04x PTS gap %.3f s" % (st.pid, d / 90000), d / 90)
            elif not st.reset and (d < -45000 or d > lim):
                self.boundary("time stamps jump", False)
        st.reset = False
        st.last_dts, st.last_pts = dts, pts
        if st.since_pcr != self.pcr_count:
            st.since_pcr, st.since_dts = self.pcr_count, dts
        if st.seg_first is None:
            st.seg_first = pts
        if self.last_pcr is not None:
            lead = sdiff(dts, self.last_pcr // 300, PTS_MOD) / 90000
            lo, hi = st.lead
            st.lead = [lead if lo is None or lead < lo else lo, lead if hi is None or lead > hi else hi]
            if lead < 0:
                st.late += 1
                self.hit("DTS_late", "PID 0x%04x begins %.1f ms after its DTS" % (st.pid, -lead * 1000), -lead * 1000)

    # ---- when a packet arrives, by interpolated PCR (ISO 13818-1 2.4.2.2) ----
    def when(self, n, fn):
        """call fn(seconds) with the arrival time of packet n, now or after the next PCR"""
        if len(self.recent) > 1 and n <= self.recent[-1][0]:
            fn(self.time_at(n) / HZ)
        elif len(self.pending) < 4096:
            self.pending.append((n, fn))

    def time_at(self, n):
        r = self.recent
        k = len(r) - 1
        while k > 1 and r[k - 1][0] >= n:
            k -= 1
        (n0, t0, s0), (n1, t1, s1) = r[k - 1], r[k]
        return t0 if s0 != s1 or n1 == n0 else t0 + (t1 - t0) * (n - n0) / (n1 - n0)

    def settle(self):
        if len(self.recent) > 1:
            todo, self.pending = self.pending, []
            for n, fn in todo:
                fn(self.time_at(n) / HZ)

    def lead(self, st, dts, n):
        """the unit with this DTS is complete with packet n: was that in time"""
        if n < self.seg_n or self.last_pcr is None:
            return
        off, seg = self.pcr_off, self.seg
        def check(t):
            if seg != self.seg:
                return
            lead = sdiff(dts * 300, round(t * HZ) + off, PCR_MOD) / HZ * 1000
            st.lead_end = lead if st.lead_end is None else min(st.lead_end, lead)
            lim = self.a.min_lead_ms or 0
            if lead < lim - 0.001:
                self.hit("AU_late", "PID 0x%04x complete %.1f ms after DTS%s" % (st.pid, -lead, " - %g ms" % lim if lim else ""), lim - lead, n)
        self.when(n, check)

    # ---- video ----------------------------------------------------------
    def au_done(self, st):
        data, (rai, pts, dts, pos, reset) = bytes(st.buf), st.buf_meta
        st.buf = None
        st.au += 1
        if dts is not None:
            self.lead(st, dts, st.last_n)
        parse, sps_parse = AU_PARSER.get(st.codec, (None, None))
        au = parse(data) if parse else None
        st.joined = st.joined or not (self.a.mid_stream and au and au.rap is None)
        if dts is not None and st.joined:      # a cut misses pictures up to the first random access point
            self.show(st, pts, dts, pos, reset)
        if au is None:
            return
        h264 = st.codec == "h264"
        st.not_annexb += not au.annexb
        st.recovery_points += au.recovery
        st.open_points += au.rap == "open"
        # An H.264 recovery point counts only on request; a CRA or open I picture always did, except as a start.
        key = au.rap == "closed" or (au.rap == "open" and (self.a.open_gop or not h264))
        start_ok = key and (au.rap == "closed" or self.a.open_gop or st.codec != "hevc")
        if au.sps:
            self.sequence(st, au.sps, sps_parse, pos)
        if st.first_au is None:
            st.first_au = {"packet": pos, "keyframe": start_ok, "parameter_sets": au.ps, "rai": rai}
        if reset:
            st.entry = True
            if not (start_ok and au.ps):
                self.hit("DISC_not_keyframe", "PID 0x%04x first picture after the discontinuity" % st.pid, None, pos)
        if not au.aud:
            st.aud_missing += 1
        if pts is not None:
            self.key_order(st, au, key, pts, pos)
        if key:
            st.key += 1
            if st.first_key_au is None:
                st.first_key_au = {"packet": pos, "access_unit": st.au}
            if not au.ps:
                st.key_no_ps += 1
                self.hit("KEY_without_parameter_sets", "PID 0x%04x AU %d" % (st.pid, st.au), None, pos)
            if not rai:
                st.key_no_rai += 1
            if dts is not None:
                if st.last_key_dts is not None:
                    g = dts - st.last_key_dts
                    if 0 < g < 60 * 90000:
                        st.gop_n, st.gop_sum, st.gop_max = st.gop_n + 1, st.gop_sum + g, max(st.gop_max, g)
                st.last_key_dts = dts
        elif rai:
            st.rai_no_key += 1
        if pts is not None:
            st.max_pts = pts if st.max_pts is None else max(st.max_pts, pts)

    def show(self, st, pts, dts, pos, reset):
        step = 0 if st.shown_dts is None else dts - st.shown_dts
        st.shown_dts = dts
        if reset or step < -45000:             # another time base: nothing to compare with
            st.display.flush(cut=reset)
            st.max_pts, st.rap = None, None
        st.display.push(pts, dts, pos)

    def key_order(self, st, au, key, pts, pos):
        """order of display around random access points"""
        h264 = st.codec == "h264"
        if au.rap and (au.rap == "closed" or not h264):
            if st.max_pts is not None and st.max_pts > pts:
                self.hit("PTS_overlap", "PID 0x%04x picture before the key frame in decode order is shown %.1f ms after it"
                         % (st.pid, (st.max_pts - pts) / 90), (st.max_pts - pts) / 90, pos)
        elif st.rap and pts < st.rap[0]:
            before = st.rap[0] - pts
            rap, entered = st.rap[1], st.rap[2]
            if not au.leading and not (h264 and rap.rap == "open") or au.leading and rap.no_leading:
                self.hit("PTS_before_key", "PID 0x%04x %.1f ms" % (st.pid, before / 90), before / 90, pos)
            elif entered and (au.rasl if st.codec == "hevc" else rap.rap == "open"):
                st.leading += 1
                self.hit("LEADING_picture", "PID 0x%04x %.1f ms before the random access point" % (st.pid, before / 90), before / 90, pos)
        if key or au.rap == "closed":
            st.rap = (pts, au, st.entry)
            st.entry = False
        elif au.rap == "open":
            st.rap = None                       # pictures after it may be shown before it

    def sequence(self, st, sets, parse, pos):
        now = []
        for nal in sets:
            h = zlib.crc32(nal)
            if h not in st.sps_set and len(st.sps_set) < 64:
                st.sps_set[h] = dict(parse(nal), first_packet=pos)
            now.append({k: v for k, v in (st.sps_set.get(h) or parse(nal)).items() if k != "first_packet"})
        now = sorted(now, key=str)
        if st.sps_now is not None and now != st.sps_now:
            self.change("VIDEO_params_change", "PID 0x%04x %s -> %s" % (st.pid, json.dumps(st.sps_now), json.dumps(now)), splice=True)
        st.sps_now = now

    # ---- packets --------------------------------------------------------
    def packet(self, p, now):
        b1, b3 = p[1], p[3]
        pid = ((b1 & 0x1F) << 8) | p[2]
        self.pids[pid] += 1
        if pid == 0x1FFF:
            self.null += 1
            if len(self.order) < 8:
                self.order.append("null")
            self.n += 1
            return
        if b1 & 0x80:
            self.hit("2.1 Transport_error", "PID 0x%04x" % pid)
            self.n += 1
            return
        pusi, afc, cc = b1 & 0x40, (b3 >> 4) & 3, b3 & 15
        if b3 & 0xC0:
            self.scrambled += 1
        off, disc, rai, pcr = 4, False, False, None
        if afc & 2:
            al = p[4]
            off = 5 + al
            if (afc == 2 and al != 183) or (afc == 3 and al > 182):
                self.af_len_err += 1
                self.hit("AF_length", "PID 0x%04x length %d with control %d" % (pid, al, afc))
            if al:
                fl = p[5]
                disc, rai = bool(fl & 0x80), bool(fl & 0x40)
                if fl & 0x10 and al >= 7:
                    base = p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7
                    pcr = base * 300 + (((p[10] & 1) << 8) | p[11])
        # continuity
        last = self.cc.get(pid)
        if last is None:
            self.first_seen.setdefault(pid, self.n)
        if afc == 0:
            self.hit("AF_reserved", "PID 0x%04x adaptation_field_control 0" % pid)
        if last is not None and not disc:
            if afc & 1:
                if cc == last:
                    if pid in self.dup or self.prev_pkt.get(pid) != p[off:]:
                        self.hit("1.4 Continuity_count_error", "PID 0x%04x repeated cc %d" % (pid, cc))
                    self.dup.add(pid)
                    self.cc[pid] = cc
                    self.n += 1
                    return
                if cc != (last + 1) & 15:
                    self.hit("1.4 Continuity_count_error", "PID 0x%04x expected %d got %d" % (pid, (last + 1) & 15, cc))
                    self.sect.pop(pid, None)
            elif cc != last:
                self.hit("1.4 Continuity_count_error", "PID 0x%04x cc moved on a packet without payload" % pid)
        self.dup.discard(pid)
        self.cc[pid] = cc
        if afc & 1:
            self.prev_pkt[pid] = p[off:]

        if len(self.order) < 8:
            self.order.append("PAT" if pid == 0 else "PMT" if pid in self.pmt_of else
                              "SDT" if pid == 0x11 else "ES" if pid in self.streams else "0x%04x" % pid)
        st = self.streams.get(pid)
        if disc:
            self.discontinuity(pid, st)
        if pcr is not None and pid == self.pcr_pid:
            self.on_pcr(pcr, disc, now)
        if afc & 1 and off < 188:
            pl = p[off:]
            if pid == 0 or pid in self.pmt_of:
                self.section_feed(pid, pl, pusi)
            elif st is not None:
                if st.kind != "data" or st.codec != "private-sections":
                    if pusi:
                        self.pes_start(st, pl, rai)
                    elif st.open:
                        st.got += len(pl)
                        st.last_n = self.n
                        if st.buf is not None:
                            if len(st.buf) < HEAD:
                                st.buf += pl
                        elif st.grid is not None:
                            st.grid.feed(pl)
        self.n += 1

    def discontinuity(self, pid, st):
        """discontinuity_indicator: on the PCR PID the time base ends for all, else only this PID has a hole"""
        if pid == self.pcr_pid:
            self.pcr_disc_flagged += 1
            for s in self.streams.values():
                s.want = None
                self.finish(s)
            self.boundary("discontinuity", True)
            for s in self.streams.values():
                s.reset = True
        elif st is not None:
            st.want = None
            self.finish(st)
            st.reset = True

    def on_pcr(self, pcr, disc, now):
        new_seg = disc
        if self.last_pcr is None:
            new_seg = self.pcr_count > 0       # the PCR PID changed
            if self.pcr_n0 is None:
                self.pcr_n0 = self.n
                self.pcr_off = pcr
        elif not disc:
            d = sdiff(pcr, self.last_pcr, PCR_MOD)
            if d <= 0:
                self.hit("PCR_not_increasing", "PCR steps by %.3f ms" % (d / 27000), -d / 27000)
            if d < 0:
                self.hit("2.3b PCR_discontinuity_indicator_error", "PCR goes back %.3f s without discontinuity_indicator" % (-d / HZ), -d / 27000)
                new_seg = True
            elif d > self.a.jump_s * HZ:
                self.hit("2.3b PCR_discontinuity_indicator_error", "PCR jumps %.3f s without discontinuity_indicator" % (d / HZ), d / 27000)
                new_seg = True
            else:
                self.pcr_t += d
                ms = d / 27000
                self.iv_n, self.iv_sum, self.iv_max = self.iv_n + 1, self.iv_sum + d, max(self.iv_max, d)
                self.over_40 += ms > 40
                self.over_100 += ms > 100
                if d > self.a.pcr_ms * HZ // 1000:
                    self.hit("2.3a PCR_repetition_error", "PCR interval %.1f ms" % ms, ms)
                if d:
                    rate = (self.n - self.recent[-1][0]) * 1504 * HZ / d
                    self.rate_min = rate if self.rate_min is None else min(rate, self.rate_min)
                    self.rate_max = rate if self.rate_max is None else max(rate, self.rate_max)
                    self.rate_sum, self.rate_n = self.rate_sum + rate, self.rate_n + 1
            if new_seg:
                self.boundary("PCR jump", True)
        if new_seg:
            self.settle()
            self.seg += 1
            self.seg_n = self.n
            self.pcr_off = pcr - self.pcr_t
        self.last_pcr = pcr
        self.pcr_count += 1
        self.recent.append((self.n, self.pcr_t, self.seg))
        if self.seg == 0:
            self.hull.add(self.n, self.pcr_t)
        self.settle()
        if self.arrival:
            self.arrival.pcr(now, self.pcr_t / HZ)

    # ---- 7. report ------------------------------------------------------
    def tail(self, iv, limit_ms, code, what):
        """silence between the last sighting and the last PCR"""
        if iv.last is not None and self.pcr_count > 1:
            gap = 1000 * (self.pcr_t / HZ - iv.last)
            if gap > limit_ms:
                self.hit(code, "%s absent for the last %.0f ms" % (what, gap), gap)

    def pcr_tail(self):
        """a PCR that ends while the streams go on, seen by their DTS"""
        for st in self.streams.values():
            if st.since_pcr != self.pcr_count or self.last_pcr is None or st.gone:
                continue
            ms = (st.last_dts - st.since_dts) / 90
            if ms > self.a.pcr_ms + 500:       # a PES may hold half a second of audio
                self.hit("2.3a PCR_repetition_error", "no PCR for the last %.0f ms of PID 0x%04x" % (ms, st.pid), ms)
                return

    def report(self, psize, sync):
        a = self.a
        for st in [*self.streams.values()]:
            st.want = None                     # the input may end anywhere
            self.finish(st)
        # Behind the last PCR the time of a packet could only be guessed from a rate that is over.
        known = self.recent[-1][0] if self.recent else 0
        self.pending = [(n, fn) for n, fn in self.pending if n <= known]
        self.settle()
        for st in self.streams.values():
            if st.display:
                st.display.flush(cut=True)
        if self.pat_first is None:
            self.hit("1.3 PAT_error", "no PAT")
        self.tail(self.pat_iv, a.pat_ms, "1.3 PAT_error", "PAT")
        pmts = []
        for p, num in self.pmt_of.items():
            m = self.pmt.get(p)
            if m is None:
                self.hit("1.5 PMT_error", "no PMT on PID 0x%04x (program %d)" % (p, num))
                continue
            self.tail(m["iv"], a.pmt_ms, "1.5 PMT_error", "PMT")
            pmts.append({"program": num, "pid": p, "pcr_pid": m["pcr_pid"], "version": m["ver"],
                         "changes": m["changes"], "interval": m["iv"].json()})
        for st in self.streams.values():
            if st.gone or st.kind == "data":
                continue
            if not self.pids.get(st.pid):
                self.hit("1.6 PID_error", "PID 0x%04x (%s) in PMT never seen" % (st.pid, st.codec))
            elif st.last_dts is not None and self.last_pcr is not None:
                gap = -sdiff(st.last_dts, self.last_pcr // 300, PTS_MOD) / 90000
                if gap > a.pid_s:
                    self.hit("1.6 PID_error", "PID 0x%04x (%s) silent for the last %.1f s" % (st.pid, st.codec, gap), gap * 1000)
        self.pcr_tail()
        self.boundary("end", False)
        return self.assemble(psize, sync, pmts)

    def assemble(self, psize, sync, pmts):
        a, many = self.a, self.pcr_count > 1
        known = {0, 1, 2, 0x10, 0x11, 0x12, 0x13, 0x14, 0x1FFB, 0x1FFF, self.pcr_pid} | set(self.pmt_of) | set(self.streams)
        stray = sorted(p for p in self.pids if p not in known)
        dur = self.pcr_t / HZ
        br = (self.recent[-1][0] - self.pcr_n0) * 1504 / dur if dur else None
        pcr = None
        if self.iv_n:
            mean = self.rate_sum / self.rate_n if self.rate_n else 0
            cbr = bool(self.rate_n) and self.rate_max - self.rate_min < 0.02 * mean
            pcr = {"pid": self.pcr_pid, "count": self.pcr_count, "interval_mean_ms": round(self.iv_sum / self.iv_n / 27000, 3),
                   "interval_max_ms": round(self.iv_max / 27000, 3), "over_40ms": self.over_40,
                   "over_100ms": self.over_100, "segments": self.seg + 1,
                   "discontinuity_indicators": self.pcr_disc_flagged,
                   "rate_between_pcrs_bps": {"min": round(self.rate_min or 0), "max": round(self.rate_max or 0)}, "cbr": cbr}
            if (cbr or a.cbr) and self.seg == 0 and many:
                k = self.pcr_t / (self.recent[-1][0] - self.pcr_n0)
                lo, hi = (x * 1e9 / HZ for x in self.hull.residuals(self.pcr_n0, 0, k))
                pcr["accuracy_vs_cbr_ns"] = {"min": round(lo), "max": round(hi)}
                if max(-lo, hi) > 500:
                    self.hit("2.4 PCR_accuracy_error", "%.0f ns" % max(-lo, hi), max(-lo, hi))
        arrival = None
        if self.arrival and self.arrival.base is not None and self.pcr_count > 2:
            arrival = self.arrival.json(self.arrival.lag + dur, dur, self.t_first - self.t0)
        outs = [self.stream_json(st, dur) for st in sorted([*self.streams.values(), *self.retired], key=lambda s: s.pid)]
        start = self.start_json()
        total = max(self.n, 1)
        counts = {k: v["count"] for k, v in sorted(self.rules.items())}
        show = sorted(self.errors, key=lambda e: e["packet"])
        is_error = lambda k: self.rules[k]["error"] or "S" in RULES[k][0].split()
        return {"packet_size": psize, "packets": self.n, "bytes": self.n * psize, "duration_s": round(dur, 3),
                "bitrate_bps": round(br) if br else None, "null_share": round(self.null / total, 5),
                "psi_share": round(sum(self.pids.get(p, 0) for p in [0, 0x10, 0x11, *self.pmt_of]) / total, 5),
                "sync": sync, "scrambled_packets": self.scrambled,
                "pat": {"programs": len(self.pat or {}), "changes": self.pat_changes, "interval": self.pat_iv.json()}, "pmt": pmts,
                "pcr": pcr, "streams": outs, "unreferenced_pids": ["0x%04x" % p for p in stray], "start": start, "arrival": arrival,
                "changes": self.changes, "change_count": self.change_count,
                "boundaries": self.boundaries, "boundary_count": self.boundary_count,
                "rules": dict(sorted(self.rules.items())),
                "error_counts": {k: v for k, v in counts.items() if is_error(k)},
                "first_errors": [e for e in show if is_error(e["check"])][:a.max_errors],
                "first_notes": [e for e in show if not is_error(e["check"])][:a.max_errors],
                "ok": not any(v["error"] for v in self.rules.values())}

    def stream_json(self, st, dur):
        o = {"pid": st.pid, "type": "0x%02x" % st.stype, "codec": st.codec, "kind": st.kind, "language": st.lang,
             "packets": self.pids.get(st.pid, 0), "pes": st.pes, "first_pts": None if st.first_pts is None else st.first_pts % PTS_MOD,
             "bitrate_bps": round(self.pids.get(st.pid, 0) * 1504 / dur) if dur else None}
        if st.gone or st in self.retired:
            o["removed"] = True
        if st.kind != "data":
            o["timestamps"] = {"span_s": round(st.pts_span / 90000, 3), "max_gap_ms": round(st.max_pts_gap / 90, 2),
                               "dts_backward": st.dts_back, "dts_equal": st.dts_equal, "pts_before_dts": st.pts_lt_dts,
                               "jumps": st.jumps, "announced_jumps": st.announced_jumps, "pes_without_pts": st.pts_missing,
                               "dts_minus_pcr_s": [None if x is None else round(x, 3) for x in st.lead], "late_vs_pcr": st.late,
                               "lead_at_last_byte_ms": None if st.lead_end is None else round(st.lead_end, 2),
                               "common_step_90k": [k for k, _ in st.durs.most_common(3)]}
        if st.kind == "video":
            o["video"] = {"access_units": st.au, "keyframes": st.key, "key_without_parameter_sets": st.key_no_ps,
                          "key_without_rai": st.key_no_rai, "rai_without_key": st.rai_no_key,
                          "recovery_point_sei": st.recovery_points, "open_gop_points": st.open_points,
                          "leading_pictures_at_entry": st.leading, "aud_missing": st.aud_missing,
                          "au_not_starting_with_start_code": st.not_annexb,
                          "gop_s": {"mean": round(st.gop_sum / st.gop_n / 90000, 3), "max": round(st.gop_max / 90000, 3)} if st.gop_n else None,
                          "distinct_sps": len(st.sps_set), "sps": list(st.sps_set.values())[:8],
                          "first_access_unit": st.first_au, "first_keyframe": st.first_key_au, "display": st.display.json()}
        if st.grid:
            o["audio"] = st.grid.json()
        return o

    def start_json(self):
        live = list(self.streams.values())
        vid = [s for s in live if s.kind == "video"]
        aud = [s for s in live if s.kind == "audio"]
        first_es = min((self.first_seen[x.pid] for x in live if x.pid in self.first_seen), default=None)
        first_pmt = min((m["first"] for m in self.pmt.values()), default=None)
        s = {"first_packet_is_pat": bool(self.order and self.order[0] == "PAT"), "first_packets": self.order,
             "pat_packet": self.pat_first, "pmt_packet": first_pmt, "first_es_packet": first_es,
             "pmt_before_es": first_pmt is not None and (first_es is None or first_pmt < first_es),
             "starts_with_keyframe": bool(vid[0].first_au and vid[0].first_au["keyframe"] and vid[0].first_au["parameter_sets"]) if vid and vid[0].codec in AU_PARSER else None,
             "av_start_offset_ms": round(sdiff(aud[0].first_pts, vid[0].first_pts, PTS_MOD) / 90, 1)
             if vid and aud and vid[0].first_pts is not None and aud[0].first_pts is not None else None}
        if not self.a.mid_stream:
            if not s["first_packet_is_pat"]:
                self.hit("START_not_PAT", str(self.order[:3]), None, 0)
            if not s["pmt_before_es"]:
                self.hit("START_ES_before_PMT", "PMT at %s, ES at %s" % (first_pmt, first_es), None, first_es or 0)
            if s["starts_with_keyframe"] is False:
                self.hit("START_not_keyframe", "first access unit: %s" % vid[0].first_au, None, (vid[0].first_au or {}).get("packet", 0))
        return s


# ---- 8. input ---------------------------------------------------------------
def find_sync(buf):
    for size in (188, 192, 204):
        need = size * 5
        for off in range(min(size * 2, max(0, len(buf) - need))):
            if all(buf[off + k * size] == 0x47 for k in range(5)):
                return off, size
    return None, None


def chunks(fd, a, c):
    """what can be read, each with its time of arrival; ends with the input, --seconds or --max-bytes"""
    got, deadline = 0, c.t0 + a.seconds if a.seconds else None
    while not a.max_bytes or got < a.max_bytes:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0 or (os.name == "posix" and not select.select([fd], [], [], left)[0]):
                if c.arrival and got:
                    c.arrival.read(time.monotonic())       # the silence we sat through
                return
        data = os.read(fd, 1 << 18)
        now = time.monotonic()
        if not data:
            return
        if not got:
            c.t_first = now
        if c.arrival:
            c.arrival.read(now)
        got += len(data)
        yield data, now


def scan(fd, a, c):
    """feed the packets to the checker; returns packet size (None: no stream), sync counters and bytes read"""
    sync = {"leading_garbage_bytes": 0, "sync_byte_errors": 0, "sync_losses": 0, "trailing_bytes": 0}
    buf, size, got, bad_run = b"", None, 0, 0
    packet = c.packet
    for chunk, now in chunks(fd, a, c):
        got += len(chunk)
        buf = buf + chunk if buf else chunk
        if size is None:
            if len(buf) < 188 * 6:
                continue
            off, size = find_sync(buf)
            if size is None:
                if len(buf) > 1 << 20:
                    break
                continue
            sync["leading_garbage_bytes"] = max(0, off - (4 if size == 192 else 0))
            buf = buf[off:]
        p, end = 0, len(buf) - 188
        while p <= end:
            if buf[p] == 0x47:
                bad_run = 0
                packet(buf[p:p + 188], now)
                p += size
                continue
            sync["sync_byte_errors"] += 1
            c.hit("1.2 Sync_byte_error", "byte 0x%02x" % buf[p])
            bad_run += 1
            if bad_run < 2:
                p += size
                c.n += 1
                continue
            sync["sync_losses"] += 1
            c.hit("1.1 TS_sync_loss", "resynchronising")
            if len(buf) - p < size * 8:
                break
            o, _ = find_sync(buf[p:p + 204 * 16])
            if o is None:
                p += min(204 * 8, len(buf) - p)
            else:
                p, bad_run = p + o, 0
        buf = buf[p:]
    sync["trailing_bytes"] = len(buf) if not a.seconds else 0
    return size, sync, got


def arguments():
    def hold(s):
        n, ms = s.split(":")
        return int(n), float(ms)

    def names(s):
        known = {x for k in RULES for x in (k, k.split()[0], k.split()[-1])}
        for x in s.split(","):
            if x not in known:
                raise argparse.ArgumentTypeError("no rule %s, see --list-rules" % x)
        return s.split(",")
    ap = argparse.ArgumentParser(description="MPEG-TS checker, prints JSON")
    ap.add_argument("input", nargs="?", help="file, or - for standard input")
    ap.add_argument("--list-rules", action="store_true", help="print the rules and what makes each an error")
    ap.add_argument("--seconds", type=float, help="stop after this much wall-clock time (live input)")
    ap.add_argument("--max-bytes", type=int)
    ap.add_argument("--strict", action="store_true"); ap.add_argument("--compact", action="store_true")
    ap.add_argument("--max-errors", type=int, default=20)
    ap.add_argument("--hard", type=names, action="extend", default=[], metavar="RULE,...", help="make these rules errors")
    ap.add_argument("--ignore", type=names, action="extend", default=[], metavar="RULE,...", help="report these rules, never fail on them")
    g = ap.add_argument_group("transport")
    g.add_argument("--pat-ms", type=float, default=500); g.add_argument("--pmt-ms", type=float, default=500)
    g.add_argument("--pcr-ms", type=int, default=100, help="100 (ISO 13818-1) or 40 (DVB)")
    g.add_argument("--pid-s", type=float, default=5.0, help="1.6: longest allowed silence of a stream in the PMT")
    g.add_argument("--jump-s", type=float, default=5.0, help="an unannounced step over this is a discontinuity")
    g.add_argument("--cbr", action="store_true", help="mux claims CBR: enforce 500 ns PCR accuracy")
    g.add_argument("--min-lead-ms", type=float, help="last byte of a unit at least this long before its DTS")
    g.add_argument("--no-changes", action="store_true", help="any change of PMT, PIDs or codec parameters is an error")
    g = ap.add_argument_group("pictures and sound")
    g.add_argument("--mid-stream", action="store_true", help="input was cut anywhere: skip the start checks")
    g.add_argument("--open-gop", action="store_true", help="H.264 recovery points and HEVC CRA are random access points")
    g.add_argument("--max-gap-frames", type=float, metavar="N", help="a picture stands at most 1+N frame durations")
    g.add_argument("--allow-holds", type=hold, action="append", default=[], metavar="K:MS", help="K pictures may stand up to MS ms (repeatable)")
    g.add_argument("--max-audio-gap-frames", type=float, metavar="N", help="largest hole on the audio grid (1)")
    g.add_argument("--max-audio-overlap-frames", type=float, metavar="N", help="largest overlap on the audio grid (0.25)")
    g.add_argument("--max-drift-ms", type=float, help="audio against video PTS progress, per segment")
    g = ap.add_argument_group("arrival (live input)")
    g.add_argument("--arrival", action="store_true", help="compare arrival wall-clock with PCR")
    g.add_argument("--arrival-late-ms", type=float, help="error when a PCR arrives this much too late for a player that started at the first")
    g.add_argument("--arrival-ahead-s", type=float, help="error when further ahead; an opening burst within the limit does not count")
    g.add_argument("--arrival-silence-ms", type=float, help="error when no byte comes for so long")
    a = ap.parse_args()
    if a.list_rules:
        for name, (when, unit, text) in RULES.items():
            print("%-40s %-28s %-7s %s" % (name, when, unit or "-", text))
        sys.exit(0)
    if a.input is None:
        ap.error("an input is needed")
    a.arrival = a.arrival or any(x is not None for x in (a.arrival_late_ms, a.arrival_ahead_s, a.arrival_silence_ms))
    return a


def main():
    a = arguments()
    fd = sys.stdin.fileno() if a.input == "-" else os.open(a.input, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    c = Checker(a)
    c.t0 = c.t_first = time.monotonic()
    size, sync, got = scan(fd, a, c)
    if size is None:
        print(json.dumps({"ok": False, "error": "no transport stream found", "bytes": got}))
        return 2
    print(json.dumps(c.report(size, sync), indent=None if a.compact else 1))
    return 0 if not any(v["error"] for v in c.rules.values()) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        sys.exit(1)
