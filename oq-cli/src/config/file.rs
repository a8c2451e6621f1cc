//! One configuration file: TOML, read strictly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Table;

use super::layers::{Origin, Value};
use super::{SETTINGS, nearest, secret};
use crate::failed::Failed;

/// A file of settings is not longer than this.
const LONGEST: u64 = 1 << 20;

/// How a complaint about a key begins that is no setting.
const UNKNOWN: &str = "there is no setting ";

/// The number of the line that sets this key.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(sets).map(|at| at + 1)
}

/// What a file says.
#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    /// The values at its top, `profile` among them.
    plain: BTreeMap<String, String>,
    profiles: BTreeMap<String, BTreeMap<String, String>>,
}

impl File {
    /// Reads it; a file that has gone meanwhile is none.
    pub fn read(path: &Path) -> Result<Option<File>, Failed> {
        let wrong = |why: String| {
            Failed::config(
                format!("{}: {why}", path.display()),
                "correct it; oq config list shows the settings",
            )
        };
        let length = match std::fs::metadata(path) {
            Ok(about) => about.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrong(e.to_string())),
        };
        if length > LONGEST {
            return Err(wrong(format!("it has {length} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        // Of what the reader says only what is wrong and where: its picture repeats the line, which
        // may hold a secret.
        let table: Table = toml::from_str(&text).map_err(|e: toml::de::Error| {
            let line = e.span().map(|s| text[..s.start].matches('\n').count() + 1);
            let line = line.map_or(String::new(), |n| format!("line {n}: "));
            wrong(format!("{line}{}", e.message()))
        })?;
        File::of(path, &table).map(Some).map_err(|why| {
            // It says which key; where that stands the text tells.
            let key = why
                .strip_prefix(UNKNOWN)
                .and_then(|rest| rest.split(';').next());
            let key = key.and_then(|key| key.rsplit('.').next());
            let line = key.and_then(|key| line_of(&text, key));
            let line = line.map_or(String::new(), |n| format!("line {n}: "));
            wrong(format!("{line}{why}"))
        })
    }

    fn of(path: &Path, table: &Table) -> Result<File, String> {
        let mut file = File {
            path: path.to_owned(),
            plain: BTreeMap::new(),
            profiles: BTreeMap::new(),
        };
        let top = || SETTINGS.iter().map(|s| s.name).chain(["profile"]);
        for (key, value) in table {
            match value {
                toml::Value::Table(profiles) if key == "profiles" => {
                    for (name, profile) in profiles {
                        let profile = profile
                            .as_table()
                            .ok_or_else(|| format!("profiles.{name} is not a table"))?;
                        let of = format!("profiles.{name}.");
                        let mut values = BTreeMap::new();
                        for (key, value) in profile {
                            let known = SETTINGS.iter().map(|s| s.name);
                            values.insert(key.clone(), said(&of, key, value, known)?);
                        }
                        file.profiles.insert(name.clone(), values);
                    }
                }
                value => {
                    file.plain.insert(key.clone(), said("", key, value, top())?);
                }
            }
        }
        Ok(file)
    }

    /// A value of the file, or of one of its profiles.
    pub fn value(&self, name: &str, profile: Option<&str>) -> Option<Value> {
        let values = match profile {
            None => &self.plain,
            Some(profile) => self.profiles.get(profile)?,
        };
        Some(Value {
            text: values.get(name)?.clone(),
            origin: Origin::File(self.path.clone(), profile.map(str::to_owned)),
        })
    }

    /// The names of its profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }
}

fn said<'a>(
    of: &str,
    key: &str,
    value: &toml::Value,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, String> {
    if !known.clone().any(|name| name == key) {
        if secret::is_secret_name(key) {
            return Err(format!(
                "{of}{key}: secrets do not belong in this file; put credentials where the AWS \
                 tools look for them"
            ));
        }
        let known: Vec<&str> = known.collect();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("these are known: {}", known.join(", ")),
        };
        return Err(format!("{UNKNOWN}{of}{key}; {hint}"));
    }
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        other => Err(format!("{of}{key} is a {}, not a text", other.type_str())),
    }
}
