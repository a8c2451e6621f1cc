//! One configuration file: TOML, read strictly.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::layers::{Origin, Value};
use super::{PROFILE, SETTINGS, nearest, secret};
use crate::failed::Failed;

/// A file of settings is not longer than this.
const LONGEST: u64 = 1 << 20;

/// What is wrong, and at which byte.
struct Wrong {
    at: usize,
    why: String,
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
        let table = DeTable::parse(&text).map_err(|e| Wrong {
            at: e.span().map_or(0, |span| span.start),
            // Its picture would repeat the line, which may hold a secret.
            why: e.message().to_owned(),
        });
        let read = table.and_then(|table| File::of(path, table.get_ref()));
        read.map(Some).map_err(|Wrong { at, why }| {
            let line = text[..at].matches('\n').count() + 1;
            wrong(format!("line {line}: {why}"))
        })
    }

    fn of(path: &Path, table: &DeTable<'_>) -> Result<File, Wrong> {
        let mut file = File {
            path: path.to_owned(),
            plain: BTreeMap::new(),
            profiles: BTreeMap::new(),
        };
        let known = || SETTINGS.iter().map(|s| s.name);
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Table(profiles) if key.get_ref() == "profiles" => {
                    for (name, profile) in profiles {
                        let (at, name) = (name.span().start, name.get_ref());
                        let profile = profile.get_ref().as_table().ok_or_else(|| Wrong {
                            at,
                            why: format!("profiles.{name} is not a table"),
                        })?;
                        let of = format!("profiles.{name}.");
                        let mut values = BTreeMap::new();
                        for (key, value) in profile {
                            let text = said(&of, key, value.get_ref(), known())?;
                            values.insert(key.get_ref().to_string(), text);
                        }
                        file.profiles.insert(name.to_string(), values);
                    }
                }
                value => {
                    let text = said("", key, value, known().chain([PROFILE.name]))?;
                    file.plain.insert(key.get_ref().to_string(), text);
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
    key: &Spanned<DeString<'_>>,
    value: &DeValue<'_>,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, Wrong> {
    let (at, key) = (key.span().start, key.get_ref().as_ref());
    let wrong = |why| Err(Wrong { at, why });
    if !known.clone().any(|name| name == key) {
        if secret::is_secret_name(key) {
            return wrong(format!(
                "{of}{key}: secrets do not belong in this file; put credentials where the AWS \
                 tools look for them"
            ));
        }
        let known: Vec<&str> = known.collect();
        let hint = match nearest(key, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("these are known: {}", known.join(", ")),
        };
        return wrong(format!("there is no setting {of}{key}; {hint}"));
    }
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        other => wrong(format!("{of}{key} is a {}, not a text", other.type_str())),
    }
}
