//! Pictures as PNG: spectrograms and training curves.

pub mod curve;

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// The font of all pictures: it travels with the binary, because servers have none.
const FONT: &str = "sans-serif";

/// An empty white picture; drawing on it writes `path` when it is presented.
fn canvas(
    path: &Path,
    size: (u32, u32),
) -> Result<DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>> {
    static FONT_READY: OnceLock<bool> = OnceLock::new();
    let ready = FONT_READY
        .get_or_init(|| register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).is_ok());
    ready
        .then_some(())
        .context("the built-in font cannot be read")?;
    let area = BitMapBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)
        .map_err(|error| anyhow!("{}: {error}", path.display()))?;
    Ok(area)
}
