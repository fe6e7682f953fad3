//! Audio in and out of files: decoding, WAV, resampling, outputs that appear only when complete.
