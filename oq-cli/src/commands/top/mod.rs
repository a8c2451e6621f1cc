//! `oq top`: what a store does just now, live on a terminal.

mod look;
mod model;
mod text;
mod view;

use std::pin::Pin;
use std::time::Duration;

use oq_core::env::Env;
use ratatui::crossterm::event::{self, KeyEvent, KeyEventKind};
use tokio::sync::mpsc;

use self::look::{Looker, Snapshot};
use self::model::{Model, Wish};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Format;
use crate::said;
use crate::session::Session;
use crate::signals::Signals;

/// How long the thread that reads keys waits before it sees whether anybody listens.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// How wide a snapshot is printed.
const WIDTH: u16 = 100;

/// Watch queues: depth, rates, the oldest task, workers, what runs, dead letters.
///
/// Each refresh makes 1 request, and 5 for each queue that is shown (1 GET, 4 LIST), up to 20
/// queues, and 2 more for each at the first; up to 70 more while a queue is open. The footer says what was made. Counts stop at a
/// thousand objects of each kind. Keys: arrows, enter, escape, p to pause, r to refresh, ? for help,
/// q to quit.
#[derive(Debug, clap::Args)]
pub struct Top {
    /// How often to look
    #[arg(long, value_parser = said::duration, default_value = "5s", value_name = "TIME")]
    every: Duration,

    /// Look once, print what is seen, and end
    #[arg(long)]
    once: bool,
}

impl Top {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        if self.every < Duration::from_millis(200) {
            return Err(Failed::usage(
                "--every below 200ms",
                "each refresh costs requests; 5s is what others use",
            ));
        }
        let looker = Looker::new(oq.root().await?);
        let mut model = Model::new(oq.url()?.to_owned(), self.every);
        if self.once {
            let before = oq.requests();
            let seen = looker.look(None).await?;
            let (made, now) = (oq.requests() - before, looker.now());
            return self.print(oq, model, seen, made, now);
        }
        if oq
            .print
            .asked()
            .is_some_and(|format| format != Format::Table)
        {
            return Err(Failed::usage(
                "oq top draws a screen",
                "add --once: that prints a snapshot in the format that is asked for",
            ));
        }
        if !oq.print.can_draw() {
            return Err(Failed::usage(
                "there is no terminal to draw on",
                "add --once for a snapshot as text, and -o json to it for programs",
            ));
        }
        let mut signals = Signals::new(false)?;
        // Restores the terminal when this program panics, too.
        let mut terminal = ratatui::try_init().map_err(|e| {
            Failed::unusable(format!("the terminal cannot be used: {e}"), "use --once")
        })?;
        let ended = tokio::select! {
            ended = watch(&mut terminal, &looker, &mut model, oq) => ended,
            () = signals.next() => Ok(()),
        };
        ratatui::restore();
        ended?;
        Ok(Exit::Ok)
    }

    fn print(
        &self,
        oq: &Session<'_>,
        mut model: Model,
        seen: Snapshot,
        made: oq_core::store::Requests,
        now: oq_core::env::Mono,
    ) -> Result<Exit, Failed> {
        match oq.print.asked() {
            Some(Format::Json | Format::Jsonl) => {
                oq.print.line(&serde_json::json!(seen).to_string())?;
                return Ok(Exit::Ok);
            }
            Some(Format::Csv | Format::Id) => {
                let mut rows = oq.print.rows();
                for queue in &seen.queues {
                    rows.push(queue)?;
                }
                rows.end()?;
                return Ok(Exit::Ok);
            }
            Some(Format::Table) | None => {}
        }
        model.saw(seen, made, now);
        for line in text::lines(&model, WIDTH) {
            oq.print.line(&line)?;
        }
        Ok(Exit::Ok)
    }
}

/// Draws and looks until somebody has seen enough.
async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    looker: &Looker,
    model: &mut Model,
    oq: &Session<'_>,
) -> Result<(), Failed> {
    type Looking<'a> = Pin<Box<dyn Future<Output = oq_core::Result<Snapshot>> + 'a>>;
    let env = Env::system();
    let mut keys = keys();
    let mut before = oq.requests();
    let mut looking: Option<Looking<'_>> = Some(Box::pin(looker.look(None)));
    loop {
        terminal
            .draw(|frame| view::draw(frame, model))
            .map_err(|e| Failed::unusable(format!("the terminal: {e}"), ""))?;
        let pause = match (&looking, model.paused) {
            (None, false) => model.due(looker.now()),
            _ => Duration::MAX,
        };
        let again = tokio::select! {
            seen = async { looking.as_mut().expect("guarded").await }, if looking.is_some() => {
                looking = None;
                match seen {
                    Ok(seen) => model.saw(seen, oq.requests() - before, looker.now()),
                    Err(error) => model.missed(&error, looker.now()),
                }
                false
            }
            () = env.sleep(pause.min(Duration::from_secs(3600))), if pause != Duration::MAX => true,
            key = keys.recv() => match key.map(|key| key.map_or(Wish::Draw, |key| model.key(key))) {
                None | Some(Wish::Quit) => return Ok(()),
                Some(Wish::Look) => true,
                Some(Wish::Draw) => false,
            },
        };
        if again && looking.is_none() {
            before = oq.requests();
            looking = Some(Box::pin(looker.look(model.open.clone())));
        }
    }
}

/// A thread that reads keys for as long as somebody listens; `None` says that the terminal has another
/// size now.
fn keys() -> mpsc::Receiver<Option<KeyEvent>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(KEY_WAIT) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(_) => return,
            }
            let heard = match event::read() {
                Ok(event::Event::Key(key)) if key.kind != KeyEventKind::Release => Some(key),
                Ok(event::Event::Resize(..)) => None,
                _ => continue,
            };
            if sender.blocking_send(heard).is_err() {
                return;
            }
        }
    });
    receiver
}
