//! Curves of a metric over the input's signal-to-noise ratio, as SVG that takes its colours and its
//! font from the page around it.

use std::fmt::Write;

use super::minus;
use super::summary::Group;
use crate::metrics::Metric;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

/// A curve per signal, of class `s0`, `s1`, … in the order of `signals`; `None` with fewer than two
/// bands to draw.
pub fn by_input_snr(metric: Metric, signals: &[String], summary: &[Group]) -> Option<String> {
    let points = |signal: &String| -> Vec<(f64, f64)> {
        let of_band = |group: &Group| {
            let band = f64::from(group.band_db?);
            Some((band, *group.means.get(&metric)?))
        };
        let groups = summary.iter().filter(|group| group.signal == *signal);
        groups.filter_map(of_band).collect()
    };
    let curves: Vec<Vec<(f64, f64)>> = signals.iter().map(points).collect();
    let mut bands: Vec<f64> = curves.iter().flatten().map(|point| point.0).collect();
    bands.sort_by(f64::total_cmp);
    bands.dedup();
    let [first, .., last] = bands[..] else {
        return None;
    };
    let ticks = ticks(curves.iter().flatten().map(|point| point.1));
    let (low, high) = (*ticks.first()?, *ticks.last()?);
    let x = |band: f64| LEFT + (band - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{} over input SNR">"#,
        super::heading(metric)
    );
    let decimals = decimals(ticks[1] - ticks[0]);
    for tick in &ticks {
        let y = y(*tick);
        let label = minus(format!("{tick:.decimals$}"));
        line(&mut svg, "grid", (LEFT, y), (WIDTH - RIGHT, y));
        text(&mut svg, "end", (LEFT - 6.0, y + 4.0), &label);
    }
    for band in &bands {
        let label = minus(format!("{band}"));
        text(
            &mut svg,
            "middle",
            (x(*band), HEIGHT - BOTTOM + 18.0),
            &label,
        );
    }
    text(
        &mut svg,
        "middle",
        ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 4.0),
        "input SNR / dB",
    );
    for (index, curve) in curves.iter().enumerate() {
        let mut path = String::new();
        let mut marks = String::new();
        for (band, value) in curve {
            let (x, y) = (x(*band), y(*value));
            let step = if path.is_empty() { 'M' } else { 'L' };
            // Writing to a string cannot fail.
            let _ = write!(path, "{step}{x:.1} {y:.1}");
            let _ = write!(marks, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#);
        }
        let _ = write!(
            svg,
            r#"<g class="curve s{index}"><path d="{path}"/>{marks}</g>"#
        );
    }
    svg += "</svg>";
    Some(svg)
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    *svg +=
        &format!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
}

fn text(svg: &mut String, anchor: &str, (x, y): (f64, f64), text: &str) {
    *svg += &format!(r#"<text text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{text}</text>"#);
}

/// Three to six round numbers that enclose the values; none without values.
fn ticks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return Vec::new();
    }
    // Values that are all alike get a range, too.
    let span = (high - low).max(1e-3);
    let rough = span / 4.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step = step
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let first = (low / step).floor() as i64;
    let last = ((high / step).ceil() as i64).max(first + 1);
    (first..=last).map(|index| index as f64 * step).collect()
}

/// Decimals that tell steps of this size apart.
fn decimals(step: f64) -> usize {
    (-step.log10().floor()).clamp(0.0, 6.0) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metrics::Scores;

    #[test]
    fn ticks_are_round_and_enclose_the_values() {
        let of = |values: &[f64]| ticks(values.iter().copied());
        assert_eq!(of(&[-4.3, 17.0]), [-10.0, 0.0, 10.0, 20.0]);
        assert_eq!(of(&[3.0, 7.0]), [3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!(of(&[]).is_empty());
        let same = of(&[5.0, 5.0]);
        assert!(same.len() >= 2 && same[0] <= 5.0 && same[same.len() - 1] >= 5.0);
    }

    #[test]
    fn a_curve_needs_two_bands() {
        let group = |band_db, value| Group {
            band_db,
            signal: "noisy".into(),
            files: 1,
            fewer_files: BTreeMap::new(),
            means: Scores::from([(Metric::Stoi, value)]),
        };
        let signals = ["noisy".to_owned()];
        let one = [group(None, 0.6), group(Some(0), 0.5)];
        assert_eq!(by_input_snr(Metric::Stoi, &signals, &one), None);
        let two = [group(None, 0.6), group(Some(0), 0.5), group(Some(10), 0.7)];
        let svg = by_input_snr(Metric::Stoi, &signals, &two).unwrap();
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(!svg.contains("NaN"));
        assert_eq!(by_input_snr(Metric::PesqWb, &signals, &two), None);
    }
}
