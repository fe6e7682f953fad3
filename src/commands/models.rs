//! `denoised models`: which weights are installed.

use std::process::ExitCode;

use anyhow::Result;

use crate::model::card::Card;
use crate::model::config::ModelConfig;
use crate::model::locate;

/// List the installed models with their cards.
///
/// Installed are the weights in the folder `models` beside the program, in `share/denoised` of its
/// installation, and in the source tree that it was built from.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Runs the command; the exit code is 1 if a file there cannot be used.
pub fn run(args: Args) -> Result<ExitCode> {
    let (mut cards, mut failed) = (Vec::new(), false);
    for path in locate::installed()? {
        match Card::read(&path) {
            Ok(card) => cards.push(card),
            Err(error) => {
                failed = true;
                eprintln!("denoised: {error:#}");
            }
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&cards)?);
    } else {
        let texts: Vec<String> = cards.iter().map(text).collect();
        print!("{}", texts.join("\n"));
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// A card in a few lines.
pub(super) fn text(card: &Card) -> String {
    let Card {
        name,
        architecture,
        training,
        ..
    } = card;
    format!(
        "{name}\n\
         \x20 file          {path} ({megabytes:.1} MB)\n\
         \x20 parameters    {millions:.2} M\n\
         \x20 architecture  {network}\n\
         \x20 latent        {latent} values per frame of {frame_ms} ms\n\
         \x20 latency       {latency_ms} ms algorithmic, at {khz} kHz\n\
         \x20 training      {updates} updates on {hours:.1} h of audio, validation loss {loss:.4}, \
         SI-SDR {si_sdr_db:.1} dB, by denoised {version}\n",
        path = card.path.display(),
        megabytes = card.bytes as f64 / 1e6,
        millions = card.parameters as f64 / 1e6,
        network = network(architecture),
        latent = card.latent,
        frame_ms = card.frame_ms,
        latency_ms = card.algorithmic_latency_ms,
        khz = f64::from(architecture.sample_rate_hz) / 1e3,
        updates = training.updates,
        hours = training.audio_hours,
        loss = training.validation_loss,
        si_sdr_db = training.validation_si_sdr_db,
        version = training.program_version,
    )
}

fn network(config: &ModelConfig) -> String {
    let dilations = config.context_dilations.iter().map(i64::to_string);
    format!(
        "{} channels, {} bands, {} patterns along them, a scene of {} × {}, deep filter of {} taps on {} bins, \
         context dilations {}, {} recurrences",
        config.channels,
        config.bands,
        config.pattern_channels,
        config.scene_channels,
        config.bands / config.scene_span_bands,
        config.filter_taps,
        config.filter_bins,
        dilations.collect::<Vec<_>>().join(" "),
        config.recurrences
    )
}
