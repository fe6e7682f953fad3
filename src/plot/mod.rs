//! Pictures as PNG: spectrograms and training curves.

pub mod curve;
pub mod spectrogram;

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::pending_file::PendingFile;

/// The font of all pictures: it travels with the binary, because servers have none.
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on a white picture and stores it as the PNG `path`, complete or not at all; an existing
/// one is replaced.
fn save(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    static FONT_READY: OnceLock<bool> = OnceLock::new();
    let ready = *FONT_READY
        .get_or_init(|| register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).is_ok());
    ensure!(ready, "the built-in font cannot be read");
    let pending = PendingFile::new(path)?;
    let paint = || -> Result<()> {
        let area = BitMapBackend::new(pending.path(), size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
        Ok(())
    };
    paint().with_context(|| format!("{}: cannot draw", path.display()))?;
    pending.commit(true)
}
