//! What one client asked about one object, and what it was told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oq_core::store::{Changed, Dated, Etag, Object, Store, StoreError, StoreKey, Write};

/// One request about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub client: u16,
    pub sent: Duration,
    /// `None`: its caller gave up or died.
    pub answered: Option<Duration>,
    pub asked: Asked,
    pub saw: Saw,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Read,
    Create(Bytes),
    Update(Bytes, Etag),
    Delete,
    DeleteIf(Etag),
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saw {
    /// Nothing, or nothing certain.
    Nothing,
    /// That nothing was done.
    Refused,
    Absent,
    /// This version is there.
    There(Etag),
    /// It was done; the new version's ETag, if there is one.
    Won(Option<Etag>),
    /// The condition did not hold.
    Lost,
}

impl Call {
    /// Whether it had its moment for certain.
    pub fn must_be_placed(&self) -> bool {
        !matches!(self.saw, Saw::Nothing | Saw::Refused)
    }

    /// Whether it leaves everything as it was, whenever it had its moment.
    pub fn changes_nothing(&self) -> bool {
        matches!(self.saw, Saw::Absent | Saw::There(_) | Saw::Lost)
    }

    /// Its moment is not later than this.
    pub fn ends(&self) -> Duration {
        match self.saw {
            Saw::Nothing | Saw::Refused => Duration::MAX,
            _ => self.answered.unwrap_or(Duration::MAX),
        }
    }
}

/// What was asked of a store and told, object by object; and the bodies by their ETags.
#[derive(Debug, Default)]
pub struct Calls {
    pub by_key: BTreeMap<StoreKey, Vec<Call>>,
    pub bodies: BTreeMap<(StoreKey, Etag), Bytes>,
}

/// Where a [`Recorded`] store writes down, and the clock it does it by.
#[derive(Clone)]
pub struct Recorder {
    calls: Arc<Mutex<Calls>>,
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Recorder {
        Recorder {
            calls: Arc::default(),
            now: Arc::new(now),
        }
    }

    /// The store of one client, whose requests are written down here.
    pub fn record(&self, client: u16, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Recorded {
            client,
            store,
            recorder: self.clone(),
        })
    }

    pub fn take(&self) -> Calls {
        std::mem::take(&mut self.calls())
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sent(&self, client: u16, key: &StoreKey, asked: Asked) -> Note<'_> {
        let sent = (self.now)();
        let mut calls = self.calls();
        let list = calls.by_key.entry(key.clone()).or_default();
        list.push(Call {
            client,
            sent,
            answered: None,
            asked,
            saw: Saw::Nothing,
        });
        Note {
            recorder: self,
            key: key.clone(),
            place: list.len() - 1,
        }
    }
}

/// A request that is under way.
struct Note<'a> {
    recorder: &'a Recorder,
    key: StoreKey,
    place: usize,
}

impl Note<'_> {
    fn answer(self, saw: Saw) {
        let at = (self.recorder.now)();
        let mut calls = self.recorder.calls();
        if let (Saw::Won(Some(etag)), Some(body)) = (&saw, self.body(&calls)) {
            calls.bodies.insert((self.key.clone(), etag.clone()), body);
        }
        if let Some(call) = calls
            .by_key
            .get_mut(&self.key)
            .and_then(|c| c.get_mut(self.place))
        {
            (call.answered, call.saw) = (Some(at), saw);
        }
    }

    fn body(&self, calls: &Calls) -> Option<Bytes> {
        match &calls.by_key.get(&self.key)?.get(self.place)?.asked {
            Asked::Create(body) | Asked::Update(body, _) => Some(body.clone()),
            _ => None,
        }
    }

    fn write(self, answer: &Result<Write, StoreError>) {
        self.answer(match answer {
            Ok(Write::Won { etag, .. }) => Saw::Won(Some(etag.clone())),
            Ok(Write::Lost) => Saw::Lost,
            Ok(Write::Again { .. }) => Saw::Refused,
            Ok(Write::Unknown) => Saw::Nothing,
            Err(_) => Saw::Refused,
        });
    }

    fn read(self, object: Option<&Object>) {
        let saw = object.map_or(Saw::Absent, |o| Saw::There(o.etag.clone()));
        if let Some(object) = object {
            let key = (self.key.clone(), object.etag.clone());
            let mut calls = self.recorder.calls();
            calls
                .bodies
                .entry(key)
                .or_insert_with(|| object.body.clone());
        }
        self.answer(saw);
    }
}

/// A store whose requests are written down.
#[derive(Debug)]
struct Recorded {
    client: u16,
    store: Arc<dyn Store>,
    recorder: Recorder,
}

#[async_trait]
impl oq_core::store::Passing for Recorded {
    fn to(&self) -> &dyn Store {
        &*self.store
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let note = self.recorder.sent(self.client, key, Asked::Read);
        let answer = self.store.get(key).await;
        if let Ok(there) = &answer {
            note.read(there.value.as_ref());
        }
        answer
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let note = self.recorder.sent(self.client, key, Asked::Read);
        let answer = self.store.get_if_changed(key, seen).await;
        match answer.as_ref().map(|a| &a.value) {
            Ok(Changed::Same) => note.answer(Saw::There(seen.clone())),
            Ok(Changed::Missing) => note.read(None),
            Ok(Changed::Now(object)) => note.read(Some(object)),
            Err(_) => {}
        }
        answer
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let note = self
            .recorder
            .sent(self.client, key, Asked::Create(body.clone()));
        let answer = self.store.create(key, body).await;
        note.write(&answer);
        answer
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let asked = Asked::Update(body.clone(), seen.clone());
        let note = self.recorder.sent(self.client, key, asked);
        let answer = self.store.update(key, body, seen).await;
        note.write(&answer);
        answer
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        let note = self.recorder.sent(self.client, key, Asked::Delete);
        let answer = self.store.delete(key).await;
        match &answer {
            Ok(_) => note.answer(Saw::Won(None)),
            Err(StoreError::Unavailable(_)) => {}
            Err(_) => note.answer(Saw::Refused),
        }
        answer
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        let notes: Vec<_> = keys
            .iter()
            .map(|key| self.recorder.sent(self.client, key, Asked::Delete))
            .collect();
        let answer = self.store.delete_many(keys).await;
        if let Ok(failed) = &answer {
            for note in notes {
                if !failed.value.iter().any(|(key, _)| *key == note.key) {
                    note.answer(Saw::Won(None));
                }
            }
        }
        answer
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let note = self
            .recorder
            .sent(self.client, key, Asked::DeleteIf(seen.clone()));
        let answer = self.store.delete_if(key, seen).await;
        match &answer {
            Ok(Write::Won { .. }) => note.answer(Saw::Won(None)),
            other => note.write(other),
        }
        answer
    }
}
