//! Spectrograms, one above the other: a recording before and after cleaning.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, FONT, save};
use crate::dsp::spectrogram::Spectrogram;

const WIDTH: u32 = 1200;
const PANEL_HEIGHT: u32 = 360;
const TITLE_HEIGHT: u32 = 36;
const SCALE_WIDTH: u32 = 90;
const RANGE_DB: f64 = 80.0;
const MAX_HZ: f64 = 24_000.0;

/// Draws named spectrograms with a common colour scale over the 80 dB below the loudest point,
/// from 0 Hz to half the sample rate, at most 24 kHz.
///
/// # Errors
/// A path that cannot be written.
pub fn spectrograms(path: &Path, title: &str, panels: &[(&str, &Spectrogram)]) -> Result<()> {
    let top_db = top_db(panels.iter().map(|(_, panel)| *panel));
    let height = TITLE_HEIGHT + PANEL_HEIGHT * panels.len() as u32;
    save(path, (WIDTH, height), |area| {
        let area = area.titled(title, (FONT, 22))?;
        let (pictures, scale) = area.split_horizontally(WIDTH - SCALE_WIDTH);
        for (part, (name, panel)) in pictures.split_evenly((panels.len(), 1)).iter().zip(panels) {
            draw_panel(part, name, panel, top_db)?;
        }
        draw_scale(&scale, top_db)
    })
}

/// A spectrogram alone, without axes, as a PNG of this size in pixels: from 0 Hz at the bottom to
/// [`max_hz`], in the colours of the 80 dB below `top_db`.
///
/// # Errors
/// A size of zero.
pub fn picture(panel: &Spectrogram, size: (u32, u32), top_db: f64) -> Result<Vec<u8>> {
    const COLORS: u16 = 256;
    let palette = (0..COLORS).flat_map(|index| color(f64::from(index) / f64::from(COLORS - 1)));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette.collect::<Vec<u8>>());
    let pixels: Vec<u8> = shades(panel, size, top_db)
        .map(|shade| (shade.clamp(0.0, 1.0) * f64::from(COLORS - 1)).round() as u8)
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The highest frequency that is drawn: half the sample rate, at most 24 kHz.
pub fn max_hz(panel: &Spectrogram) -> f64 {
    (f64::from(panel.rate_hz) / 2.0).min(MAX_HZ)
}

/// The loudest point of all, rounded up to 10 dB: where a common colour scale ends.
pub fn top_db<'a>(panels: impl Iterator<Item = &'a Spectrogram>) -> f64 {
    let powers = panels.flat_map(|panel| panel.columns.iter().flatten());
    let loudest = powers.copied().fold(1e-12f32, f32::max);
    (10.0 * f64::from(loudest).log10() / 10.0).ceil() * 10.0
}

/// The brightness of each pixel, row by row from the top: 1 at `top_db`, 0 at 80 dB below.
fn shades(
    panel: &Spectrogram,
    (width, height): (u32, u32),
    top_db: f64,
) -> impl Iterator<Item = f64> {
    let highest = max_hz(panel) / (f64::from(panel.rate_hz) / 2.0);
    let shade = move |x: u32, y: u32| {
        let column = panel
            .columns
            .get(x as usize * panel.columns.len() / width as usize)?;
        let share = highest * (1.0 - (f64::from(y) + 0.5) / f64::from(height));
        let power = column[(share * (column.len() - 1) as f64).round() as usize];
        let db = 10.0 * f64::from(power.max(1e-20)).log10();
        Some((db - top_db) / RANGE_DB + 1.0)
    };
    // A recording shorter than a frame has no column.
    let pixels = (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)));
    pixels.map(move |(x, y)| shade(x, y).unwrap_or(0.0))
}

fn draw_panel(area: &Area, name: &str, panel: &Spectrogram, top_db: f64) -> Result<()> {
    let max_hz = max_hz(panel);
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .caption(name, (FONT, 18))
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..panel.seconds.max(1e-3), 0.0..max_hz / 1000.0)?;
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let pixels = shades(panel, (width, height), top_db)
        .flat_map(color)
        .collect();
    let corner = (0.0, max_hz / 1000.0);
    let picture: Option<BitMapElement<_>> =
        BitMapElement::with_owned_buffer(corner, (width, height), pixels);
    chart.draw_series(picture)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .label_style((FONT, 14))
        .x_desc("time / s")
        .y_desc("frequency / kHz")
        .draw()?;
    Ok(())
}

/// The colour bar, as high as the first panel.
fn draw_scale(area: &Area, top_db: f64) -> Result<()> {
    let (bar, _) = area.split_vertically(PANEL_HEIGHT);
    let mut chart = ChartBuilder::on(&bar)
        .margin(6)
        .caption("dBFS", (FONT, 14))
        .x_label_area_size(44)
        .right_y_label_area_size(44)
        .build_cartesian_2d(0.0..1.0, top_db - RANGE_DB..top_db)?
        .set_secondary_coord(0.0..1.0, top_db - RANGE_DB..top_db);
    chart.draw_series((0..RANGE_DB as usize).map(|step| {
        let low = top_db - RANGE_DB + step as f64;
        let [r, g, b] = color((step as f64 + 0.5) / RANGE_DB);
        Rectangle::new([(0.0, low), (1.0, low + 1.0)], RGBColor(r, g, b).filled())
    }))?;
    chart
        .configure_secondary_axes()
        .label_style((FONT, 14))
        .draw()?;
    Ok(())
}

/// From black over violet and orange to pale yellow: even steps of brightness (after matplotlib's
/// "inferno").
fn color(value: f64) -> [u8; 3] {
    const ANCHORS: [[f64; 3]; 6] = [
        [0.0, 0.0, 4.0],
        [66.0, 10.0, 104.0],
        [147.0, 38.0, 103.0],
        [221.0, 81.0, 58.0],
        [252.0, 165.0, 10.0],
        [252.0, 255.0, 164.0],
    ];
    let position = value.clamp(0.0, 1.0) * (ANCHORS.len() - 1) as f64;
    let below = (position as usize).min(ANCHORS.len() - 2);
    let share = position - below as f64;
    std::array::from_fn(|i| {
        (ANCHORS[below][i] * (1.0 - share) + ANCHORS[below + 1][i] * share) as u8
    })
}
