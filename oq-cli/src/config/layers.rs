//! The layers of configuration, and which of them each value comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::File;
use super::{PROFILE, SETTINGS, Setting, nearest, secret};
use crate::args::GlobalArgs;
use crate::failed::Failed;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// A file, and perhaps a profile in it.
    File(PathBuf, Option<String>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "--{name}"),
            Origin::Env(name) => f.write_str(name),
            Origin::File(path, None) => write!(f, "{}", path.display()),
            Origin::File(path, Some(profile)) => {
                write!(f, "{} [profiles.{profile}]", path.display())
            }
        }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text; of a URL it may hold something that is not to be shown.
    pub text: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What is set, by the layer that wins.
#[derive(Debug, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// The profile in use.
    pub profile: Option<Value>,
    /// The files that were read, the folder's first.
    pub files: Vec<PathBuf>,
}

/// What configuration takes from its surroundings.
pub(super) struct Machine<'a> {
    /// An environment variable.
    pub env: &'a dyn Fn(&str) -> Option<std::ffi::OsString>,
    /// The folder that the command runs in.
    pub folder: Option<PathBuf>,
}

impl Layers {
    /// What is set for a command of these options here.
    pub fn of_machine(args: &GlobalArgs) -> Result<Layers, Failed> {
        Layers::of(
            args,
            &Machine {
                env: &|name| std::env::var_os(name),
                folder: std::env::current_dir().ok(),
            },
        )
    }

    pub(super) fn of(args: &GlobalArgs, machine: &Machine<'_>) -> Result<Layers, Failed> {
        let mut files = Vec::new();
        let found = machine.folder.as_deref().and_then(upwards);
        for path in found.into_iter().chain(users(machine)) {
            if !files.iter().any(|file: &File| file.path == path) {
                files.extend(File::read(&path)?);
            }
        }
        let profile = profile(args, machine, &files)?;
        let mut layers = Layers {
            values: BTreeMap::new(),
            files: files.iter().map(|file| file.path.clone()).collect(),
            profile,
        };
        for setting in &SETTINGS {
            if let Some(value) = layers.winner(setting, args, machine, &files)? {
                layers.values.insert(setting.name, value);
            }
        }
        Ok(layers)
    }

    fn winner(
        &self,
        setting: &'static Setting,
        args: &GlobalArgs,
        machine: &Machine<'_>,
        files: &[File],
    ) -> Result<Option<Value>, Failed> {
        let flag = setting.said(args).map(|text| Value {
            text,
            origin: Origin::Flag(setting.name),
        });
        let env = from_env(machine, setting.env)?;
        let named = self.profile.as_ref();
        let profiled = named.and_then(|profile| {
            files
                .iter()
                .find_map(|file| file.value(setting.name, Some(&profile.text)))
        });
        let plain = || files.iter().find_map(|file| file.value(setting.name, None));
        // Who names a profile on the command line means it, whatever the environment says.
        let by_flag = named.is_some_and(|p| matches!(p.origin, Origin::Flag(_)));
        let below = if by_flag {
            profiled.or(env)
        } else {
            env.or(profiled)
        };
        Ok(flag.or(below).or_else(plain))
    }

    /// What a setting is; its default if nobody set it, `None` if it has none.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Refuses values that cannot be used, by the name of who said them.
    pub fn checked(&self) -> Result<(), Failed> {
        for (name, value) in &self.values {
            let Some(setting) = Setting::named(name) else {
                continue;
            };
            if let Err(why) = (setting.check)(&value.text) {
                let shown = if setting.name == "url" {
                    String::new()
                } else {
                    format!(" {:?}", value.text)
                };
                let what = format!("{}: {name}{shown}: {why}", value.origin);
                return Err(match value.origin {
                    Origin::Flag(_) => Failed::usage(what, "oq explain OQ-INVALID"),
                    _ => Failed::config(what, "oq config show --origin"),
                });
            }
        }
        Ok(())
    }
}

fn from_env(machine: &Machine<'_>, name: &'static str) -> Result<Option<Value>, Failed> {
    let Some(text) = (machine.env)(name) else {
        return Ok(None);
    };
    let wrong = |why: &str| {
        let next = format!("set it, or remove it: unset {name}");
        Err(Failed::config(format!("{name} {why}"), next))
    };
    match text.into_string() {
        Ok(text) if text.trim().is_empty() => wrong("is set and empty"),
        Ok(text) => Ok(Some(Value {
            text,
            origin: Origin::Env(name),
        })),
        Err(_) => wrong("is not UTF-8"),
    }
}

/// Which profile is asked for; it must be in one of the files.
fn profile(
    args: &GlobalArgs,
    machine: &Machine<'_>,
    files: &[File],
) -> Result<Option<Value>, Failed> {
    let flag = args.profile.clone().map(|text| Value {
        text,
        origin: Origin::Flag(PROFILE.name),
    });
    let asked = match flag {
        Some(flag) => Some(flag),
        None => from_env(machine, PROFILE.env)?,
    };
    let asked = asked.or_else(|| files.iter().find_map(|file| file.value(PROFILE.name, None)));
    let Some(asked) = asked else { return Ok(None) };
    let known: Vec<&str> = files.iter().flat_map(File::profiles).collect();
    if known.contains(&asked.text.as_str()) {
        return Ok(Some(asked));
    }
    let why = format!("{}: there is no profile {:?}", asked.origin, asked.text);
    let next = match (
        nearest(&asked.text, known.iter().copied()),
        known.as_slice(),
    ) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => "no file has profiles: write [profiles.NAME] into oq.toml".to_owned(),
        (None, known) => format!("these are known: {}", known.join(", ")),
    };
    Err(match asked.origin {
        Origin::Flag(_) => Failed::usage(why, next),
        _ => Failed::config(why, next),
    })
}

/// `oq.toml` in this folder or the nearest one above it.
fn upwards(folder: &Path) -> Option<PathBuf> {
    let files = folder.ancestors().map(|folder| folder.join("oq.toml"));
    files.into_iter().find(|path| path.is_file())
}

/// The user's own file.
fn users(machine: &Machine<'_>) -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from((machine.env)(name)?);
        path.is_absolute().then_some(path)
    };
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    let path = config.join("oq").join("config.toml");
    path.is_file().then_some(path)
}

impl Value {
    /// The text as it may be shown.
    pub fn shown(&self) -> String {
        secret::masked(&self.text)
    }
}
