//! `denoised info`: everything that a weights file says about itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::models;
use crate::model::card::{self, Card};

/// Show a model's card and all of its metadata
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Weights file (safetensors)
    #[arg(value_name = "FILE")]
    model: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    #[serde(flatten)]
    card: Card,
    metadata: BTreeMap<String, Value>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode> {
    let info = Info {
        card: Card::read(&args.model)?,
        metadata: card::metadata(&args.model)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&info)?);
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", models::text(&info.card));
    for (key, value) in &info.metadata {
        match value {
            Value::Object(entries) => {
                println!("\n{key}");
                for (name, value) in entries {
                    println!("  {name:<22} {value}");
                }
            }
            value => println!("\n{key}  {value}"),
        }
    }
    Ok(ExitCode::SUCCESS)
}
