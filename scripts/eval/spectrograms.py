#!/usr/bin/env python3
"""Pictures of hard clips: noisy, clean, the peers and ours, after run.sh.

    out/eval/venv/bin/python scripts/eval/spectrograms.py out/eval models/hard-clips.png

One column per clip, one at -5 dB (or the nearest there is up to 0 dB) of each of six noise classes; frequencies to 10 kHz, 80 dB of range below
the loudest point of the clean clip. The PESQ-WB of each is written on it.
"""
import csv, os, sys

import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import soundfile as sf
from PIL import Image

CLASSES = ['synthetic', 'weather', 'machines', 'impacts', 'animals', 'people']
LOUDEST_SNR_DB = 0
ROWS = [('noisy', 'mixtures/noisy'), ('clean', 'mixtures/clean'), ('RNNoise 0.2', 'processed/rnnoise02'),
        ('DeepFilterNet3', 'processed/dfn3'), ('denoised', 'processed/denoised')]
SCORES = {'noisy': 'noisy', 'RNNoise 0.2': 'rnnoise02', 'DeepFilterNet3': 'dfn3', 'denoised': 'denoised'}
SECONDS, TOP_HZ, RANGE_DB = 4, 10000, 80


def scores(out, peer):
    with open(f'{out}/scores/{peer}.csv', encoding='utf-8', newline='') as f:
        return {row['file']: row for row in csv.DictReader(f)}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    out, picture = sys.argv[1:]
    by_row = {title: scores(out, peer) for title, peer in SCORES.items()}
    hard = sorted((row for row in by_row['noisy'].values() if float(row['snr_db']) <= LOUDEST_SNR_DB),
                  key=lambda row: float(row['snr_db']))
    clips = [next(row['file'] for row in hard if row['noise_class'] == name) for name in CLASSES]
    figure, axes = plt.subplots(len(ROWS), len(clips), figsize=(3.2 * len(clips), 2 * len(ROWS)), sharex=True, sharey=True,
                                layout='constrained')
    for column, clip in enumerate(clips):
        clean, rate = sf.read(f'{out}/mixtures/clean/{clip}')
        window = dict(NFFT=1536, Fs=rate, noverlap=1056, scale='dB')
        top_db = axes[0, column].specgram(clean[:SECONDS * rate] + 1e-9, **window)[3].get_array().max()
        for row, (title, folder) in enumerate(ROWS):
            audio, _ = sf.read(f'{out}/{folder}/{clip}')
            axis = axes[row, column]
            axis.specgram(audio[:SECONDS * rate] + 1e-9, vmin=top_db - RANGE_DB, vmax=top_db, cmap='magma', **window)
            axis.set_ylim(0, TOP_HZ)
            axis.tick_params(labelsize=7)
            pesq = f'  {float(by_row[title][clip]["pesq_wb"]):.2f}' if title in by_row else ''
            axis.set_title(f'{title}{pesq}', fontsize=8, pad=2)
    for axis, clip in zip(axes[0], clips):
        axis.set_title(f'{os.path.splitext(clip)[0][5:].replace("_", ", ")}\n{axis.get_title()}', fontsize=8, pad=2)
    figure.savefig(picture, dpi=75)
    # A quarter of the size, and nothing that can be seen is lost.
    Image.open(picture).quantize(64).save(picture, optimize=True)


if __name__ == '__main__':
    main()
