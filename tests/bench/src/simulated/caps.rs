//! The columns of requests a task, and the most that they may show.

use super::burst::Ran;
use crate::table::{Bound, Cell, bounded, plain};

/// What each request may be used, at the most.
#[derive(Clone, Copy, Default)]
pub struct Most {
    pub put: Option<f64>,
    pub get: Option<f64>,
    pub list: Option<f64>,
    pub dollars: Option<f64>,
}

/// Lone tasks in a burst.
pub const LONE: Most = Most {
    put: Some(3.05),
    get: Some(2.1),
    list: Some(0.03),
    dollars: Some(16.3),
};

/// A hundred tasks to an object.
pub const HUNDRED: Most = Most {
    put: Some(0.035),
    get: Some(0.03),
    list: None,
    dollars: Some(0.2),
};

const HEAD: [&str; 5] = [
    "PUT a task",
    "GET a task",
    "LIST a task",
    "DELETE a task",
    "$ a million",
];

/// The head of a table with these columns behind the first ones.
pub fn head<'a>(first: &[&'a str]) -> Vec<&'a str> {
    first.iter().chain(&HEAD).copied().collect()
}

/// The cells for these columns.
pub fn cells(ran: &Ran, most: Most) -> Vec<Cell> {
    let held = |measured, unit, most: Option<f64>| {
        bounded(measured, unit, most.map_or(Bound::None, Bound::AtMost))
    };
    vec![
        held(ran.a_task(ran.all.put()), "", most.put),
        held(ran.a_task(ran.all.get()), "", most.get),
        held(ran.a_task(ran.all.list()), "", most.list),
        plain(ran.a_task(ran.all.delete()), ""),
        held(ran.per_million(), "$", most.dollars),
    ]
}
