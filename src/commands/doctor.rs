//! `denoised doctor`: what may keep live cleaning from working here.

use std::process::ExitCode;

use anyhow::Result;

use crate::doctor::{self, Finding, Verdict};
use crate::service::config::Flags;

/// Check server, devices, permissions, real-time priority, model and speed, with a remedy for each problem
///
/// Uses the settings that `denoised run` would use. The exit code is 1 if live cleaning cannot work
/// like this; warnings alone leave it 0.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Flags,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let mut findings = Vec::new();
    doctor::examine(&args.settings, |finding| {
        if !args.json {
            print!("{}", paragraph(&finding));
        }
        findings.push(finding);
    });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    }
    let problem = findings.iter().any(|f| f.verdict == Verdict::Problem);
    Ok(ExitCode::from(u8::from(problem)))
}

fn paragraph(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Good => "ok",
        Verdict::Warning => "warning",
        Verdict::Problem => "PROBLEM",
    };
    let what = finding.what.replace('\n', "\n                        ");
    let mut text = format!("{mark:<8}{:<15} {what}\n", finding.area);
    if let Some(remedy) = &finding.remedy {
        text += &format!("{:<24}→ {remedy}\n", "");
    }
    text
}
