//! Folders of recordings summed up, and what to do about them in plain words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::measure::Measured;
use crate::training::listing::Listed;

/// What the recordings are to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    Speech,
    Noise,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub folders: Vec<Summary>,
    /// Files with the same decoded audio: the later one, and the first.
    pub duplicates: Vec<(String, String)>,
    /// Files that cannot be decoded, and why.
    pub unreadable: Vec<(String, String)>,
    /// What concerns all folders together.
    pub advice: Vec<String>,
}

/// One folder, or one speaker or kind of a list.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub label: String,
    pub files: usize,
    pub hours: f64,
    pub rates_hz: Vec<u32>,
    /// Medians over the files, by their length.
    pub bandwidth_hz: f64,
    /// Share of what a file's rate could hold.
    pub band_used: f64,
    pub speech_dbfs: f64,
    pub speech_over_floor_db: f64,
    /// Shares: of the samples that are clipped, of the time that is digital silence, of the rest that is pauses.
    pub clipped: f64,
    pub digital_silence: f64,
    pub pauses: f64,
    /// Files that are digital silence from beginning to end.
    pub silent_files: usize,
    pub duplicates: usize,
    pub advice: Vec<String>,
}

impl Report {
    /// Sums up measurements or error messages of `files`.
    pub fn new(files: Vec<(Listed, Result<Measured, String>)>, purpose: Use) -> Self {
        let mut first_of: HashMap<(u64, u32), String> = HashMap::new();
        let (mut duplicates, mut unreadable) = (Vec::new(), Vec::new());
        let mut groups: BTreeMap<String, (Vec<Measured>, usize)> = BTreeMap::new();
        for (file, result) in files {
            let path = file.path.display().to_string();
            match result {
                Err(message) => unreadable.push((path, message)),
                Ok(measured) => {
                    let group = groups.entry(file.label).or_default();
                    let key = (measured.fingerprint, measured.rate_hz);
                    // All silences of one length are alike, and that is said elsewhere.
                    match first_of.get(&key) {
                        Some(first) if measured.has_sound() => {
                            duplicates.push((path, first.clone()));
                            group.1 += 1;
                        }
                        Some(_) => {}
                        None => {
                            first_of.insert(key, path);
                        }
                    }
                    group.0.push(measured);
                }
            }
        }
        let folders: Vec<Summary> = groups
            .into_iter()
            .map(|(label, (files, duplicates))| Summary::new(label, &files, duplicates, purpose))
            .collect();
        let advice = general_advice(&folders, purpose);
        Self {
            folders,
            duplicates,
            unreadable,
            advice,
        }
    }

    /// Whether any file has sound.
    pub fn is_usable(&self) -> bool {
        let mut folders = self.folders.iter();
        folders.any(|folder| folder.silent_files < folder.files)
    }
}

impl Summary {
    fn new(label: String, files: &[Measured], duplicates: usize, purpose: Use) -> Self {
        let seconds: f64 = files.iter().map(|file| file.seconds).sum();
        let mean = |value: fn(&Measured) -> f64| {
            files
                .iter()
                .map(|file| value(file) * file.seconds)
                .sum::<f64>()
                / seconds.max(1e-9)
        };
        let rates: BTreeSet<u32> = files.iter().map(|file| file.rate_hz).collect();
        let mut summary = Self {
            label,
            files: files.len(),
            hours: seconds / 3600.0,
            rates_hz: rates.into_iter().collect(),
            bandwidth_hz: median(files, |file| file.bandwidth_hz),
            band_used: median(files, |file| {
                file.bandwidth_hz * 2.0 / f64::from(file.rate_hz)
            }),
            speech_dbfs: median(files, |file| file.speech_dbfs),
            speech_over_floor_db: median(files, |file| file.speech_over_floor_db),
            clipped: mean(|file| file.clipped),
            digital_silence: mean(|file| file.digital_silence),
            pauses: mean(|file| file.pauses),
            silent_files: files.iter().filter(|file| !file.has_sound()).count(),
            duplicates,
            advice: Vec::new(),
        };
        summary.advice = summary.advise(purpose);
        summary
    }

    fn advise(&self, purpose: Use) -> Vec<String> {
        let mut advice = Vec::new();
        let percent = |share: f64| 100.0 * share;
        if self.silent_files > 0 {
            advice.push(format!(
                "files without any sound: {} of {}; remove them, and check the microphone or export",
                self.silent_files, self.files
            ));
        }
        if self.silent_files == self.files {
            return advice;
        }
        if self.clipped > 1e-4 {
            advice.push(format!(
                "{:.2} % of the samples are clipped: record again with less gain, or leave the worst files out",
                percent(self.clipped)
            ));
        }
        if self.band_used < 0.8 {
            let nyquist_hz = f64::from(self.rates_hz.last().copied().unwrap_or(0)) / 2.0;
            advice.push(format!(
                "the sound ends at {:.1} kHz, although {} Hz could hold {:.1} kHz: it was resampled, coded or \
                 filtered; {}",
                self.bandwidth_hz / 1000.0,
                2.0 * nyquist_hz,
                nyquist_hz / 1000.0,
                match purpose {
                    Use::Speech => format!(
                        "put {:.0} as bandwidth_hz into a list (see train --help), or the model learns to cut \
                         off what is above",
                        self.bandwidth_hz
                    ),
                    Use::Noise => "use it beside noise with the full band".to_owned(),
                }
            ));
        }
        let gated = self.digital_silence > 0.3;
        if gated {
            advice.push(format!(
                "{:.0} % is digital silence: a gate or an editor removed the background, so its noise cannot be \
                 judged",
                percent(self.digital_silence)
            ));
        }
        match purpose {
            Use::Speech => {
                // Without its pauses a recording shows no noise floor.
                let over_floor_db = match gated {
                    true => f64::INFINITY,
                    false => self.speech_over_floor_db,
                };
                if over_floor_db < 20.0 {
                    advice.push(format!(
                        "not clean: speech is only {:.0} dB above the noise; the model would learn to keep this \
                         noise. Use it as --noise or not at all",
                        over_floor_db
                    ));
                } else if over_floor_db < 35.0 {
                    advice.push(format!(
                        "some noise: speech is {:.0} dB above it, 40 would be good; give it a low weight in a \
                         list, or record in a quieter room",
                        over_floor_db
                    ));
                }
                if self.pauses > 0.6 {
                    advice.push(format!(
                        "{:.0} % is pauses: cut them, they teach nothing about speech",
                        percent(self.pauses)
                    ));
                }
            }
            Use::Noise if self.pauses > 0.6 => advice.push(format!(
                "{:.0} % is far below the rest: single sounds with pauses; cut the pauses",
                percent(self.pauses)
            )),
            Use::Noise => {}
        }
        if self.duplicates > 0 {
            advice.push(format!(
                "copies of other files: {}; they count twice, and may be trained and validated on at once",
                self.duplicates
            ));
        }
        advice
    }
}

fn general_advice(folders: &[Summary], purpose: Use) -> Vec<String> {
    let mut advice = Vec::new();
    let minutes = 60.0
        * folders
            .iter()
            .map(|folder| folder.hours)
            .fold(0.0, |all, hours| all + hours);
    let (enough, kind) = match purpose {
        Use::Speech => (10.0, "speech"),
        Use::Noise => (1.0, "noise"),
    };
    if minutes < enough {
        advice.push(format!(
            "{minutes:.1} minutes of {kind} in all: enough for adapt only from {enough:.0} minutes on, and train \
             needs hours"
        ));
    }
    if purpose == Use::Speech && folders.len() < 4 {
        advice.push(
            "fewer than four speakers (one folder each): the model will suit these voices and perhaps no others; \
             whole files are kept back for validation instead of a speaker"
                .to_owned(),
        );
    }
    advice
}

/// The value that files of half of the time stay below; files without sound do not count.
fn median(files: &[Measured], value: fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<(f64, f64)> = files
        .iter()
        .filter(|file| file.has_sound())
        .map(|file| (value(file), file.seconds))
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = 0.5 * values.iter().map(|(_, seconds)| seconds).sum::<f64>();
    let mut sum = 0.0;
    let reached = values.iter().find(|(_, seconds)| {
        sum += seconds;
        sum >= half
    });
    reached.map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(rate_hz: u32, bandwidth_hz: f64) -> Measured {
        Measured {
            rate_hz,
            seconds: 60.0,
            bandwidth_hz,
            clipped: 0.0,
            digital_silence: 0.0,
            pauses: 0.3,
            speech_dbfs: -25.0,
            speech_over_floor_db: 50.0,
            fingerprint: 0,
        }
    }

    #[test]
    fn a_band_is_judged_by_the_rate_of_its_own_file() {
        let says_so = |files: &[Measured]| {
            let summary = Summary::new("voices".into(), files, 0, Use::Speech);
            summary
                .advice
                .iter()
                .any(|advice| advice.contains("the sound ends"))
        };
        let telephone = || voice(16_000, 7_900.0);
        assert!(!says_so(&[
            telephone(),
            telephone(),
            voice(48_000, 7_900.0)
        ]));
        assert!(says_so(&[
            telephone(),
            voice(48_000, 7_900.0),
            voice(48_000, 8_000.0)
        ]));
    }
}
