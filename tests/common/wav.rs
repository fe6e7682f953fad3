//! Recordings to test with.

use std::fs;
use std::path::Path;

/// Writes a mono WAV file of 16 bits, and the folders it lies in.
pub fn write(path: &Path, samples: &[f32], rate_hz: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        let sample = (sample * 32768.0).round().clamp(-32768.0, 32767.0);
        writer.write_sample(sample as i16).unwrap();
    }
    writer.finalize().unwrap();
}
