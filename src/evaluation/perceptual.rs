//! PESQ-WB and DNSMOS, which only Python packages have: a helper process measures them.
//!
//! The script travels in the program; `python3` or what `DENOISED_PYTHON` names runs it. Where
//! Python or a package is missing, the rest of the evaluation goes on without these measures; where
//! the script dies, without those of one signal.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Error, Result, ensure};

use super::not_measured::NotMeasured;
use crate::audio::resample::resample;
use crate::metrics::{Metric, Scores};

const SCRIPT: &str = include_str!("perceptual.py");
const RATE_HZ: u32 = 16_000;
/// What the script calls its measures, and what people do.
const MEASURES: [(&str, &str); 2] = [("pesq", "PESQ-WB"), ("dnsmos", "DNSMOS")];
/// A worker's script that fails so often would fail for every file.
const MAX_FAILURES: usize = 3;

/// What the helper can measure here.
#[derive(Debug, Default)]
pub struct Available {
    measures: Vec<&'static str>,
    /// Why the others are missing, and what to do; helpers add what they failed at.
    pub missing: NotMeasured,
}

/// Asks Python which packages it has.
pub fn probe() -> Available {
    let python = python();
    let name = python.to_string_lossy().into_owned();
    let output = command(python).arg("--probe").output();
    let lacking: Option<HashMap<String, Vec<String>>> = output
        .ok()
        .and_then(|output| serde_json::from_slice(&output.stdout).ok());
    let mut available = Available::default();
    let Some(lacking) = lacking else {
        available.missing.add(format!(
            "PESQ-WB and DNSMOS were not measured: {name} does not run; let DENOISED_PYTHON name a \
             Python with the packages pesq and speechmos"
        ));
        return available;
    };
    for (key, title) in MEASURES {
        match lacking.get(key).map(Vec::as_slice) {
            Some([]) => available.measures.push(key),
            packages => available.missing.add(format!(
                "{title} was not measured: {name} lacks {0}; `{name} -m pip install {0}` adds it, or \
                 let DENOISED_PYTHON name a Python that has it",
                packages.unwrap_or_default().join(" ")
            )),
        }
    }
    available
}

/// A worker's script, which is started when it is first needed and again after it died.
pub struct Helper {
    measures: Vec<&'static str>,
    running: Option<Running>,
    failures: usize,
    not_measured: NotMeasured,
}

impl Helper {
    /// A helper for what is available, which may be nothing.
    pub fn new(available: &Available) -> Helper {
        Helper {
            measures: available.measures.clone(),
            running: None,
            failures: 0,
            not_measured: available.missing.clone(),
        }
    }

    /// The measures of `estimate` against the clean `reference`, both at `rate_hz`. Where the script
    /// fails there are none, which is put down as not measured with the `name` of the estimate.
    pub fn measure(
        &mut self,
        name: &str,
        reference: &[f32],
        estimate: &[f32],
        rate_hz: u32,
    ) -> Scores {
        if self.measures.is_empty() || self.failures == MAX_FAILURES {
            return Scores::new();
        }
        let scores = self
            .running()
            .and_then(|running| running.measure(reference, estimate, rate_hz));
        scores.unwrap_or_else(|error| {
            self.fail(name, &error);
            Scores::new()
        })
    }

    fn running(&mut self) -> Result<&mut Running> {
        let running = match self.running.take() {
            Some(running) => running,
            None => Running::start(&self.measures)?,
        };
        Ok(self.running.insert(running))
    }

    /// Ends the script, which may be out of step with the requests even where it has not died.
    fn fail(&mut self, name: &str, error: &Error) {
        self.running = None;
        self.failures += 1;
        let end = match self.failures {
            MAX_FAILURES => format!("; after {MAX_FAILURES} failures it is not asked again"),
            _ => String::new(),
        };
        let statement = format!(
            "{} of {name} not measured: the Python helper failed: {error:#}; what it said is \
             on standard error, and where memory ran out, fewer --jobs help{end}",
            self.titles(),
        );
        log::warn!("{statement}");
        self.not_measured.add(statement);
    }

    fn titles(&self) -> String {
        let measured = MEASURES
            .into_iter()
            .filter(|(key, _)| self.measures.contains(key));
        let titles: Vec<&str> = measured.map(|(_, title)| title).collect();
        titles.join(" and ")
    }
}

/// A running script.
struct Running {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(measures: &[&str]) -> Result<Running> {
        let mut process = command(python())
            .args(measures)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("it cannot be started")?;
        let requests = process.stdin.take();
        let answers = process.stdout.take().context("it has no output")?;
        Ok(Running {
            process,
            requests,
            answers: BufReader::new(answers),
        })
    }

    fn measure(&mut self, reference: &[f32], estimate: &[f32], rate_hz: u32) -> Result<Scores> {
        let answer = self.ask(reference, estimate, rate_hz)?;
        let values: HashMap<String, f64> =
            serde_json::from_str(&answer).with_context(|| format!("it answered {answer:?}"))?;
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
        requests.write_all(&request).context("it ended")?;
        requests.flush()?;
        let mut answer = String::new();
        ensure!(self.answers.read_line(&mut answer)? > 0, "it ended");
        Ok(answer)
    }
}

impl Drop for Running {
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
