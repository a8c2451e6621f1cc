//! How a listing is cut into pages and folded into folders, for stores that can seek in order.

use super::{List, Listed, MAX_PAGE, Page};

/// Sorts behind every key that begins with the folder before it: the last character there is.
const LAST: char = '\u{10FFFF}';

/// What to do after a key was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Offer the next key in order.
    Next,
    /// Skip to the first key that is not below [`Pager::from`].
    Seek,
    /// The page is complete.
    Done,
}

/// Builds one page from keys offered in ascending order, beginning at [`Pager::from`].
pub(super) struct Pager<'a> {
    list: &'a List,
    from: String,
    page: Page,
    count: usize,
    last: Option<String>,
}

impl<'a> Pager<'a> {
    pub(super) fn new(list: &'a List) -> Pager<'a> {
        // The least key behind another is that key with a zero byte after it.
        let from = match &list.start_after {
            Some(after) if *after >= list.prefix => format!("{after}\0"),
            _ => list.prefix.clone(),
        };
        Pager {
            list,
            from,
            page: Page::default(),
            count: 0,
            last: None,
        }
    }

    /// The least key that is of interest.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Takes a key, if it belongs here; `listed` is called only when the page shows it.
    pub(super) fn offer(&mut self, key: &str, listed: impl FnOnce() -> Listed) -> Step {
        let Some(rest) = key.strip_prefix(self.list.prefix.as_str()) else {
            return Step::Done;
        };
        if self.count == usize::from(self.list.limit.clamp(1, MAX_PAGE)) {
            self.page.next = self.last.take();
            return Step::Done;
        }
        self.count += 1;
        match rest.find('/').filter(|_| self.list.fold) {
            Some(slash) => {
                let folder = &key[..self.list.prefix.len() + slash + 1];
                self.page.folders.push(folder.to_owned());
                self.last = Some(format!("{folder}{LAST}"));
                self.from = format!("{folder}{LAST}");
                Step::Seek
            }
            None => {
                self.last = Some(key.to_owned());
                self.page.entries.push(listed());
                Step::Next
            }
        }
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }
}
