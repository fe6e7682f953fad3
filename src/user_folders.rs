//! Where a user's configurations are (XDG Base Directory Specification).

use std::path::PathBuf;

/// The folder for configurations, if there is a user with a home.
pub fn configurations() -> Option<PathBuf> {
    absolute("XDG_CONFIG_HOME").or_else(default_configurations)
}

/// The same for programs that do not ask `XDG_CONFIG_HOME`.
pub fn default_configurations() -> Option<PathBuf> {
    absolute("HOME").map(|home| home.join(".config"))
}

/// Relative paths in these variables are to be ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.filter(|path| path.is_absolute())
}
