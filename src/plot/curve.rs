//! How training went: curves over the updates, one panel above the other.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use super::{Area, FONT, save};

/// One named line.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// (update, value)
    pub points: Vec<(f64, f64)>,
}

/// Curves in one unit, with its name.
pub type Panel<'a> = (&'a str, Vec<Series>);

const WIDTH: u32 = 1000;
const PANEL_HEIGHT: u32 = 360;

/// Draws the panels over the number of updates into the PNG `path`. Values that are not finite are left out.
///
/// # Errors
/// A path that cannot be written.
pub fn training_curve(path: &Path, panels: &[Panel]) -> Result<()> {
    let size = (WIDTH, PANEL_HEIGHT * panels.len() as u32);
    save(path, size, |area| {
        let areas = area
            .titled("training", (FONT, 24))?
            .split_evenly((panels.len(), 1));
        areas
            .iter()
            .zip(panels)
            .try_for_each(|(area, (label, series))| panel(area, label, series))
    })
}

fn panel(area: &Area, y_label: &str, series: &[Series]) -> Result<()> {
    let finite = |series: &Series| -> Vec<(f64, f64)> {
        series
            .points
            .iter()
            .copied()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect()
    };
    let all: Vec<(f64, f64)> = series.iter().flat_map(finite).collect();
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            span(all.iter().map(|point| point.0)),
            span(all.iter().map(|point| point.1)),
        )?;
    chart
        .configure_mesh()
        .label_style((FONT, 15))
        .x_desc("updates")
        .y_desc(y_label)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .light_line_style(WHITE)
        .draw()?;
    for (index, one) in series.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(finite(one), color.stroke_width(2)))?
            .label(&one.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font((FONT, 15))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// The range of the values with a little air, never empty.
fn span(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return 0.0..1.0;
    }
    let air = if high > low { 0.05 * (high - low) } else { 0.5 };
    low - air..high + air
}
