//! The pages of a listing, one after the other.

use super::root::Root;
use crate::error::Result;
use crate::store::{Dated, List, Listed};

/// All keys below a prefix, read page by page.
#[derive(Debug)]
pub struct Pages {
    root: Root,
    list: Option<List>,
}

impl Pages {
    /// Keys below `prefix`.
    pub fn new(root: &Root, prefix: impl Into<String>) -> Pages {
        Pages {
            root: root.clone(),
            list: Some(List::prefix(prefix)),
        }
    }

    /// Only keys behind this one.
    pub fn after(mut self, key: impl Into<String>) -> Pages {
        self.list = self.list.map(|list| list.after(key));
        self
    }

    /// The next page and the store's time (one LIST); `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Dated<Vec<Listed>>>> {
        let Some(list) = self.list.take() else {
            return Ok(None);
        };
        let page = match self.root.list(&list).await {
            Ok(page) => page,
            Err(e) => {
                // It can be asked for again.
                self.list = Some(list);
                return Err(e.into());
            }
        };
        self.list = page.value.next.map(|next| list.after(next));
        Ok(Some(Dated {
            date: page.date,
            value: page.value.entries,
        }))
    }

    /// Goes on behind the key that `from` makes of the one behind which the next page would begin
    /// (`None`: at the beginning); without one, not at all.
    pub fn go_on(&mut self, from: impl FnOnce(Option<String>) -> Option<Option<String>>) {
        self.list = self.list.take().and_then(|list| {
            let start_after = from(list.start_after)?;
            Some(List {
                start_after,
                ..list
            })
        });
    }

    /// Whether there is another page.
    pub fn has_more(&self) -> bool {
        self.list.is_some()
    }
}
