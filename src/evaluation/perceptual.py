"""PESQ-WB and DNSMOS P.835 for `denoised eval`, by the packages pesq and speechmos.

  --probe      prints, per metric, the packages that are missing, as JSON
  METRIC...    (pesq, dnsmos) reads requests from standard input until it ends: the number of samples
               as uint32, then the clean and the other signal as float32 at 16 kHz, all little-endian;
               answers each with a line of JSON, without what cannot be measured
"""
import importlib.util, json, math, os, sys

PACKAGES = {"pesq": ["numpy", "pesq"], "dnsmos": ["numpy", "speechmos", "librosa", "onnxruntime", "requests"]}
RATE_HZ = 16000
WINDOW_SAMPLES = 144160     # what DNSMOS hears at once: 9.01 s


def pesq_scores(clean, other):
    import pesq
    try:
        return {"pesq_wb": float(pesq.pesq(RATE_HZ, clean, other, "wb"))}
    except pesq.PesqError:  # too short, or no speech found in it
        return {}


def dnsmos_scores(clean, other):
    import numpy
    from speechmos import dnsmos
    other = numpy.clip(other, -1, 1)
    if len(other) < WINDOW_SAMPLES:     # else speechmos averages over windows a second apart
        other = numpy.tile(other, math.ceil(WINDOW_SAMPLES / len(other)))[:WINDOW_SAMPLES]
    scores = dnsmos.run(other, sr=RATE_HZ)
    return {"dnsmos_" + part: float(scores[part + "_mos"]) for part in ("ovrl", "sig", "bak")}


def serve(metrics):
    import numpy
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)           # what packages print is no answer
    measures = [{"pesq": pesq_scores, "dnsmos": dnsmos_scores}[metric] for metric in metrics]
    requests = sys.stdin.buffer
    while header := requests.read(4):
        samples = int.from_bytes(header, "little")
        clean, other = (numpy.frombuffer(requests.read(4 * samples), "<f4") for _ in range(2))
        scores = {}
        for measure in measures:
            scores.update(measure(clean, other))
        print(json.dumps({k: v for k, v in scores.items() if math.isfinite(v)}), file=answers, flush=True)


if sys.argv[1] == "--probe":
    lacks = lambda package: importlib.util.find_spec(package) is None
    print(json.dumps({metric: list(filter(lacks, packages)) for metric, packages in PACKAGES.items()}))
else:
    serve(sys.argv[1:])
