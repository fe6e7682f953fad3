#!/usr/bin/env python3
"""Fetch more recorded voices and noises, from public Git repositories, and list them for the trainer.

    CORPUS_DIR/.venv/bin/python recordings.py CORPUS_DIR

Needs git, numpy and soundfile. Writes CORPUS_DIR/recordings/SOURCE/... and CORPUS_DIR/recordings/{speech,noise}.tsv,
which lists.py appends to its own. A source that is there already is not fetched again.

Languages of reserved.txt and of the validation voices are left out, and so is `nb`, whose voice stands in for the
reserved `nn`; so are repositories whose recordings a reserved package ships (bucklespring). What names no speakers is
dealt into as many labels as keep it from outweighing the rest, and a noisy room among them is left out by itself.
Bandwidth and grade are measured here, per label, as the manifest has them.
"""
import collections, csv, os, re, subprocess, sys, zlib

import numpy as np
import soundfile as sf

from lists import GRADE_WEIGHT, MIN_BANDWIDTH_HZ, write

FRAME_S = 0.02
LEFT_OUT_LANGUAGES = {'da', 'de', 'el', 'it', 'ja', 'lt', 'nb', 'nn', 'pt_BR', 'uk', 'bg', 'ca', 'he', 'hu', 'sl'}
LEFT_OUT_OF_COMMON_VOICE = LEFT_OUT_LANGUAGES | {'pt', 'nn-NO'}  # its `pt` does not say from where
CROWD_LEAST_DB = 35
COMMON_VOICE_LEAST_DB = 40  # microphones at home hiss
LEAST_FILES = 5  # fewer do not tell what a voice's room is like
AUDIO = ('.ogg', '.wav', '.mp3', '.flac')


def gcompris(folder, files):
    """One voice per language and author; files that the LICENSE does not name are left out."""
    authors, here = {}, ''
    with open(os.path.join(folder, 'LICENSE'), encoding='utf-8', errors='replace') as f:
        for line in f:
            if section := re.match(r'\./(.+):\s*$', line):
                here = section[1]
            elif entry := re.match(r'(\S+\.ogg)\s+(\S.*)$', line.rstrip()):
                authors[f'{here}/{entry[1]}'] = re.sub(r'[^a-z]+', '-', entry[2].lower())[:16].strip('-')
    for path in files:
        language = path.split('/')[0]
        if path in authors and language not in LEFT_OUT_LANGUAGES and 'susan-rich' not in authors[path]:
            yield path, f'gcompris-{language}-{authors[path]}'


def mimic3(folder, files):
    """One voice per sample, but of data that may not be used freely."""
    for path in files:
        _, language, data, *_ = path.split('/')
        if language.split('_')[0] not in LEFT_OUT_LANGUAGES and data not in ('apope_low', 'kss_low', 'lanfrica_low'):
            yield path, 'mimic3-' + '-'.join(path.removesuffix('.wav').split('/')[1:]).lower()


def common_voice(folder, files):
    """One voice per client of Common Voice; only what others found right to hear (`validated.tsv`)."""
    clients = {}
    for root, _, names in os.walk(folder):
        if 'validated.tsv' in names:
            with open(os.path.join(root, 'validated.tsv'), encoding='utf-8', newline='') as f:
                for row in csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE):
                    clients[row['path']] = row['client_id']
    for path in files:
        name = os.path.basename(path)
        if name in clients and name.split('_')[2] not in LEFT_OUT_OF_COMMON_VOICE:
            yield path, f'cv-{clients[name][:12]}'


def storybook(folder, files):
    """One voice per reader, of the stories that the README of their language gives under CC-BY; the others are NC."""
    readers = {}
    for language in ('en', 'fr', 'lg', 'myx'):
        with open(os.path.join(folder, language, 'README.md'), encoding='utf-8') as f:
            for line in f:
                if row := re.match(r'\[?(\d{4})\b.*\| \[CC-BY\]\([^)]*/licenses/by/[^)]*\) \| (.+)', line.rstrip(' |\n')):
                    readers[language, row[1]] = row[2].lower().replace(' ', '-')
    for path in files:
        language, story, *_ = path.split('/')
        if reader := readers.get((language, story[:4])):
            yield path, f'storybook-{reader}'


def dealt(name, labels):
    return lambda folder, files: ((path, f'{name}-{zlib.crc32(path.encode()) % labels}') for path in files)


def by_folder(name, depth):
    return lambda folder, files: ((path, f'{name}-{path.split("/")[depth]}') for path in files)


def by_prefix(name, end='_'):
    return lambda folder, files: ((path, f'{name}-{os.path.basename(path).split(end)[0]}') for path in files)


def rows(name):
    with open(os.path.join(os.path.dirname(__file__), name), encoding='utf-8', newline='') as f:
        yield from csv.reader(f, delimiter='\t', quoting=csv.QUOTE_NONE)


def chosen():
    """Sources of games, aircraft, programs and data sets, of which a list names the recordings: those whose licences
    allow it, without voices, alarms and beeps."""
    labels = collections.defaultdict(dict)
    for source, label, path in rows('chosen_noise.tsv'):
        labels[source][path] = f'{source}-{label}'
    for source, repository, commit, _ in rows('chosen_sources.tsv'):
        def label(folder, files, labels=labels[source]):
            return ((path, labels[path]) for path in files if path in labels)
        yield source, repository, commit, sorted(labels[source]), label


# Name, repository, commit, paths in it, (path, label) of its files, licence.
VOICES = [
    ('gcompris', 'gcompris/GCompris-voices', 'c0e8a743b7b4633af06b8dc15bc2b397e456dd6f', ['.'],
     gcompris),                                                    # GPL-3 and CC-BY-SA, see its LICENSE
    ('intent', 'Picovoice/speech-to-intent-benchmark', '47b1ca63afe4f08cb83e1f70fec16764879bd130', ['data/speech/clean'],
     dealt('intent', 48)),                                         # Apache-2.0
    ('wake', 'Picovoice/wake-word-benchmark', '84919190fb1891bf0936dcb577d9268e467f876f', ['audio'],
     dealt('wake', 8)),                                           # Apache-2.0
    ('precise', 'MycroftAI/Precise-Community-Data', '4854e39b7f8c0e14d387d4e135aa10486f5158bf', ['.'],
     by_folder('precise', 0)),                                     # public domain
    ('cmn', 'hugolpz/audio-cmn', 'ff9ed3d0c631195bd2c06f39450f3264c7124040', ['64k/hsk', '64k/syllabs'],
     by_folder('cmn', 1)),                                         # CC-BY-SA: Yue Tan, Chen Wang
    ('richard', 'racitup/freeswitch-sounds-en-gb-richard', '0c0881fa74b5ae0c6f900003e2a120a94f14e432', ['48000'],
     by_folder('richard', 1)),                                     # GPL-3
    ('sdap', 'neonbjb/tortoise-tts', '3c942ef440fe67f052efb71ace3ef8a5b4d6142f',
     [f'tortoise/voices/sdap_{name}' for name in
      ('alex_brodie', 'ian_lampert', 'karen_cenon', 'meghan_christian', 'sean_lenhart')],
     by_folder('sdap', 2)),                                        # CC-BY-4.0: Dillon Becker
    ('speechocean', 'jimbozhang/speechocean762', '613968e3b0b789fc33936fb5eba1973176ba7d11', ['WAVE'],
     by_folder('speechocean', 1)),                                 # free, commercial use too: Zhang et al., 2021
    ('arabic', 'abdulkaderghandoura/arabic-speech-commands-dataset', '72f3438212ff6cf8fbe5ae8068361840646429bd',
     ['dataset'], by_prefix('arabic')),                            # CC-BY-4.0: Ghandoura et al., 2021
    ('libri', 'resemble-ai/Resemblyzer', '15d828edebe06bc72b9cabc8ef8ca5ab2cb457ce',
     [f'audio_data/librispeech_{part}' for part in ('train-clean-100', 'test-other')],
     by_prefix('libri', '-')),                                     # CC-BY-4.0: Panayotov et al., 2015
    ('mimic3', 'MycroftAI/mimic3-voices', 'b239a9084e21fbaa7ac78ea6e31f5de1c31c8f42', ['samples'],
     mimic3),                                                      # CC-BY-SA-4.0, synthetic, see `voices` there
    ('kathleen', 'rhasspy/dataset-voice-kathleen', 'c51cb971036a127359b43c621f26ca5081eab13e', ['data'],
     dealt('kathleen', 1)),                                        # CC0
    ('nathalie', 'rhasspy/dataset-voice-nathalie', '3b3e91f39d13e2e681d8937575efb9bd3b3d8f5c', ['verified'],
     dealt('nathalie', 1)),                                        # CC0
    # Mozilla Common Voice, CC0: samples of the whole in 50 languages, Mandarin, English, Persian, Twi.
    ('cv6', 'omnilingo/rsample-100-cv-corpus-6.1-2020-12-11', '6785f863fec9770151abfe50a5e3e3787fd20ba2', ['.'], common_voice),
    ('cv6-zh', 'leeqingming-BOL/mychinesemultipa', 'eef2d99b9e0b7dfd75265dfa3e0646ba94b99667', ['zh-CN'], common_voice),
    ('cv13', 'korliu/whisper', 'd03c14561ed7e5e354d76259a7606df7b6e68b0c', ['dataset'], common_voice),
    ('cv17', 'shubhra-cv/17', 'c6eb4f89ac49c509366afc829ba503cc93aad8a2', ['.'], common_voice),
    ('cv18', 'shubhra-cv/18', '4ca775acc03a0f21aed07c3d2570fcb3e39fabab', ['.'], common_voice),
    ('cv19', 'shubhra-cv/19', '497ac20ecec581d1bbb9c700b99ad2750db7aa67', ['.'], common_voice),
    ('cv-fa', 'yasaman999/SR', '6960630ef4ec88e79fdaa5e512f0248988615799', ['.'], common_voice),
    ('cv-tw', 'pryyyynz/audio-for-Twi-TTS', 'e23b901cb6b91529134c2c3bfc9d6248855a1ff9', ['.'], common_voice),
    ('fudan', 'zhongyuchen/DSPSpeech-20', '8165959c2567190524898e8187021c8ffb19b262', ['speech_data'],
     by_folder('fudan', 1)),                                       # MIT
    ('storybook', 'global-asp/asp-audio', 'b2252fad7a657f2707901e7390ae0ae33e017968', ['*/ogg/*.ogg', '*/README.md'],
     storybook),                                                   # CC-BY: African Storybook, its README.md
    ('joanne', 'pinkywafer/TX_soundpack-Joanne', '018e2b33679ca4c82e19132423ee69088cdcc0c6', ['en'],
     dealt('joanne', 1)),                                          # BSD-like, name and link: Jenny Gorton, 2017
    ('flemishguy', 'rhasspy/dataset-voice-flemishguy', '2576e9c8e5b6eec92e45010b5ede87c4f836f21e', ['wavs'],
     dealt('flemishguy', 1)),                                      # CC0
    ('kde', 'Esperanto/Kurso-de-Esperanto-Webapp', '1756a8663c598f1d9d2592cb53bb2bc2cf3d0b6d',
     ['app/sounds/*.ogg'],
     lambda folder, files: ((path, 'kde-' + re.search(r'lec\d+|\d*(?=\.ogg)', path)[0]) for path in files)),  # GPL-3
    ('artikulate', 'KDE/artikulate-data', '1d05cca3d3d2d5f1d0c6886e22ae9195f7ec4579',
     ['courses/basic/ba'], dealt('artikulate', 1)),                # CC-BY-SA-3.0: Oindrila Gupta, its AUTHORS
    ('abecedarium', 'llaske/Abecedarium.activity', '7c100c59fde7646c5198d95aeeee7e336b6353bc',
     ['audio/en/database/*.ogg', 'audio/fr/database/*.ogg'],
     by_folder('abecedarium', 1)),                                 # Apache-2.0; voices of Art4Apps, CC-BY-SA-3.0
    ('phoenicia', 'XPRIZE/GLEXP-Team-The-Linguaculturalists', '1546af2366c0e39d7112ccdaa7e7b415997a6a4d',
     ['app/src/full/assets/locales/*.ogg'],
     lambda folder, files: ((path, f'phoenicia-{path.split("/")[5]}') for path in files
                            if 'phoneme' not in path and 'background' not in path)),  # GPL-3
    ('robotutor', 'XPRIZE/GLEXP-Team-RoboTutor-SwahiliAssets', '0d06f98012b812656c2337a3ea784ddbb0031078',
     ['Swahili_TutorAudio/assets/audio/sw/cmu/xprize/sentence'],
     lambda folder, files: ((path, 'robotutor-sw') for path in files
                            if sf.info(os.path.join(folder, path)).samplerate == 44100)),  # CC-BY-4.0; the rest is to 6 kHz
    ('curious', 'curiouslearning/assessment-survey-js', '3733af5076f812b3a29dc1676b01445a0adf85c8',
     [f'public/assets/audio/{name}' for name in
      ('bangla-lettersounds', 'bangla-sightwords', 'hausa-lettersounds', 'hausa-sightwords', 'hindi-lettersounds',
       'luganda-lettersounds', 'nepalese-lettersounds', 'pashto-lettersounds', 'survey-zulu', 'urdu-lettersounds',
       'urdu-sightwords', 'west-african-english-lettersounds', 'west-african-sightwords', 'zulu-lettersounds')],
     lambda folder, files: ((path, f'curious-{path.split("/")[3].removeprefix("survey-").split("-")[0]}') for path in files
                            if path != 'public/assets/audio/pashto-lettersounds/\u0639.mp3')),  # MIT; that one is broken
    ('tinkr', 'curiouslearning/TinkrTeam', 'd5388c870020ad5d35c6b89462b1fbfe6f66f733',
     ['TinkrShelf/Assets/Books/*/Audio/Stanza/*.mp3'], dealt('tinkr', 1)),  # MIT
    ('firsttinkr', 'curiouslearning/TinkrTeam_FirstTinkrBook', '1cd6c538209ddaefe2144b14e175424ac7892fa7',
     ['Assets/Resources/Audio/VO/*.mp3'],
     lambda folder, files: ((path, 'firsttinkr-' + ('stanzas' if '/Stanzas/' in path else 'words')) for path in files
                            if '/prompts/' not in path)),          # MIT
    ('ftmru', 'Ash2022/FeedTheMonster-LearnRussian', 'a7a04bcde9666f9e23a2cb16521aa2618927beb7',
     ['Assets/Resources/Sounds/Voice/*.mp3'], dealt('ftmru', 1)),  # BSD-2
    ('elimu', 'elimu-ai/storybooks', '035237fb12c68b05ffb442f50ec36c3c757b922d', ['app/src/main/res/raw'],
     dealt('elimu', 1)),                                           # MIT
    ('childsplay', 'Txikilinux/childsplay', '478c36f143636bde82de0a9d71e0885e68f5a49d',
     [f'alphabet-sounds/alphabet-sounds_{language}' for language in ('en_GB', 'es', 'fr', 'gl', 'hr', 'nl', 'ru', 'sk', 'sv')],
     by_folder('childsplay', 3)),                                  # GPL-3
    ('dungeonvoice', 'OpenDungeons/OpenDungeons', 'c83d4496b361f522a094cc8218199b2da1d4264c', ['sounds/Relative/*/Keeper/*'],
     dealt('dungeonvoice', 1)),                                    # CC-BY-SA-3.0: Eugene Loza, its CREDITS
    ('hvvoice', 'OpenHV/OpenHV', 'd507035349b05a774baedbdebd2e60abb6c57895',
     [f'mods/hv/bits/audio/{unit}' for unit in
      ('raxi88/radartank', *(f'dzierzan/{name}' for name in
       ('assaulttank', 'broker', 'builder', 'flamer', 'miner', 'shocker', 'stealthtank', 'technician')))],
     by_folder('hvvoice', 5)),                                     # CC-BY-3.0: Dzierzan, raxi88
    ('warforkvoice', 'TeamForbiddenLLC/warfork-free-soundpacks', '8005f47869cbac20608f1d606621e4b8fcdec574',
     ['cc0/sounds/vsay', 'cc0/sounds/announcer'],
     by_folder('warforkvoice', 2)),                                # CC0, its README.md
]
COMMON_VOICE = {name for name, _, _, _, label in VOICES if label is common_voice}
CROWDS = {'intent', 'wake', 'precise', 'libri', 'mimic3'} | COMMON_VOICE  # every file has a room of its own
NOISES = [
    ('moodist', 'remvze/moodist', '983f7412e8cd054e76d156977c563da2028e4428',
     [f'public/sounds/{kind}' for kind in ('animals', 'nature', 'places', 'rain', 'things', 'transport', 'urban')],
     by_folder('moodist', 2)),                                     # Pixabay licence and CC0
    ('mechvibes', 'hainguyents13/mechvibes', '96920948c9aec41ab7c49cdff30fc90ce4ab9946', ['src/audio'],
     lambda folder, files: ((path, 'keyboard') for path in files)),  # MIT
    ('blanket', 'rafaelmardojai/blanket', '8b1c27aedde1d6ad8053ce5ad351a2924bcdb766', ['data/resources/sounds'],
     lambda folder, files: ((path, 'blanket') for path in files)),  # CC0, CC-BY, CC-BY-SA, public domain
    ('esc10', 'karoldvl/ESC-10', '553c8f1743b9dba6b282e1323c3ca8fa76923448', ['.'],
     by_folder('esc10', 0)),                                       # CC-BY: Piczak, 2015
    ('ambientsounds', 'Muges/ambientsounds', '7ef9aefeeed93c37bca3cdb246a982dd1afce2f0', ['.'],
     lambda folder, files: ((path, 'ambientsounds') for path in files)),  # CC0, CC-BY
    ('keystrokes', 'RoyalDonkey/put-kbd-thesis-datasets', 'da89fc05f7e1ffac60a791089b41e6c730091593', ['.'],
     by_folder('keystrokes', 0)),                                  # GPL-3
    ('dronedet', 'DroneDetectionThesis/Drone-detection-dataset', '442d0c6750708cc221636f7a1fd31cbd8cb0aeb8', ['Data/Audio'],
     by_prefix('dronedet')),                                       # CC0: Svanström, 2020
    ('donateacry', 'gveres/donateacry-corpus', '6baf5aca0460964ad072653585837f968a87c2af',
     ['donateacry_corpus_cleaned_and_updated_data'], by_folder('donateacry', 1)),  # ODbL: babies' cries, by telephone
]

NOISES += chosen()


def fetch(repository, commit, paths, folder):
    # Names of recordings hold brackets, which git would take for patterns.
    literal = [] if any('*' in path for path in paths) else ['--literal-pathspecs']
    git = ['git', *literal, '-C', folder + '.tmp']
    os.makedirs(folder + '.tmp', exist_ok=True)
    for command in (['init', '-q'], ['fetch', '-q', '--depth', '1', f'https://github.com/{repository}', commit],
                    ['checkout', '-q', 'FETCH_HEAD', '--', *paths]):
        subprocess.run(git + command, check=True)
    os.rename(folder + '.tmp', folder)


def audio_files(folder):
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = os.path.join(root, name)
            if name.lower().endswith(AUDIO) and not os.path.islink(path):
                yield os.path.relpath(path, folder)


def frames(path):
    """Levels of frames in dB and the mean power spectrum of the loud ones, `[24000 / 50]` bins of 50 Hz."""
    try:
        audio, rate = sf.read(path, dtype='float32', always_2d=True)
    except sf.LibsndfileError as error:
        print(f'left out: {path}: {error}', flush=True)
        return np.zeros(0), np.zeros(480), 0.0
    size = int(rate * FRAME_S)
    count = len(audio) // size
    if count < 5:
        return np.zeros(0), np.zeros(480), 0.0
    cut = audio[:count * size, 0].reshape(count, size)
    levels = 10 * np.log10((cut ** 2).mean(1) + 1e-10)
    loud = cut[levels > levels.max() - 25] * np.hanning(size)
    power = np.zeros(480)
    spectrum = (abs(np.fft.rfft(loud, axis=1)) ** 2).sum(0)[:480]
    power[:len(spectrum)] = spectrum
    return levels, power / spectrum.sum() if spectrum.sum() else power, rate / 2


def over_floor_db(levels):
    """Speech over the noise floor. Digital silence tells nothing of the room."""
    levels = levels[levels > -95]
    if not len(levels):
        return 0.0
    active = levels[levels > np.percentile(levels, 95) - 25]
    return 10 * np.log10((10 ** (active / 10)).mean()) - np.percentile(levels, 5)


def measure(found):
    """Speech over noise floor in dB and bandwidth in Hz of one label's `frames`."""
    levels, power, nyquist_hz = zip(*found)
    snr_db, power = over_floor_db(np.concatenate(levels)), sum(power)
    smooth_db = 10 * np.log10(np.convolve(power, np.ones(5) / 5, 'same') + 1e-20)
    band = np.nonzero(smooth_db > max(smooth_db.max() - 60, smooth_db[smooth_db > -190].min() + 6))[0]
    return snr_db, min(50 * (band[-1] + 1), np.median(nyquist_hz))


def grade(snr_db):
    return next((name for name, least_db in (('A', 40), ('B', 30), ('C', 24)) if snr_db >= least_db), None)


def fetched(out, sources):
    """Each source's name, folder and (path, label) pairs."""
    for name, repository, commit, paths, label in sources:
        folder = os.path.join(out, name)
        if not os.path.exists(folder):
            fetch(repository, commit, paths, folder)
        yield name, folder, list(label(folder, list(audio_files(folder))))


def voice_lines(name, folder, labelled):
    voices = collections.defaultdict(list)
    for path, voice in labelled:
        voices[voice].append(path)
    for voice, files in sorted(voices.items()):
        found = {path: frames(os.path.join(folder, path)) for path in files}
        if name in CROWDS:
            least_db = COMMON_VOICE_LEAST_DB if name in COMMON_VOICE else CROWD_LEAST_DB
            found = {path: f for path, f in found.items() if over_floor_db(f[0]) >= least_db}
        if len(found) < (1 if name in CROWDS else LEAST_FILES):
            continue
        snr_db, bandwidth_hz = measure(found.values())
        verdict = grade(snr_db) if bandwidth_hz >= MIN_BANDWIDTH_HZ else None
        print(f'{voice:<40}{len(found):>6} files{snr_db:>6.0f} dB{bandwidth_hz:>8.0f} Hz  {verdict or "left out"}', flush=True)
        if verdict:
            yield from ((f'{name}/{path}', voice, round(bandwidth_hz), GRADE_WEIGHT[verdict]) for path in found)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = os.path.join(sys.argv[1], 'recordings')
    os.makedirs(out, exist_ok=True)
    write(out, 'speech.tsv', [line for source in fetched(out, VOICES) for line in voice_lines(*source)])
    write(out, 'noise.tsv', [(f'{name}/{path}', kind) for name, _, labelled in fetched(out, NOISES) for path, kind in labelled])


if __name__ == '__main__':
    main()
