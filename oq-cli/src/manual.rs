//! The manuals of commands and of settings, made from the definitions. They are in `docs/reference`;
//! these tests fail when they are out of date.

use clap::{Arg, Command, CommandFactory};
use expect_test::expect_file;

use crate::args::Args;
use crate::config::{PROFILE, SETTINGS};
use crate::exit::Exit;

const MADE: &str = "<!-- Made from the code. After a change: UPDATE_EXPECT=1 cargo test -p oq-cli --lib manual -->\n";

#[test]
fn the_manual_of_commands_is_up_to_date() {
    let mut root = Args::command();
    root.build();
    let mut text = format!(
        "{MADE}\n# Commands\n\nEvery command takes the [options at the end](#options-of-every-command). \
         What each command is for, with examples: [cli.md](../cli.md). The `oq` of the Python package \
         also runs apps, with `oq worker MODULE:APP` and `oq dev MODULE:APP`: \
         [python.md](python.md#command-line).\n"
    );
    for command in root
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
    {
        section(&mut text, "oq", command, 2);
    }
    text.push_str("\n## Options of every command\n\n");
    let global = root.get_arguments().filter(|a| a.is_global_set());
    arguments(&mut text, global);
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        text.push_str(&format!("| {} | {} |\n", exit as u8, exit.meaning()));
    }
    expect_file!["../../docs/reference/cli.md"].assert_eq(&text);
}

#[test]
fn the_manual_of_settings_is_up_to_date() {
    let mut text = format!(
        "{MADE}\n# Settings\n\nA flag wins over an environment variable, that over `oq.toml` in the \
         folder or the nearest one above it, and that over `$XDG_CONFIG_HOME/oq/config.toml` \
         (`~/.config/oq/config.toml`). `oq config show --origin` says where each value comes from.\n\n\
         | setting | flag | variable | unless set | meaning |\n|---|---|---|---|---|\n"
    );
    for setting in SETTINGS.iter().chain([&PROFILE]) {
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        text.push_str(&format!(
            "| `{0}` | `--{0}` | `{1}` | {default} | {2} |\n",
            setting.name, setting.env, setting.what
        ));
    }
    text.push_str(
        "\n## Profiles\n\n\
         ```toml\n\
         queue = \"mail\"\n\
         profile = \"dev\"             # unless --profile or OQ_PROFILE says otherwise\n\n\
         [profiles.dev]\n\
         url = \"sqlite:oq.db\"\n\n\
         [profiles.prod]\n\
         url = \"s3://acme-jobs/prod\"\n\
         ```\n\n\
         What a profile says wins over what stands at the top of a file. A profile that is named by \
         `--profile` wins over environment variables, too: who names it means it.\n\n\
         Unknown keys are refused. Secrets are not settings: credentials come from where the AWS \
         tools look for them, and a URL or file that seems to hold one is refused.\n",
    );
    expect_file!["../../docs/reference/settings.md"].assert_eq(&text);
}

fn section(text: &mut String, before: &str, command: &Command, level: usize) {
    let name = format!("{before} {}", command.get_name());
    text.push_str(&format!("\n{} {name}\n\n", "#".repeat(level)));
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about {
        text.push_str(&format!("{}\n\n", plain(&about.to_string())));
    }
    let commands: Vec<&Command> = command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
        .collect();
    if commands.is_empty() {
        let usage = command.clone().render_usage().to_string();
        text.push_str(&format!(
            "```text\n{}\n```\n\n",
            usage.trim_start_matches("Usage: ")
        ));
    }
    arguments(text, command.get_arguments().filter(|a| !a.is_global_set()));
    if name == "oq task" {
        let verbs: Vec<&str> = commands.iter().map(|c| c.get_name()).collect();
        text.push_str(&format!("Its verbs: {}.\n", verbs.join(", ")));
        return;
    }
    for command in commands {
        section(text, &name, command, level + 1);
    }
}

fn arguments<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    for arg in
        arguments.filter(|a| !a.is_hide_set() && !matches!(a.get_id().as_str(), "help" | "version"))
    {
        let value = arg
            .get_value_names()
            .map(|names| names.join(" "))
            .unwrap_or_default();
        let takes = arg.get_action().takes_values();
        let mut name = match arg.get_long() {
            Some(long) if takes => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None => value,
        };
        if let Some(short) = arg.get_short() {
            name = format!("-{short}, {name}");
        }
        let help = arg
            .get_long_help()
            .or(arg.get_help())
            .map(|h| plain(&h.to_string()));
        let help = help.unwrap_or_default();
        let default = arg.get_default_values().iter().map(|v| v.to_string_lossy());
        let default: Vec<_> = default.filter(|_| takes).collect();
        let default = match default.is_empty() {
            true => String::new(),
            false => format!(" (unless given: `{}`)", default.join(" ")),
        };
        text.push_str(&format!(
            "- `{name}`: {}{default}\n",
            help.trim_end_matches('.')
        ));
    }
}

/// Help as a paragraph of Markdown.
fn plain(help: &str) -> String {
    let paragraphs = help
        .split("\n\n")
        .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    // Between back quotes a sign is what it is.
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.replace('<', "&lt;"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}
