//! Which tasks of a stream share an object, and how many.

use std::collections::VecDeque;

use super::task::{Shape, Task};

/// How many tasks an object holds when there are plenty, and how many bytes of inputs: enough that
/// the requests hardly count any more, little enough that a renewal stays cheap.
const PLENTY: usize = 100;
const PLENTY_BYTES: usize = 64 << 10;

/// The same when the caller asked for a number of tasks.
const FIXED_BYTES: usize = 4 << 20;

/// Few tasks are spread over about so many objects, so that several workers can share them…
const SPREAD: usize = 32;

/// …but not thinner than this, or the requests begin to count.
const LEAST: usize = 8;

/// How much is read ahead to see whether there are plenty.
const AHEAD: usize = PLENTY * SPREAD;
const AHEAD_BYTES: usize = 8 << 20;

/// How many kinds of task are collected side by side.
const MOST_GROUPS: usize = 64;

/// Tasks that share an object, and their places in the stream.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) places: Vec<u64>,
    pub(super) tasks: Vec<Task>,
}

impl Pack {
    /// About how many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.tasks.iter().map(weight).sum()
    }
}

#[derive(Debug)]
struct Group {
    shape: Shape,
    items: VecDeque<(u64, Task)>,
    bytes: usize,
}

/// Tasks that wait for others to share an object with.
#[derive(Debug)]
pub(super) struct Groups {
    /// The least recently used first.
    open: Vec<Group>,
    waiting: usize,
    bytes: usize,
    fixed: Option<usize>,
    /// So much was read that packs are written as they fill.
    plenty: bool,
}

impl Groups {
    pub(super) fn new() -> Groups {
        Groups {
            open: Vec::new(),
            waiting: 0,
            bytes: 0,
            fixed: None,
            plenty: false,
        }
    }

    /// This many tasks an object, however many there are.
    pub(super) fn fix(&mut self, tasks: usize) {
        self.fixed = Some(tasks);
        self.plenty = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Adds a task; packs that are full go to `ready`.
    pub(super) fn add(&mut self, place: u64, task: Task, ready: &mut VecDeque<Pack>) {
        if task.is_keyed() {
            ready.push_back(Pack {
                places: vec![place],
                tasks: vec![task],
            });
            return;
        }
        let mut group = match self.open.iter().rposition(|g| g.shape == task.shape) {
            Some(at) => self.open.remove(at),
            None => Group {
                shape: task.shape.clone(),
                items: VecDeque::new(),
                bytes: 0,
            },
        };
        let bytes = weight(&task);
        group.bytes += bytes;
        group.items.push_back((place, task));
        self.bytes += bytes;
        self.waiting += 1;
        self.open.push(group);
        let was_plenty = self.plenty;
        self.plenty |= self.waiting >= AHEAD || self.bytes >= AHEAD_BYTES;
        if self.plenty && !was_plenty {
            for at in 0..self.open.len() {
                self.fill(at, ready);
            }
        } else if self.plenty {
            self.fill(self.open.len() - 1, ready);
        }
        self.open.retain(|g| !g.items.is_empty());
        if self.open.len() > MOST_GROUPS {
            let oldest = self.open.remove(0);
            self.empty(oldest, ready);
        }
    }

    /// Makes packs of everything that waits.
    pub(super) fn close(&mut self, ready: &mut VecDeque<Pack>) {
        for group in std::mem::take(&mut self.open) {
            self.empty(group, ready);
        }
    }

    /// How many tasks and bytes an object of this group holds, if it has `n` tasks in all.
    fn limits(&self, n: usize) -> (usize, usize) {
        match self.fixed {
            Some(tasks) => (tasks, FIXED_BYTES),
            None if self.plenty => (PLENTY, PLENTY_BYTES),
            None => (n.div_ceil(SPREAD).clamp(LEAST, PLENTY), PLENTY_BYTES),
        }
    }

    /// Takes full packs from a group and leaves the rest.
    fn fill(&mut self, at: usize, ready: &mut VecDeque<Pack>) {
        let (tasks, bytes) = self.limits(usize::MAX);
        while let Some(group) = self.open.get_mut(at)
            && (group.items.len() >= tasks || group.bytes >= bytes)
        {
            let pack = cut(group, tasks, bytes);
            self.leave(&pack);
            ready.push_back(pack);
        }
    }

    fn empty(&mut self, mut group: Group, ready: &mut VecDeque<Pack>) {
        let (tasks, bytes) = self.limits(group.items.len());
        while !group.items.is_empty() {
            let pack = cut(&mut group, tasks, bytes);
            self.leave(&pack);
            ready.push_back(pack);
        }
    }

    fn leave(&mut self, pack: &Pack) {
        self.waiting -= pack.tasks.len();
        self.bytes -= pack.bytes();
    }
}

/// The first tasks of a group, at least one.
fn cut(group: &mut Group, most: usize, most_bytes: usize) -> Pack {
    let mut pack = Pack {
        places: Vec::new(),
        tasks: Vec::new(),
    };
    let mut bytes = 0;
    while pack.tasks.len() < most
        && let Some((place, task)) = group.items.pop_front()
    {
        let weight = weight(&task);
        if !pack.tasks.is_empty() && bytes + weight > most_bytes {
            group.items.push_front((place, task));
            break;
        }
        bytes += weight;
        group.bytes -= weight;
        pack.places.push(place);
        pack.tasks.push(task);
    }
    pack
}

/// What a task adds to its object: its input, and about as much as the rest of it takes.
fn weight(task: &Task) -> usize {
    task.input().as_str().len() + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packs(tasks: impl Iterator<Item = Task>, fixed: Option<usize>) -> Vec<Vec<u64>> {
        let (mut groups, mut ready) = (Groups::new(), VecDeque::new());
        if let Some(n) = fixed {
            groups.fix(n);
        }
        for (place, task) in tasks.enumerate() {
            groups.add(place as u64, task, &mut ready);
        }
        groups.close(&mut ready);
        assert!(groups.is_empty() && groups.bytes == 0);
        ready.into_iter().map(|p| p.places).collect()
    }

    fn plain(n: usize) -> impl Iterator<Item = Task> {
        (0..n).map(|i| Task::new("t", &i).unwrap())
    }

    #[test]
    fn few_tasks_are_spread_and_many_share() {
        for (n, objects) in [(1, 1), (8, 1), (9, 2), (200, 25), (1000, 32), (3200, 32)] {
            assert_eq!(packs(plain(n), None).len(), objects, "{n} tasks");
        }
        assert_eq!(packs(plain(100_000), None).len(), 1000);
        assert_eq!(packs(plain(1000), Some(300)).len(), 4);
    }

    #[test]
    fn every_task_is_in_one_pack_with_its_like() {
        let kinds = ["a", "b", "c"];
        let tasks = (0..5000usize).map(|i| Task::new(kinds[i % 3], &i).unwrap());
        let mut all: Vec<u64> = Vec::new();
        for pack in packs(tasks, None) {
            assert!(pack.iter().all(|p| p % 3 == pack[0] % 3));
            all.extend(pack);
        }
        all.sort_unstable();
        assert_eq!(all, (0..5000).collect::<Vec<_>>());
    }

    #[test]
    fn large_inputs_share_less() {
        let big = "x".repeat(20 << 10);
        let tasks = (0..30).map(|_| Task::new("t", &big).unwrap());
        assert_eq!(packs(tasks, None).len(), 10);
    }

    #[test]
    fn many_kinds_and_keys_do_not_pile_up() {
        let tasks = (0..1000).map(|i| Task::new(format!("t{i}"), &i).unwrap());
        assert_eq!(packs(tasks, None).len(), 1000);
        let keyed = (0..9).map(|i| Task::new("t", &i).unwrap().key("k"));
        assert_eq!(packs(keyed, None).len(), 9);
    }
}
