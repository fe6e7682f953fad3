//! Audio in and out of files: decoding, WAV, resampling, outputs that appear only when complete.

mod compressed;
pub mod decode;
pub mod files;
mod opus;
pub mod resample;
mod wav_chunks;
mod wav_header;
mod wav_read;
pub mod wav_write;

/// How a file stores one sample; what [`decode::Spec`] carries over from an input to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// Signed integer of 8, 16, 24 or 32 bits, full scale at 2^(bits − 1).
    /// (WAV stores 8-bit samples with an offset of 128.)
    Int { bits: u16 },
    /// IEEE 754 single precision, full scale at 1.0, may exceed it.
    Float32,
}
