//! Who asks what of which keys: the least that each role needs. `bucket::policy` makes AWS policies
//! of it, and a test runs every role on a store that writes down what it is asked.

use std::fmt;
use std::str::FromStr;

use super::key::Key;
use crate::error::Error;
use crate::record::quoted;

/// What a program is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Submits tasks, looks them up and waits for them.
    Producer,
    /// Runs them.
    Worker,
    /// Looks at everything, cancels, tries again, changes settings, purges, lays out and checks.
    Operator,
    /// Looks at everything.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 4] = [Role::Producer, Role::Worker, Role::Operator, Role::Viewer];

    /// The word for it, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Producer => "producer",
            Role::Worker => "worker",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Role, Error> {
        let found = Role::ALL.into_iter().find(|r| r.as_str() == text);
        found.ok_or_else(|| {
            let words = Role::ALL.map(Role::as_str).join(", ");
            Error::invalid(
                format!("role {}", quoted(text)),
                format!("use one of {words}"),
            )
        })
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// GET.
    Read,
    /// PUT, always with a condition.
    Write,
    /// DELETE.
    Delete,
    /// LIST below its prefix.
    List,
}

impl Access {
    /// All of them.
    pub const ALL: [Access; 4] = [Access::Read, Access::Write, Access::Delete, Access::List];
}

/// Keys of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Space {
    /// The names of all queues: the folders of the root.
    Root,
    /// `oq.json`.
    Format,
    /// `.probe/…`.
    Probe,
    /// `{q}/queue.json`.
    Settings,
    /// `{q}/live/…`.
    Live,
    /// `{q}/done/…`.
    Done,
    /// `{q}/dead/…`.
    Dead,
    /// `{q}/payload/…`.
    Payload,
    /// `{q}/key/…`.
    Idempotency,
    /// `{q}/bell`.
    Bell,
    /// `{q}/fleet/…`.
    Fleet,
}

impl Space {
    /// All of them.
    pub const ALL: [Space; 11] = [
        Space::Root,
        Space::Format,
        Space::Probe,
        Space::Settings,
        Space::Live,
        Space::Done,
        Space::Dead,
        Space::Payload,
        Space::Idempotency,
        Space::Bell,
        Space::Fleet,
    ];

    /// The kind of a key.
    pub fn of(key: &Key) -> Space {
        match key {
            Key::Format => Space::Format,
            Key::Probe(..) => Space::Probe,
            Key::Settings(_) => Space::Settings,
            Key::Live(..) => Space::Live,
            Key::Done(..) => Space::Done,
            Key::Dead(..) => Space::Dead,
            Key::Payload(..) => Space::Payload,
            Key::Idempotency(..) => Space::Idempotency,
            Key::Bell(_) => Space::Bell,
            Key::Presence(..) => Space::Fleet,
        }
    }

    /// The kind of the keys that a listing below this prefix shows, if they are of one.
    pub fn of_prefix(prefix: &str) -> Option<Space> {
        if prefix.is_empty() {
            return Some(Space::Root);
        }
        if prefix.starts_with(".probe/") {
            return Some(Space::Probe);
        }
        let (_, rest) = prefix.split_once('/')?;
        Space::ALL.into_iter().find(|space| {
            space
                .folder()
                .is_some_and(|folder| rest.starts_with(folder))
        })
    }

    /// The folder below a queue's name, where the space is one.
    fn folder(self) -> Option<&'static str> {
        match self {
            Space::Live => Some("live/"),
            Space::Done => Some("done/"),
            Space::Dead => Some("dead/"),
            Space::Payload => Some("payload/"),
            Space::Idempotency => Some("key/"),
            Space::Fleet => Some("fleet/"),
            Space::Root | Space::Format | Space::Probe | Space::Settings | Space::Bell => None,
        }
    }

    /// Its keys as a pattern with `*`, for a queue's name or `*`. Prefixes for listings are among
    /// them.
    pub fn pattern(self, queue: &str) -> String {
        match self {
            Space::Root => String::new(),
            Space::Format => "oq.json".to_owned(),
            Space::Probe => ".probe/*".to_owned(),
            Space::Settings => format!("{queue}/queue.json"),
            Space::Bell => format!("{queue}/bell"),
            _ => format!("{queue}/{}*", self.folder().unwrap_or_default()),
        }
    }

    /// What a role asks of these keys.
    pub fn grants(self, role: Role) -> &'static [Access] {
        use Access::{Delete, List, Read, Write};
        match (role, self) {
            (Role::Operator | Role::Viewer, Space::Root) => &[List],
            (Role::Producer | Role::Worker, Space::Root) => &[],

            (Role::Producer, Space::Format | Space::Settings) => &[Read],
            (Role::Producer, Space::Live) => &[Read, Write],
            (Role::Producer, Space::Done) => &[Read],
            (Role::Producer, Space::Payload) => &[Read, Write],
            (Role::Producer, Space::Idempotency) => &[Read, Write],
            (Role::Producer, Space::Bell) => &[Read, Write],
            (Role::Producer, Space::Probe | Space::Dead | Space::Fleet) => &[],

            (Role::Worker, Space::Format | Space::Settings) => &[Read],
            (Role::Worker, Space::Live) => &[Read, Write, Delete, List],
            (Role::Worker, Space::Done) => &[Read, Write, Delete, List],
            (Role::Worker, Space::Dead) => &[Read, Write, Delete, List],
            (Role::Worker, Space::Payload) => &[Read, Write, Delete, List],
            (Role::Worker, Space::Idempotency) => &[Read, Delete, List],
            (Role::Worker, Space::Bell) => &[Read, Write],
            (Role::Worker, Space::Fleet) => &[Read, Write, Delete, List],
            (Role::Worker, Space::Probe) => &[],

            (Role::Operator, Space::Format) => &[Read, Write],
            (Role::Operator, Space::Settings | Space::Bell) => &[Read, Write],
            (Role::Operator, Space::Probe) => &[Read, Write, Delete, List],
            (Role::Operator, Space::Live | Space::Done) => &[Read, Write, Delete, List],
            (Role::Operator, Space::Dead) => &[Read, Write, Delete, List],
            (Role::Operator, Space::Payload) => &[Read, Write, Delete, List],
            (Role::Operator, Space::Idempotency) => &[Read, Write, Delete, List],
            (Role::Operator, Space::Fleet) => &[Read, List],

            (Role::Viewer, Space::Live | Space::Done | Space::Dead) => &[Read, List],
            (Role::Viewer, Space::Format | Space::Settings | Space::Bell) => &[Read],
            (Role::Viewer, Space::Payload) => &[Read],
            (Role::Viewer, Space::Fleet) => &[Read, List],
            (Role::Viewer, Space::Probe | Space::Idempotency) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_keys_are_of_the_same_space() {
        for (prefix, space) in [
            ("mail/live/", Some(Space::Live)),
            ("mail/done/0G/", Some(Space::Done)),
            ("mail/fleet/here/", Some(Space::Fleet)),
            (".probe/ABC/l/", Some(Space::Probe)),
            ("mail/", None),
            ("", Some(Space::Root)),
        ] {
            assert_eq!(Space::of_prefix(prefix), space, "{prefix}");
        }
    }
}
