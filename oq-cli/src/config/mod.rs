//! What is configured: flags over the environment over `oq.toml` in the folder over the user's file.
//!
//! There is one list of settings ([`SETTINGS`]); the manual is made of it. Secrets are not among
//! them: credentials come from where the AWS tools look, and what looks like one is refused.

mod file;
mod layers;
pub mod secret;
#[cfg(test)]
mod tests;

use oq_core::record::QueueName;
use oq_core::words;

use crate::args::{Command, GlobalArgs};
use crate::failed::Failed;
use crate::print::{Colour, Format};

pub use layers::Layers;

/// One thing that can be configured.
#[derive(Debug)]
pub struct Setting {
    /// Its name in files; with `--` before it the flag's.
    pub name: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What it means.
    pub what: &'static str,
    /// What it is unless set.
    pub default: &'static str,
    check: fn(&str) -> Result<(), String>,
}

/// Chooses among the profiles of the files, and so is none of [`SETTINGS`].
pub const PROFILE: Setting = Setting {
    name: "profile",
    env: "OQ_PROFILE",
    what: "Which profile of the files to use.",
    default: "",
    check: |_| Ok(()),
};

/// All settings but [`PROFILE`].
pub const SETTINGS: [Setting; 6] = [
    Setting {
        name: "url",
        env: "OQ_URL",
        what: "The store: `s3://BUCKET/PREFIX` or `sqlite:PATH`. Never with credentials in it.",
        default: "",
        check: secret::check_url,
    },
    Setting {
        name: "queue",
        env: "OQ_QUEUE",
        what: "The queue that commands are about. Python reads only the variable: it is the queue of \
               tasks that name none.",
        default: "default",
        check: |text| QueueName::new(text).map(drop).map_err(|e| e.to_string()),
    },
    Setting {
        name: "output",
        env: "OQ_OUTPUT",
        what: "How data is written: `table`, `json`, `jsonl`, `csv` or `id`. Unless set: a table on \
               a terminal and JSON lines in a pipe.",
        default: "",
        check: |text| one_of::<Format>(text).map(drop),
    },
    Setting {
        name: "color",
        env: "OQ_COLOR",
        what: "Colours: `auto`, `always` or `never`. `auto` is for terminals, and heeds `NO_COLOR` \
               and `TERM=dumb`.",
        default: "auto",
        check: |text| one_of::<Colour>(text).map(drop),
    },
    Setting {
        name: "quiet",
        env: "OQ_QUIET",
        what: "`true`: nothing on stderr but errors.",
        default: "false",
        check: |text| truth(text).map(drop),
    },
    Setting {
        name: "cost",
        env: "OQ_COST",
        what: "`true`: say on stderr which requests a command made and what they cost.",
        default: "false",
        check: |text| truth(text).map(drop),
    },
];

/// What holds for one command: everything configured, checked.
#[derive(Debug, Clone)]
pub struct Global {
    /// The store's URL.
    pub url: Option<String>,
    /// The queue.
    pub queue: QueueName,
    /// How data is written.
    pub output: Option<Format>,
    /// When to use colours.
    pub color: Colour,
    /// Nothing on stderr but errors.
    pub quiet: bool,
    /// Say what the requests cost.
    pub cost: bool,
    /// The options of the command line alone.
    pub said: GlobalArgs,
}

impl Global {
    /// What holds for a command with these options, on this machine, in this folder. Commands that
    /// are there to find out what is wrong are not stopped by it.
    pub fn of(args: &GlobalArgs, command: &Command) -> Result<Global, Failed> {
        let lenient = matches!(
            command,
            Command::Completion(_) | Command::Config(_) | Command::Explain(_)
        );
        let layers = match Layers::of_machine(args) {
            Ok(layers) => layers,
            Err(_) if lenient => Layers::default(),
            Err(wrong) => return Err(wrong),
        };
        let checked = layers.checked();
        match checked {
            Err(wrong) if !lenient => Err(wrong),
            _ => Global::from(args, &layers),
        }
    }

    fn from(args: &GlobalArgs, layers: &Layers) -> Result<Global, Failed> {
        let text = |name: &str| layers.value(name).map(|value| value.text.as_str());
        let queue = match &args.queue {
            Some(queue) => Some(queue.clone()),
            None => text("queue").and_then(|t| QueueName::new(t).ok()),
        };
        let queue = match queue {
            Some(queue) => queue,
            None => QueueName::new(oq_core::queue::DEFAULT_QUEUE)?,
        };
        let is = |name: &str| text(name).is_some_and(|t| truth(t) == Ok(true));
        Ok(Global {
            url: text("url").map(str::to_owned),
            queue,
            output: text("output").and_then(|t| one_of(t).ok()),
            color: text("color")
                .and_then(|t| one_of(t).ok())
                .unwrap_or_default(),
            quiet: is("quiet"),
            cost: is("cost"),
            said: args.clone(),
        })
    }
}

impl Setting {
    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|s| s.name == name)
    }

    /// What this option said, if it was.
    fn said(&self, args: &GlobalArgs) -> Option<String> {
        let word =
            |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
        match self.name {
            "url" => args.url.clone(),
            "queue" => args.queue.as_ref().map(|q| q.to_string()),
            "output" => word(
                args.output
                    .and_then(|f| clap::ValueEnum::to_possible_value(&f)),
            ),
            "color" => word(
                args.color
                    .and_then(|c| clap::ValueEnum::to_possible_value(&c)),
            ),
            "quiet" => args.quiet.then(|| "true".to_owned()),
            "cost" => args.cost.then(|| "true".to_owned()),
            _ => None,
        }
    }
}

fn one_of<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let values = T::value_variants().iter().filter_map(T::to_possible_value);
        let names: Vec<String> = values.map(|v| v.get_name().to_owned()).collect();
        format!("use one of {}", names.join(", "))
    })
}

fn truth(text: &str) -> Result<bool, String> {
    words::switch(text).ok_or_else(|| "use true or false".to_owned())
}

/// Of these variables those that are no setting and look like one, with the one they look like.
/// Programs have variables of their own that begin with `OQ_`, so what is far from all is left alone.
pub fn misspelt(variables: impl Iterator<Item = String>) -> Vec<(String, &'static str)> {
    let known = || SETTINGS.iter().map(|s| s.env).chain([PROFILE.env]);
    let near = |name: &str| known().find(|env| strsim::damerau_levenshtein(name, env) <= 2);
    let ours = variables.filter(|name| name.starts_with("OQ_") && !known().any(|env| env == name));
    let mut found: Vec<_> = ours
        .filter_map(|name| near(&name).map(|env| (name, env)))
        .collect();
    found.sort_unstable();
    found
}

/// The word that somebody probably meant.
pub fn nearest<'a>(wrong: &str, right: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = right
        .into_iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(wrong, word), word));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= 0.5)
        .map(|(_, word)| word)
}
