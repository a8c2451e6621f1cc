//! `oq completion`.

use std::ffi::OsString;

use clap_complete::env::Shells;

use crate::complete::VARIABLE;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// Print the script that makes a shell complete oq's words, queues, types and ids.
///
/// bash: echo 'source <(oq completion bash)' >> ~/.bashrc; zsh: the same in ~/.zshrc; fish:
/// oq completion fish > ~/.config/fish/completions/oq.fish. A Tab asks the store at most a few requests, for a second
/// at most.
#[derive(Debug, clap::Args)]
pub struct Completion {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let name = match self.shell {
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
        };
        let shells = Shells::builtins();
        let unknown = || Failed::unusable(format!("no completion for {name}"), "");
        let shell = shells.completer(name).ok_or_else(unknown)?;
        let this = std::env::args_os()
            .next()
            .unwrap_or_else(|| OsString::from("oq"));
        let mut script = Vec::new();
        shell
            .write_registration(VARIABLE, "oq", "oq", &this.to_string_lossy(), &mut script)
            .map_err(|e| Failed::unusable(e.to_string(), ""))?;
        let script = String::from_utf8_lossy(&script);
        oq.print.data(format_args!("{}\n", script.trim_end()))?;
        Ok(Exit::Ok)
    }
}
