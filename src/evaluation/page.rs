//! The report as one HTML page that needs nothing beside it and no network.
//!
//! This file and `page_table.rs` turn the results into the words and numbers that `page.html`
//! sets; the template escapes them.

use anyhow::{Context, Result};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::examples::{Example, MAX_SECONDS};
use super::page_table::{Column, Row, column, file_rows, group_rows};
use super::pairs::LeftOut;
use super::{Evaluation, NamedModel, chart, heading, shown, shown_snr};
use crate::metrics::{Facts, Metric};

/// The template's name decides that it is escaped as HTML.
const NAME: &str = "page.html";
const TEMPLATE: &str = include_str!("page.html");

/// What the template asks for.
#[derive(Serialize)]
struct Page<'a> {
    version: &'a str,
    models: &'a [NamedModel],
    not_measured: Vec<String>,
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
        not_measured: evaluation.not_measured.statements(),
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
        snr: shown_snr(file.input_snr_db),
        captions: example
            .panels
            .iter()
            .map(|panel| caption(&panel.signal))
            .collect(),
        example,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::not_measured::NotMeasured;
    use super::super::{FileResult, NOISY, SignalResult, summary};
    use super::*;
    use crate::metrics::Scores;

    fn file(name: &str, scores: [Scores; 2]) -> FileResult {
        let signal = |(signal, scores): (&str, Scores)| SignalResult {
            signal: signal.into(),
            scores,
        };
        FileResult {
            name: name.into(),
            noisy: "noisy".into(),
            clean: "clean".into(),
            rate_hz: 16_000,
            seconds: 3.0,
            input_snr_db: 1.0,
            signals: [NOISY, "mine"]
                .into_iter()
                .zip(scores)
                .map(signal)
                .collect(),
        }
    }

    fn si_sdr(db: f64) -> Scores {
        Scores::from([(Metric::SiSdr, db)])
    }

    fn evaluation(files: Vec<FileResult>) -> Evaluation {
        let not_measured = NotMeasured::default();
        not_measured.add("no <PESQ>".into());
        Evaluation {
            program_version: "1",
            models: vec![NamedModel {
                name: "mine".into(),
                path: Path::new("mine.safetensors").into(),
            }],
            not_measured,
            summary: summary::summarise(&files),
            files,
            left_out: vec![LeftOut {
                file: "x".into(),
                reason: "y".into(),
            }],
        }
    }

    fn one_file() -> Evaluation {
        evaluation(vec![file("<b>&.wav", [si_sdr(1.0), si_sdr(4.5)])])
    }

    #[test]
    fn names_are_escaped_and_changes_shown() {
        let page = render(&one_file(), Vec::new()).unwrap();
        assert!(page.contains("&lt;b&gt;&amp;.wav") && !page.contains("<b>&"));
        assert!(page.contains("+3.50") && page.contains("no &lt;PESQ&gt;"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = render(&one_file(), Vec::new()).unwrap();
        for reference in ["http://", "https://", "src=\"/", "@import", "<link"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn changes_compare_the_same_files_and_say_how_many() {
        let silent = file("silent.wav", [si_sdr(20.0), Scores::new()]);
        let page = render(
            &evaluation(vec![file("a.wav", [si_sdr(1.0), si_sdr(4.5)]), silent]),
            Vec::new(),
        );
        let page = page.unwrap();
        // In the summary and in the band, for both signals.
        assert_eq!(page.matches("(1)</span>").count(), 4);
        assert_eq!(page.matches("+3.50").count(), 2);
    }
}
