//! The file that `denoised config init` writes: every key with its help and its default, all of
//! them comments, so that a later version's better default reaches who changed nothing.

use clap::Arg;

use super::flags;

/// The text of the file.
pub fn template() -> String {
    let mut text = String::from(
        "# Configuration of denoised. Remove the # before a key to set it; `denoised config check`\n\
         # checks this file, `denoised reload` applies it to the running daemon. Capital letters stand\n\
         # for a value.\n\
         # The command line and DENOISED_… variables have precedence.\n",
    );
    for argument in flags::parser().get_arguments() {
        let (Some(key), Some(help)) = (argument.get_long(), argument.get_help()) else {
            continue;
        };
        let example = match argument.get_default_values().first() {
            Some(default) => literal(&default.to_string_lossy()),
            None => placeholder(argument),
        };
        text.push_str(&format!("\n# {help}\n#{key} = {example}\n"));
    }
    text
}

/// What stands for the value of a key without default: `DB`, or `"FILE"` if it is a text.
fn placeholder(argument: &Arg) -> String {
    let name = argument.get_value_names().and_then(<[_]>::first);
    let name = name.map_or("VALUE", |name| name.as_str());
    if matches!(name, "DB" | "MS" | "MB") {
        name.into()
    } else {
        literal(name)
    }
}

/// A value as TOML: numbers as they are, anything else quoted.
pub(super) fn literal(value: &str) -> String {
    if value.parse::<bool>().is_ok()
        || value.parse::<i64>().is_ok()
        || value.parse::<f64>().is_ok_and(f64::is_finite)
    {
        value.to_string()
    } else {
        toml::Value::String(value.to_string()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::config::file;

    #[test]
    fn every_key_is_in_it_and_its_defaults_are_valid() {
        let text = template();
        let keys = flags::parser();
        for key in keys.get_arguments().filter_map(Arg::get_long) {
            assert!(text.contains(&format!("\n#{key} = ")), "{key}");
        }
        let with_default: String = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| line.contains(" = ") && !line.starts_with(' '))
            .filter(|line| !line.split_once('=').unwrap().1.contains(char::is_uppercase))
            .map(|line| format!("{line}\n"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, with_default).unwrap();
        assert!(file::read(&path, true).unwrap().len() >= 9);
    }
}
