//! PESQ-WB and DNSMOS, which only Python packages have: a helper process measures them.
//!
//! The script travels in the program; `python3` or what `DENOISED_PYTHON` names runs it. Where
//! Python or a package is missing, the rest of the evaluation goes on without these measures.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::audio::resample::resample;
use crate::metrics::{Metric, Scores};

const SCRIPT: &str = include_str!("perceptual.py");
const RATE_HZ: u32 = 16_000;
/// What the script calls its measures, and what people do.
const MEASURES: [(&str, &str); 2] = [("pesq", "PESQ-WB"), ("dnsmos", "DNSMOS")];

/// What the helper can measure here.
#[derive(Debug, Default)]
pub struct Available {
    measures: Vec<&'static str>,
    /// Why the others are missing, and what to do.
    pub missing: Vec<String>,
}

/// Asks Python which packages it has.
pub fn probe() -> Available {
    let python = python();
    let name = python.to_string_lossy().into_owned();
    let output = command(python).arg("--probe").output();
    let lacking: Option<HashMap<String, Vec<String>>> = output
        .ok()
        .and_then(|output| serde_json::from_slice(&output.stdout).ok());
    let Some(lacking) = lacking else {
        return Available {
            measures: Vec::new(),
            missing: vec![format!(
                "PESQ-WB and DNSMOS were not measured: {name} does not run; let DENOISED_PYTHON \
                 name a Python with the packages pesq and speechmos"
            )],
        };
    };
    let mut available = Available::default();
    for (key, title) in MEASURES {
        match lacking.get(key).map(Vec::as_slice) {
            Some([]) => available.measures.push(key),
            packages => available.missing.push(format!(
                "{title} was not measured: {name} lacks {0}; `{name} -m pip install {0}` adds it, or \
                 let DENOISED_PYTHON name a Python that has it",
                packages.unwrap_or_default().join(" ")
            )),
        }
    }
    available
}

/// A running script.
pub struct Helper {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts the script for what is available, if anything is.
    ///
    /// # Errors
    /// Python cannot be started any more.
    pub fn start(available: &Available) -> Result<Option<Helper>> {
        if available.measures.is_empty() {
            return Ok(None);
        }
        let mut process = command(python())
            .args(&available.measures)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python for PESQ and DNSMOS")?;
        let requests = process.stdin.take();
        let answers = process.stdout.take().context("Python has no output")?;
        Ok(Some(Helper {
            process,
            requests,
            answers: BufReader::new(answers),
        }))
    }

    /// The measures of `estimate` against the clean `reference`, both at `rate_hz`.
    ///
    /// # Errors
    /// The script ended; what it said is on standard error.
    pub fn measure(&mut self, reference: &[f32], estimate: &[f32], rate_hz: u32) -> Result<Scores> {
        let answer = self
            .ask(reference, estimate, rate_hz)
            .context("the Python helper for PESQ and DNSMOS failed")?;
        let values: HashMap<String, f64> = serde_json::from_str(&answer)
            .with_context(|| format!("the Python helper answered {answer:?}"))?;
        let known = |metric: Metric| Some((metric, *values.get(metric.facts().key)?));
        Ok(Metric::ALL.into_iter().filter_map(known).collect())
    }

    fn ask(&mut self, reference: &[f32], estimate: &[f32], rate_hz: u32) -> Result<String> {
        let reference = resample(reference, rate_hz, RATE_HZ)?;
        let estimate = resample(estimate, rate_hz, RATE_HZ)?;
        let samples = u32::try_from(reference.len()).context("the recording is too long")?;
        let mut request = samples.to_le_bytes().to_vec();
        request.extend(
            reference
                .iter()
                .chain(&estimate)
                .flat_map(|s| s.to_le_bytes()),
        );
        let requests = self.requests.as_mut().context("it was stopped")?;
        requests.write_all(&request)?;
        requests.flush()?;
        let mut answer = String::new();
        ensure!(self.answers.read_line(&mut answer)? > 0, "it ended");
        Ok(answer)
    }
}

impl Drop for Helper {
    /// The script ends with its input.
    fn drop(&mut self) {
        self.requests = None;
        // Its exit code says nothing that an answer has not said.
        let _ = self.process.wait();
    }
}

fn python() -> OsString {
    let chosen = env::var_os("DENOISED_PYTHON").filter(|name| !name.is_empty());
    chosen.unwrap_or("python3".into())
}

fn command(python: OsString) -> Command {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", SCRIPT]);
    // Workers are the parallelism.
    for variable in [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ] {
        command.env(variable, "1");
    }
    command
}
