//! How training went: loss, SI-SDR and learning rate over the updates, one above the other.

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

const SIZE: (u32, u32) = (1000, 1100);

/// Draws the three panels over the number of updates into the PNG `path`. Values that are not finite
/// are left out.
///
/// # Errors
/// A path that cannot be written.
pub fn training_curve(
    path: &Path,
    loss: &[Series],
    si_sdr_db: &[Series],
    learning_rate: &[Series],
) -> Result<()> {
    save(path, SIZE, |area| {
        let areas = area.titled("training", (FONT, 24))?.split_evenly((3, 1));
        let panels = [
            ("loss", loss),
            ("SI-SDR / dB", si_sdr_db),
            ("learning rate", learning_rate),
        ];
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
