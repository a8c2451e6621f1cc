//! The same view as lines of text, for pipes.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::model::Model;
use super::view;

/// What a terminal of this width would show.
pub fn lines(model: &Model, width: u16) -> Vec<String> {
    let height = model.seen.queues.len().max(1) as u16 + 4;
    drawn(model, width, height)
}

/// What a terminal of this size shows, without blanks at the ends of lines.
pub fn drawn(model: &Model, width: u16, height: u16) -> Vec<String> {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| view::draw(frame, model));
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(width)).map(|line| {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    lines.filter(|line| !line.is_empty()).collect()
}
