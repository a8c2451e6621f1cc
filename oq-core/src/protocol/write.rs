//! One conditional write of a record, carried to a verdict.
//!
//! A lost answer is settled by reading back and comparing write ids. An update sends the same bytes
//! each time, so a late copy is harmless once the version it replaces is gone. A create has a fresh
//! write id for every send: a store whose ETag is a hash of the body would otherwise give a late
//! copy the ETag of the first life.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::protocol::root::Root;
use crate::record::{Key, Record, Seen, Stamp, WriteId, encode, seen};
use crate::state::readback::{Readback, classify_create, classify_update};
use crate::store::{StoreKey, Write};
use crate::testing::mutant::{Mutant, mutated};
use crate::time::StoreTime;

/// The verdict on one write.
#[derive(Debug, Clone)]
pub enum Settled<R> {
    /// It is in place.
    Won {
        /// The new version.
        seen: Seen<R>,
        /// An answer was lost and the write was found by reading back: it may have landed long ago.
        recovered: bool,
    },
    /// It did not and will not take effect. `Some` if what is there instead was read on the way.
    Lost(Option<Seen<R>>),
    /// Nobody knows yet, and the tries are used up.
    Doubt,
}

/// How often a conditional write is sent in all.
const SENDS: u32 = 6;

/// A create is never sent again when this much time has passed since its first send.
const CREATE_WINDOW: Duration = Duration::from_secs(300);

/// Reads a record; `None` when it is not there.
pub async fn read<R: Record>(root: &Root, key: &Key) -> Result<Option<Seen<R>>> {
    let key = key.store_key();
    match root.get(&key).await?.value {
        Some(object) => Ok(Some(seen(&key, object)?)),
        None => Ok(None),
    }
}

/// Replaces the version `old` by `next`, whose stamp is set here.
pub async fn update<R: Record>(
    root: &Root,
    key: &Key,
    old: &Seen<R>,
    next: R,
) -> Result<Settled<R>> {
    update_while(root, key, old, next, |_| true).await
}

/// The same with a record that is about something else from now on, which came into being at that moment.
pub async fn update_as_of<R: Record>(
    root: &Root,
    key: &Key,
    old: &Seen<R>,
    next: R,
    created: StoreTime,
) -> Result<Settled<R>> {
    let stamp = old.record.stamp().next(root.env().entropy.as_ref());
    let stamp = Stamp { created, ..stamp };
    send(root, key, old, next, stamp, |_| true).await
}

/// The same, but asks `may_send` before every send; a refusal ends in `Doubt` if an earlier send
/// may have landed, else in `Lost`.
pub async fn update_while<R: Record>(
    root: &Root,
    key: &Key,
    old: &Seen<R>,
    next: R,
    may_send: impl Fn(u32) -> bool,
) -> Result<Settled<R>> {
    let stamp = old.record.stamp().next(root.env().entropy.as_ref());
    send(root, key, old, next, stamp, may_send).await
}

async fn send<R: Record>(
    root: &Root,
    key: &Key,
    old: &Seen<R>,
    mut next: R,
    stamp: Stamp,
    may_send: impl Fn(u32) -> bool,
) -> Result<Settled<R>> {
    *next.stamp_mut() = stamp;
    let key = key.store_key();
    let body = encode(&next);
    let mut doubt = false;
    for attempt in 1..=SENDS {
        if !may_send(attempt) {
            return Ok(if doubt {
                Settled::Doubt
            } else {
                Settled::Lost(None)
            });
        }
        let answer = match root.send(&key, body.clone(), Some(&old.etag)).await {
            Ok(answer) => answer,
            Err(e) if doubt => return after_doubt(root, &key, e),
            Err(e) => return Err(e.into()),
        };
        match answer {
            Write::Won { etag, .. } => {
                let seen = Seen {
                    record: next,
                    etag,
                    last_modified: None,
                };
                return Ok(Settled::Won {
                    seen,
                    recovered: false,
                });
            }
            Write::Lost if !doubt || mutated(Mutant::LostAfterDoubt) => {
                return Ok(Settled::Lost(None));
            }
            Write::Again { after } => {
                if let Some(after) = after {
                    root.env().sleep(after.min(Duration::from_secs(5))).await;
                }
            }
            Write::Unknown if mutated(Mutant::UnknownMeansWon) => {
                let seen = Seen {
                    record: next,
                    etag: old.etag.clone(),
                    last_modified: None,
                };
                return Ok(Settled::Won {
                    seen,
                    recovered: false,
                });
            }
            Write::Lost | Write::Unknown => {
                doubt = true;
                // A body that cannot be read says nothing: perhaps it can be the next time.
                if let Ok(found) = root.get(&key).await {
                    let id = next.stamp().last();
                    let found = classify_update::<R>(&key, id, &old.etag, found.value);
                    match found.unwrap_or(Readback::NotYet) {
                        Readback::Mine(seen) => {
                            return Ok(Settled::Won {
                                seen,
                                recovered: true,
                            });
                        }
                        Readback::NotMine(seen) => return Ok(Settled::Lost(seen)),
                        Readback::NotYet => {}
                    }
                }
            }
        }
        root.back_off(attempt).await;
    }
    Ok(if doubt {
        Settled::Doubt
    } else {
        Settled::Lost(None)
    })
}

fn after_doubt<R>(_: &Root, key: &StoreKey, e: crate::store::StoreError) -> Result<Settled<R>> {
    tracing::warn!(%key, error = %e, "a write is in doubt and the store now refuses");
    Ok(Settled::Doubt)
}

/// Creates an object. `make` gets a stamp with a fresh write id for every send.
pub async fn create<R: Record>(
    root: &Root,
    key: &Key,
    make: impl Fn(Stamp) -> R,
) -> Result<Settled<R>> {
    create_while(root, key, make, |_| true).await
}

/// The same, but asks `may_send` before every send; a refusal ends in `Doubt` if an earlier send
/// may have landed, else in `Lost`.
pub async fn create_while<R: Record>(
    root: &Root,
    key: &Key,
    make: impl Fn(Stamp) -> R,
    may_send: impl Fn(u32) -> bool,
) -> Result<Settled<R>> {
    let env = root.env();
    let key = key.store_key();
    let first = env.now();
    let mut sent: Vec<WriteId> = Vec::new();
    let mut same: Option<Stamp> = None;
    let mut doubt = false;
    for attempt in 1..=SENDS {
        if !may_send(attempt) || env.now().since(first) > CREATE_WINDOW {
            break;
        }
        let mut stamp = Stamp::first(root.now(), env.entropy.as_ref());
        if mutated(Mutant::SameBytesForEveryCreate) {
            stamp = same.get_or_insert(stamp).clone();
        }
        let record = make(stamp);
        sent.push(record.stamp().created_by.clone());
        let answer = match root.send(&key, encode(&record), None).await {
            Ok(answer) => answer,
            Err(e) if doubt => return after_doubt(root, &key, e),
            Err(e) => return Err(e.into()),
        };
        match answer {
            Write::Won { etag, .. } => {
                let seen = Seen {
                    record,
                    etag,
                    last_modified: None,
                };
                return Ok(Settled::Won {
                    seen,
                    recovered: false,
                });
            }
            Write::Lost if !doubt => return Ok(Settled::Lost(None)),
            Write::Again { after } => {
                if let Some(after) = after {
                    env.sleep(after.min(Duration::from_secs(5))).await;
                }
            }
            Write::Lost | Write::Unknown => {
                doubt = true;
                if let Ok(found) = root.get(&key).await {
                    let found = classify_create::<R>(&key, &sent, found.value);
                    match found.unwrap_or(Readback::NotYet) {
                        Readback::Mine(seen) => {
                            return Ok(Settled::Won {
                                seen,
                                recovered: true,
                            });
                        }
                        Readback::NotMine(seen) => return Ok(Settled::Lost(seen)),
                        Readback::NotYet => {}
                    }
                }
            }
        }
        root.back_off(attempt).await;
    }
    Ok(if doubt {
        Settled::Doubt
    } else {
        Settled::Lost(None)
    })
}

/// Reads a record, changes it and writes it back until that succeeds, or `change` declines with an
/// error. For objects that many clients write and that no lease protects.
pub async fn modify<R: Record>(
    root: &Root,
    key: &Key,
    absent: impl Fn(Stamp) -> R,
    change: impl Fn(&mut R) -> Result<()>,
) -> Result<Seen<R>> {
    let mut doubt = false;
    for attempt in 1..=20 {
        match modify_once(root, key, &absent, &change).await {
            Ok(Settled::Won { seen, .. }) => return Ok(seen),
            Ok(Settled::Lost(_)) => {}
            Ok(Settled::Doubt) => doubt = true,
            Err(error) if doubt => {
                tracing::warn!(%key, %error, "a change is in doubt and cannot be tried again");
                break;
            }
            Err(e) => return Err(e),
        }
        root.back_off(attempt).await;
    }
    Err(match doubt {
        true => Error::InDoubt { ids: Vec::new() },
        false => Error::Unavailable(format!(
            "{key} could not be changed: too many others change it"
        )),
    })
}

async fn modify_once<R: Record>(
    root: &Root,
    key: &Key,
    absent: impl Fn(Stamp) -> R,
    change: impl Fn(&mut R) -> Result<()>,
) -> Result<Settled<R>> {
    if let Some(old) = read::<R>(root, key).await? {
        let mut next = old.record.clone();
        change(&mut next)?;
        return update(root, key, &old, next).await;
    }
    let mut next = absent(Stamp::first(root.now(), root.env().entropy.as_ref()));
    change(&mut next)?;
    let make = |stamp| {
        let mut next = next.clone();
        *next.stamp_mut() = stamp;
        next
    };
    create(root, key, make).await
}
