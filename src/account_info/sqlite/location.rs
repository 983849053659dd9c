//! Which file an account info lives in when the caller names none: the rules of reference section
//! 13.1, as a function of an environment that is passed in.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

const VARIABLE: &str = "B2_ACCOUNT_INFO";

/// Whatever the rules look at.
pub(super) struct Environment<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    pub(super) home: Option<PathBuf>,
    pub(super) exists: &'a dyn Fn(&Path) -> bool,
    /// Whether programs of this platform keep their settings in `~/.config`.
    pub(super) has_xdg: bool,
}

/// The file, and the directory that is made for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) file: PathBuf,
    pub(super) directory: Option<PathBuf>,
}

impl Location {
    /// Where the rules lead in the environment of this process.
    pub(super) fn of_this_process() -> Result<Self> {
        locate(&Environment {
            variable: &|name| std::env::var_os(name),
            home: dirs::home_dir(),
            exists: &Path::exists,
            has_xdg: !cfg!(any(windows, target_os = "macos")),
        })
    }

    /// Makes the directory if the rules want one; only its owner may look into what is made.
    pub(super) fn prepare(self) -> Result<PathBuf> {
        if let Some(directory) = &self.directory {
            let mut builder = DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder
                .create(directory)
                .map_err(|error| Error::local_file("create", directory, error))?;
        }
        Ok(self.file)
    }
}

/// In this order: the variable (even if it is empty), the old file in the home directory if it is
/// there, the XDG directory, the old file.
pub(super) fn locate(environment: &Environment<'_>) -> Result<Location> {
    if let Some(value) = (environment.variable)(VARIABLE) {
        if value.is_empty() {
            return Err(unusable("it is set but empty; unset it or name a file"));
        }
        return environment.expand(value.into()).map(Location::as_it_is);
    }
    let old = environment.in_home(".b2_account_info");
    if let Ok(old) = &old
        && (environment.exists)(old)
    {
        return Ok(Location::as_it_is(old.clone()));
    }
    let chosen = (environment.variable)("XDG_CONFIG_HOME").filter(|value| !value.is_empty());
    let settings = match chosen {
        Some(chosen) => environment.expand(chosen.into())?,
        None if environment.has_xdg => environment.in_home(".config")?,
        None => return old.map(Location::as_it_is),
    };
    let directory = settings.join("b2");
    Ok(Location {
        file: directory.join("account_info"),
        directory: Some(directory),
    })
}

impl Location {
    fn as_it_is(file: PathBuf) -> Self {
        Self {
            file,
            directory: None,
        }
    }
}

impl Environment<'_> {
    fn in_home(&self, name: &str) -> Result<PathBuf> {
        match &self.home {
            Some(home) => Ok(home.join(name)),
            None => Err(unusable(
                "the home directory is not known; name the file in this variable",
            )),
        }
    }

    /// Replaces a leading `~`, as Python does to every path of these rules.
    fn expand(&self, path: PathBuf) -> Result<PathBuf> {
        let mut parts = path.components();
        match parts.next() {
            Some(Component::Normal(first)) if first == "~" => {
                let rest = parts.as_path().to_owned();
                let home = self.in_home("")?;
                // Joining an empty path would leave a slash at the end.
                Ok(home.components().chain(rest.components()).collect())
            }
            Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~") => {
                Err(unusable(
                    "the home directory of another user is not looked up; write the path in full",
                ))
            }
            _ => Ok(path),
        }
    }
}

fn unusable(reason: &str) -> Error {
    Error::invalid_input(VARIABLE, reason)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Environment, Location, locate};

    struct Case {
        variables: &'static [(&'static str, &'static str)],
        home: Option<&'static str>,
        existing: &'static str,
        has_xdg: bool,
    }

    const PLAIN: Case = Case {
        variables: &[],
        home: Some("/home/ada"),
        existing: "",
        has_xdg: true,
    };

    fn located(case: &Case) -> Result<(String, Option<String>), String> {
        let variable = |name: &str| {
            let found = case.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).into())
        };
        let location = locate(&Environment {
            variable: &variable,
            home: case.home.map(PathBuf::from),
            exists: &|path| path == Path::new(case.existing),
            has_xdg: case.has_xdg,
        });
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        location
            .map(|Location { file, directory }| (text(file), directory.map(text)))
            .map_err(|error| error.to_string())
    }

    #[test]
    #[cfg(unix)]
    fn the_rules_of_the_official_tool_hold() {
        let xdg: &[_] = &[("XDG_CONFIG_HOME", "/etc/ada")];
        let home_xdg: &[_] = &[("XDG_CONFIG_HOME", "~/conf")];
        let empty_xdg: &[_] = &[("XDG_CONFIG_HOME", "")];
        let named: &[_] = &[("B2_ACCOUNT_INFO", "/a/b"), ("XDG_CONFIG_HOME", "/etc/ada")];
        let in_home: &[_] = &[("B2_ACCOUNT_INFO", "~/x/b2")];
        let old = "/home/ada/.b2_account_info";
        let default = (
            "/home/ada/.config/b2/account_info",
            Some("/home/ada/.config/b2"),
        );
        let table = [
            (PLAIN, default),
            (
                Case {
                    existing: old,
                    ..PLAIN
                },
                (old, None),
            ),
            (
                Case {
                    has_xdg: false,
                    ..PLAIN
                },
                (old, None),
            ),
            (
                Case {
                    variables: named,
                    existing: old,
                    ..PLAIN
                },
                ("/a/b", None),
            ),
            (
                Case {
                    variables: in_home,
                    ..PLAIN
                },
                ("/home/ada/x/b2", None),
            ),
            (
                Case {
                    variables: xdg,
                    existing: old,
                    ..PLAIN
                },
                (old, None),
            ),
            (
                Case {
                    variables: empty_xdg,
                    ..PLAIN
                },
                default,
            ),
            (
                Case {
                    variables: xdg,
                    home: None,
                    has_xdg: false,
                    ..PLAIN
                },
                ("/etc/ada/b2/account_info", Some("/etc/ada/b2")),
            ),
            (
                Case {
                    variables: home_xdg,
                    ..PLAIN
                },
                ("/home/ada/conf/b2/account_info", Some("/home/ada/conf/b2")),
            ),
        ];
        for (case, (file, directory)) in table {
            let expected = (file.to_owned(), directory.map(str::to_owned));
            assert_eq!(located(&case), Ok(expected), "{:?}", case.variables);
        }
    }

    #[test]
    fn what_leads_nowhere_is_an_error_that_says_what_to_do() {
        let empty: &[_] = &[("B2_ACCOUNT_INFO", "")];
        let other: &[_] = &[("B2_ACCOUNT_INFO", "~bob/b2")];
        let table = [
            (
                Case {
                    variables: empty,
                    ..PLAIN
                },
                "unset it",
            ),
            (
                Case {
                    variables: other,
                    ..PLAIN
                },
                "write the path in full",
            ),
            (
                Case {
                    home: None,
                    ..PLAIN
                },
                "home directory is not known",
            ),
        ];
        for (case, hint) in table {
            let error = located(&case).unwrap_err();
            assert!(
                error.contains("B2_ACCOUNT_INFO") && error.contains(hint),
                "{error}"
            );
        }
    }
}
