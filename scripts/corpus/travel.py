#!/usr/bin/env python3
"""Bring a part of the corpus to a machine that has a GPU but no network: small, and by voices.

    CORPUS/.venv/bin/python travel.py pack CORPUS OUT      # here; needs ffmpeg with libopus
    python3 travel.py unpack OUT DEST                      # there; needs numpy and soundfile

`pack` takes so many seconds of each label of the lists, recordings by chance, strung together as Opus
streams of one sample rate, in folders OUT/0, OUT/1 ... of at most --mib each; any of them alone is a
sample of the whole. `unpack` cuts them into 16-bit WAV files and writes the lists that `denoised train` reads.
44.1 and 22.05 kHz become 48 and 24 kHz, rates that Opus has.
"""
import argparse, collections, json, pathlib, random, subprocess
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool

import numpy as np
import soundfile

# Seconds of each label; of those whose clips weigh more in the list, up to so many times as much.
SECONDS = {'speech': 120, 'noise': 500, 'valid_speech': 20, 'valid_noise': 60}
LARGEST_SHARE = 5
KBIT_S = {'speech': {16000: 24, 24000: 32, 48000: 44}, 'noise': {16000: 24, 24000: 36, 48000: 56}}
STREAM_SECONDS = 480
# Longer noise is cut, so that its pieces spread over the folders.
PIECE_SECONDS = 20
SHORTEST_SECONDS = 0.15


def opus_rate(rate):
    return 48000 if rate >= 32000 else 24000 if rate > 16000 else 16000


def wanted_seconds(name, rows):
    weights = [float(row[3]) for row in rows if len(row) > 3]
    return SECONDS[name] * min(max([1.0, *weights]), LARGEST_SHARE)


def choose(corpus, name):
    """Clips (path, first sample, samples, rate, columns of the list) of each label, up to its seconds."""
    labels = collections.defaultdict(list)
    for line in (corpus / f'{name}.tsv').read_text().splitlines():
        columns = line.split('\t')
        labels[columns[1]].append(columns)
    clips = []
    for _, rows in sorted(labels.items()):
        random.shuffle(rows)
        seconds, wanted = 0.0, wanted_seconds(name, rows)
        for path, *columns in rows:
            if seconds >= wanted:
                break
            info = soundfile.info(str(corpus / path))
            rate, left = info.samplerate, int((wanted - seconds) * info.samplerate)
            samples = info.frames if info.frames < 30 * rate else min(info.frames, max(left, 20 * rate))
            if samples < SHORTEST_SECONDS * rate:
                continue
            first = random.randint(0, info.frames - samples)
            seconds += samples / rate
            pieces = max(1, samples // (PIECE_SECONDS * rate)) if 'noise' in name else 1
            size = samples // pieces
            clips += [(path, first + n * size, size, rate, columns) for n in range(pieces)]
    random.shuffle(clips)
    return clips


def streams(corpus, name):
    """Clips of one rate together, in streams of about STREAM_SECONDS."""
    open_streams = collections.defaultdict(lambda: (0.0, []))
    for clip in choose(corpus, name):
        rate = clip[3]
        seconds, clips = open_streams[rate]
        open_streams[rate] = (seconds + clip[2] / rate, clips + [clip])
        if open_streams[rate][0] >= STREAM_SECONDS:
            yield open_streams.pop(rate)[1]
    yield from (clips for _, clips in open_streams.values())


def encode(corpus, name, clips, out):
    rate = clips[0][3]
    target = opus_rate(rate)
    audio, table, position = [], [], 0
    for path, first, samples, _, columns in clips:
        sound, _ = soundfile.read(str(corpus / path), samples, first, dtype='float32', always_2d=True)
        sound = sound.mean(axis=1)
        audio.append(np.clip(sound * 32768, -32768, 32767).astype('<i2').tobytes())
        start, position = position, position + len(sound)
        table.append([round(start * target / rate), round(position * target / rate), columns])
    kbit_s = KBIT_S['noise' if 'noise' in name else 'speech'][target]
    raw = ['-f', 's16le', '-ar', str(rate), '-ac', '1', '-i', '-']
    # A compression level of 3 takes a sixth of the time of 10, and a tenth more bytes.
    opus = ['-ar', str(target), '-c:a', 'libopus', '-b:a', f'{kbit_s}k', '-application', 'audio',
            '-compression_level', '3', str(out)]
    subprocess.run(['ffmpeg', '-v', 'error', '-y', *raw, *opus], input=b''.join(audio), check=True)
    return {'list': name, 'rate': target, 'clips': table}


def pack(corpus, out, mib):
    random.seed(7)
    out.mkdir(parents=True)
    validation, training = [], []
    for name in SECONDS:
        (validation if name.startswith('valid') else training).extend((name, clips) for clips in streams(corpus, name))
    random.shuffle(training)
    jobs = list(enumerate(validation + training))
    with ThreadPoolExecutor() as threads:
        tables = list(threads.map(lambda job: encode(corpus, *job[1], out / f'{job[0]}.opus'), jobs))
    folder, used = 0, 0
    for number, table in enumerate(tables):
        stream = out / f'{number}.opus'
        size = stream.stat().st_size
        if used + size > mib * 2**20:
            folder, used = folder + 1, 0
        used += size
        (out / str(folder)).mkdir(exist_ok=True)
        stream.rename(out / str(folder) / stream.name)
        (out / str(folder) / f'{number}.json').write_text(json.dumps(table))
    print(f'{len(tables)} streams in {folder + 1} folders')


def cut(job):
    stream, destination = job
    table = json.loads(stream.with_suffix('.json').read_text())
    sound, rate = soundfile.read(str(stream), dtype='int16')
    assert rate == table['rate'], stream
    rows = []
    for start, end, columns in table['clips']:
        path = f'clips/{stream.stem}-{len(rows)}.wav'
        soundfile.write(str(destination / path), sound[start:end], rate)
        rows.append('\t'.join([path, *columns]) + '\n')
    return table['list'], rows


def unpack(out, destination):
    (destination / 'clips').mkdir(parents=True)
    lists = {name: [] for name in SECONDS}
    with Pool() as pool:
        jobs = [(stream, destination) for stream in sorted(out.glob('*/*.opus'))]
        for name, rows in pool.imap(cut, jobs):
            lists[name] += rows
    for name, rows in lists.items():
        (destination / f'{name}.tsv').write_text(''.join(rows))
        print(name, len(rows))


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('way', choices=['pack', 'unpack'])
    parser.add_argument('source', type=pathlib.Path)
    parser.add_argument('destination', type=pathlib.Path)
    parser.add_argument('--mib', type=float, default=55, help='of each folder')
    arguments = parser.parse_args()
    if arguments.way == 'pack':
        pack(arguments.source, arguments.destination, arguments.mib)
    else:
        unpack(arguments.source, arguments.destination)
