#!/usr/bin/env python3
"""What `denoised train --pairs` learns from pairs alone, from random weights.

    out/eval/venv/bin/python scripts/eval/pairs.py CORPUS_DIR OUT_DIR [--minutes 30] [--bin target/release/denoised]

Mixes 600 pairs of 8 s (80 minutes) of the training voices and noises, trains on them alone, and scores the
weights on 40 pairs of voices and noises from the validation split, which share nothing with them. Needs the
environment of run.sh.
"""
import argparse, os, subprocess, sys

from adapt import mean_db


def mix(corpus, folder, speech, noise, count, seed):
    mixset = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'mixset.py')
    subprocess.run([sys.executable, mixset, '--speech', f'{corpus}/{speech}.tsv', '--noise', f'{corpus}/{noise}.tsv',
                    '--out', folder, '-n', str(count), '--snr', '-5', '0', '5', '10', '15', '--dur', '8',
                    '--seed', str(seed), '--min-speech-fs', '16000', '--min-noise-s', '1'], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('corpus', type=os.path.abspath)
    parser.add_argument('out', type=os.path.abspath)
    parser.add_argument('--minutes', default='30')
    parser.add_argument('--bin', default='target/release/denoised')
    args = parser.parse_args()
    train, unseen = f'{args.out}/train', f'{args.out}/unseen'
    mix(args.corpus, train, 'speech', 'noise', 600, 11)
    mix(args.corpus, unseen, 'valid_speech', 'bench_noise', 40, 1)
    model = f'{args.out}/pairs.safetensors'
    subprocess.run([args.bin, 'train', '--pairs', f'{train}/noisy', f'{train}/clean', '--minutes', args.minutes,
                    '--out', model, '--force'], check=True)
    cleaned = f'{args.out}/cleaned'
    subprocess.run([args.bin, 'clean', f'{unseen}/noisy', '-o', cleaned, '--force', '--model', model], check=True,
                   stdout=subprocess.DEVNULL)
    before, after = mean_db(unseen, f'{unseen}/noisy'), mean_db(unseen, cleaned)
    print(f'SI-SDR of unseen pairs: noisy {before:.2f} dB, cleaned {after:.2f} dB, gain {after - before:+.2f} dB')


if __name__ == '__main__':
    main()
