//! The configuration file: TOML, one `key = value` per setting. Every mistake in it is found at
//! once, each with its line and a suggestion.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind as ClapError};
use clap::{Arg, Command, ValueHint};
use toml::{Spanned, Value};

use super::flags;
use crate::model::locate;
use crate::user_folders;

/// One `key = value` of the file, its value as it would be written on the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub value: OsString,
    /// Counted from 1.
    pub line: usize,
}

/// `denoised/config.toml` in the user's folder for configurations, if there is such a folder.
pub fn default_path() -> Option<PathBuf> {
    user_folders::configurations().map(|folder| folder.join("denoised/config.toml"))
}

/// Reads a file. That it does not exist is a mistake only if the user named it.
///
/// # Errors
/// Every mistake in the file, as `FILE:LINE: what is wrong`.
pub fn read(path: &Path, named: bool) -> Result<Vec<Entry>, Vec<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path),
        Err(error) if error.kind() == ErrorKind::NotFound && !named => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(vec![format!(
            "{}: there is no such file; `denoised config init` writes one",
            path.display()
        )]),
        Err(error) => Err(vec![format!("{}: cannot read: {error}", path.display())]),
    }
}

/// Parses the text of the file at `path`; relative paths in it start at its folder.
fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, Vec<String>> {
    let line_of = |offset: usize| 1 + text[..offset].matches('\n').count();
    let at = |line: usize, what: String| format!("{}:{line}: {what}", path.display());

    let table: BTreeMap<Spanned<String>, Spanned<Value>> =
        toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            vec![at(line_of(offset), error.message().to_string())]
        })?;
    let mut parser = flags::parser();
    let mut entries = Vec::new();
    let mut mistakes = Vec::new();
    for (key, value) in table {
        let line = line_of(key.span().start);
        match entry(&mut parser, key.get_ref(), value.get_ref(), path) {
            Ok(value) => entries.push(Entry {
                key: key.into_inner(),
                value,
                line,
            }),
            Err(mistake) => mistakes.push((line, mistake)),
        }
    }
    if mistakes.is_empty() {
        return Ok(entries);
    }
    mistakes.sort();
    Err(mistakes
        .into_iter()
        .map(|(line, what)| at(line, what))
        .collect())
}

/// Checks one entry with the parser of the command line and gives its value as written there.
fn entry(parser: &mut Command, key: &str, value: &Value, file: &Path) -> Result<OsString, String> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value.to_string(),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            let what = value.type_str();
            return Err(format!(
                "{key}: must be a text or a number, but is of type {what}"
            ));
        }
    };
    let argument = parser
        .get_arguments()
        .find(|argument| argument.get_long() == Some(key));
    let value = match argument.map(Arg::get_value_hint) {
        Some(ValueHint::FilePath) => anchored(&value, file),
        // Weights, which may be a name.
        Some(ValueHint::AnyPath) => {
            let path = anchored(&value, file);
            let is_name = locate::may_be_name(Path::new(&value)) && !Path::new(&path).is_file();
            if is_name { value.into() } else { path }
        }
        _ => value.into(),
    };
    let mut flag = OsString::from(format!("--{key}="));
    flag.push(&value);
    match parser.try_get_matches_from_mut([flag]) {
        Ok(_) => Ok(value),
        Err(error) => Err(explain(&error, key)),
    }
}

/// A path of the file: `~/` is the home folder, what is relative starts at the file's folder.
fn anchored(path: &str, file: &Path) -> OsString {
    if let (Some(rest), Some(home)) = (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        return Path::new(&home).join(rest).into();
    }
    match file.parent() {
        Some(folder) => folder.join(path).into(),
        None => path.into(),
    }
}

/// The command line's complaint in the words of the file.
fn explain(error: &clap::Error, key: &str) -> String {
    if let Some(cause) = error.source() {
        return format!("{key}: {cause}");
    }
    match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => {
            let known = flag.trim_start_matches('-');
            format!("unknown key {key}; did you mean {known}?")
        }
        _ if error.kind() == ClapError::UnknownArgument => {
            format!("unknown key {key}; `denoised config init` writes a file with all keys")
        }
        _ => format!("{key}: {}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        parse(text, Path::new("/etc/d.toml")).unwrap_err()
    }

    #[test]
    fn every_mistake_has_its_line_and_a_suggestion() {
        let found =
            mistakes("# mine\natten-limit = 3\nmix = 1.5\n\nmode = \"claen\"\ninput = []\n");
        assert_eq!(
            found,
            [
                "/etc/d.toml:2: unknown key atten-limit; did you mean atten-limit-db?",
                "/etc/d.toml:3: mix: must be a number from 0 to 1",
                "/etc/d.toml:5: mode: \"claen\" is no mode: use clean, bypass, corrupt or \
                 corrupt+clean",
                "/etc/d.toml:6: input: must be a text or a number, but is of type array",
            ]
        );
    }

    #[test]
    fn broken_toml_has_its_line() {
        let found = mistakes("mix = 1\nmode clean\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("/etc/d.toml:2: "), "{found:?}");
        assert!(mistakes("mix = 1\nmix = 2\n")[0].starts_with("/etc/d.toml:2: "));
    }

    #[test]
    fn paths_start_at_the_file() {
        let entries = parse(
            "record = \"a.wav\"\nmodel = \"m.safetensors\"",
            Path::new("/etc/d.toml"),
        );
        let values: Vec<_> = entries.unwrap().into_iter().map(|e| e.value).collect();
        assert_eq!(values, ["/etc/m.safetensors", "/etc/a.wav"]);
    }

    #[test]
    fn names_of_weights_stay_names_unless_there_is_such_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("d.toml");
        let model = || {
            let entries = parse("model = \"light\"", &file).unwrap();
            entries[0].value.clone()
        };
        assert_eq!(model(), "light");
        std::fs::create_dir(folder.path().join("light")).unwrap();
        assert_eq!(model(), "light");
        std::fs::remove_dir(folder.path().join("light")).unwrap();
        let own = folder.path().join("light");
        std::fs::write(&own, "").unwrap();
        assert_eq!(model(), own);
    }
}
