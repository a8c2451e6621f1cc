//! `oq completion`.

use crate::complete::{BASH, FISH, ZSH};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;

/// Print the script that makes a shell complete oq's words, queues, types and ids.
///
/// bash and zsh: `source <(oq completion bash)` in the shell's start file; fish: `oq completion fish
/// > ~/.config/fish/completions/oq.fish`. A Tab asks the store a few requests, for a second at most.
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
        let script = match self.shell {
            Shell::Bash => BASH,
            Shell::Zsh => ZSH,
            Shell::Fish => FISH,
        };
        oq.print.data(format_args!("{script}"))?;
        Ok(Exit::Ok)
    }
}
