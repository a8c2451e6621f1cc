//! Workers that do not stay: what a function does that events of the bucket start, or cron. They run
//! what is due, return, and are called again later; meanwhile the machine may be frozen.

use std::collections::BTreeSet;
use std::sync::Arc;

use oq_core::Worker;
use oq_core::env::Env;
use oq_core::record::Key;
use oq_core::testing::sim_clock::SimHost;
use oq_core::testing::sim_entropy::Dice;
use oq_core::worker::{Drain, Drained, Lead, Stopped};
use tokio_util::sync::CancellationToken;

use crate::observe::{Drained as Noted, What};
use crate::scenario::Draining;
use crate::stage::Stage;

/// So many objects are told of at a time, at the most.
const TOLD: u64 = 5;

/// One machine that drains.
pub struct Drains {
    pub host: Arc<SimHost>,
    pub env: Env,
    pub stage: Arc<Stage>,
    pub how: Draining,
}

impl Drains {
    /// Drains again and again until `stop` says so.
    pub async fn run(self, worker: Worker, stop: CancellationToken) {
        let mut dice = Dice::new(self.stage.scenario.seed, 1_000 + u64::from(self.host.id()));
        let store = self.stage.book.store.clone();
        while !stop.is_cancelled() {
            let leads = self.leads(&mut dice);
            let told = leads.len();
            let began = store.elapsed();
            let answer = worker
                .drain_until(self.drain(leads), stop.cancelled())
                .await;
            let drained = answer.expect("it asks for nothing that it may not");
            self.note(began, told, &drained);
            if self.how.frozen && !stop.is_cancelled() {
                self.host.stall(self.how.pause);
                let frozen = What::Frozen(self.how.pause);
                self.stage.book.trouble(self.host.id(), frozen);
            }
            self.env.sleep(self.how.pause).await;
        }
    }

    fn drain(&self, leads: Vec<Lead>) -> Drain {
        let how = self.how;
        let mut drain = match how.looks {
            true => Drain::leads(leads).then_all(),
            false => Drain::leads(leads),
        };
        drain = drain.linger(how.linger);
        if let Some(time) = how.within {
            drain = drain.within(time);
        }
        if let Some(tasks) = how.max_tasks {
            drain = drain.max_tasks(tasks);
        }
        if how.sweeps {
            drain = drain.sweep_one_in(3);
        }
        drain
    }

    /// What an event of the bucket tells of: writes of live objects, old ones and other workers' too.
    fn leads(&self, dice: &mut Dice) -> Vec<Lead> {
        let most = dice.below(TOLD + 1) as usize;
        let objects = self.stage.book.store.objects();
        let live = objects.iter().filter_map(|(key, object)| {
            let lead = Lead::of_key(key.as_str())?;
            Some((lead, object.body.len() as u64))
        });
        let mut live: Vec<(Lead, u64)> = live.collect();
        let done = objects
            .keys()
            .filter_map(|key| match Key::parse(key.as_str()) {
                Some(Key::Done(queue, id)) => Some((Lead::new(queue, id), 0)),
                _ => None,
            });
        live.extend(done.take(2));
        let mut leads = Vec::new();
        while leads.len() < most && !live.is_empty() {
            let (lead, size) = live.swap_remove(dice.below(live.len() as u64) as usize);
            let sized = dice.chance(0.5) && size > 0;
            leads.push(if sized { lead.size(size) } else { lead });
        }
        leads
    }

    fn note(&self, began: std::time::Duration, told: usize, drained: &Drained) {
        let (book, client) = (&self.stage.book, self.host.id());
        let ended = book.store.elapsed();
        let text = format!("{:?} {}", drained.stopped, drained.claimed);
        book.store.mix(text.as_bytes());
        book.trouble(client, What::Drained);
        let what = match drained.stopped {
            Stopped::Deadline => Some(What::OutOfTime),
            Stopped::Empty if told > 0 && drained.claimed > 0 => Some(What::Told),
            _ => None,
        };
        if let Some(what) = what {
            book.trouble(client, what);
        }
        let mut notes = book.notes();
        let running = notes.starts.iter().enumerate();
        let running = running.filter(|(_, s)| s.client == client && s.ended.is_none());
        let running: BTreeSet<usize> = running.map(|(n, _)| n).collect();
        notes.drains.push(Noted {
            client,
            began,
            ended,
            within: self.how.within,
            running,
        });
    }
}
