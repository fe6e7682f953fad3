#!/usr/bin/env python3
"""Hold the metrics of `denoised eval` against other implementations.

  denoised eval --noisy NOISY --clean CLEAN --json > eval.json
  check_metrics.py eval.json      # largest difference per metric over all files
  check_metrics.py --golden       # the values in the tests of src/metrics

STOI and ESTOI come from pystoi, LSD and the noise level from score.py, SI-SDR from the defining
equation, segmental SNR from Loizou's comp_snr.m, PESQ and DNSMOS from the packages themselves (after
soxr's resampling in place of ours). Exit code 1 if one of the first six differs by 0.0005 or more.
"""
import json, os, sys
import numpy as np, soundfile as sf, soxr
from pystoi import stoi
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import score

LIMIT = 5e-4


def si_sdr(s, e):
    alpha = (e @ s) / (s @ s)
    return 10 * np.log10((alpha * s) @ (alpha * s) / ((alpha * s - e) @ (alpha * s - e)))


def segmental_snr(s, e, fs):
    n = int(round(0.030 * fs)); hop = n // 4
    frames = int(len(s) / hop - n / hop)
    w = 0.5 * (1 - np.cos(2 * np.pi * np.arange(1, n + 1) / (n + 1)))
    eps, out = np.finfo(float).eps, []
    for i in range(frames):
        a, b = (v[i * hop: i * hop + n] * w for v in (s, s - e))
        out.append(np.clip(10 * np.log10(a @ a / (b @ b + eps) + eps), -10, 35))
    return float(np.mean(out))


def residual_noise(s, e, fs):
    n = fs // 50
    power = lambda v: (v[: len(v) // n * n].reshape(-1, n) ** 2).mean(1)
    ps = power(s); q = ps < np.percentile(ps, 95) * 1e-5
    q[:5] = False
    return 10 * np.log10(power(e)[q].mean()) if q.sum() >= 10 else None


def reference_values(s, e, fs):
    return dict(si_sdr_db=si_sdr(s, e), stoi=stoi(s, e, fs), estoi=stoi(s, e, fs, extended=True),
                lsd_db=score.lsd(s, e, fs * 32 // 1000 // 2 * 2), segmental_snr_db=segmental_snr(s, e, fs),
                residual_noise_dbfs=residual_noise(s, e, fs))


def perceptual_values(s, e, fs):
    s16, e16 = (soxr.resample(v, fs, 16000, quality="VHQ") for v in (s, e))
    out = {}
    try:
        from pesq import pesq
        out["pesq_wb"] = pesq(16000, s16, e16, "wb")
    except Exception as error:
        print("PESQ:", error, file=sys.stderr)
    from speechmos import dnsmos
    v = np.clip(e16, -1, 1).astype(np.float32)
    if len(v) < 144160:
        v = np.tile(v, -(-144160 // len(v)))[:144160]
    m = dnsmos.run(v, sr=16000)
    return dict(out, dnsmos_ovrl=m["ovrl_mos"], dnsmos_sig=m["sig_mos"], dnsmos_bak=m["bak_mos"])


# The signals of src/metrics/testing.rs.
def noise(n):
    x, out = 1, np.empty(n, np.float32)
    for i in range(n):
        x = (1664525 * x + 1013904223) % 2**32
        out[i] = np.float32(x / 2**31 - 1)
    return out


def speech_like(fs):
    t = np.arange(3 * fs) / fs
    phase = 2 * np.pi * (140 * t - 8 * np.cos(2 * np.pi * 0.7 * t))
    envelope = np.maximum(np.sin(2 * np.pi * 2.3 * t), 0) ** 2
    voice = sum(np.sin(k * phase) * (1 + np.sin(2 * np.pi * (0.4 * k + 1.3 * t))) / k for k in range(1, 24))
    return (0.1 * envelope * voice).astype(np.float32)


def golden():
    for fs, gain in ((10000, 0.05), (16000, 0.01), (44100, 0.2), (48000, 0.05)):
        s = speech_like(fs)
        e = s + np.float32(gain) * noise(len(s))
        v = reference_values(s.astype(float), e.astype(float), fs)
        print(fs, gain, {k: None if x is None else round(float(x), 5) for k, x in v.items()})


def compare(report):
    worst, count = {}, {}
    for file in json.load(open(report))["files"]:
        scores = next(s["scores"] for s in file["signals"] if s["signal"] == "noisy")
        (s, fs), (e, _) = (sf.read(file[side], dtype="float64", always_2d=True) for side in ("clean", "noisy"))
        s, e = s.mean(1), e.mean(1)
        values = reference_values(s, e, fs)
        if "pesq_wb" in scores or "dnsmos_ovrl" in scores:
            values.update(perceptual_values(s, e, fs))
        for k, v in values.items():
            if v is not None and k in scores:
                count[k] = count.get(k, 0) + 1
                worst[k] = max(worst.get(k, (0, "")), (abs(float(v) - scores[k]), file["name"]))
    for k, (difference, name) in worst.items():
        print(f"{k:20} {count[k]:3} files, largest difference {difference:.6f} ({name})")
    builtin = ("si_sdr_db", "stoi", "estoi", "lsd_db", "segmental_snr_db", "residual_noise_dbfs")
    return any(worst[k][0] >= LIMIT for k in builtin if k in worst)


if __name__ == "__main__":
    if sys.argv[1:] == ["--golden"]:
        golden()
    elif len(sys.argv) == 2:
        sys.exit(compare(sys.argv[1]))
    else:
        sys.exit(__doc__)
