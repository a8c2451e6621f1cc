//! Large inputs and outputs: an object of their own, written once, checked when read.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::root::Root;
use crate::error::{Error, Result};
use crate::record::{Data, Json, Key, ObjectId, Part, PayloadRef, QueueName, Token};
use crate::store::{MAX_BODY, Write};
use crate::testing::mutant::{Mutant, mutated};

/// Inputs and outputs longer than this get an object of their own, unless set otherwise.
pub const DEFAULT_INLINE: usize = 128 << 10;

/// The most that may be kept inside a record.
pub const MAX_INLINE: usize = 4 << 20;

/// Shorter texts are not worth compressing.
const COMPRESS_FROM: usize = 4 << 10;

/// zstd's own default: most of the gain for little time.
const LEVEL: i32 = 3;

const SENDS: u32 = 6;

/// What arrived damaged is read again: it may be whole where it is kept.
const READS: u32 = 4;

/// Where a payload belongs: the object and the writer that names it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Which queue.
    pub queue: &'a QueueName,
    /// Which object.
    pub id: ObjectId,
    /// The writer's token, never used by another writer.
    pub token: &'a Token,
    /// Which input or output.
    pub part: Part,
}

/// Refuses what is longer than an object may be. `what` names it in the error.
pub fn check_size(what: &str, json: &Json) -> Result<()> {
    let size = json.as_str().len();
    if size <= MAX_BODY {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{what} of {size} bytes"),
        format!("use at most {MAX_BODY}; put larger data into the bucket and pass its key"),
    ))
}

/// Keeps `json` inside the record if it is at most `inline` bytes long, else writes it to an object
/// of its own (1 PUT).
pub async fn store(root: &Root, place: Place<'_>, json: &Json, inline: usize) -> Result<Data> {
    check_size("payload", json)?;
    let text = json.as_str();
    if text.len() <= inline {
        return Ok(Data::Json(json.clone()));
    }
    let (body, zstd) = pack(text)?;
    let at = PayloadRef {
        token: place.token.clone(),
        part: place.part,
        size: text.len() as u64,
        sha256: sha256(text.as_bytes()),
        zstd,
    };
    put(root, &key(place.queue, place.id, &at), body).await?;
    Ok(Data::At(at))
}

/// Reads an input or output back (1 GET unless it is inside the record) and checks it.
pub async fn load(root: &Root, queue: &QueueName, id: ObjectId, data: &Data) -> Result<Json> {
    let at = match data {
        Data::Json(json) => return Ok(json.clone()),
        Data::At(at) => at,
    };
    let key = key(queue, id, at).store_key();
    let bad = |why: String| Error::Unreadable {
        key: key.to_string(),
        why,
    };
    if at.size > MAX_BODY as u64 {
        return Err(bad(format!("it is said to have {} bytes", at.size)));
    }
    let mut read = 1;
    let text = loop {
        let Some(object) = root.get_sized(&key, at.size as usize).await?.value else {
            return Err(bad("it is missing".into()));
        };
        match unpack(object.body, at) {
            Ok(text) => break text,
            Err(why) if read == READS || mutated(Mutant::PayloadReadOnce) => return Err(bad(why)),
            Err(why) => tracing::debug!(%key, why, "a payload arrived damaged, and is read again"),
        }
        root.back_off(read).await;
        read += 1;
    };
    // The digest was checked, so this finds only what its writer already got wrong.
    serde_json::from_str(&text).map_err(|e| bad(format!("it is not JSON: {e}")))
}

/// Deletes what `data` refers to, as far as that is possible: what stays is swept up later.
pub async fn discard(root: &Root, queue: &QueueName, id: ObjectId, data: &Data) {
    if let Data::At(at) = data {
        let key = key(queue, id, at).store_key();
        if let Err(e) = root.delete(&key).await {
            tracing::debug!(%key, error = %e, "a payload without a task is left to the sweep");
        }
    }
}

fn key(queue: &QueueName, id: ObjectId, at: &PayloadRef) -> Key {
    Key::Payload(queue.clone(), id, at.token.clone(), at.part)
}

fn pack(text: &str) -> Result<(Bytes, bool)> {
    if text.len() > COMPRESS_FROM {
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL)
            .map_err(|e| Error::invalid("payload", format!("it cannot be compressed: {e}")))?;
        if packed.len() <= text.len() / 10 * 9 {
            return Ok((packed.into(), true));
        }
    }
    Ok((Bytes::copy_from_slice(text.as_bytes()), false))
}

/// The JSON text in the body of a payload, if that is what the reference says.
pub fn unpack(body: Bytes, at: &PayloadRef) -> std::result::Result<String, String> {
    let size = usize::try_from(at.size).map_err(|e| e.to_string())?;
    let bytes = if at.zstd {
        // No more room than the reference promises: a bomb is refused, not unpacked.
        zstd::bulk::decompress(&body, size)
            .map_err(|e| format!("it does not unpack to {size} bytes: {e}"))?
    } else {
        body.to_vec()
    };
    if bytes.len() != size {
        return Err(format!("it has {} bytes instead of {size}", bytes.len()));
    }
    if sha256(&bytes) != at.sha256 {
        return Err("its SHA-256 is not the recorded one".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".into())
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Writes a payload. Its key carries a token that nobody else has, so whatever is found there is an
/// earlier send of the same bytes, and there is nothing to compare.
async fn put(root: &Root, key: &Key, body: Bytes) -> Result<()> {
    let key = key.store_key();
    for attempt in 1..=SENDS {
        match root.send(&key, body.clone(), None).await? {
            Write::Won { .. } | Write::Lost => return Ok(()),
            Write::Again { after } => {
                if let Some(after) = after {
                    root.env()
                        .sleep(after.min(std::time::Duration::from_secs(5)))
                        .await;
                }
            }
            Write::Unknown if mutated(Mutant::PayloadDoubtMeansWritten) => return Ok(()),
            Write::Unknown => {}
        }
        root.back_off(attempt).await;
    }
    Err(Error::Unavailable(format!("{key} could not be written")))
}

#[cfg(test)]
mod tests;
