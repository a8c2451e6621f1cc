//! The probe on stores that are as they should be, and on stores that each break one rule.

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::store::{
    Abilities, Changed, Dated, Etag, Listed, MemoryStore, Object, Page, StoreError, StoreKey,
    Write, machine_time,
};

async fn probed(store: Arc<dyn Store>, plan: Plan) -> Report {
    probe(store, Env::system(), plan, machine_time()).await
}

async fn all_keys(store: &dyn Store) -> Vec<String> {
    let page = store.list(&List::prefix("")).await.unwrap().value;
    page.entries.iter().map(|e| e.key.to_string()).collect()
}

#[tokio::test]
async fn a_good_store_passes_within_the_plan_and_is_left_clean() {
    for plan in [Plan::QUICK, Plan::FULL] {
        let store = Arc::new(MemoryStore::new());
        let theirs = StoreKey::listed("theirs");
        store.create(&theirs, Bytes::new()).await.unwrap();
        let report = probed(store.clone(), plan).await;
        for found in &report.findings {
            assert!(found.verdict <= Verdict::Note, "{found:?}");
        }
        let (put, get, list) = plan.at_most();
        let asked = report.requests;
        assert!(asked.put() <= put, "{asked}");
        assert!(asked.get() <= get, "{asked}");
        assert!(asked.list() <= list, "{asked}");
        assert!(asked.put() * 2 > put, "the plan says far too much: {asked}");
        assert_eq!(report.paces.len(), 6);
        assert_eq!(all_keys(store.as_ref()).await, ["theirs"]);
    }
}

/// What a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Breaks {
    IfNoneMatch,
    IfMatch,
    /// It checks, waits, and then writes.
    CheckThenAct,
    /// An update creates what is not there.
    MissingKey,
    /// Reads of what is not there are refused.
    Forbids,
    /// Pages come last key first.
    Order,
    /// Listings ignore where to start.
    StartAfter,
    /// Listings do not show what was just written.
    StaleLists,
    /// ETags have quotes in answers to writes only.
    Quotes,
    /// All versions have one ETag.
    SameEtag,
    /// Only the last of few ETags differ.
    FewEtags,
    /// Conditional deletions delete regardless.
    DeleteIf,
    /// Nothing is ever deleted.
    Deletes,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    breaks: Breaks,
}

fn broken(breaks: Breaks) -> Arc<Broken> {
    Arc::new(Broken {
        inner: MemoryStore::new(),
        breaks,
    })
}

impl Broken {
    fn is(&self, breaks: Breaks) -> bool {
        self.breaks == breaks
    }

    /// The ETag that this store gives for one of the memory's.
    fn shown(&self, etag: Etag, body: &[u8]) -> Etag {
        match self.breaks {
            Breaks::SameEtag => Etag::new("\"same\""),
            Breaks::FewEtags => Etag::new(format!("\"{}\"", body.last().unwrap_or(&0) % 4)),
            _ => etag,
        }
    }

    async fn current(&self, key: &StoreKey) -> Option<Object> {
        self.inner.get(key).await.unwrap().value
    }

    /// Writes whatever is there.
    async fn force(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        loop {
            let answer = match self.current(key).await {
                Some(there) => self.inner.update(key, body.clone(), &there.etag).await?,
                None => self.inner.create(key, body.clone()).await?,
            };
            if let Write::Won { etag, date } = answer {
                let etag = self.shown(etag, &body);
                return Ok(Write::Won { etag, date });
            }
        }
    }

    fn read(&self, mut object: Object) -> Object {
        object.etag = self.shown(object.etag, &object.body);
        if self.is(Breaks::Quotes) {
            object.etag = Etag::new(object.etag.as_str().trim_matches('"'));
        }
        object
    }
}

#[async_trait]
impl Store for Broken {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn get(&self, key: &StoreKey) -> Result<Dated<Option<Object>>, StoreError> {
        let got = self.inner.get(key).await?;
        if got.value.is_none() && self.is(Breaks::Forbids) {
            return Err(StoreError::Denied("403 AccessDenied: Access Denied".into()));
        }
        Ok(Dated {
            date: got.date,
            value: got.value.map(|object| self.read(object)),
        })
    }

    async fn get_if_changed(
        &self,
        key: &StoreKey,
        seen: &Etag,
    ) -> Result<Dated<Changed>, StoreError> {
        let got = self.get(key).await?;
        Ok(Dated {
            date: got.date,
            value: match got.value {
                None => Changed::Missing,
                Some(object) if object.etag == *seen => Changed::Same,
                Some(object) => Changed::Now(object),
            },
        })
    }

    async fn create(&self, key: &StoreKey, body: Bytes) -> Result<Write, StoreError> {
        let there = self.current(key).await.is_some();
        if there && !self.is(Breaks::IfNoneMatch) {
            return Ok(Write::Lost);
        }
        if self.is(Breaks::CheckThenAct) {
            tokio::task::yield_now().await;
        }
        self.force(key, body).await
    }

    async fn update(&self, key: &StoreKey, body: Bytes, seen: &Etag) -> Result<Write, StoreError> {
        let there = self.get(key).await.ok().and_then(|got| got.value);
        let holds = match there {
            None => self.is(Breaks::MissingKey),
            Some(there) => there.etag == *seen || self.is(Breaks::IfMatch),
        };
        if !holds {
            return Ok(Write::Lost);
        }
        if self.is(Breaks::CheckThenAct) {
            tokio::task::yield_now().await;
        }
        self.force(key, body).await
    }

    async fn delete(&self, key: &StoreKey) -> Result<Dated<()>, StoreError> {
        if self.is(Breaks::Deletes) {
            let date = self.inner.get(key).await?.date;
            return Ok(Dated { date, value: () });
        }
        self.inner.delete(key).await
    }

    async fn delete_many(
        &self,
        keys: &[StoreKey],
    ) -> Result<Dated<Vec<(StoreKey, StoreError)>>, StoreError> {
        if self.is(Breaks::Deletes) {
            return Err(StoreError::Denied("403 AccessDenied: Access Denied".into()));
        }
        self.inner.delete_many(keys).await
    }

    async fn delete_if(&self, key: &StoreKey, seen: &Etag) -> Result<Write, StoreError> {
        let there = self.get(key).await?;
        let holds = there.value.is_some_and(|o| o.etag == *seen);
        if !holds && !self.is(Breaks::DeleteIf) {
            return Ok(Write::Lost);
        }
        let date = self.inner.delete(key).await?.date;
        let etag = seen.clone();
        Ok(Write::Won { etag, date })
    }

    async fn list(&self, list: &List) -> Result<Dated<Page>, StoreError> {
        let mut list = list.clone();
        if self.is(Breaks::StartAfter) {
            list.start_after = None;
        }
        let mut page = self.inner.list(&list).await?;
        let fresh = page.date;
        let entries = &mut page.value.entries;
        if self.is(Breaks::StaleLists) {
            entries.retain(|e| fresh.since(e.last_modified) > std::time::Duration::from_secs(60));
        }
        for entry in entries.iter_mut() {
            let body = self.inner.get(&entry.key).await?.value.map(|o| o.body);
            entry.etag = self.shown(entry.etag.clone(), &body.unwrap_or_default());
        }
        if self.is(Breaks::Order) {
            entries.sort_by(|a: &Listed, b| b.key.cmp(&a.key));
        }
        Ok(page)
    }
}

#[tokio::test]
async fn each_broken_store_is_refused_for_what_it_breaks() {
    let table = [
        (Breaks::IfNoneMatch, "create if absent", Verdict::Refusal),
        (Breaks::IfMatch, "update if match", Verdict::Refusal),
        (Breaks::CheckThenAct, "race of creates", Verdict::Refusal),
        (Breaks::CheckThenAct, "race of updates", Verdict::Refusal),
        (Breaks::MissingKey, "missing keys", Verdict::Refusal),
        (Breaks::Forbids, "missing keys", Verdict::Fault),
        (Breaks::Order, "listings", Verdict::Refusal),
        (Breaks::StartAfter, "listings", Verdict::Refusal),
        (Breaks::StaleLists, "listings", Verdict::Refusal),
        (Breaks::Quotes, "update if match", Verdict::Refusal),
        (Breaks::SameEtag, "update if match", Verdict::Refusal),
        (Breaks::FewEtags, "etags", Verdict::Refusal),
        (Breaks::DeleteIf, "delete if match", Verdict::Fault),
        (Breaks::Deletes, "cleaning up", Verdict::Fault),
    ];
    for (breaks, check, verdict) in table {
        let report = probed(broken(breaks), Plan::QUICK).await;
        let found = report.findings.iter().find(|f| f.check == check);
        let found = found.unwrap_or_else(|| panic!("{breaks:?}: no check {check}"));
        assert_eq!(found.verdict, verdict, "{breaks:?}: {found:?}");
        assert!(found.cure.is_some(), "{breaks:?}: {found:?}");
        assert_eq!(
            report.refuses(),
            report
                .findings
                .iter()
                .any(|f| f.verdict == Verdict::Refusal)
        );
        if verdict == Verdict::Refusal {
            assert!(report.refuses(), "{breaks:?}");
        }
    }
}

#[tokio::test]
async fn the_decorator_itself_breaks_nothing_else() {
    // Where conditional deletion is the only thing broken, all else must pass.
    let report = probed(broken(Breaks::DeleteIf), Plan::QUICK).await;
    let wrong = report.findings.iter().filter(|f| f.verdict > Verdict::Note);
    assert_eq!(
        wrong.map(|f| f.check).collect::<Vec<_>>(),
        ["delete if match"]
    );
}

#[tokio::test]
async fn a_machine_whose_clock_is_off_is_told() {
    let store = Arc::new(MemoryStore::new());
    let off = machine_time().plus(std::time::Duration::from_secs(3600));
    let report = probe(store, Env::system(), Plan::QUICK, off).await;
    let clock = report.findings.iter().find(|f| f.check == "clock").unwrap();
    assert_eq!(clock.verdict, Verdict::Fault);
    assert!(clock.what.contains("ahead of"), "{clock:?}");
}

#[tokio::test]
async fn a_store_of_this_machine_that_is_ahead_of_its_clock_is_not_blamed_on_the_clock() {
    let store = Arc::new(MemoryStore::new());
    let machine = StoreTime(machine_time().as_millis() - 3_600_000);
    let report = probe(store, Env::system(), Plan::QUICK, machine).await;
    let clock = report.findings.iter().find(|f| f.check == "clock").unwrap();
    assert_eq!(clock.verdict, Verdict::Fault);
    assert!(clock.what.contains("clock was ahead"), "{clock:?}");
    assert!(
        clock.cure.as_ref().unwrap().contains("let a worker stay"),
        "{clock:?}"
    );
}
