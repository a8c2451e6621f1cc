//! Listing shards, one's own and those of others.

use super::Finder;
use super::plan::{Job, Plan};
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
                    let ended = futures::future::join_all(walks).await;
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
        let env = self.root.env();
        let started = env.now();
        let mut walk = {
            let now = self.now();
            self.state().begin(job, now)
        };
        let mut found = 0;
        while let Some(list) = walk.request() {
            let page = match self.root.list(&list).await {
                Ok(page) => page.value,
                Err(e) => return self.walk_failed(job, &e),
            };
            let now = self.now();
            if job.help {
                found += self.state().absorb_foreign(&mut walk, &page, env, now);
            } else {
                self.state().absorb(&mut walk, &page, now);
            }
            self.announce();
            if !job.help && !self.state().own.contains(&job.shard) {
                // It has passed to somebody else, who walks it from the head.
                return true;
            }
        }
        let now = env.now();
        if job.help {
            self.state().steal.looked(now, job.shard, found);
            self.state().finish_foreign(walk, job);
        } else {
            self.state().finish(walk, started);
        }
        true
    }

    fn walk_failed(&self, job: Job, e: &StoreError) -> bool {
        tracing::warn!(queue = %self.queue, shard = %job.shard.code(), error = %e,
            "a shard could not be listed");
        let now = self.root.env().now();
        if job.help {
            self.state().steal.looked(now, job.shard, 0);
        } else {
            self.state().failed(job.shard);
        }
        false
    }
}
