#!/usr/bin/env bash
# Measures `denoised clean` beside RNNoise 0.2 and DeepFilterNet3, also at low latency, on the validation mixtures.
#
#   scripts/eval/run.sh CORPUS_DIR [MODEL.safetensors]
#
# CORPUS_DIR was made by scripts/corpus/build.py and scripts/corpus/lists.py. Without MODEL the shipped weights are
# used. Everything goes to out/eval: venv/, mixtures/, processed/, scores/. Mixtures and peers are made once; our own
# output is made anew each time. Environment: PYTHON (3.11 or newer), OUT, JOBS (scoring processes, default 1),
# CORE (the core the denoisers run on, default 0), BIN (the binary).
set -euo pipefail
[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
corpus=$(realpath "$1")
model=${2:+$(realpath "$2")}
cd "$(dirname "$0")/../.."
here=scripts/eval
out=${OUT:-out/eval}
core=${CORE:-0}
bin=${BIN:-target/release/denoised}
python=${PYTHON:-python3}
say() { printf '\n== %s\n' "$*"; }

for list in valid_speech.tsv bench_noise.tsv; do
    [ -f "$corpus/$list" ] || { echo "$corpus/$list is missing: run python3 scripts/corpus/lists.py $corpus" >&2; exit 1; }
done
[ -x "$bin" ] || { say "building $bin"; cargo build --release; }

if [ ! -f "$out/venv/ready" ]; then
    say "installing the bench into $out/venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || { echo "$python is older than 3.11: set PYTHON to a newer one" >&2; exit 1; }
    mkdir -p "$out"
    "$python" -m venv "$out/venv"
    "$out/venv/bin/pip" install -q 'setuptools<81' wheel
    "$out/venv/bin/pip" install -q -r $here/requirements.txt
    "$out/venv/bin/pip" install -q --no-deps -r $here/requirements-nodeps.txt
    touch "$out/venv/ready"
fi
py=$out/venv/bin/python

set_dir=$out/mixtures
if [ ! -f "$set_dir/meta.csv" ]; then
    say "building the validation mixtures"
    $py $here/mixset.py --speech "$corpus/valid_speech.tsv" --noise "$corpus/bench_noise.tsv" --out "$set_dir" \
        -n 40 --snr -5 0 5 10 15 --dur 8 --seed 1 --min-speech-fs 16000 --min-noise-s 1
fi

for peer in rnnoise02 dfn3 dfn3_ll; do
    [ "$(find "$out/processed/$peer" -name '*.wav' 2>/dev/null | wc -l)" = 40 ] && continue
    say "running $peer"
    $py $here/peers.py --peer $peer --in "$set_dir/noisy" --out "$out/processed" --core "$core"
done

command="$bin clean {in} -o {out} --force${model:+ --model $(printf %q "$model")}"
rm -rf "$out/processed/denoised" "$out/clean-in" "$out/scores/denoised.csv" "$out/scores-clean-in"
say "running denoised on the noisy clips, then on the clean ones"
$py $here/peers.py --cmd "$command" --name denoised --in "$set_dir/noisy" --out "$out/processed" --core "$core"
$py $here/peers.py --cmd "$command" --name denoised --in "$set_dir/clean" --out "$out/clean-in" --core "$core"

say "scoring"
$py $here/score.py --set "$set_dir" --procdir "$out/processed" --out "$out/scores" --jobs "${JOBS:-1}" --clean-too
$py $here/score.py --set "$set_dir" --proc denoised="$out/clean-in/denoised" --out "$out/scores-clean-in" --jobs "${JOBS:-1}"

say "noisy input ($out/scores/summary.md)"
cat "$out/scores/summary.md"
say "clean speech in: what denoised does to it"
sed -n 3,5p "$out/scores-clean-in/summary.md"
