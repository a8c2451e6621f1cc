//! How it looks: drawn from the model alone.

use oq_core::record::Failure;
use oq_core::span;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table, TableState};

use super::look::{OpenQueue, QueueSeen};
use super::model::Model;
use crate::print::{count, safe};

const HELP: &str = "\
up, down   select a queue
enter      open it: its workers, what runs, dead letters
escape     close it
p          pause, and go on
r          look now
q          quit

any key closes this";

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let rows = model.seen.queues.len().max(1) as u16 + 2;
    let open = match model.seen.open {
        Some(_) => Constraint::Min(8),
        None => Constraint::Length(0),
    };
    let [head, queues, detail, _, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows),
        open,
        Constraint::Fill(u16::from(model.seen.open.is_none())),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(model)), head);
    draw_queues(frame, model, queues);
    if let Some(queue) = &model.seen.open {
        draw_open(frame, queue, detail);
    }
    let faint = Style::new().add_modifier(Modifier::DIM);
    frame.render_widget(Paragraph::new(footer(model)).style(faint), foot);
    if model.help {
        draw_help(frame);
    }
}

fn header(model: &Model) -> Line<'_> {
    let state = match (&model.error, model.paused) {
        (Some(error), _) => format!("the last look failed: {}", safe(error)),
        (None, true) => "paused".to_owned(),
        (None, false) => format!("every {}", span::exact(model.every)),
    };
    let style = match model.error {
        Some(_) => Style::new().fg(Color::Red),
        None => Style::new().add_modifier(Modifier::BOLD),
    };
    Line::styled(format!("oq top  {}  {state}", safe(&model.url)), style)
}

fn footer(model: &Model) -> String {
    let (a_minute, a_month) = model.cost();
    format!(
        "{} requests a look, {a_minute:.0} a minute, ${a_month:.2} a month   ? help  q quit",
        model.made.total()
    )
}

fn draw_queues(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let heads = [
        "queue", "runnable", "waiting", "running", "done", "dead", "done/s", "oldest", "workers",
    ];
    // On a narrow screen the last columns are left out, and the first number stays.
    let columns = (area.width.saturating_sub(12) / 10).clamp(1, 8);
    let name = area.width.saturating_sub(10 * columns).max(1);
    let mut widths = vec![Constraint::Length(name)];
    widths.extend(vec![Constraint::Length(9); usize::from(columns)]);
    let rows = model.seen.queues.iter().map(|queue| row(queue, model));
    let head = Row::new(heads).style(Style::new().add_modifier(Modifier::UNDERLINED));
    let table = Table::new(rows, widths)
        .header(head)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(Some(model.selected));
    frame.render_stateful_widget(table, area, &mut state);
    if model.seen.queues.is_empty() {
        let text = match model.looked {
            true => "no queue yet: submit a task",
            false => "looking …",
        };
        let below = Rect {
            y: area.y + 1,
            height: 1,
            ..area
        };
        frame.render_widget(Paragraph::new(text), below);
    } else if model.seen.more_queues > 0 {
        let last = Rect {
            y: area.bottom() - 1,
            height: 1,
            ..area
        };
        let text = format!("and {} more queues", model.seen.more_queues);
        frame.render_widget(Paragraph::new(text), last);
    }
}

fn row(queue: &QueueSeen, model: &Model) -> Row<'static> {
    let stats = &queue.stats;
    let more = if stats.more { "+" } else { "" };
    let number = |n: u64| format!("{}{more}", count(n));
    let rate = model.rates.get(&queue.name);
    let paused = if stats.paused { " (paused)" } else { "" };
    let style = match stats.dead {
        0 => Style::new(),
        _ => Style::new().fg(Color::Yellow),
    };
    Row::new([
        format!("{}{paused}", queue.name),
        number(stats.runnable),
        number(stats.waiting),
        number(stats.running),
        number(stats.done),
        number(stats.dead),
        rate.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
        stats.oldest.map_or("-".to_owned(), span::rough),
        queue.workers.to_string(),
    ])
    .style(style)
}

fn draw_open(frame: &mut Frame<'_>, queue: &OpenQueue, area: Rect) {
    let mut lines = vec![Line::from("workers")];
    match &queue.workers {
        None => lines.push(Line::from("  too many to read them all")),
        Some(workers) if workers.is_empty() => lines.push(Line::from("  none is present")),
        Some(workers) => lines.extend(workers.iter().map(|worker| {
            let about: Vec<String> = worker
                .about
                .iter()
                .map(|(k, v)| format!("{k} {v}"))
                .collect();
            let state = if worker.present { "present" } else { "silent" };
            Line::from(safe(&format!(
                "  {}  {state}  {}",
                worker.id,
                about.join("  ")
            )))
        })),
    }
    lines.push(Line::from("running"));
    if queue.running.is_empty() {
        lines.push(Line::from("  nothing that was found"));
    }
    lines.extend(queue.running.iter().map(|task| {
        let progress = task
            .progress
            .map(|p| format!("  {} of {}", p.done, p.total));
        let text = format!(
            "  {}  {}  attempt {}{}",
            task.id,
            task.task_type,
            task.attempts,
            progress.unwrap_or_default()
        );
        Line::from(safe(&text))
    }));
    lines.push(Line::from("dead letters"));
    if queue.dead.is_empty() {
        lines.push(Line::from("  none"));
    }
    lines.extend(queue.dead.iter().map(|letter| {
        let first = Failure::first_line(&letter.message);
        let text = format!(
            "  {}  {}  {}: {first}",
            letter.id, letter.task_type, letter.kind
        );
        Line::from(safe(&text))
    }));
    let block = Block::bordered().title(format!(" {} ", queue.name));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let (width, height) = (60.min(area.width), 11.min(area.height));
    let middle = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, middle);
    let block = Block::bordered().title(" keys ");
    frame.render_widget(Paragraph::new(HELP).block(block), middle);
}

#[cfg(test)]
mod tests;
