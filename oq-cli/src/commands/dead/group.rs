//! Dead letters and their groups as rows.

use oq_core::StoreTime;
use oq_core::queue::{DeadGroup, DeadLetter};
use oq_core::record::Failure;
use serde::Serialize;

use crate::commands::shown::ago;
use crate::print::{Row, shortened};

/// A fault.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    #[serde(flatten)]
    pub group: DeadGroup,
    #[serde(skip)]
    pub now: StoreTime,
}

impl Row for GroupRow {
    const HEADS: &'static [&'static str] =
        &["fault", "tasks", "type", "kind", "last", "newest message"];

    fn cells(&self) -> Vec<String> {
        let group = &self.group;
        vec![
            group.fingerprint.to_string(),
            group.count.to_string(),
            group.task_type.to_string(),
            group.kind.clone(),
            ago(group.last, self.now),
            shortened(Failure::first_line(&group.message)),
        ]
    }

    fn id(&self) -> String {
        self.group.fingerprint.to_string()
    }
}

/// A failed task.
#[derive(Debug, Serialize)]
pub struct LetterRow {
    #[serde(flatten)]
    pub letter: DeadLetter,
    #[serde(skip)]
    pub now: StoreTime,
}

impl Row for LetterRow {
    const HEADS: &'static [&'static str] = &["id", "attempts", "when", "message"];

    fn cells(&self) -> Vec<String> {
        let letter = &self.letter;
        vec![
            letter.id.to_string(),
            letter.attempts.to_string(),
            ago(letter.at, self.now),
            shortened(Failure::first_line(&letter.message)),
        ]
    }

    fn id(&self) -> String {
        self.letter.id.to_string()
    }
}
