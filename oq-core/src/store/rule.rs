//! A bucket's lifecycle rule, as far as it matters to somebody who keeps objects there.

use std::fmt;

use serde::Serialize;

/// What a bucket does by itself with objects that have grown old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name in the bucket.
    pub id: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Which objects.
    pub filter: Filter,
    /// Deleted after so many days; 0 if at a date.
    pub expires: Option<u32>,
    /// Moved after so many days to where they cannot be read at once.
    pub archives: Option<u32>,
    /// Parts of uploads that were never completed are deleted after so many days.
    pub aborts: Option<u32>,
    /// Versions that were replaced are deleted after so many days.
    pub old_versions: Option<u32>,
}

/// Which objects a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Filter {
    /// Keys that begin with this; all if empty.
    pub prefix: String,
    /// Only objects that carry certain tags.
    pub tagged: bool,
}

impl Rule {
    /// A rule in force for a prefix, which does nothing yet.
    pub fn new(id: impl Into<String>, prefix: impl Into<String>) -> Rule {
        Rule {
            id: id.into(),
            enabled: true,
            filter: Filter {
                prefix: prefix.into(),
                tagged: false,
            },
            expires: None,
            archives: None,
            aborts: None,
            old_versions: None,
        }
    }

    /// Whether it is in force for some of the objects below `prefix`, none of which has tags.
    pub fn touches(&self, prefix: &str) -> bool {
        let own = self.filter.prefix.as_str();
        self.enabled && !self.filter.tagged && (prefix.starts_with(own) || own.starts_with(prefix))
    }

    /// Whether it is in force for all of the objects below `prefix`.
    pub fn covers(&self, prefix: &str) -> bool {
        self.enabled && !self.filter.tagged && prefix.starts_with(&self.filter.prefix)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.filter.prefix.as_str() {
            "" => f.write_str("everything")?,
            prefix => f.write_str(prefix)?,
        }
        for (days, what) in [
            (self.expires, "deleted"),
            (self.archives, "archived"),
            (self.aborts, "incomplete uploads dropped"),
            (self.old_versions, "old versions deleted"),
        ] {
            if let Some(days) = days {
                write!(f, ", {what} after {days} d")?;
            }
        }
        Ok(())
    }
}
