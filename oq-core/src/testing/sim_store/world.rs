//! The store itself: objects, its clock, and what one request does at the moment it is applied.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::fault::{EtagKind, Expected, Fault, Fired, Modes, Plan};
use super::log::{Applied, Requests, Spell, Trace};
use crate::store::{Changed, Dated, Etag, List, Listed, Object, Page, StoreError, StoreKey, Write};
use crate::testing::sim_clock::now;
use crate::testing::sim_entropy::Dice;
use crate::time::StoreTime;

/// A request on the wire.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Get(StoreKey),
    GetIfChanged(StoreKey, Etag),
    Create(StoreKey, Bytes),
    Update(StoreKey, Bytes, Etag),
    Delete(StoreKey),
    DeleteMany(Vec<StoreKey>),
    DeleteIf(StoreKey, Etag),
    List(List),
}

/// What the store says to it.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Object(Dated<Option<Object>>),
    Changed(Dated<Changed>),
    Write(Write),
    Deleted(Dated<Vec<(StoreKey, StoreError)>>),
    Page(Dated<Page>),
}

impl Op {
    /// Whether its answer is a [`Write`].
    pub(super) fn is_conditional(&self) -> bool {
        matches!(self, Op::Create(..) | Op::Update(..) | Op::DeleteIf(..))
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self, Op::Get(_) | Op::GetIfChanged(..) | Op::List(_))
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Get(_) | Op::GetIfChanged(..) => "GET",
            Op::Create(..) => "PUT if-absent",
            Op::Update(..) => "PUT if-match",
            Op::Delete(_) => "DELETE",
            Op::DeleteMany(_) => "DELETE batch",
            Op::DeleteIf(..) => "DELETE if-match",
            Op::List(_) => "LIST",
        }
    }

    pub(super) fn target(&self) -> &str {
        match self {
            Op::Get(key)
            | Op::GetIfChanged(key, _)
            | Op::Create(key, _)
            | Op::Update(key, ..)
            | Op::Delete(key)
            | Op::DeleteIf(key, _) => key.as_str(),
            Op::DeleteMany(keys) => keys.first().map_or("", StoreKey::as_str),
            Op::List(list) => &list.prefix,
        }
    }
}

pub(super) struct World {
    pub(super) objects: BTreeMap<StoreKey, Object>,
    pub(super) modes: Modes,
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) log: Vec<Applied>,
    pub(super) trace: Trace,
    pub(super) fired: Fired,
    pub(super) expected: Expected,
    pub(super) requests: BTreeMap<u16, Requests>,
    pub(super) in_flight: usize,
    pub(super) late: usize,
    pub(super) storm_until: Option<Instant>,
    pub(super) denied_until: BTreeMap<u16, Instant>,
    pub(super) hidden_until: BTreeMap<u16, Instant>,
    pub(super) spells: Vec<Spell>,
    pub(super) story: Option<Vec<String>>,
    pub(super) start: Instant,
    epoch: StoreTime,
    written: u64,
}

impl World {
    pub(super) fn new(seed: u64, modes: Modes, plan: Plan, epoch: StoreTime) -> World {
        World {
            objects: BTreeMap::new(),
            modes,
            plan,
            dice: Dice::new(seed, 1),
            log: Vec::new(),
            trace: Trace::default(),
            fired: Fired::default(),
            expected: Expected::default(),
            requests: BTreeMap::new(),
            in_flight: 0,
            late: 0,
            storm_until: None,
            denied_until: BTreeMap::new(),
            hidden_until: BTreeMap::new(),
            spells: Vec::new(),
            story: None,
            start: now(),
            epoch,
            written: 0,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        now().duration_since(self.start)
    }

    pub(super) fn now(&self) -> StoreTime {
        self.epoch.plus(self.elapsed())
    }

    /// As the store shows a moment to clients.
    fn shown(&self, at: StoreTime) -> StoreTime {
        match self.modes.whole_seconds {
            true => StoreTime(at.0 / 1000 * 1000),
            false => at,
        }
    }

    fn show(&self, object: &Object) -> Object {
        Object {
            last_modified: self.shown(object.last_modified),
            ..object.clone()
        }
    }

    pub(super) fn dated<T>(&self, value: T) -> Dated<T> {
        Dated {
            date: self.shown(self.now()),
            value,
        }
    }

    fn etag(&mut self, body: &[u8]) -> Etag {
        self.written += 1;
        let text = match self.modes.etag {
            EtagKind::Content => {
                let mut hash = Trace::default();
                hash.bytes(body);
                format!("\"{:016x}\"", hash.value())
            }
            EtagKind::Counter => format!("\"{}\"", self.written),
            EtagKind::Opaque => format!("\"{:016x}\"", self.dice.bits()),
        };
        Etag::new(text)
    }

    /// Applies one request now.
    pub(super) fn apply(&mut self, client: u16, sent: Duration, op: &Op) -> Answer {
        self.trace.number(self.elapsed().as_nanos() as u64);
        self.trace.number(u64::from(client));
        self.trace.bytes(op.target().as_bytes());
        match op {
            Op::Get(key) => {
                let object = self.objects.get(key).map(|o| self.show(o));
                Answer::Object(self.dated(object))
            }
            Op::GetIfChanged(key, seen) => {
                let changed = match self.objects.get(key) {
                    None => Changed::Missing,
                    Some(o) if o.etag == *seen => Changed::Same,
                    Some(o) => Changed::Now(self.show(o)),
                };
                Answer::Changed(self.dated(changed))
            }
            Op::Create(key, body) => {
                let absent = !self.objects.contains_key(key);
                Answer::Write(self.put(client, sent, key, body, absent))
            }
            Op::Update(key, body, seen) => {
                let same = self.objects.get(key).is_some_and(|o| o.etag == *seen);
                Answer::Write(self.put(client, sent, key, body, same))
            }
            Op::Delete(key) => {
                self.remove(client, sent, key);
                Answer::Deleted(self.dated(Vec::new()))
            }
            Op::DeleteMany(keys) => {
                let rate = self.plan.rate(Fault::PartialDelete);
                let mut failed = Vec::new();
                for key in keys {
                    if self.dice.chance(rate) {
                        self.fired.count(Fault::PartialDelete);
                        failed.push((key.clone(), StoreError::Unavailable("InternalError".into())));
                    } else {
                        self.remove(client, sent, key);
                    }
                }
                Answer::Deleted(self.dated(failed))
            }
            Op::DeleteIf(key, seen) => {
                let Some(there) = self.objects.get(key).filter(|o| o.etag == *seen) else {
                    return Answer::Write(Write::Lost);
                };
                let etag = there.etag.clone();
                self.remove(client, sent, key);
                let date = self.dated(()).date;
                Answer::Write(Write::Won { etag, date })
            }
            Op::List(list) => {
                let page = self.page(list);
                self.trace.number(page.entries.len() as u64);
                Answer::Page(self.dated(page))
            }
        }
    }

    fn put(
        &mut self,
        client: u16,
        sent: Duration,
        key: &StoreKey,
        body: &Bytes,
        may: bool,
    ) -> Write {
        let now = self.now();
        let old = self.objects.get(key).cloned();
        let interval = self.modes.write_interval.unwrap_or_default();
        if old
            .as_ref()
            .is_some_and(|o| now.since(o.last_modified) < interval)
        {
            self.fired.count(Fault::TooSoon);
            return Write::Again { after: None };
        }
        if !may {
            return Write::Lost;
        }
        let etag = self.etag(body);
        let object = Object {
            body: body.clone(),
            etag: etag.clone(),
            last_modified: now,
        };
        self.objects.insert(key.clone(), object.clone());
        self.record(client, sent, key, old, Some(object));
        Write::Won {
            etag,
            date: self.shown(now),
        }
    }

    pub(super) fn remove(&mut self, client: u16, sent: Duration, key: &StoreKey) {
        if let Some(old) = self.objects.remove(key) {
            self.record(client, sent, key, Some(old), None);
        }
    }

    /// The last version of a key is there again, as it was when it was deleted.
    pub(super) fn bring_back(&mut self, key: &StoreKey, object: Object) {
        let at = self.elapsed();
        self.objects.insert(key.clone(), object.clone());
        self.record(0, at, key, None, Some(object));
    }

    fn record(
        &mut self,
        client: u16,
        sent: Duration,
        key: &StoreKey,
        old: Option<Object>,
        new: Option<Object>,
    ) {
        match &new {
            Some(object) => self.trace.bytes(&object.body),
            None => self.trace.number(0),
        }
        self.log.push(Applied {
            at: self.elapsed(),
            sent,
            client,
            key: key.clone(),
            old,
            new,
        });
    }

    fn page(&self, list: &List) -> Page {
        let start = match &list.start_after {
            Some(after) if after.as_str() >= list.prefix.as_str() => {
                Bound::Excluded(StoreKey::listed(after.as_str()))
            }
            _ => Bound::Included(StoreKey::listed(list.prefix.as_str())),
        };
        let most = self.modes.page_limit.unwrap_or(u16::MAX).min(list.limit);
        let mut page = Page::default();
        let mut last = String::new();
        for (key, object) in self.objects.range((start, Bound::Unbounded)) {
            let Some(rest) = key.as_str().strip_prefix(&list.prefix) else {
                break;
            };
            let cut = if list.fold { rest.find('/') } else { None };
            let folder = cut.map(|at| &key.as_str()[..=list.prefix.len() + at]);
            if let Some(folder) = folder
                && (page.folders.last().is_some_and(|f| f == folder)
                    || list
                        .start_after
                        .as_deref()
                        .is_some_and(|a| a.starts_with(folder)))
            {
                continue;
            }
            if page.entries.len() + page.folders.len() >= usize::from(most) {
                page.next = Some(last);
                break;
            }
            match folder {
                Some(folder) => {
                    page.folders.push(folder.to_owned());
                    last = folder.to_owned();
                }
                None => {
                    page.entries.push(Listed {
                        key: key.clone(),
                        etag: object.etag.clone(),
                        size: object.body.len() as u64,
                        last_modified: self.shown(object.last_modified),
                    });
                    key.as_str().clone_into(&mut last);
                }
            }
        }
        page
    }

    /// Runs `look` on the store as it was so long ago.
    pub(super) fn in_the_past<T>(
        &mut self,
        ago: Duration,
        look: impl FnOnce(&mut World) -> T,
    ) -> T {
        let since = self.elapsed().saturating_sub(ago);
        let present = self.objects.clone();
        for change in self.log.iter().rev().take_while(|c| c.at > since) {
            match &change.old {
                Some(old) => self.objects.insert(change.key.clone(), old.clone()),
                None => self.objects.remove(&change.key),
            };
        }
        let seen = look(self);
        self.objects = present;
        seen
    }

    /// Notes a line of the story, if one is told.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        let at = self.elapsed();
        if let Some(story) = &mut self.story {
            story.push(format!("{:>10.3} {}", at.as_secs_f64(), line()));
        }
    }
}
