#!/usr/bin/env python3
"""What `denoised adapt` gains on one kind of noise, and what it costs on the others.

    python3 scripts/eval/adapt.py CORPUS_DIR OUT_DIR [--minutes 15] [--speech LIST]

Adapts to every other recording of the validation split's machine noises, or to the beginnings of those that are
long, with the voices that come with the program. Scores the weights of before and after on 24 mixtures with the
same machines later on, on 24 with the machines in between, and on 42 with all other kinds of noise, all with voices
that neither has heard. Needs the environment of run.sh (out/eval/venv).
"""
import argparse, csv, glob, os, subprocess, sys
import numpy as np, soundfile as sf

CATEGORY, GROUP = 'machinery_tools', 'machines'
# Of recordings this long in seconds, this share is adapted to; what comes after is scored.
LONG_S, BEGINNING = 5, 0.6


def write(path, rows):
    with open(path, 'w', encoding='utf-8') as f:
        f.writelines('\t'.join(row) + '\n' for row in rows)


def read(path):
    with open(path, encoding='utf-8') as f:
        return [line.rstrip('\n').split('\t') for line in f]


def make_lists(corpus, out):
    with open(f'{corpus}/manifest.csv', encoding='utf-8', newline='') as f:
        rows = list(csv.DictReader(f))
    noise = sorted((r for r in rows if r['kind'] == 'noise' and r['split'] == 'valid' and r['category'] == CATEGORY
                    and float(r['seconds']) >= 1), key=lambda r: (r['package'], r['path']))
    beginnings, later = [], []
    os.makedirs(f'{out}/cut', exist_ok=True)
    for i, row in enumerate(noise[0::2]):
        audio, rate = sf.read(f'{corpus}/{row["path"]}')
        if len(audio) < LONG_S * rate:
            beginnings.append(f'{corpus}/{row["path"]}')
            continue
        at = int(len(audio) * BEGINNING)
        for part, name, files in ((audio[:at], 'beginning', beginnings), (audio[at:], 'later', later)):
            files.append(f'{out}/cut/{i}-{name}.wav')
            sf.write(files[-1], part, rate)
    between = [f'{corpus}/{row["path"]}' for row in noise[1::2]]
    for name, paths in (('adapt_noise', beginnings), ('later_noise', later), ('test_noise', between)):
        write(f'{out}/{name}.tsv', [(path, GROUP) for path in paths])
    write(f'{out}/other_noise.tsv', [(p if p.startswith('synth:') else f'{corpus}/{p}', g)
                                     for p, g in read(f'{corpus}/bench_noise.tsv') if g != GROUP])


def si_sdr_db(clean, estimate):
    scaled = (estimate @ clean) / (clean @ clean) * clean
    return 10 * np.log10((scaled @ scaled) / ((scaled - estimate) @ (scaled - estimate)))


def mean_db(folder, processed):
    clean = sorted(glob.glob(f'{folder}/clean/*.wav'))
    return np.mean([si_sdr_db(sf.read(c)[0], sf.read(f'{processed}/{os.path.basename(c)}')[0]) for c in clean])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('corpus', type=os.path.abspath)
    parser.add_argument('out', type=os.path.abspath)
    parser.add_argument('--minutes', default='15')
    parser.add_argument('--threads', default=str(os.cpu_count()))
    parser.add_argument('--config', help='a recipe other than the built-in one')
    parser.add_argument('--speech', help='more voices than those that come with the program, as for adapt')
    parser.add_argument('--bin', default='target/release/denoised')
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    make_lists(args.corpus, args.out)
    mixset = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'mixset.py')
    sets = {'same machines': ('later_noise', '24', '9'), 'other machines': ('test_noise', '24', '7'),
            'all other kinds': ('other_noise', '42', '8')}
    for noise, count, seed in sets.values():
        subprocess.run([sys.executable, mixset, '--speech', f'{args.corpus}/valid_speech.tsv',
                        '--noise', f'{args.out}/{noise}.tsv', '--out', f'{args.out}/{noise}', '-n', count,
                        '--snr', '-5', '0', '5', '10', '--dur', '6', '--seed', seed,
                        '--min-speech-fs', '16000', '--min-noise-s', '1'], check=True)
    adapted = f'{args.out}/adapted.safetensors'
    subprocess.run([args.bin, 'adapt', '--noise', f'{args.out}/adapt_noise.tsv', '--minutes', args.minutes,
                    '--threads', args.threads, '--cache', f'{args.out}/cache', '--out', adapted, '--force',
                    *(['--config', args.config] if args.config else []),
                    *(['--speech', args.speech] if args.speech else [])], check=True)
    print('SI-SDR dB         noisy  before   after')
    for title, (name, _, _) in sets.items():
        folder = f'{args.out}/{name}'
        values = [mean_db(folder, f'{folder}/noisy')]
        for label, model in (('before', []), ('after', ['--model', adapted])):
            processed = f'{args.out}/{name}-{label}'
            subprocess.run([args.bin, 'clean', f'{folder}/noisy', '-o', processed, '--force', *model], check=True,
                           stdout=subprocess.DEVNULL)
            values.append(mean_db(folder, processed))
        print(f'{title:<16}' + ''.join(f'{value:8.2f}' for value in values))


if __name__ == '__main__':
    main()
