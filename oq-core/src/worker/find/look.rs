//! Listing shards, one's own and those of others.

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;

use super::Finder;
use super::plan::{AT_ONCE, Job, Plan, from_head};
use super::walk::Walk;
use super::walks::Patient;
use crate::store::StoreError;

impl Finder {
    /// Lists what the plan says, and waits when it says nothing.
    pub(super) async fn run_look(&self) {
        let env = self.root.env();
        let mut failures = 0;
        loop {
            let (now, date) = self.now();
            let plan = self.state().plan(now, date, env);
            let ok = match plan {
                Plan::List(jobs) => {
                    let walks = jobs.into_iter().map(|job| self.walk(job));
                    let ended = join_all(walks).await;
                    ended.into_iter().all(|ok| ok)
                }
                Plan::Wide => self.sweep_wide().await,
                Plan::Wait(None) => {
                    self.look.notified().await;
                    true
                }
                Plan::Wait(Some(most)) => {
                    tokio::select! {
                        biased;
                        () = self.look.notified() => {}
                        () = env.sleep(most) => {}
                    }
                    self.announce();
                    true
                }
            };
            if ok {
                failures = 0;
            } else {
                failures += 1;
                self.pause(failures).await;
            }
        }
    }

    /// Tells the dispatcher if there is something to take.
    pub(super) fn announce(&self) {
        let date = self.root.now();
        let mut state = self.state();
        state.promote(date);
        if !state.buffer.is_empty() {
            self.ready.notify_waiters();
        }
    }

    /// Lists one shard as far as that is useful; whether the store answered.
    async fn walk(&self, job: Job) -> bool {
        let now = self.now();
        let mut walks = self.state().begin(job, now);
        let (mut ok, mut found, mut amid) = (true, false, None);
        while !walks.is_empty() {
            let pages = walks.drain(..).map(|walk| self.pages(job, walk));
            for ended in join_all(pages).await {
                match ended {
                    Ended::Done { found: some } => found |= some,
                    Ended::Failed => ok = false,
                    Ended::Amid(both) => {
                        let (walk, far) = *both;
                        amid = Some(walk);
                        walks.extend(far);
                    }
                }
            }
        }
        if let Some(walk) = amid {
            let mut state = self.state();
            let urgent = !found && state.buffer.is_empty();
            state.patient.push(Patient { walk, urgent });
            self.crowds.notify_one();
        }
        ok
    }

    /// Goes on with the walks through crowds, beside all others.
    pub(super) async fn run_crowds(&self) {
        let mut walks = FuturesUnordered::new();
        loop {
            let more = self.state().take_patient(AT_ONCE - walks.len());
            walks.extend(more.into_iter().map(|w| self.pages(from_head(w.shard), w)));
            tokio::select! {
                biased;
                () = self.crowds.notified() => {}
                Some(_) = walks.next() => self.look.notify_one(),
            }
        }
    }

    /// Lists as far as that is useful.
    async fn pages(&self, job: Job, mut walk: Walk) -> Ended {
        let env = self.root.env();
        let mut found = 0;
        while let Some(list) = walk.request() {
            let page = match self.root.list(&list).await {
                Ok(page) => page.value,
                Err(e) => {
                    self.walk_failed(job, &walk, &e);
                    return Ended::Failed;
                }
            };
            let now = self.now();
            if job.help {
                found += self.state().absorb_foreign(&mut walk, &page, env, now);
                self.announce();
                continue;
            }
            self.state().absorb(&mut walk, &page, now);
            self.announce();
            let mut state = self.state();
            if !state.own.contains(&job.shard) {
                // It has passed to somebody else, who walks it from the head.
                return Ended::Done { found: false };
            }
            if let Some(far) = state.part(&mut walk, now) {
                return Ended::Amid(Box::new((walk, far)));
            }
        }
        if job.help {
            self.state().steal.looked(env.now(), job.shard, found);
            self.state().finish_foreign(walk, job);
            return Ended::Done { found: found > 0 };
        }
        let found = walk.has_found();
        self.state().finish(walk);
        Ended::Done { found }
    }

    fn walk_failed(&self, job: Job, walk: &Walk, e: &StoreError) {
        tracing::warn!(queue = %self.queue, shard = %job.shard.code(), error = %e,
            "a shard could not be listed");
        let now = self.root.env().now();
        let mut state = self.state();
        if job.help {
            state.steal.looked(now, job.shard, 0);
        } else if walk.through {
            state.failed_through(job.shard);
        } else {
            state.failed(job.shard);
        }
    }
}

/// How a walk ended.
enum Ended {
    /// Where it was to end.
    Done {
        found: bool,
    },
    Failed,
    /// It is amid a crowd and to go on later; what is beyond that is the other's, if that one is still to
    /// begin.
    Amid(Box<(Walk, Option<Walk>)>),
}
