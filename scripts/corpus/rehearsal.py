#!/usr/bin/env python3
"""Pick what `denoised adapt` rehearses: voices and noises of packages whose licences let them ship in models/rehearsal.

    CORPUS_DIR/.venv/bin/python rehearsal.py CORPUS_DIR ../../models/rehearsal

After build.py and lists.py.
"""
import os, sys, zlib

import numpy as np
import soundfile as sf

from lists import write

GAP_S = 0.1
# Ogg Vorbis between the best (0) and the smallest (1).
COMPRESSION = 0.7
# Speaker in speech.tsv, files of 90 s, bandwidth, who made it, licence.
SPEECH = [
    ('msu-ru-nsh', 4, 7500, 'festvox-ru, Nickolay V. Shmyrev', 'BSD-like'),
    ('maxim-topal', 4, 7750, 'Asterisk prompts, Maxim Topal', 'CC-BY-3.0'),
    ('gcin-5', 3, 17250, 'gcin-voice, ChionMeilin and Chu Lo', 'CC-BY-3.0'),
]
SPEECH_S = 90
VALIDATION = 'maxim-topal-4'
# Package, class in noise.tsv, name, who made it, licence.
NOISE = [
    ('keebsound', 'keyboard', 'typing', 'keebsound, Shelby Shum', 'MIT'),
    ('sonic-pi-samples', 'machinery_tools', 'machines', 'Sonic Pi, Samuel Aaron and others', 'CC0, MIT'),
    ('sonic-pi-samples', 'impact', 'impacts', 'Sonic Pi, Samuel Aaron and others', 'CC0, MIT'),
    ('sonic-pi-samples', 'water', 'water', 'Sonic Pi, Samuel Aaron and others', 'CC0, MIT'),
    ('sonic-pi-samples', 'wind', 'wind', 'Sonic Pi, Samuel Aaron and others', 'CC0, MIT'),
]
NOISE_S = 30


def listed(corpus, name):
    with open(os.path.join(corpus, name), encoding='utf-8') as f:
        return [line.rstrip('\n').split('\t')[:2] for line in f]


def joined(paths, seconds):
    """Recordings of one rate after another, up to so many seconds, and the paths that were not needed."""
    parts, length, rate = [], 0, 0
    paths = list(paths)
    while paths and (not parts or length < seconds * rate):
        audio, found = sf.read(paths.pop(0), dtype='float32', always_2d=True)
        if parts and found != rate:
            continue
        rate = found
        parts += [audio[:, 0], np.zeros(int(GAP_S * rate), 'float32')]
        length += len(audio)
    audio = np.concatenate(parts)[:int(seconds * rate)]
    return audio * min(1, 0.95 / max(abs(audio).max(), 1e-9)), rate, paths


def save(path, audio, rate):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with sf.SoundFile(path, 'w', rate, 1, format='OGG', subtype='VORBIS', compression_level=COMPRESSION) as f:
        for second in range(0, len(audio), rate):  # libsndfile's encoder overruns its stack on long blocks
            f.write(audio[second:second + rate])


def spread(paths):
    """From all over the source, always in the same order."""
    return sorted(paths, key=lambda path: zlib.crc32(os.path.basename(path).encode()))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    corpus, out = sys.argv[1:]
    notices, speech, noise = [], [], []
    voices, noises = listed(corpus, 'speech.tsv'), listed(corpus, 'noise.tsv')
    for speaker, files, bandwidth_hz, maker, licence in SPEECH:
        paths = spread(os.path.join(corpus, path) for path, label in voices if label == speaker)
        for number in range(1, files + 1):
            name = f'{speaker}-{number}'
            audio, rate, paths = joined(paths, SPEECH_S)
            save(f'{out}/speech/{name}.ogg', audio, rate)
            speech.append((f'speech/{name}.ogg', speaker if name != VALIDATION else name, bandwidth_hz))
            notices.append((f'speech/{name}.ogg', maker, licence))
    for package, kind, name, maker, licence in NOISE:
        paths = spread(os.path.join(corpus, path) for path, label in noises
                       if label == kind and path.startswith(f'noise/{package}/'))
        audio, rate, _ = joined(paths, NOISE_S)
        save(f'{out}/noise/{name}.ogg', audio, rate)
        noise.append((f'noise/{name}.ogg', name))
        notices.append((f'noise/{name}.ogg', maker, licence))
    write(out, 'speech.tsv', [line for line in speech if line[1] != VALIDATION])
    write(out, 'valid_speech.tsv', [line for line in speech if line[1] == VALIDATION])
    write(out, 'noise.tsv', noise)
    with open(f'{out}/README.md', 'w', encoding='utf-8') as f:
        f.write('# What `denoised adapt` rehearses\n\n'
                'Made by `scripts/corpus/rehearsal.py`: parts of the recordings named here, cut, joined and encoded anew. '
                'The licence of each file is its own, not that of the program; the notices are in '
                '[samples/README.md](../../samples/README.md).\n\n'
                '| file | from | licence |\n|---|---|---|\n')
        f.writelines(f'| {file} | {maker} | {licence} |\n' for file, maker, licence in notices)


if __name__ == '__main__':
    main()
