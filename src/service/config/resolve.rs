//! Precedence: the command line over the environment over the file over the default.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, FromArgMatches};

use super::file::{self, Entry};
use super::flags::{self, Flags};
use super::settings::Settings;

/// The configuration cannot be used; every mistake is listed, each with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Invalid(pub Vec<String>);

/// Where a value came from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    CommandLine,
    Environment(String),
    File { path: PathBuf, line: usize },
    Default,
}

/// One key of the resolved settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub key: String,
    /// `None`: not set, and there is no default.
    pub value: Option<String>,
    pub origin: Origin,
}

/// Settings, and for each key what decided it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    pub settings: Settings,
    pub keys: Vec<Resolved>,
}

/// Reads the file and lets command line, environment, file and defaults decide, in this order.
///
/// # Errors
/// Every mistake in the file or, if there is none, in the environment.
pub fn resolve(flags: &Flags) -> Result<Resolution, Invalid> {
    let path = flags.config.clone().or_else(file::default_path);
    let entries = match &path {
        Some(path) => file::read(path, flags.config.is_some()).map_err(Invalid)?,
        None => Vec::new(),
    };
    decide(flags, &entries, path.as_deref().unwrap_or(Path::new("")))
}

fn decide(flags: &Flags, entries: &[Entry], path: &Path) -> Result<Resolution, Invalid> {
    let parser = flags::parser();
    let origin = |argument: &Arg| {
        let key = argument.get_long().unwrap_or_default();
        if flags.given.iter().any(|(given, _)| given == key) {
            return Origin::CommandLine;
        }
        let variable = argument.get_env().map(|name| name.to_string_lossy());
        if let Some(name) = variable.filter(|name| std::env::var_os(&**name).is_some()) {
            return Origin::Environment(name.into_owned());
        }
        match entries.iter().find(|entry| entry.key == key) {
            Some(entry) => Origin::File {
                path: path.to_path_buf(),
                line: entry.line,
            },
            None => Origin::Default,
        }
    };
    let origins: Vec<(String, String, Origin)> = parser
        .get_arguments()
        .filter_map(|argument| {
            let key = argument.get_long()?.to_string();
            Some((argument.get_id().to_string(), key, origin(argument)))
        })
        .collect();

    // The parser knows environment and defaults; of the file it sees only what those before left.
    let from_file = entries.iter().filter_map(|entry| {
        let decided = |(_, key, origin): &(String, String, Origin)| {
            *key == entry.key && matches!(origin, Origin::File { .. })
        };
        let wins = origins.iter().any(decided);
        wins.then_some((entry.key.as_str(), &entry.value))
    });
    let given = flags.given.iter().map(|(key, value)| (key.as_str(), value));
    let arguments = given.chain(from_file).map(|(key, value)| {
        let mut argument = OsString::from(format!("--{key}="));
        argument.push(value);
        argument
    });
    let invalid = |error: clap::Error| Invalid(vec![error.to_string()]);
    let matches = parser
        .clone()
        .try_get_matches_from(arguments)
        .map_err(invalid)?;
    let keys = origins
        .into_iter()
        .map(|(id, key, origin)| Resolved {
            value: matches
                .get_raw(&id)
                .and_then(|mut values| values.next_back())
                .map(|value| value.to_string_lossy().into_owned()),
            key,
            origin,
        })
        .collect();
    let settings = Settings::from_arg_matches(&matches).map_err(invalid)?;
    Ok(Resolution { settings, keys })
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => write!(formatter, "command line"),
            Origin::Environment(name) => write!(formatter, "environment: {name}"),
            Origin::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Origin::Default => write!(formatter, "default"),
        }
    }
}

impl fmt::Display for Resolved {
    /// A line of TOML with the origin as comment; a comment alone if there is no value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match &self.value {
            Some(value) => format!("{} = {}", self.key, super::template::literal(value)),
            None => format!("# {} is not set", self.key),
        };
        write!(formatter, "{line:<36} # {}", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(pairs: &[(&str, &str)]) -> Vec<Entry> {
        let entry = |(line, (key, value)): (usize, &(&str, &str))| Entry {
            key: (*key).into(),
            value: value.into(),
            line: line + 1,
        };
        pairs.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
        let flags = Flags {
            config: None,
            given: vec![("mix".into(), "0.25".into())],
        };
        let file = entries(&[("mix", "0.5"), ("atten-limit-db", "20")]);
        let resolution = decide(&flags, &file, Path::new("/c.toml")).unwrap();
        assert_eq!(resolution.settings.mix, 0.25);
        assert_eq!(resolution.settings.atten_limit_db, 20.0);
        assert_eq!(resolution.settings.input, "default");
        let origin = |key| {
            let mut keys = resolution.keys.iter();
            keys.find(|known| known.key == key).unwrap().origin.clone()
        };
        assert_eq!(origin("mix"), Origin::CommandLine);
        assert_eq!(origin("atten-limit-db").to_string(), "/c.toml:2");
        assert_eq!(origin("input"), Origin::Default);
    }
}
