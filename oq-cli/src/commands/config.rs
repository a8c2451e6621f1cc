//! `oq config`.

use clap::Subcommand;
use serde::Serialize;

use crate::config::{Layers, PROFILE, SETTINGS, misspelt};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Row;
use crate::session::Session;

/// What is configured, and where it comes from.
#[derive(Debug, clap::Args)]
pub struct Config {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what holds here. Asks nobody; what may be a secret is shown as ***
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// All settings: their variables, defaults, and what they mean
    List,
}

/// A setting, whatever it is set to.
#[derive(Debug, Serialize)]
struct Known {
    name: &'static str,
    env: &'static str,
    default: &'static str,
    what: &'static str,
}

impl Row for Known {
    const HEADS: &'static [&'static str] = &["setting", "variable", "default", "what"];

    fn cells(&self) -> Vec<String> {
        [self.name, self.env, self.default, self.what]
            .map(str::to_owned)
            .to_vec()
    }

    fn id(&self) -> String {
        self.name.to_owned()
    }
}

#[derive(Debug, Serialize)]
struct SettingRow {
    name: &'static str,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl Row for SettingRow {
    const HEADS: &'static [&'static str] = &["setting", "value", "origin"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.to_owned(),
            self.value.clone().unwrap_or_default(),
            self.origin.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.name.to_owned()
    }
}

impl Config {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        match self.verb {
            Verb::Show { origin } => show(oq, origin),
            Verb::List => list(oq),
        }
    }
}

fn list(oq: &Session<'_>) -> Result<Exit, Failed> {
    let mut rows = oq.print.rows();
    for setting in SETTINGS.iter().chain([&PROFILE]) {
        rows.push(&Known {
            name: setting.name,
            env: setting.env,
            default: setting.default,
            what: setting.what,
        })?;
    }
    rows.end()?;
    Ok(Exit::Ok)
}

fn show(oq: &Session<'_>, origin: bool) -> Result<Exit, Failed> {
    let layers = Layers::of_machine(&oq.global.said)?;
    let from = |text: String| origin.then_some(text);
    let mut rows = oq.print.rows();
    rows.push(&SettingRow {
        name: PROFILE.name,
        value: layers.profile.as_ref().map(|value| value.text.clone()),
        origin: from(match &layers.profile {
            Some(value) => value.origin.to_string(),
            None => "default".to_owned(),
        }),
    })?;
    for setting in &SETTINGS {
        let value = layers.value(setting.name);
        let unset = || Some(setting.default.to_owned()).filter(|text| !text.is_empty());
        rows.push(&SettingRow {
            name: setting.name,
            value: value.map(|value| value.shown()).or_else(unset),
            origin: from(match value {
                Some(value) => value.origin.to_string(),
                None => "default".to_owned(),
            }),
        })?;
    }
    rows.end()?;
    if origin {
        for file in &layers.files {
            oq.print.note(&format!("read {}", file.display()));
        }
    }
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for (name, meant) in misspelt(set) {
        oq.print.note(&format!(
            "{name} is set and is no setting; did you mean {meant}?"
        ));
    }
    // Shown first, judged then: this command is there to find what is wrong.
    layers.checked()?;
    Ok(Exit::Ok)
}
