//! Panics of the code under test, wherever they happen: none must, but for those of handlers.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static WATCHING: RefCell<bool> = const { RefCell::new(false) };
}

static HOOK: Once = Once::new();

/// What handlers say that panic because their script says so.
pub const PLANNED: &str = "a panic as the script says";

/// From now on notes the panics of this thread instead of printing them.
pub fn watch() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if WATCHING.with_borrow(|w| *w) {
                SEEN.with_borrow_mut(|seen| seen.push(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    SEEN.with_borrow_mut(Vec::clear);
    WATCHING.set(true);
}

/// What was noted, less what was planned; from now on panics are printed again.
pub fn take() -> Vec<String> {
    WATCHING.set(false);
    let mut seen = SEEN.take();
    seen.retain(|panic| !panic.contains(PLANNED));
    seen
}
