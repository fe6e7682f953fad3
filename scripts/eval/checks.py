#!/usr/bin/env python3
"""What averages over mixtures hide: levels, onsets, quiet after loud, noise alone, damaged input, highs, hours.

    out/eval/venv/bin/python scripts/eval/checks.py CORPUS_DIR [--bin target/release/denoised] [--model FILE]

Needs the environment and the mixtures of run.sh (out/eval). Prints one line per check. `clean` aligns its output with its
input, so nothing is shifted here.
"""
import argparse, csv, os, subprocess, tempfile
import numpy as np, soundfile as sf
from pesq import pesq
from soxr import resample

FS = 48000
CLIPS = 8


def db(power):
    return 10 * np.log10(power + 1e-20)


def si_sdr(clean, estimate):
    scaled = (estimate @ clean) / (clean @ clean) * clean
    return db(scaled @ scaled) - db((scaled - estimate) @ (scaled - estimate))


def frames(x, ms=10):
    n = FS * ms // 1000
    return (x[:len(x) // n * n].reshape(-1, n) ** 2).mean(1)


def active_rms(x):
    power = frames(x, 20)
    return np.sqrt(power[power > power.max() * 1e-3].mean())


def pesq_wb(clean, estimate):
    return pesq(16000, resample(clean, FS, 16000), resample(estimate, FS, 16000), 'wb')


class Bench:
    def __init__(self, binary, model):
        self.command = [binary, 'clean', '--force'] + (['--model', model] if model else [])
        self.binary = binary
        self.folder = tempfile.TemporaryDirectory()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, x, name='in.wav'):
        sf.write(self.path(name), x, FS, subtype='FLOAT')
        return self.path(name)

    def clean(self, x):
        subprocess.run(self.command + [self.write(x), '-o', self.path('out.wav')], check=True, capture_output=True)
        return sf.read(self.path('out.wav'))[0]

    def corrupt(self, x, *options):
        source, target = self.write(x, 'clean.wav'), self.path('target.wav')
        command = [self.binary, 'corrupt', source, '-o', self.path('noisy.wav'), '--target', target, '--seed', '1', '--force']
        subprocess.run(command + list(options), check=True, capture_output=True)
        return sf.read(self.path('noisy.wav'))[0], sf.read(target)[0]


def levels(bench, pairs):
    for dbfs in (-50, -40, -30, -20, -12, -6):
        gains = []
        for clean, noisy in pairs:
            # Nothing is clipped here: the file is in floats.
            scale = 10 ** (dbfs / 20) / active_rms(clean)
            gains.append(si_sdr(clean, bench.clean(scale * noisy)) - si_sdr(clean, noisy))
        print(f'speech at {dbfs} dBFS: SI-SDR gain {np.mean(gains):.2f} dB')


def quiet_after_loud(bench, pairs):
    changes = []
    for clean, _ in pairs:
        half = len(clean) // 2
        x = 0.1 * clean / active_rms(clean)
        x[half:] *= 10 ** (-30 / 20)
        y = bench.clean(x)
        changes.append(db((y[half:] ** 2).sum()) - db((x[half:] ** 2).sum()))
    print(f'speech 30 dB below the speech before it: {np.mean(changes):+.2f} dB, at worst {np.min(changes):+.2f}')


def onsets(bench, pairs):
    for name, noisy in (('clean', False), ('noisy', True)):
        changes = []
        for pair in pairs:
            clean, out = pair[0], bench.clean(pair[1] if noisy else pair[0])
            loud = frames(clean) > frames(clean).max() * 1e-3
            for n in range(30, len(loud) - 5):
                if loud[n] and not loud[n - 30:n].any():
                    part = slice(n * 480, (n + 5) * 480)
                    # Only what belongs to the voice.
                    kept = (out[part] @ clean[part]) / (clean[part] @ clean[part])
                    changes.append(20 * np.log10(max(kept, 1e-3)))
        print(f'first 50 ms of {len(changes)} utterances, {name}: {np.mean(changes):+.2f} dB, median {np.median(changes):+.2f}')


def noise_alone(bench, corpus):
    with open(f'{corpus}/bench_noise.tsv', encoding='utf-8') as f:
        rows = [line.rstrip('\n').split('\t') for line in f]
    left, seen = [], {}
    for path, group in rows:
        if path.startswith('synth:') or seen.get(group, 0) >= 3:
            continue
        x, fs = sf.read(f'{corpus}/{path}', always_2d=True)
        x = resample(x[:, 0], fs, FS)[:10 * FS] if fs != FS else x[:10 * FS, 0]
        if len(x) < 4 * FS or not x.any():
            continue
        seen[group] = seen.get(group, 0) + 1
        x = x * 10 ** (-35 / 20) / np.sqrt((x ** 2).mean())
        y = bench.clean(x)
        left.append((db((x[FS:] ** 2).mean()) - db((y[FS:] ** 2).mean()), group))
    values = [value for value, _ in left]
    worst = min(left)
    print(f'noise alone after the first second: {np.median(values):.1f} dB removed in the median of {len(left)} recordings, '
          f'{worst[0]:.1f} at least ({worst[1]})')


def damaged(bench, pairs):
    for name, options in (('reverberant (0.5 s)', ['--reverb', '0.5']), ('clipped by 6 dB', ['--clip', '6']),
                          ('telephone (3.4 kHz)', ['--band-limit', '3400']), ('5 % packets lost', ['--packet-loss', '0.05'])):
        before, after = [], []
        for clean, _ in pairs:
            noisy, _ = bench.corrupt(clean, *options)
            out = bench.clean(noisy)
            n = min(len(clean), len(noisy))
            before.append(pesq_wb(clean[:n], noisy[:n]))
            after.append(pesq_wb(clean[:n], out[:n]))
        change = np.array(after) - before
        print(f'{name}: PESQ-WB {np.mean(before):.2f} in, {np.mean(after):.2f} out, at worst {change.min():+.2f}')


def highs(bench, pairs):
    distances = []
    for clean, _ in pairs:
        spectrum = lambda x: np.abs(np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, 2048)[::1024] * np.hanning(2048)))
        c, o = spectrum(clean), spectrum(bench.clean(clean))
        band = slice(int(8000 * 2048 / FS), int(20000 * 2048 / FS))
        power = (c[:, band] ** 2).mean(1)
        voiced = power > power.max() * 1e-3
        floor = c[:, band].max() * 1e-3
        d = 20 * np.log10((c[voiced, band] + floor) / (o[voiced, band] + floor))
        distances.append(np.sqrt((d ** 2).mean(1)).mean())
    print(f'clean speech, 8 to 20 kHz: log-spectral distance {np.mean(distances):.2f} dB, at most {np.max(distances):.2f}')


def hours(bench, pairs):
    minute = np.concatenate([noisy for _, noisy in pairs])[:60 * FS]
    count = 180
    with sf.SoundFile(bench.path('in.wav'), 'w', FS, 1, subtype='PCM_16') as f:
        for _ in range(count):
            f.write(minute)
    subprocess.run(bench.command + [bench.path('in.wav'), '-o', bench.path('out.wav')], check=True, capture_output=True)
    part = lambda n: sf.read(bench.path('out.wav'), start=n * len(minute), frames=len(minute))[0]
    second, last = part(1), part(count - 1)
    print(f'after {count * len(minute) / FS / 3600:.1f} hours: largest difference to the second minute {np.abs(last - second).max():.1e}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('corpus')
    parser.add_argument('--bin', default='target/release/denoised')
    parser.add_argument('--model')
    parser.add_argument('--set', default='out/eval/mixtures')
    args = parser.parse_args()
    bench = Bench(args.bin, args.model)
    with open(f'{args.set}/meta.csv', encoding='utf-8', newline='') as f:
        rows = list(csv.DictReader(f))
    read = lambda row: tuple(sf.read(f'{args.set}/{side}/{row["file"]}')[0] for side in ('clean', 'noisy'))
    some = [read(row) for row in rows[::len(rows) // CLIPS][:CLIPS]]
    levels(bench, some)
    quiet_after_loud(bench, some)
    onsets(bench, some)
    noise_alone(bench, args.corpus)
    damaged(bench, some)
    highs(bench, [read(row) for row in rows if int(row['speech_fs']) >= 44100][:CLIPS])
    hours(bench, some)


if __name__ == '__main__':
    main()
