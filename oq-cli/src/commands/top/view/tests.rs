//! What is drawn for what was seen, and what keys do.

use std::time::Duration;

use oq_core::Queue;
use oq_core::env::Mono;
use oq_core::queue::Task;
use oq_core::store::Requests;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::commands::top::look::Looker;
use crate::commands::top::model::{Model, Wish};
use crate::commands::top::text::drawn;

fn press(model: &mut Model, code: KeyCode) -> Wish {
    model.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn screen(model: &Model) -> String {
    drawn(model, 100, 30).join("\n")
}

async fn a_store() -> (Queue, Looker, Model) {
    let queue = Queue::connect("memory:").await.unwrap();
    let mail = queue.named("mail").await.unwrap();
    for _ in 0..3 {
        mail.submit(Task::new("welcome", "a@x.io").unwrap())
            .await
            .unwrap();
    }
    let later = Task::new("report", "")
        .unwrap()
        .delay(Duration::from_secs(3600));
    queue.submit(later).await.unwrap();
    let looker = Looker::new(queue.root().clone());
    let model = Model::new("memory:".into(), Duration::from_secs(5));
    (queue, looker, model)
}

#[tokio::test]
async fn queues_are_shown_with_what_they_hold_and_what_looking_costs() {
    let (queue, looker, mut model) = a_store().await;
    assert!(screen(&model).contains("looking"));
    looker.look(None).await.unwrap();
    let before = queue.requests();
    let seen = looker.look(None).await.unwrap();
    let made = queue.requests() - before;
    // 1 LIST for the names; for each queue 1 GET and 4 LIST.
    assert_eq!((made.get(), made.list(), made.total()), (2, 9, 11));
    model.saw(seen, made, Mono(Duration::from_secs(1)));
    let shown = screen(&model);
    let line = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        line("default")[..7],
        ["default", "0", "1", "0", "0", "0", "-"]
    );
    assert_eq!(line("mail")[..7], ["mail", "3", "0", "0", "0", "0", "-"]);
    assert!(
        shown.contains("11 requests a look, 132 a minute"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_rate_is_what_two_looks_tell() {
    let (_queue, looker, mut model) = a_store().await;
    let mut seen = looker.look(None).await.unwrap();
    model.saw(
        seen.clone(),
        Requests::default(),
        Mono(Duration::from_secs(1)),
    );
    seen.queues[0].stats.done += 30;
    seen.queues[1].stats.done += 30;
    seen.queues[1].stats.more = true;
    model.saw(seen, Requests::default(), Mono(Duration::from_secs(5)));
    let rates: Vec<(&str, f64)> = model.rates.iter().map(|(q, r)| (q.as_str(), *r)).collect();
    assert_eq!(rates, [("default", 7.5)]);
}

#[tokio::test]
async fn keys_select_open_pause_help_and_quit() {
    let (_queue, looker, mut model) = a_store().await;
    model.saw(
        looker.look(None).await.unwrap(),
        Requests::default(),
        Mono::default(),
    );
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.selected, 1);
    assert_eq!(press(&mut model, KeyCode::Enter), Wish::Look);
    assert_eq!(model.open.as_ref().map(|q| q.as_str()), Some("mail"));
    let seen = looker.look(model.open.clone()).await.unwrap();
    model.saw(seen, Requests::default(), Mono::default());
    let shown = screen(&model);
    assert!(
        shown.contains(" mail ") && shown.contains("none is present"),
        "{shown}"
    );
    press(&mut model, KeyCode::Esc);
    assert!(!screen(&model).contains("none is present"));
    assert_eq!(press(&mut model, KeyCode::Char('p')), Wish::Draw);
    assert!(screen(&model).contains("paused"));
    assert_eq!(press(&mut model, KeyCode::Char('p')), Wish::Look);
    press(&mut model, KeyCode::Char('?'));
    assert!(screen(&model).contains("any key closes this"));
    assert_eq!(press(&mut model, KeyCode::Char('q')), Wish::Draw);
    assert_eq!(press(&mut model, KeyCode::Char('q')), Wish::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(model.key(control_c), Wish::Quit);
}

#[tokio::test]
async fn a_failed_look_leaves_what_was_seen() {
    let (_queue, looker, mut model) = a_store().await;
    model.saw(
        looker.look(None).await.unwrap(),
        Requests::default(),
        Mono::default(),
    );
    let error = oq_core::Error::Unavailable("no \u{1b}[2J answer".into());
    model.missed(&error, Mono::default());
    let shown = screen(&model);
    assert!(
        shown.contains("the last look failed") && shown.contains("mail"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'));
}
