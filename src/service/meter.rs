//! Two lines on a terminal that follow the sound: level and state in, level and effect out.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::status::Status;
use crate::terminal;

/// Quietest level that shows, in dBFS.
const FLOOR_DBFS: f32 = -60.0;
const WIDTH: usize = 30;

/// The meter; it disappears when dropped.
pub struct Meter {
    lines: [ProgressBar; 2],
}

impl Meter {
    /// A meter among the terminal's other moving lines, so that log messages scroll above it.
    pub fn new(terminal: &MultiProgress) -> Meter {
        let line = || {
            let style = ProgressStyle::with_template("{msg}").expect("the template is valid");
            terminal.add(ProgressBar::new_spinner().with_style(style))
        };
        Meter {
            lines: [line(), line()],
        }
    }

    /// Shows the state, while the terminal is open.
    pub fn show(&self, status: &Status) {
        if !terminal::is_there() {
            return;
        }
        for (line, text) in self.lines.iter().zip(lines(status)) {
            line.set_message(text);
            line.tick();
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.lines.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn lines(status: &Status) -> [String; 2] {
    let now = &status.pipeline;
    let idle = if now.idle { ", idle" } else { "" };
    [
        format!(
            "in  {} {}  {}, {}{idle}",
            bar(now.input_dbfs),
            level(now.input_dbfs),
            now.state,
            now.mode
        ),
        format!(
            "out {} {}  {:.0} dB quieter, {:.0} ms",
            bar(now.output_dbfs),
            level(now.output_dbfs),
            now.reduction_db,
            now.latency_ms
        ),
    ]
}

fn bar(dbfs: f32) -> String {
    let share = ((dbfs - FLOOR_DBFS) / -FLOOR_DBFS).clamp(0.0, 1.0);
    let filled = (share * WIDTH as f32).round() as usize;
    format!("{}{}", "█".repeat(filled), "·".repeat(WIDTH - filled))
}

fn level(dbfs: f32) -> String {
    if dbfs.is_finite() {
        format!("{dbfs:6.1} dBFS")
    } else {
        format!("{:>11}", "silence")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_the_level_and_keeps_its_width() {
        let filled = |dbfs| bar(dbfs).matches('█').count();
        assert_eq!(filled(f32::NEG_INFINITY), 0);
        assert_eq!(filled(-30.0), WIDTH / 2);
        assert_eq!(filled(6.0), WIDTH);
        for dbfs in [f32::NEG_INFINITY, -33.3, 0.0] {
            assert_eq!(bar(dbfs).chars().count(), WIDTH);
            assert_eq!(level(dbfs).chars().count(), 11);
        }
    }
}
