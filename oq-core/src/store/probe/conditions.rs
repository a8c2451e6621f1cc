//! Whether the store keeps the conditions of writes, one at a time.

use super::finding::Finding;
use super::ground::{Ground, Tried};
use crate::store::{Changed, Etag, Write};

fn etag(write: Write) -> Option<Etag> {
    match write {
        Write::Won { etag, .. } => Some(etag),
        _ => None,
    }
}

/// Put-if-absent.
pub(super) async fn create(ground: &Ground) -> Tried<Finding> {
    let name = "create if absent";
    let refused = |what: &str| Ok(Finding::refusal(name, what));
    if etag(ground.create("create", "first").await?).is_none() {
        return refused("a key that is not there cannot be created with If-None-Match: *");
    }
    if ground.create("create", "second").await? != Write::Lost {
        return refused("a second create of a key succeeds: If-None-Match is ignored");
    }
    if ground.text("create").await? != "first" {
        return refused("a create that was refused changed the object all the same");
    }
    Ok(Finding::ok(name, "the second create is refused"))
}

/// Put-if-match.
pub(super) async fn update(ground: &Ground) -> Tried<Finding> {
    let name = "update if match";
    let refused = |what: &str| Ok(Finding::refusal(name, what));
    let Some(first) = etag(ground.create("update", "first").await?) else {
        return refused("a key that is not there cannot be created with If-None-Match: *");
    };
    let Some(read) = ground.get("update").await? else {
        return refused("an object that was just written cannot be read");
    };
    if read.etag != first {
        return refused("the ETag of a read is not the one that its write got");
    }
    let Some(second) = etag(ground.update("update", "second", &read.etag).await?) else {
        return refused(
            "an update with the ETag that was read is refused: nothing could be claimed",
        );
    };
    if second == first {
        return refused(
            "other bytes have the same ETag: a stale update would pass for a fresh one",
        );
    }
    if ground.update("update", "late", &first).await? != Write::Lost {
        return refused(
            "an update with the ETag of an older version succeeds: If-Match is ignored",
        );
    }
    if ground.text("update").await? != "second" {
        return refused("an update that was refused changed the object all the same");
    }
    let listed = ground
        .timely("a listing", ground.store.list(&ground.below("update")))
        .await?;
    if listed
        .value
        .entries
        .iter()
        .any(|entry| entry.etag != second)
    {
        return refused("the ETag of a listing is not the one of a read: workers go by it");
    }
    let changed = async |seen: &Etag| {
        let key = ground.key("update");
        let answer = ground.store.get_if_changed(&key, seen);
        Ok::<_, super::ground::Stuck>(ground.timely("a conditional read", answer).await?.value)
    };
    if changed(&second).await? != Changed::Same {
        let cure = "use a store that answers If-None-Match with 304: each look at the bell is read in full";
        return Ok(Finding::warning(
            name,
            "a conditional read sends what has not changed",
            cure,
        ));
    }
    if !matches!(changed(&first).await?, Changed::Now(_)) {
        return refused("a conditional read does not notice a change");
    }
    Ok(Finding::ok(
        name,
        "only the ETag of the present version is accepted",
    ))
}

/// What is said of keys that are not there.
pub(super) async fn missing(ground: &Ground) -> Tried<Finding> {
    let name = "missing keys";
    let refused = |what: &str| Ok(Finding::refusal(name, what));
    match ground.get("missing").await {
        Ok(None) => {}
        Ok(Some(_)) => return refused("a key that was never written can be read"),
        Err(super::ground::Stuck::Store(crate::store::StoreError::Denied(why))) => {
            return Ok(Finding::fault(
                name,
                format!("a read of a key that is not there is answered with 403, not 404: {why}"),
                "allow s3:ListBucket: without it S3 does not tell that a key is missing \
                 (`oq iam` prints the statement)",
            ));
        }
        Err(e) => return Err(e),
    }
    let Some(seen) = etag(ground.create("gone", "first").await?) else {
        return refused("a key that is not there cannot be created with If-None-Match: *");
    };
    ground.delete("gone").await?;
    if ground.get("gone").await?.is_some() {
        return refused("an object that was deleted can still be read");
    }
    for key in ["gone", "missing"] {
        if ground.update(key, "late", &seen).await? != Write::Lost {
            return refused(
                "an update of a key that is not there succeeds: deleted tasks would come back",
            );
        }
        if ground.get(key).await?.is_some() {
            return refused("an update that was refused created the object all the same");
        }
    }
    // Deleting what is not there is a success, or no deletion could be repeated.
    ground.delete("gone").await?;
    Ok(Finding::ok(name, "reads say 404, updates are refused"))
}

/// Whether the same bytes have the same ETag again. S3's do: oq never writes the same bytes twice.
pub(super) async fn etags(ground: &Ground) -> Tried<Finding> {
    let name = "etags";
    let mut seen = Vec::new();
    let Some(mut last) = etag(ground.create("etag", "0").await?) else {
        return Ok(Finding::refusal(name, "a key cannot be created"));
    };
    for n in 1..8 {
        seen.push(last.clone());
        let Some(next) = etag(ground.update("etag", n.to_string(), &last).await?) else {
            return Ok(Finding::refusal(
                name,
                "an update with the present ETag is refused",
            ));
        };
        if seen.contains(&next) {
            let what =
                "an ETag came back with other bytes: a late request would pass for a fresh one";
            return Ok(Finding::refusal(name, what));
        }
        last = next;
    }
    let again = etag(ground.update("etag", "0", &last).await?);
    Ok(if again.as_ref() == seen.first() {
        Finding::ok(
            name,
            "a hash of the content, as on S3; oq writes no bytes twice",
        )
    } else {
        Finding::ok(name, "no ETag comes twice")
    })
}

/// Conditional deletion, where it is believed in. oq does not need it.
pub(super) async fn delete_if(ground: &Ground) -> Tried<Finding> {
    let name = "delete if match";
    if !ground.store.abilities().delete_if {
        return Ok(Finding::ok(name, "not asked for: oq does without it here"));
    }
    let cure = "add ?delete_if=false to --url";
    let Some(first) = etag(ground.create("delete-if", "first").await?) else {
        return Ok(Finding::refusal(name, "a key cannot be created"));
    };
    let Some(second) = etag(ground.update("delete-if", "second", &first).await?) else {
        return Ok(Finding::refusal(
            name,
            "an update with the present ETag is refused",
        ));
    };
    let stale = match ground.delete_if("delete-if", &first).await {
        Ok(answer) => answer,
        Err(super::ground::Stuck::Store(crate::store::StoreError::Unsupported(why))) => {
            return Ok(Finding::fault(
                name,
                format!("it is not supported: {why}"),
                cure,
            ));
        }
        Err(e) => return Err(e),
    };
    if stale != Write::Lost || ground.get("delete-if").await?.is_none() {
        let what = "a deletion with the ETag of an older version deletes all the same";
        return Ok(Finding::fault(name, what, cure));
    }
    if etag(ground.delete_if("delete-if", &second).await?).is_none()
        || ground.get("delete-if").await?.is_some()
    {
        let what = "a deletion with the present ETag deletes nothing";
        return Ok(Finding::fault(name, what, cure));
    }
    Ok(Finding::ok(name, "only the present version is deleted"))
}
