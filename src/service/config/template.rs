//! The file that `denoised config init` writes: every key with its help and its default, all of
//! them comments, so that a later version's better default reaches who changed nothing.

use super::flags;

/// The text of the file.
pub fn template() -> String {
    let mut text = String::from(
        "# Configuration of denoised. Remove the # before a key to set it; `denoised config check`\n\
         # checks this file, `denoised reload` applies it to the running daemon.\n\
         # The command line and DENOISED_… variables have precedence.\n",
    );
    for argument in flags::parser().get_arguments() {
        let (Some(key), Some(help)) = (argument.get_long(), argument.get_help()) else {
            continue;
        };
        let example = match argument.get_default_values().first() {
            Some(default) => literal(&default.to_string_lossy()),
            None => String::from("…"),
        };
        text.push_str(&format!("\n# {help}\n#{key} = {example}\n"));
    }
    text
}

/// A value as TOML: numbers as they are, anything else quoted.
pub(super) fn literal(value: &str) -> String {
    if value.parse::<i64>().is_ok() || value.parse::<f64>().is_ok_and(f64::is_finite) {
        value.to_string()
    } else {
        toml::Value::String(value.to_string()).to_string()
    }
}
