//! Which queues a store holds.

use crate::error::Result;
use crate::protocol::Root;
use crate::record::QueueName;
use crate::store::List;

/// The queues of a store in alphabetical order: those that anything was ever written for. One LIST
/// for a thousand of them.
///
/// ```
/// # use oq_core::queue::{self, Queue, Task};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> oq_core::Result<()> {
/// let mail = Queue::connect("memory:").await?.named("mail").await?;
/// mail.submit(Task::new("welcome", "a@x.io")?).await?;
/// let names = queue::names(mail.root()).await?;
/// assert_eq!(names[0].as_str(), "mail");
/// # Ok(()) }
/// ```
pub async fn names(root: &Root) -> Result<Vec<QueueName>> {
    let mut names = Vec::new();
    let mut list = List {
        fold: true,
        ..List::prefix("")
    };
    loop {
        let page = root.list(&list).await?.value;
        let folders = page.folders.iter().map(|f| f.trim_end_matches('/'));
        // Folders of others have names that no queue has.
        names.extend(folders.filter_map(|f| QueueName::new(f).ok()));
        match page.next {
            Some(next) => list = list.after(next),
            None => return Ok(names),
        }
    }
}
