//! What is known about each measure: its names, its unit and how to read it.

use serde::{Serialize, Serializer};

/// What can be measured, in the order of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    SiSdr,
    Stoi,
    Estoi,
    PesqWb,
    DnsmosOverall,
    DnsmosSpeech,
    DnsmosBackground,
    LogSpectralDistance,
    SegmentalSnr,
    ResidualNoise,
    RealTimeFactor,
}

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// What tables say about a metric.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Name in JSON and CSV, with the unit.
    pub key: &'static str,
    /// Head of a column.
    pub title: &'static str,
    /// Empty for a pure number.
    pub unit: &'static str,
    pub decimals: usize,
    pub better: Better,
    /// One sentence for readers of a report.
    pub meaning: &'static str,
}

impl Metric {
    pub const ALL: [Metric; 11] = [
        Metric::SiSdr,
        Metric::Stoi,
        Metric::Estoi,
        Metric::PesqWb,
        Metric::DnsmosOverall,
        Metric::DnsmosSpeech,
        Metric::DnsmosBackground,
        Metric::LogSpectralDistance,
        Metric::SegmentalSnr,
        Metric::ResidualNoise,
        Metric::RealTimeFactor,
    ];

    /// Name, unit and meaning.
    pub fn facts(self) -> Facts {
        use Better::{Higher, Lower};
        let (key, title, unit, decimals, better, meaning) = match self {
            Metric::SiSdr => (
                "si_sdr_db",
                "SI-SDR",
                "dB",
                2,
                Higher,
                "Scale-invariant signal-to-distortion ratio (Le Roux 2019) at the files' sample rate.",
            ),
            Metric::Stoi => (
                "stoi",
                "STOI",
                "",
                3,
                Higher,
                "Short-time objective intelligibility (Taal 2011): 1 is as intelligible as clean speech.",
            ),
            Metric::Estoi => (
                "estoi",
                "ESTOI",
                "",
                3,
                Higher,
                "Extended STOI (Jensen and Taal 2016), for noise that comes and goes.",
            ),
            Metric::PesqWb => (
                "pesq_wb",
                "PESQ-WB",
                "",
                2,
                Higher,
                "Perceived quality by ITU-T P.862.2 at 16 kHz, 1 to 4.6 (Python package pesq).",
            ),
            Metric::DnsmosOverall => (
                "dnsmos_ovrl",
                "DNSMOS OVRL",
                "",
                2,
                Higher,
                "Overall quality that listeners would give, 1 to 5, as a network predicts it without \
                 the clean recording (DNSMOS P.835, Python package speechmos); a clip under 9 s is \
                 repeated to one window.",
            ),
            Metric::DnsmosSpeech => (
                "dnsmos_sig",
                "DNSMOS SIG",
                "",
                2,
                Higher,
                "The same for the speech alone: how little it is distorted.",
            ),
            Metric::DnsmosBackground => (
                "dnsmos_bak",
                "DNSMOS BAK",
                "",
                2,
                Higher,
                "The same for the background alone: how little it disturbs.",
            ),
            Metric::LogSpectralDistance => (
                "lsd_db",
                "LSD",
                "dB",
                2,
                Lower,
                "Log-spectral distance: frames of 32 ms, level matched, floored 60 dB below the clean \
                 recording's mean frame peak.",
            ),
            Metric::SegmentalSnr => (
                "segmental_snr_db",
                "SegSNR",
                "dB",
                2,
                Higher,
                "Segmental signal-to-noise ratio: mean over frames of 30 ms, each limited to −10 to 35 dB.",
            ),
            Metric::ResidualNoise => (
                "residual_noise_dbfs",
                "Noise level",
                "dBFS",
                1,
                Lower,
                "Level in the pauses of the clean recording (50 dB below its loud frames), where it \
                 has at least 0.2 s of them.",
            ),
            Metric::RealTimeFactor => (
                "real_time_factor",
                "RTF",
                "",
                4,
                Lower,
                "Processor time of cleaning per second of audio, on one core.",
            ),
        };
        Facts {
            key,
            title,
            unit,
            decimals,
            better,
            meaning,
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.facts().key)
    }
}
