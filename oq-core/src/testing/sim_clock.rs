//! Simulated machines: a clock with offset and drift over tokio's paused time, and what can happen
//! to a machine as a whole: it stalls, it is cut off in one direction, it dies.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::sim_entropy::SimEntropy;
use crate::env::{BoxFuture, Clock, Env, Mono};

/// One simulated machine with one client on it. Create it inside a runtime with paused time.
pub struct SimHost {
    id: u16,
    start: Instant,
    offset: Duration,
    drift_ppm: i64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stalled_until: Option<Instant>,
    starved_until: Option<Instant>,
    cut_out_until: Option<Instant>,
    cut_back_until: Option<Instant>,
    dead: bool,
    outlived: u64,
    /// How often something went on here: at every send, every answer and every end of a sleep.
    steps: u64,
    crash_at: Option<Crash>,
    /// It crashed at its step, and nobody has cleared it away yet.
    crashed: bool,
}

/// A crash that was ordered.
struct Crash {
    step: u64,
    tell: Box<dyn FnOnce() + Send>,
}

impl SimHost {
    /// Machine number `id`, whose clock shows `offset` now and gains `drift_ppm` microseconds a
    /// second.
    pub fn new(id: u16, offset: Duration, drift_ppm: i64) -> Arc<SimHost> {
        Arc::new(SimHost {
            id,
            start: now(),
            offset,
            drift_ppm,
            state: Mutex::default(),
        })
    }

    /// Its number, by which logs name it.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// How many microseconds its clock gains in a second.
    pub fn drift_ppm(&self) -> i64 {
        self.drift_ppm
    }

    /// The surroundings of the client on it.
    pub fn env(self: &Arc<SimHost>, seed: u64) -> Env {
        Env {
            clock: Arc::new(SimClock {
                host: self.clone(),
                starves: true,
            }),
            entropy: Arc::new(SimEntropy::new(seed, u64::from(self.id) + 1000)),
        }
    }

    /// As by SIGSTOP: until so much time has passed no sleep ends here, nothing is sent and no
    /// answer arrives. The clock goes on.
    pub fn stall(&self, length: Duration) {
        let mut state = self.state();
        state.stalled_until = state.stalled_until.max(Some(now() + length));
    }

    /// A handler keeps everything else in the process from going on, as one in Python does that
    /// holds its interpreter's lock: until so much time has passed only the clock of
    /// [`SimHost::beside`] wakes anybody.
    pub fn starve(&self, length: Duration) {
        let mut state = self.state();
        state.starved_until = state.starved_until.max(Some(now() + length));
    }

    /// How much longer it stalls, or its programs are starved.
    pub fn stalled_for(&self) -> Duration {
        let state = self.state();
        let until = state.stalled_until.max(state.starved_until);
        until.map_or(Duration::ZERO, |t| t.saturating_duration_since(now()))
    }

    /// Whether everything but handlers is starved.
    pub fn is_starved(&self) -> bool {
        self.state().starved_until.is_some_and(|t| now() < t)
    }

    /// The surroundings of what goes on while all else is starved.
    pub fn beside(self: &Arc<SimHost>, env: &Env) -> Env {
        Env {
            clock: Arc::new(SimClock {
                host: self.clone(),
                starves: false,
            }),
            entropy: env.entropy.clone(),
        }
    }

    /// Requests sent from here are lost for so long.
    pub fn cut_out(&self, length: Duration) {
        self.state().cut_out_until = Some(now() + length);
    }

    /// Answers to requests from here are lost for so long; the requests are not.
    pub fn cut_back(&self, length: Duration) {
        self.state().cut_back_until = Some(now() + length);
    }

    /// Ends partitions; a stall goes on.
    pub fn reconnect(&self) {
        let mut state = self.state();
        (state.cut_out_until, state.cut_back_until) = (None, None);
    }

    /// The process ended. Whatever of it still runs is counted, see [`SimHost::outlived`].
    pub fn kill(&self) {
        self.state().dead = true;
    }

    /// How often the process went on so far: at every send, every answer and every end of a sleep.
    /// Between two of these it waits for nothing outside of itself.
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Ends the process when it is about to go on for the `step`-th time: nothing in it goes on any
    /// more. `tell` is called then and has to see to it that what is left is dropped.
    pub fn crash_at(&self, step: u64, tell: impl FnOnce() + Send + 'static) {
        let tell = Box::new(tell);
        self.state().crash_at = Some(Crash { step, tell });
    }

    /// How often something went on after the process had ended: must be zero.
    pub fn outlived(&self) -> u64 {
        self.state().outlived
    }

    /// Whether requests sent now are lost.
    pub fn is_cut_out(&self) -> bool {
        self.state().cut_out_until.is_some_and(|t| now() < t)
    }

    /// Whether answers that come now are lost.
    pub fn is_cut_back(&self) -> bool {
        self.state().cut_back_until.is_some_and(|t| now() < t)
    }

    /// Returns when the machine is neither stalled nor starved; never, when it is dead.
    pub async fn awake(&self) {
        self.wakes(true).await;
    }

    async fn wakes(&self, starves: bool) {
        if let Some(crash) = self.step() {
            (crash.tell)();
        }
        loop {
            let until = {
                let mut state = self.state();
                if state.dead || state.crashed {
                    state.outlived += u64::from(state.dead);
                    None
                } else {
                    let starved = state.starved_until.filter(|_| starves);
                    match state.stalled_until.max(starved).filter(|t| *t > now()) {
                        Some(until) => Some(until),
                        None => return,
                    }
                }
            };
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Counts a step; the crash that was ordered for it.
    fn step(&self) -> Option<Crash> {
        let mut state = self.state();
        state.steps += u64::from(!state.crashed);
        let steps = state.steps;
        let crash = state.crash_at.take_if(|crash| crash.step == steps);
        state.crashed |= crash.is_some();
        crash
    }

    fn local(&self) -> Mono {
        let elapsed = now().duration_since(self.start);
        let micros = elapsed.as_micros() as i128;
        let drift = micros * i128::from(self.drift_ppm) / 1_000_000;
        Mono(self.offset + Duration::from_micros((micros + drift).max(0) as u64))
    }

    /// How long `local` on this machine's clock takes in truth, rounded up.
    fn truly(&self, local: Duration) -> Duration {
        let micros = local.as_micros().min(u128::from(u64::MAX / 2)) as i128;
        let rate = 1_000_000 + i128::from(self.drift_ppm);
        let truth = (micros * 1_000_000 + rate - 1) / rate;
        Duration::from_micros(truth as u64)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SimHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimHost({})", self.id)
    }
}

/// The clock of a [`SimHost`].
#[derive(Debug)]
pub struct SimClock {
    host: Arc<SimHost>,
    starves: bool,
}

impl Clock for SimClock {
    fn now(&self) -> Mono {
        self.host.local()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (host, starves) = (self.host.clone(), self.starves);
        let length = host.truly(duration);
        Box::pin(async move {
            // tokio refuses instants beyond its range; nobody waits for this one.
            match now().checked_add(length) {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
            host.wakes(starves).await;
        })
    }
}

/// Virtual time.
#[allow(clippy::disallowed_methods)] // the simulated clock is made of tokio's
pub(super) fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods)] // the simulated clock is made of tokio's
pub(super) async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_fast_clock_shows_more_and_its_sleeps_end_sooner() {
        let host = SimHost::new(1, 100 * S, 10_000);
        let env = host.env(1);
        let (truth, local) = (now(), env.now());
        env.sleep(1000 * S).await;
        let passed = now().duration_since(truth);
        assert!(
            passed > 990 * S && passed < 991 * S,
            "a fast clock's 1000 s took {passed:?}"
        );
        assert!(env.now().since(local) >= 1000 * S);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_machine_wakes_late_and_its_clock_knows() {
        let host = SimHost::new(1, Duration::ZERO, 0);
        let env = host.env(1);
        host.stall(60 * S);
        env.sleep(S).await;
        assert_eq!(env.now().0, 60 * S);
    }

    #[tokio::test(start_paused = true)]
    async fn who_starves_wakes_late_and_who_starves_him_does_not() {
        let host = SimHost::new(1, Duration::ZERO, 0);
        let env = host.env(1);
        let beside = host.beside(&env);
        host.starve(60 * S);
        beside.sleep(S).await;
        assert_eq!(beside.now().0, S);
        env.sleep(S).await;
        assert_eq!(env.now().0, 60 * S);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_comes_at_its_step_and_no_other() {
        let host = SimHost::new(1, Duration::ZERO, 0);
        let env = host.env(1);
        let told = Arc::new(Mutex::new(None));
        let tell = told.clone();
        let at = host.clone();
        host.crash_at(3, move || *tell.lock().unwrap() = Some(at.steps()));
        let run = tokio::spawn(async move {
            for _ in 0..10 {
                env.sleep(S).await;
            }
        });
        sleep_until(now() + 60 * S).await;
        assert!(!run.is_finished());
        assert_eq!((*told.lock().unwrap(), host.steps()), (Some(3), 3));
        run.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlives_its_process_is_counted() {
        let host = SimHost::new(1, Duration::ZERO, 0);
        let env = host.env(1);
        let left = tokio::spawn(async move { env.sleep(S).await });
        host.kill();
        sleep_until(now() + 2 * S).await;
        assert_eq!(host.outlived(), 1);
        left.abort();
    }
}
