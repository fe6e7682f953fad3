//! The files of a report: `index.html` to read, `eval.csv` and `eval.json` to go on with.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::examples::Example;
use super::{Evaluation, page};
use crate::metrics::Metric;
use crate::pending_file::PendingFile;

const PAGE: &str = "index.html";
const CSV: &str = "eval.csv";
const JSON: &str = "eval.json";

/// Checks that a report can be written into `folder`, which is made, before the work is done.
///
/// # Errors
/// There is one already and it may not be replaced, or `folder` is a file or cannot be written to.
pub fn ensure_writable(folder: &Path, replace: bool) -> Result<()> {
    ensure!(
        !folder.is_file(),
        "{}: is a file; --out takes a folder",
        folder.display()
    );
    for name in [PAGE, CSV, JSON] {
        let path = folder.join(name);
        ensure!(
            replace || !path.exists(),
            "{}: exists already; --force overwrites it",
            path.display()
        );
    }
    // Only writing shows what permissions, mounts and names amount to; dropping it removes the file.
    PendingFile::new(&folder.join(PAGE))
        .context("--out takes a folder that can be made and written to")?;
    Ok(())
}

/// Writes all three.
///
/// # Errors
/// A folder that cannot be written to, or a full disk.
pub fn write(
    evaluation: &Evaluation,
    examples: Vec<Example>,
    folder: &Path,
    replace: bool,
) -> Result<()> {
    let json = serde_json::to_string_pretty(evaluation)?;
    let page = page::render(evaluation, examples)?;
    let contents = [
        (CSV, csv(evaluation)?),
        (JSON, json.into_bytes()),
        (PAGE, page.into_bytes()),
    ];
    for (name, bytes) in contents {
        let path = folder.join(name);
        let pending = PendingFile::new(&path)?;
        pending
            .handle()?
            .write_all(&bytes)
            .with_context(|| format!("cannot write {}", path.display()))?;
        pending.commit(replace)?;
    }
    Ok(())
}

/// One row per file and signal; a missing value is empty.
fn csv(evaluation: &Evaluation) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let first = ["file", "seconds", "rate_hz", "input_snr_db", "signal"];
    let keys = Metric::ALL.iter().map(|metric| metric.facts().key);
    writer.write_record(first.into_iter().chain(keys))?;
    for file in &evaluation.files {
        for signal in &file.signals {
            let mut row = vec![
                file.name.clone(),
                format!("{:.3}", file.seconds),
                file.rate_hz.to_string(),
                format!("{:.3}", file.input_snr_db),
                signal.signal.clone(),
            ];
            row.extend(Metric::ALL.iter().map(|metric| {
                let score = signal.scores.get(metric);
                score.map_or(String::new(), |value| format!("{value:.6}"))
            }));
            writer.write_record(row)?;
        }
    }
    Ok(writer.into_inner().map_err(|error| error.into_error())?)
}
