#!/usr/bin/env python3
"""Pick what `denoised adapt` rehearses: voices and noises whose licences let them ship in models/rehearsal.

    CORPUS_DIR/.venv/bin/python rehearsal.py CORPUS_DIR ../../models/rehearsal

After build.py, recordings.py and lists.py. Every file is one voice (or a handful of people from one source) or one kind of noise.
"""
import os, sys, zlib

import numpy as np
import soundfile as sf

from lists import write
from recordings import NOISES, VOICES, fetched

GAP_S = 0.1
# Ogg Vorbis between the best (0) and the smallest (1).
COMPRESSION = 0.85
VALIDATION = 'intent-9'
# Source, files that count (a part of their path), seconds in each file, files to make of it, bandwidth, who made it.
SPEECH = [
    ('intent', '', 75, 9, 7950, 'Picovoice, speech-to-intent-benchmark, more than fifty people', 'Apache-2.0'),
    ('sdap', 'alex_brodie', 90, 1, 11025, 'Super Dialogue Audio Pack, Dillon Becker', 'CC-BY-4.0'),
    ('sdap', 'ian_lampert', 90, 1, 11025, 'Super Dialogue Audio Pack, Dillon Becker', 'CC-BY-4.0'),
    ('sdap', 'karen_cenon', 90, 1, 11025, 'Super Dialogue Audio Pack, Dillon Becker', 'CC-BY-4.0'),
    ('sdap', 'meghan_christian', 90, 1, 11025, 'Super Dialogue Audio Pack, Dillon Becker', 'CC-BY-4.0'),
    ('sdap', 'sean_lenhart', 90, 1, 11025, 'Super Dialogue Audio Pack, Dillon Becker', 'CC-BY-4.0'),
    ('gcompris', 'en-http-www-art', 100, 1, 18400, 'GCompris, Art4Apps', 'CC-BY-SA-3.0'),
    ('gcompris', 'es-smart-kids', 100, 1, 15250, 'GCompris, Smart4Kids', 'CC-BY-SA-3.0'),
    ('cmn', 'syllabs', 75, 1, 16550, 'audio-cmn, Chen Wang', 'CC-BY-SA-3.0'),
    ('cmn', 'hsk', 75, 1, 10250, 'audio-cmn, Yue Tan', 'CC-BY-SA-3.0'),
    ('debian', 'allison-smith', 75, 1, 7750, 'Asterisk prompts, Allison Smith', 'CC-BY-SA-3.0'),
    ('debian', 'june-wallack', 75, 1, 7750, 'Asterisk prompts, June Wallack', 'CC-BY-SA-3.0'),
    ('debian', 'maxim-topal', 75, 1, 7750, 'Asterisk prompts, Maxim Topal', 'CC-BY-3.0'),
    ('debian', 'msu-ru-nsh', 75, 1, 7500, 'festvox-ru, Festival voice', 'BSD-like'),
    ('debian', 'gcin-5', 75, 1, 17250, 'gcin-voice, ChionMeilin and Chu Lo', 'CC-BY-3.0'),
    ('debian', '0ad-', 75, 1, 16500, '0 A.D., Wildfire Games', 'CC-BY-SA-3.0'),
    ('debian', 'megaglest-', 75, 1, 11025, 'MegaGlest', 'CC-BY-SA-3.0'),
]
NOISE = [
    ('blanket', 'birds', 20, 'kvgarlic (Freesound 156826)', 'CC0'),
    ('blanket', 'boat', 20, 'Falcet (Freesound 439365)', 'CC0'),
    ('blanket', 'city', 20, 'gezortenplotz (Freesound 44796)', 'CC-BY'),
    ('blanket', 'coffee-shop', 20, 'stephan (SoundBible 1664)', 'public domain'),
    ('blanket', 'fireplace', 15, 'ezwa (SoundBible 1543)', 'public domain'),
    ('blanket', 'rain', 20, 'alex36917 (Freesound 524605)', 'CC-BY'),
    ('blanket', 'storm', 20, 'digifishmusic (Freesound 41739)', 'CC-BY'),
    ('blanket', 'summer-night', 15, 'Lisa Redfern (SoundBible 2083)', 'public domain'),
    ('blanket', 'train', 15, 'SDLx (Freesound 259988)', 'CC-BY-3.0'),
    ('blanket', 'waves', 20, 'Luftrum (Freesound 48412)', 'CC-BY'),
    ('blanket', 'wind', 20, 'felix.blume (Freesound 217506)', 'CC0'),
    ('mechvibes', 'cherrymx-blue-pbt', 15, 'mechvibes, Hai Nguyen', 'MIT'),
    ('mechvibes', 'cherrymx-red-abs', 15, 'mechvibes, Hai Nguyen', 'MIT'),
    ('mechvibes', 'topre-purple-hybrid-pbt', 15, 'mechvibes, Hai Nguyen', 'MIT'),
]


def packaged(corpus):
    """Path and label of the voices from packages."""
    with open(os.path.join(corpus, 'speech.tsv'), encoding='utf-8') as f:
        return [line.split('\t')[:2] for line in f if line.startswith('speech/')]


def joined(paths, seconds):
    """Recordings one after another, up to so many seconds, and the paths that were not needed."""
    parts, length = [], 0
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
    sources, out = os.path.join(sys.argv[1], 'recordings'), sys.argv[2]
    found = {name: (folder, labelled) for name, folder, labelled in fetched(sources, VOICES + NOISES)}
    found['debian'] = sys.argv[1], packaged(sys.argv[1])
    notices, speech, noise = [], [], []
    for source, part, seconds, files, bandwidth_hz, maker, licence in SPEECH:
        folder, labelled = found[source]
        paths = spread(os.path.join(folder, path) for path, label in labelled if part in f'{label} {path}')
        for number in range(files):
            name = '-'.join(filter(None, [source, part.split('-http')[0].strip('-'), str(number + 1) if files > 1 else '']))
            audio, rate, paths = joined(paths, seconds)
            save(f'{out}/speech/{name}.ogg', audio, rate)
            speech.append((f'speech/{name}.ogg', name, bandwidth_hz))
            notices.append((f'speech/{name}.ogg', maker, licence))
    for source, part, seconds, maker, licence in NOISE:
        folder, labelled = found[source]
        paths = sorted(os.path.join(folder, path) for path, _ in labelled if part in path)
        audio, rate, _ = joined(paths, seconds)
        save(f'{out}/noise/{part}.ogg', audio, rate)
        noise.append((f'noise/{part}.ogg', part))
        notices.append((f'noise/{part}.ogg', maker, licence))
    write(out, 'speech.tsv', [line for line in speech if line[1] != VALIDATION])
    write(out, 'valid_speech.tsv', [line for line in speech if line[1] == VALIDATION])
    write(out, 'noise.tsv', noise)
    with open(f'{out}/README.md', 'w', encoding='utf-8') as f:
        f.write('# What `denoised adapt` rehearses\n\n'
                'Made by `scripts/corpus/rehearsal.py`: parts of the recordings named here, cut, joined and encoded anew. '
                'The licence of each file is its own, not that of the program. The notices of festvox-ru (Nickolay V. '
                'Shmyrev, 2005) and of the MIT licence (mechvibes: Copyright (c) 2021 Hai Nguyen) are in '
                '[samples/README.md](../../samples/README.md).\n\n| file | from | licence |\n|---|---|---|\n')
        f.writelines(f'| {file} | {maker} | {licence} |\n' for file, maker, licence in notices)


if __name__ == '__main__':
    main()
