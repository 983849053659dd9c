//! Decides which file holds the account info: the rules of docs/protocol.md, section 13.1, as a
//! function of an environment that is passed in. `fixtures/account_info/locations.json` has the
//! rules as a table, which Python's own code is tested with as well.
//!
//! Two things that Python does are mistakes and differ here:
//!
//! - Python checks only the beginning of a profile's name, so that `a/../b` is accepted. Here the
//!   whole name is checked.
//! - Python looks for `~/.b2db-<profile>.sqlite` in a directory that is literally called `~`, so
//!   that it never finds the file in the home directory if there is an XDG directory. Here nobody
//!   looks for it, so that both use the same file.
//!
//! | the caller names | `B2_ACCOUNT_INFO` | `~/.b2_account_info` exists | the file |
//! | --- | --- | --- | --- |
//! | a path | any | any | that path |
//! | a profile `p` | set | any | `InvalidInput` |
//! | a profile `p` | not set | any | `$XDG_CONFIG_HOME/b2/db-p.sqlite`, or `~/.b2db-p.sqlite` where there is no such directory |
//! | a path and a profile | any | any | `InvalidInput` |
//! | nothing | set | any | the variable's path; if it is empty, `InvalidInput` |
//! | nothing | not set | yes | `~/.b2_account_info` |
//! | nothing | not set | no | `$XDG_CONFIG_HOME/b2/account_info`, or `~/.b2_account_info` where there is no such directory |
//!
//! Nothing is opened or created while the file is being chosen. The only questions to the file
//! system are whether `~/.b2_account_info` exists and where the home directory is.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// The environment variable that names the file.
pub(super) const VARIABLE: &str = "B2_ACCOUNT_INFO";
/// The environment variable that names the directory of settings.
const XDG: &str = "XDG_CONFIG_HOME";
/// The longest name of a profile, in bytes.
const LONGEST_PROFILE: usize = 64;

/// What the caller names: a path, a profile, or nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// The file itself.
    pub(super) path: Option<PathBuf>,
    /// The name of a profile. An empty one counts as none.
    pub(super) profile: Option<String>,
}

impl Named {
    /// Whether the caller names nothing, so that the rules decide.
    ///
    /// Then the login may be that of Backblaze's own tools, and a warning is due before it is
    /// replaced.
    pub(super) fn is_nothing(&self) -> bool {
        self.path.is_none() && self.profile.as_ref().is_none_or(String::is_empty)
    }
}

/// Everything that the rules look at.
pub(super) struct Environment<'a> {
    /// Returns the value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The home directory, if it is known.
    pub(super) home: Option<PathBuf>,
    /// Returns whether a file exists.
    pub(super) exists: &'a dyn Fn(&Path) -> bool,
    /// Whether programs on this platform keep their settings in `~/.config`.
    pub(super) has_xdg: bool,
}

/// The file, and the directory that has to be created for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The file. It need not exist.
    pub(super) file: PathBuf,
    /// The directory that is created if it does not exist. The parent of a path that the caller
    /// names is never created, because a typing error in a path would otherwise go unnoticed.
    pub(super) directory: Option<PathBuf>,
}

impl Location {
    /// The location in the environment of this process.
    ///
    /// It reads the environment each time.
    pub(super) fn of_this_process(named: &Named) -> Result<Self> {
        let environment = Environment {
            variable: &|name| std::env::var_os(name),
            home: dirs::home_dir(),
            exists: &Path::exists,
            has_xdg: !cfg!(any(windows, target_os = "macos")),
        };
        locate(named, &environment)
    }

    /// Creates the directory if the rules require it, accessible only by its owner.
    ///
    /// Parents that do not exist are created as well, with the same mode. A directory that exists
    /// is left as it is.
    pub(super) fn make_directory(&self) -> Result<()> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(directory)
            .map_err(|error| Error::local_file("create", directory, error))
    }
}

/// Applies the rules. The first of these that applies decides: the caller's path, the environment
/// variable (even if it is empty), the old file in the home directory if it exists, the XDG
/// directory, the home directory. An empty profile counts as none.
///
/// Fails with `InvalidInput` if two of them are named at the same time, a name is unusable, or the
/// home directory is needed and not known.
pub(super) fn locate(named: &Named, environment: &Environment<'_>) -> Result<Location> {
    let profile = named.profile.as_deref().filter(|name| !name.is_empty());
    profile.map_or(Ok(()), check_profile)?;
    if let Some(path) = &named.path {
        if profile.is_some() {
            return Err(unusable("profile", "name a path or a profile, not both"));
        }
        return environment.expand(path, "path").map(Location::as_it_is);
    }
    if let Some(value) = (environment.variable)(VARIABLE) {
        if profile.is_some() {
            return Err(unusable(
                "profile",
                "set B2_ACCOUNT_INFO or name a profile, not both",
            ));
        }
        return environment
            .expand(Path::new(&value), VARIABLE)
            .map(Location::as_it_is);
    }
    match profile {
        Some(profile) => by_platform(
            environment,
            &format!("db-{profile}.sqlite"),
            environment.in_home(&format!(".b2db-{profile}.sqlite"), "profile"),
        ),
        None => match environment.in_home(".b2_account_info", VARIABLE) {
            Ok(old) if (environment.exists)(&old) => Ok(Location::as_it_is(old)),
            old => by_platform(environment, "account_info", old),
        },
    }
}

/// The file in the XDG directory if the platform has one, otherwise in the home directory.
///
/// macOS and Windows have no such directory unless the variable names one.
fn by_platform(
    environment: &Environment<'_>,
    name: &str,
    in_home: Result<PathBuf>,
) -> Result<Location> {
    let chosen = (environment.variable)(XDG).filter(|value| !value.is_empty());
    let settings = match chosen {
        Some(chosen) => environment.expand(Path::new(&chosen), XDG)?,
        None if environment.has_xdg => environment.in_home(".config", VARIABLE)?,
        None => return in_home.map(Location::as_it_is),
    };
    let directory = settings.join("b2");
    Ok(Location {
        file: directory.join(name),
        directory: Some(directory),
    })
}

/// Fails if a profile's name has other characters than letters, digits, `_` and `-`, because it
/// becomes part of a file name.
fn check_profile(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.len() <= LONGEST_PROFILE && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(unusable(
        "profile",
        "its name has 1 to 64 of the characters a-z, A-Z, 0-9, _ and -",
    ))
}

impl Location {
    /// A file in a directory that is not created.
    fn as_it_is(file: PathBuf) -> Self {
        Self {
            file,
            directory: None,
        }
    }
}

impl Environment<'_> {
    /// A path in the home directory. Fails if that is not known.
    fn in_home(&self, name: &str, what: &'static str) -> Result<PathBuf> {
        match &self.home {
            Some(home) => Ok(home.join(name)),
            None => Err(unusable(
                what,
                "the home directory is not known; name the file in full",
            )),
        }
    }

    /// Replaces a leading `~`, as Python does for every path of these rules.
    ///
    /// `~other/...` is refused, because the directory of another user is not looked up.
    fn expand(&self, path: &Path, what: &'static str) -> Result<PathBuf> {
        if path.as_os_str().is_empty() {
            return Err(unusable(what, "it is empty; name a file"));
        }
        let mut parts = path.components();
        match parts.next() {
            Some(Component::Normal(first)) if first == "~" => {
                let rest = parts.as_path().to_owned();
                let home = self.in_home("", what)?;
                // Joining an empty path would leave a slash at the end.
                Ok(home.components().chain(rest.components()).collect())
            }
            Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~") => {
                Err(unusable(
                    what,
                    "the home directory of another user is not looked up; write the path in full",
                ))
            }
            _ => Ok(path.to_owned()),
        }
    }
}

/// The error of a setting that cannot be used.
///
/// `what` names the setting: the path, the profile, or a variable.
fn unusable(what: &'static str, reason: &str) -> Error {
    Error::invalid_input(what, reason)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
