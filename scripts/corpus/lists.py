#!/usr/bin/env python3
"""Turn a built corpus into the lists that `denoised train` and the evaluation read.

    python3 lists.py CORPUS_DIR

Reads CORPUS_DIR/manifest.csv (the rows build.py really made) and writes beside it, with paths relative
to CORPUS_DIR, no header:

    speech.tsv         path, speaker, bandwidth_hz, weight     training voices
    noise.tsv          path, class, bandwidth_hz, weight       training noise, and some music as class `music`
    valid_speech.tsv   path, speaker, bandwidth_hz, weight     voices that training never hears
    valid_noise.tsv    path, class group                       noise packages that training never hears
    bench_noise.tsv    the same, and synth:KIND                for scripts/eval

Only `train` rows go into the first two, only `valid` rows into the others. What recordings.py fetched
(CORPUS_DIR/recordings) and the voices that tts.py synthesised (CORPUS_DIR/tts) join them.
"""
import collections, csv, os, sys

# A reference's own hiss becomes part of what the model learns to keep, so weight follows the grade
# (speech level over the noise floor: A >= 40 dB, B >= 30, C >= 20). Hissy voices stay in at a low weight:
# they are most of the full-band speech, and many voices carry over to strangers better than few clean ones.
GRADE_WEIGHT = {'A': 1.0, 'B': 0.7, 'C': 0.15}
# Labels are drawn by their weighted seconds to the power of 0.6, so a thousand people who read a minute each leave
# nothing to anyone else. Voices of games and lessons are few, but near their microphones, in words of their own:
# with these factors they are a third of what is drawn, and Common Voice is another.
SHARE_FACTOR = {'package': 9.0, 'gcompris': 4.0, 'cv': 0.5, 'other': 0.7}
# What rings, calls or shouts is harder to tell from a voice than rain: drawn more often.
HARD_NOISE = {'animal_nature', 'human_nonspeech', 'sfx_misc', 'crowd_babble', 'door',
              'esc10-001 - Dog bark', 'esc10-004 - Baby cry', 'esc10-006 - Person sneeze', 'esc10-009 - Rooster'}
HARD_KINDS = ('animals', 'babies', 'birds', 'crowd', 'dogs', 'people', 'places')  # what labels of recordings end in
HARD_NOISE_FACTOR = 2.4
MIN_SPEAKER_SNR_DB = 24
MIN_BANDWIDTH_HZ = 3000   # below: radio recordings with nothing to learn from
MIN_SECONDS = 0.25
MAX_DIGITAL_SILENCE = 0.3  # more: gated, so the noise under the words was never measured
MAX_MUSIC_MINUTES = 40
FULL_BAND_HZ = 24000       # what a line of noise says: nothing is known, nothing asks
NO_VOICES = {'0ad-global'}  # dogs

# Eight groups, so that 8 groups x 5 SNRs give a balanced set of 40 mixtures.
VALID_GROUPS = {
    'weather': ['wind', 'rain', 'water', 'thunder', 'fire'],
    'machines': ['machinery_tools', 'engine_vehicle'],
    'animals': ['animal_nature'],
    'people': ['crowd_babble', 'human_nonspeech', 'radio_tv'],
    'impacts': ['impact', 'footsteps', 'door', 'explosion_gun', 'click_ui', 'keyboard'],
    'misc': ['sfx_misc'],
    'synthetic': ['synth:white', 'synth:pink', 'synth:hum', 'synth:fan', 'synth:clicks'],
    'babble': ['synth:babble'],
}


def bandwidth_hz(row):
    return min(float(row['speaker_bw_hz']), int(row['sr']) / 2)


def usable_speech(row):
    return (row['speaker'] not in NO_VOICES
            and float(row['seconds']) >= MIN_SECONDS
            and float(row['dig_silence']) <= MAX_DIGITAL_SILENCE
            and float(row['speaker_snr_db']) >= MIN_SPEAKER_SNR_DB
            and bandwidth_hz(row) >= MIN_BANDWIDTH_HZ)


def usable_noise(row):
    return float(row['seconds']) >= MIN_SECONDS and float(row['active_s']) > 0


def pick_music(rows):
    """One piece of each package after another (so that no game dominates), up to MAX_MUSIC_MINUTES."""
    by_package = collections.defaultdict(list)
    for row in rows:
        by_package[row['package']].append(row)
    picked, minutes = [], 0.0
    for turn in range(max(map(len, by_package.values()), default=0)):
        for package in sorted(by_package):
            if turn < len(by_package[package]):
                row = by_package[package][turn]
                if minutes + float(row['seconds']) / 60 <= MAX_MUSIC_MINUTES:
                    picked.append(row)
                    minutes += float(row['seconds']) / 60
    return picked


def write(corpus, name, lines):
    path = os.path.join(corpus, name)
    with open(path + '.tmp', 'w', encoding='utf-8') as f:
        f.writelines('\t'.join(map(str, line)) + '\n' for line in lines)
    os.replace(path + '.tmp', path)


def speech_lines(rows):
    return [(r['path'], r['speaker'], round(bandwidth_hz(r)), GRADE_WEIGHT[r['grade']]) for r in rows]


def listed_in(corpus, folder, name):
    """What another script has listed in CORPUS_DIR/folder/name, if it ran."""
    path = os.path.join(corpus, folder, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as f:
        return [(f'{folder}/{first}', *rest) for first, *rest in (line.rstrip('\n').split('\t') for line in f)]


def shared(line, kind):
    """A line of speech with the weight that its kind of source has."""
    path, speaker, bandwidth, weight = line
    return path, speaker, bandwidth, round(float(weight) * SHARE_FACTOR[kind], 4)


def kind_of_fetched(speaker):
    return next((kind for kind in ('gcompris', 'cv') if speaker.startswith(f'{kind}-')), 'other')


def noise_line(path, category):
    hard = category in HARD_NOISE or category.endswith(HARD_KINDS)
    return path, category, FULL_BAND_HZ, HARD_NOISE_FACTOR if hard else 1


def summary(title, rows, key, key_name):
    table = collections.defaultdict(lambda: [0, 0.0, set()])
    for r in rows:
        for k in (key(r), 'total'):
            table[k][0] += 1
            table[k][1] += float(r['active_s']) / 60
            table[k][2].add(r['speaker'] or r['package'])
    print(f'\n{title}\n  {key_name:<18}{"files":>7}{"active min":>12}{"sources":>9}')
    for k in sorted(table, key=lambda k: (k == 'total', k)):
        print(f'  {k:<18}{table[k][0]:>7}{table[k][1]:>12.1f}{len(table[k][2]):>9}')


def band(row):
    hz = bandwidth_hz(row)
    return next(name for limit, name in ((6500, '1: < 6.5 kHz'), (10500, '2: 6.5-10.5 kHz'),
                                         (19500, '3: 10.5-19.5 kHz'), (1e9, '4: >= 19.5 kHz')) if hz < limit)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    corpus = sys.argv[1]
    manifest = os.path.join(corpus, 'manifest.csv')
    if not os.path.exists(manifest):
        sys.exit(f'{manifest} is missing: build the corpus first (python3 build.py {corpus})')
    with open(manifest, encoding='utf-8', newline='') as f:
        rows = list(csv.DictReader(f))

    def select(kind, split):
        return [r for r in rows if r['kind'] == kind and r['split'] == split]

    speech = [r for r in select('speech', 'train') if usable_speech(r)]
    noise = [r for r in select('noise', 'train') if usable_noise(r)]
    music = pick_music(select('music', 'train'))
    valid_speech = [r for r in select('speech', 'valid') if usable_speech(r)]
    valid_noise = [r for r in select('noise', 'valid') if usable_noise(r)]

    group_of = {c: g for g, classes in VALID_GROUPS.items() for c in classes}
    fetched, synthetic = listed_in(corpus, 'recordings', 'speech.tsv'), listed_in(corpus, 'tts', 'speech.tsv')
    write(corpus, 'speech.tsv', [shared(line, 'package') for line in speech_lines(speech)]
          + [shared(line, kind_of_fetched(line[1])) for line in fetched] + [shared(line, 'other') for line in synthetic])
    write(corpus, 'noise.tsv', [noise_line(*line) for line in
                                [(r['path'], r['category']) for r in noise] + [(r['path'], 'music') for r in music]
                                + listed_in(corpus, 'recordings', 'noise.tsv')])
    write(corpus, 'valid_speech.tsv', speech_lines(valid_speech))
    recorded = [(r['path'], group_of[r['category']]) for r in valid_noise]
    write(corpus, 'valid_noise.tsv', recorded)
    write(corpus, 'bench_noise.tsv', recorded + [(c, g) for c, g in group_of.items() if c.startswith('synth:')])

    summary('training speech by grade (weight A 1.0, B 0.7, C 0.15)', speech, lambda r: r['grade'], 'grade')
    summary('training speech by bandwidth', speech, band, 'bandwidth')
    print(f'\nfetched speech: {len(fetched)} files, synthetic speech: {len(synthetic)} files')
    summary('training noise', noise + music, lambda r: r['category'] or 'music', 'class')
    summary('validation speech', valid_speech, lambda r: r['speaker'], 'speaker')
    summary('validation noise', valid_noise, lambda r: group_of[r['category']], 'group')


if __name__ == '__main__':
    main()
