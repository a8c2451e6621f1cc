//! What can happen next, and what must hold whatever happened.

use std::time::Duration;

use oq_core::StoreTime;
use oq_core::record::LiveState;
use oq_core::state::cancel::{Cancel, cancel};
use oq_core::testing::mutant::{self, Mutant};
use stateright::{Model, Property};

use crate::answers::Fate;
use crate::ghost::{Saw, Wrong};
use crate::worker::{At, Worker, update};
use crate::world::{BEGIN, Change, LEASE, Left, Thing, World};

/// What one exploration allows.
#[derive(Debug, Clone)]
pub struct Rules {
    pub name: &'static str,
    /// How many tasks each object holds.
    pub objects: Vec<usize>,
    /// The network has a second copy of each submission.
    pub copies: bool,
    pub left: Left,
    /// How much time passes at a time.
    pub tick: Duration,
    pub mutant: Option<Mutant>,
}

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Look(usize, usize),
    Decide(usize),
    Meet(usize, Fate),
    ReadBack(usize),
    Go(usize),
    End(usize, usize, bool),
    Stop(usize),
    Die(usize),
    /// A late write lands.
    Land(usize, usize),
    Cancel(usize, usize),
    TimePasses,
}

impl World {
    /// A moment, as records and the pure functions have it.
    pub fn time(&self, now: u8) -> StoreTime {
        BEGIN.plus(self.tick * u32::from(now))
    }

    /// Whether a lease whose write was sent then lasts.
    pub fn lasts(&self, from: u8) -> bool {
        self.tick * u32::from(self.now - from) < LEASE
    }

    fn actions_of(&self, w: usize, actions: &mut Vec<Action>) {
        match &self.workers[w].at {
            At::Idle => {
                let there = self.things.iter().enumerate();
                let there = there.filter(|(_, thing)| thing.live.is_some());
                actions.extend(there.map(|(of, _)| Action::Look(w, of)));
                return;
            }
            At::Read(_) => actions.push(Action::Decide(w)),
            At::Doubt(_) => actions.push(Action::ReadBack(w)),
            At::Ask(_) => {
                actions.push(Action::Meet(w, Fate::Answered));
                if self.left.faults > 0 {
                    let fates = [Fate::Lost, Fate::Unanswered, Fate::Late];
                    actions.extend(fates.map(|fate| Action::Meet(w, fate)));
                }
            }
            At::Hold(hold) => {
                let lasts = self.lasts(hold.from);
                let ready = !hold.look && !hold.renew;
                let running = hold.mine.record.tasks.iter().enumerate();
                let running = running.filter(|(n, s)| s.running && hold.due & (1 << n) == 0);
                let before = actions.len();
                if ready && lasts {
                    for (task, _) in running {
                        actions.push(Action::End(w, task, true));
                        if self.left.failures > 0 {
                            actions.push(Action::End(w, task, false));
                        }
                    }
                    if self.left.stops > 0 && hold.due == 0 {
                        actions.push(Action::Stop(w));
                    }
                }
                // A holder whose handlers run renews when it has something to say or when time passed.
                let waits = actions.len() > before && hold.due == 0;
                let news = hold.mine != hold.stored || hold.from < self.now;
                if !waits || news || !running_any(hold) {
                    actions.push(Action::Go(w));
                }
            }
        }
        if self.left.crashes > 0 {
            actions.push(Action::Die(w));
        }
    }

    /// Whether something waits for time to pass.
    fn waits(&self) -> bool {
        let running = |t: &Thing| {
            t.live
                .as_ref()
                .is_some_and(|l| l.record.state == LiveState::Running)
        };
        self.things.iter().any(running)
    }

    pub fn happen(&mut self, action: Action) {
        match action {
            Action::Look(w, of) => self.look(w, of),
            Action::Decide(w) => self.decide(w),
            Action::Meet(w, fate) => {
                self.left.faults -= u8::from(fate != Fate::Answered);
                self.meet(w, fate);
            }
            Action::ReadBack(w) => self.read_back(w),
            Action::Go(w) => self.go(w),
            Action::End(w, task, well) => self.end(w, task, well),
            Action::Stop(w) => {
                self.left.stops -= 1;
                self.stop(w);
            }
            Action::Die(w) => {
                self.left.crashes -= 1;
                let Worker { number, claims, .. } = self.workers[w];
                self.workers[w] = Worker {
                    claims,
                    ..Worker::new(number)
                };
            }
            Action::Land(of, n) => {
                let now = self.now;
                let thing = &mut self.things[of];
                let change = thing.late.remove(n);
                let over = thing.is_over();
                if thing.apply(&change, now) && over {
                    thing.ghost.see(Saw::LateAfterOutcome);
                }
            }
            Action::Cancel(of, task) => {
                self.left.cancels -= 1;
                self.cancel(of, task);
            }
            Action::TimePasses => {
                self.left.ticks -= 1;
                self.now += 1;
            }
        }
    }

    /// Somebody asks to cancel a task; it is read and written in one moment.
    fn cancel(&mut self, of: usize, task: usize) {
        let Some(live) = self.things[of].live.clone() else {
            return;
        };
        let now = self.time(self.now);
        let next = match cancel(&live.record, &[task], None, now) {
            Cancel::Over(next) | Cancel::Requested(next) => *next,
            Cancel::Nothing => return,
        };
        let (change, _) = update(&Worker::new(9), &live, next, Change::Live);
        let thing = &mut self.things[of];
        thing.apply(&change, self.now);
        if let Some(live) = &thing.live {
            let live = live.record.clone();
            thing.ghost.cancel(&live);
        }
    }

    fn is_at_rest(&self) -> bool {
        let idle = |w: &Worker| w.at == At::Idle;
        self.workers.iter().all(idle) && self.things.iter().all(|t| t.late.is_empty())
    }

    /// From here either worker brings everything to its end if nothing happens to it, with whichever
    /// object it begins.
    fn can_be_finished(&self) -> bool {
        let ways = [(0, false), (0, true), (1, false), (1, true)];
        let mut ways = ways
            .iter()
            .filter(|(_, backwards)| !backwards || self.things.len() > 1);
        ways.all(|(w, backwards)| self.can_be_finished_by(*w, *backwards))
    }

    fn can_be_finished_by(&self, w: usize, backwards: bool) -> bool {
        let mut world = self.clone();
        world.left = Left::CALM;
        for _ in 0..200 {
            if world.things.iter().all(Thing::is_over) {
                return true;
            }
            let mut actions = Vec::new();
            world.actions_of(w, &mut actions);
            if backwards {
                actions.reverse();
            }
            let before = world.clone();
            // Handlers end before it renews again.
            let ends = actions.iter().find(|a| matches!(a, Action::End(..)));
            let open = |a: &&Action| match a {
                Action::Look(_, of) => world.things[*of].live.is_some(),
                _ => true,
            };
            let Some(action) = ends.or(actions.iter().find(open)).copied() else {
                return false;
            };
            world.happen(action);
            if let (Action::Decide(_), At::Idle) = (action, &world.workers[w].at)
                && world.things == before.things
            {
                world.now += 1;
            }
        }
        false
    }
}

fn running_any(hold: &crate::worker::Hold) -> bool {
    hold.mine.record.tasks.iter().any(|s| s.running)
}

impl Model for Rules {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let things = self
            .objects
            .iter()
            .map(|n| Thing::submitted(*n, self.copies));
        vec![World {
            now: 0,
            tick: self.tick,
            things: things.collect(),
            workers: vec![Worker::new(0), Worker::new(1)],
            left: self.left,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for w in 0..world.workers.len() {
            world.actions_of(w, actions);
        }
        for (of, thing) in world.things.iter().enumerate() {
            actions.extend((0..thing.late.len()).map(|n| Action::Land(of, n)));
            if world.left.cancels > 0 && thing.live.is_some() {
                actions.push(Action::Cancel(of, 0));
            }
        }
        if world.left.ticks > 0 && world.waits() {
            actions.push(Action::TimePasses);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        // The switch is of the thread, and the checker has its own.
        mutant::set(self.mutant);
        let mut next = world.clone();
        next.happen(action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Rules>> {
        macro_rules! never {
            ($($name:literal: $wrong:ident),*) => {
                vec![$(Property::always($name, |_: &Rules, world: &World| {
                    !world.things.iter().any(|t| t.ghost.has(Wrong::$wrong))
                })),*]
            };
        }
        macro_rules! reached {
            ($($name:literal: $saw:ident),*) => {
                vec![$(Property::sometimes($name, |_: &Rules, world: &World| {
                    world.things.iter().any(|t| t.ghost.saw(Saw::$saw))
                })),*]
            };
        }
        let mut all = never![
            "an outcome never changes": OutcomeChanged,
            "an outcome is of a run that there was": OutcomeNotRun,
            "no start after an outcome": StartAfterOutcome,
            "starts follow their deliveries": StartOutOfOrder,
            "only what was declared starts": StartUndeclared,
            "no start after a cancellation": StartAfterCancel,
            "no more attempts than allowed": TooManyAttempts,
            "starts never shrink": StartsShrank,
            "what others asked for stays": FlagLost,
            "live goes only when the outcome is recorded": DeletedUnrecorded,
            "live goes only when the dead letters are there": NoDeadLetter,
            "dead letters are made from what is recorded": LetterUnrecorded
        ];
        all.push(Property::always(
            "leases do not overlap",
            |_: &Rules, world: &World| {
                let lasting = world.workers.iter().filter_map(Worker::holds);
                let lasting = lasting
                    .filter(|hold| world.lasts(hold.from))
                    .map(|hold| hold.of);
                let mut of: Vec<usize> = lasting.collect();
                of.sort_unstable();
                of.windows(2).all(|two| two[0] != two[1])
            },
        ));
        all.push(Property::always(
            "whoever comes last finishes",
            |rules: &Rules, world: &World| {
                mutant::set(rules.mutant);
                !world.is_at_rest() || world.can_be_finished()
            },
        ));
        all.push(Property::sometimes(
            "everything ends",
            |_: &Rules, world: &World| world.things.iter().all(Thing::is_over),
        ));
        all.extend(reached![
            "something is taken over": TakenOver,
            "a claim in doubt is adopted": Adopted,
            "a copy lands after the outcome": LateAfterOutcome,
            "a write of an outcome is refused": SealRefused,
            "a lost answer is read back": Recovered,
            "a task is tried again": Retried
        ]);
        all
    }
}
