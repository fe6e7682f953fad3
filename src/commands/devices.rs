//! `denoised devices`: what `--input` and `--output` can name.

use std::process::ExitCode;

use anyhow::Result;

use crate::devices::CpalBackend;
use crate::pipeline::{Backend, DeviceInfo, Direction};

/// List microphones and speakers.
///
/// The default ones are marked with *. Both ids and unambiguous parts of names choose a device.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let devices = CpalBackend::new().devices()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&devices)?);
    } else {
        print!("{}", table(&devices));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(devices: &[DeviceInfo]) -> String {
    let mut text = String::new();
    for (direction, title) in [(Direction::Input, "Inputs"), (Direction::Output, "Outputs")] {
        text += &format!("{title}\n");
        let rows: Vec<[String; 4]> = devices
            .iter()
            .filter(|device| device.direction == direction)
            .map(|device| {
                let mark = if device.is_default { "*" } else { " " };
                [
                    format!("{mark} {}", device.id),
                    device.name.clone(),
                    rates(&device.rates_hz),
                    format!("{} ch", device.channels),
                ]
            })
            .collect();
        if rows.is_empty() {
            text += "  none\n";
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
        let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
        for row in &rows {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            text += &format!("{}\n", cells.join("  ").trim_end());
        }
    }
    text
}

fn rates(hz: &[u32]) -> String {
    match hz {
        [] => "? Hz".into(),
        [one] => format!("{one} Hz"),
        [first, .., last] => format!("{first}-{last} Hz"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_and_marks_defaults() {
        let device = |id: &str, name: &str, is_default, rates_hz| DeviceInfo {
            id: id.into(),
            name: name.into(),
            host: "pulseaudio".into(),
            direction: Direction::Input,
            is_default,
            rates_hz,
            channels: 2,
        };
        let devices = [
            device("pulseaudio:usb", "Yeti", true, vec![48_000]),
            device(
                "alsa:default",
                "Default device",
                false,
                vec![8_000, 44_100, 192_000],
            ),
        ];
        assert_eq!(
            table(&devices),
            "Inputs\n\
             * pulseaudio:usb  Yeti            48000 Hz        2 ch\n  \
               alsa:default    Default device  8000-192000 Hz  2 ch\n\
             Outputs\n  none\n"
        );
    }
}
