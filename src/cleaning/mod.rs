//! Recordings of any sample rate through the model, with every delay taken out.

pub mod channel;

use anyhow::Result;

use crate::model::Model;
pub use channel::ChannelCleaner;

/// Cleans one channel at `rate_hz`, full scale at 1.0. The result is as long as `noisy` and aligned
/// with it to the sample.
///
/// # Errors
/// A rate of zero.
pub fn clean(model: &Model, noisy: &[f32], rate_hz: u32) -> Result<Vec<f32>> {
    let mut cleaner = ChannelCleaner::new(model.file_stream(), rate_hz, 0.0)?;
    let mut clean = Vec::with_capacity(noisy.len());
    // A second at a time bounds the memory of the network's activations.
    for second in noisy.chunks(rate_hz as usize) {
        cleaner.process(second, &mut clean)?;
    }
    cleaner.finish(&mut clean)?;
    Ok(clean)
}
