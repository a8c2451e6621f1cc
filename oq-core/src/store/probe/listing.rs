//! Whether listings can be trusted: order, where they start, and that they show what was just
//! written.

use super::finding::Finding;
use super::ground::{Ground, Tried};
use crate::store::Write;

/// In byte order; written in another.
const NAMES: [&str; 8] = ["l/-", "l/0", "l/A", "l/B/1", "l/B0", "l/Z", "l/a", "l/~"];

pub(super) async fn order(ground: &Ground) -> Tried<Finding> {
    let name = "listings";
    let refused = |what: String| Ok(Finding::refusal(name, what));
    for at in [5, 2, 7, 0, 4, 1, 6, 3] {
        if !matches!(ground.create(NAMES[at], "x").await?, Write::Won { .. }) {
            return refused(format!("{} cannot be created", NAMES[at]));
        }
        // At once, or a worker would take for gone what is there.
        if ground
            .names(ground.below(NAMES[at]))
            .await?
            .first()
            .map(String::as_str)
            != Some(NAMES[at])
        {
            return refused("what was just written is not listed".into());
        }
    }
    let all = ground.names(ground.below("l/")).await?;
    if all != NAMES {
        return refused(format!(
            "keys do not come in byte order, each once: {}",
            all.join(" ")
        ));
    }
    if ground.names(ground.below("l/").limit(3)).await? != NAMES {
        return refused("small pages do not show each key once, in order".into());
    }
    for (after, from) in [("l/A", 3), ("l/B", 3), ("l/B/1", 4), ("l/~", 8)] {
        let list = ground.below("l/").after(ground.key(after).as_str());
        if ground.names(list).await? != NAMES[from..] {
            return refused(format!("a listing does not start after {after}"));
        }
    }
    ground.delete(NAMES[1]).await?;
    if ground
        .names(ground.below("l/"))
        .await?
        .contains(&NAMES[1].to_owned())
    {
        return refused("what was just deleted is still listed".into());
    }
    Ok(Finding::ok(
        name,
        "in byte order, from any key on, and up to date",
    ))
}
