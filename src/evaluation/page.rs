//! The report as one HTML page that needs nothing beside it and no network.
//!
//! This file turns the results into the words and numbers that `page.html` sets; the template
//! escapes them.

use anyhow::{Context, Result};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::examples::{Example, MAX_SECONDS};
use super::pairs::LeftOut;
use super::text::band_name;
use super::{Evaluation, NamedModel, chart, heading, shown};
use crate::metrics::{Better, Facts, Metric, Scores};

/// The template's name decides that it is escaped as HTML.
const NAME: &str = "page.html";
const TEMPLATE: &str = include_str!("page.html");

/// What the template asks for.
#[derive(Serialize)]
struct Page<'a> {
    version: &'a str,
    models: &'a [NamedModel],
    not_measured: &'a [String],
    left_out: &'a [LeftOut],
    count: usize,
    minutes: String,
    max_seconds: usize,
    columns: Vec<Column>,
    signals: Vec<String>,
    charts: Vec<Chart>,
    overall: Vec<Row>,
    bands: Vec<Row>,
    files: Vec<Row>,
    examples: Vec<Shown>,
}

#[derive(Serialize)]
struct Row {
    /// Band or file; empty where it is that of the row above.
    name: String,
    /// Rows that share the name.
    span: usize,
    detail: String,
    signal: String,
    color: usize,
    cells: Vec<CellText>,
}

#[derive(Serialize)]
struct CellText {
    value: String,
    /// Against the noisy input.
    change: Option<String>,
    /// Whether that is an improvement.
    better: bool,
}

#[derive(Serialize)]
struct Column {
    title: &'static str,
    unit: &'static str,
    meaning: &'static str,
    arrow: &'static str,
}

#[derive(Serialize)]
struct Chart {
    title: String,
    svg: String,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    snr: String,
    example: Example,
    /// Of each panel: the scores in words.
    captions: Vec<Vec<String>>,
}

/// The page.
///
/// # Errors
/// None that a valid template can meet.
pub fn render(evaluation: &Evaluation, examples: Vec<Example>) -> Result<String> {
    let metrics = evaluation.metrics();
    let signals: Vec<String> = evaluation
        .files
        .first()
        .map(|file| {
            file.signals
                .iter()
                .map(|signal| signal.signal.clone())
                .collect()
        })
        .unwrap_or_default();
    let minutes = evaluation
        .files
        .iter()
        .map(|file| file.seconds)
        .sum::<f64>()
        / 60.0;
    let page = Page {
        version: evaluation.program_version,
        models: &evaluation.models,
        not_measured: &evaluation.not_measured,
        left_out: &evaluation.left_out,
        count: evaluation.files.len(),
        minutes: format!("{minutes:.1}"),
        max_seconds: MAX_SECONDS,
        columns: metrics.iter().map(|metric| column(*metric)).collect(),
        charts: charts(evaluation, &metrics, &signals),
        overall: group_rows(evaluation, &metrics, |band| band.is_none()),
        bands: group_rows(evaluation, &metrics, |band| band.is_some()),
        files: file_rows(evaluation, &metrics),
        examples: examples
            .into_iter()
            .map(|example| show(evaluation, &metrics, example))
            .collect(),
        signals,
    };
    let mut environment = Environment::new();
    environment.add_template(NAME, TEMPLATE)?;
    environment
        .get_template(NAME)?
        .render(Serde(page))
        .context("the page's template is broken")
}

fn charts(evaluation: &Evaluation, metrics: &[Metric], signals: &[String]) -> Vec<Chart> {
    let chart = |metric: &Metric| {
        let svg = chart::by_input_snr(*metric, signals, &evaluation.summary)?;
        let title = heading(*metric);
        Some(Chart { title, svg })
    };
    // Only models have a cost, and noise does not change it.
    let drawn = metrics
        .iter()
        .filter(|metric| **metric != Metric::RealTimeFactor);
    drawn.filter_map(chart).collect()
}

fn column(metric: Metric) -> Column {
    let facts = metric.facts();
    let arrow = match facts.better {
        Better::Higher => "↑",
        Better::Lower => "↓",
    };
    Column {
        title: facts.title,
        unit: facts.unit,
        meaning: facts.meaning,
        arrow,
    }
}

fn group_rows(
    evaluation: &Evaluation,
    metrics: &[Metric],
    wanted: impl Fn(Option<i32>) -> bool,
) -> Vec<Row> {
    let groups: Vec<_> = evaluation
        .summary
        .iter()
        .filter(|group| wanted(group.band_db))
        .collect();
    let bands = groups.chunk_by(|a, b| a.band_db == b.band_db);
    bands
        .flat_map(|band| {
            band.iter().enumerate().map(|(color, group)| Row {
                name: band_name(group.band_db),
                span: if color == 0 { band.len() } else { 0 },
                detail: group.files.to_string(),
                signal: group.signal.clone(),
                color,
                cells: cells(metrics, &group.means, (color > 0).then_some(&band[0].means)),
            })
        })
        .collect()
}

fn file_rows(evaluation: &Evaluation, metrics: &[Metric]) -> Vec<Row> {
    let rows = evaluation.files.iter().map(|file| {
        file.signals.iter().enumerate().map(|(color, signal)| Row {
            name: file.name.clone(),
            span: if color == 0 { file.signals.len() } else { 0 },
            detail: snr(file.input_snr_db),
            signal: signal.signal.clone(),
            color,
            cells: cells(metrics, &signal.scores, None),
        })
    });
    rows.flatten().collect()
}

/// One row's scores, with the change against the scores of the noisy input where given.
fn cells(metrics: &[Metric], scores: &Scores, noisy: Option<&Scores>) -> Vec<CellText> {
    let cell = |metric: &Metric| {
        let Facts {
            decimals, better, ..
        } = metric.facts();
        let difference = noisy.and_then(|noisy| Some(scores.get(metric)? - noisy.get(metric)?));
        CellText {
            value: shown(*metric, scores),
            change: difference.map(|by| format!("{by:+.decimals$}").replace('-', "−")),
            better: difference.is_some_and(|by| (by > 0.0) == (better == Better::Higher)),
        }
    };
    metrics.iter().map(cell).collect()
}

fn show(evaluation: &Evaluation, metrics: &[Metric], example: Example) -> Shown {
    let file = &evaluation.files[example.file];
    let caption = |name: &str| {
        let signal = file.signals.iter().find(|signal| signal.signal == name);
        let say = |metric: &Metric| {
            let scores = &signal?.scores;
            scores.contains_key(metric).then(|| {
                let Facts { title, unit, .. } = metric.facts();
                format!("{title} {} {unit}", shown(*metric, scores))
                    .trim()
                    .to_owned()
            })
        };
        let wanted = [
            Metric::SiSdr,
            Metric::Stoi,
            Metric::PesqWb,
            Metric::DnsmosOverall,
        ];
        let wanted = wanted.iter().filter(|metric| metrics.contains(metric));
        wanted.filter_map(say).collect()
    };
    Shown {
        name: file.name.clone(),
        snr: snr(file.input_snr_db),
        captions: example
            .panels
            .iter()
            .map(|panel| caption(&panel.signal))
            .collect(),
        example,
    }
}

fn snr(db: f64) -> String {
    match db.is_finite() {
        true => format!("{db:.1} dB").replace('-', "−"),
        false => "∞".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{FileResult, NOISY, SignalResult, summary};
    use super::*;

    fn evaluation() -> Evaluation {
        let signal = |signal: &str, value| SignalResult {
            signal: signal.into(),
            scores: Scores::from([(Metric::SiSdr, value)]),
        };
        let files = vec![FileResult {
            name: "<b>&.wav".into(),
            noisy: "noisy".into(),
            clean: "clean".into(),
            rate_hz: 16_000,
            seconds: 3.0,
            input_snr_db: 1.0,
            signals: vec![signal(NOISY, 1.0), signal("mine", 4.5)],
        }];
        Evaluation {
            program_version: "1",
            models: vec![NamedModel {
                name: "mine".into(),
                path: Path::new("mine.safetensors").into(),
            }],
            not_measured: vec!["no <PESQ>".into()],
            summary: summary::summarise(&files),
            files,
            left_out: vec![LeftOut {
                file: "x".into(),
                reason: "y".into(),
            }],
        }
    }

    #[test]
    fn names_are_escaped_and_changes_shown() {
        let page = render(&evaluation(), Vec::new()).unwrap();
        assert!(page.contains("&lt;b&gt;&amp;.wav") && !page.contains("<b>&"));
        assert!(page.contains("+3.50") && page.contains("no &lt;PESQ&gt;"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = render(&evaluation(), Vec::new()).unwrap();
        for reference in ["http://", "https://", "src=\"/", "@import", "<link"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
