//! Which stretches of a listing no filter can match: an id says when its object was first due and
//! how urgent it is, and keys sort by shard, in `live/` by priority, then by that time. So a listing
//! by time or priority need not page through the rest. It jumps ahead of each next stretch that can
//! match; which shards there are it learns from the keys that it meets.

use super::filter::Filter;
use super::list::Place;
use crate::record::{Key, ObjectId, Priority, QueueName, Shard, prefix};
use crate::time::StoreTime;

/// Behind which key the next page of a listing begins that would begin behind `after`, or at the
/// beginning (`None`). Nothing at all if no key from there on can match.
pub(super) fn next(
    filter: &Filter,
    place: Place,
    queue: &QueueName,
    after: Option<String>,
) -> Option<Option<String>> {
    if !filter.narrows() {
        return Some(after);
    }
    let stretches = Stretches {
        filter,
        place,
        queue,
    };
    match after.as_deref().and_then(object_of) {
        Some(id) => stretches.behind(after, id).map(Some),
        // The beginning, or a cursor that was cut short.
        None => Some(after.max(Some(stretches.first(Shard::default())))),
    }
}

fn object_of(key: &str) -> Option<ObjectId> {
    match Key::parse(key)? {
        Key::Live(_, id) | Key::Done(_, id) => Some(id),
        Key::Dead(_, task) => Some(task.object()),
        _ => None,
    }
}

/// The stretches of a listing that can match.
struct Stretches<'a> {
    filter: &'a Filter,
    place: Place,
    queue: &'a QueueName,
}

impl Stretches<'_> {
    /// Behind this object, whose key is `after`: right there if what follows can match, else ahead
    /// of the next stretch.
    fn behind(&self, after: Option<String>, id: ObjectId) -> Option<String> {
        let (filter, shard, priority) = (self.filter, id.shard(), id.priority());
        let by_priority = self.place == Place::Live;
        if !by_priority || filter.priority.is_none_or(|wanted| wanted == priority) {
            if filter.from.is_some_and(|from| id.due() < from) {
                return Some(self.since(shard, priority));
            }
            if filter.until.is_none_or(|until| id.due() < until) {
                return after;
            }
        }
        let less_urgent = match filter.priority {
            Some(wanted) => Some(wanted).filter(|wanted| *wanted > priority),
            None => Priority::new(priority.value() + 1).ok(),
        };
        match less_urgent.filter(|_| by_priority) {
            Some(priority) => Some(self.since(shard, priority)),
            None => Some(self.first(Shard::new(shard.value() + 1).ok()?)),
        }
    }

    /// Ahead of the first stretch of a shard.
    fn first(&self, shard: Shard) -> String {
        self.since(shard, self.filter.priority.unwrap_or(Priority::HIGHEST))
    }

    fn since(&self, shard: Shard, priority: Priority) -> String {
        let from = self.filter.from.unwrap_or(StoreTime(0));
        match self.place {
            Place::Live => prefix::live_since(self.queue, shard, priority, from),
            Place::Done => prefix::done_since(self.queue, shard, from),
            Place::Dead => prefix::dead_since(self.queue, shard, from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(place: Place, queue: &QueueName, id: ObjectId) -> String {
        let queue = queue.clone();
        let key = match place {
            Place::Live => Key::Live(queue, id),
            Place::Done => Key::Done(queue, id),
            Place::Dead => Key::Dead(queue, id.task(0)),
        };
        key.to_string()
    }

    fn objects() -> impl Strategy<Value = Vec<ObjectId>> {
        let one = (0u64..40, any::<u64>(), 0u8..32, 0u16..1024).prop_map(|(due, random, p, s)| {
            // Few shards, and both ends of them.
            let s = [0, 1, 15, 1022, 1023][usize::from(s) % 5];
            let (p, s) = (
                Priority::new(p % 4 * 10 + p / 30).unwrap(),
                Shard::new(s).unwrap(),
            );
            ObjectId::from_parts(StoreTime(due), random, p, 1, s)
        });
        prop::collection::vec(one, 0..60)
    }

    fn filters() -> impl Strategy<Value = Filter> {
        let time = || prop::option::of(0u64..42);
        (time(), time(), prop::option::of(0u8..32)).prop_map(|(from, until, priority)| {
            let mut filter = Filter::new();
            filter.from = from.map(StoreTime);
            filter.until = until.map(StoreTime);
            filter.priority = priority.map(|p| Priority::new(p).unwrap());
            filter
        })
    }

    proptest! {
        /// Page by page as a listing goes, with pages of a few keys.
        #[test]
        fn what_can_match_is_never_passed_over(
            ids in objects(), filter in filters(), place in 0usize..3, page in 1usize..6,
        ) {
            let place = [Place::Live, Place::Done, Place::Dead][place];
            let queue = QueueName::new("mail").unwrap();
            let mut keys: Vec<(String, ObjectId)> =
                ids.into_iter().map(|id| (key(place, &queue, id), id)).collect();
            keys.sort();
            keys.dedup();
            let (mut seen, mut pages, mut after) = (Vec::new(), 0, None);
            while let Some(from) = next(&filter, place, &queue, after.clone()) {
                prop_assert!(from >= after, "{:?} lies before {:?}", from, after);
                let behind = keys.iter().filter(|(key, _)| from.as_ref().is_none_or(|from| key > from));
                let some: Vec<_> = behind.take(page).collect();
                pages += 1;
                seen.extend(some.iter().map(|(_, id)| *id).filter(|id| filter.may_be(*id)));
                match some.last() {
                    Some((key, _)) if some.len() == page => after = Some(key.clone()),
                    _ => break,
                }
            }
            let all: Vec<ObjectId> =
                keys.iter().map(|(_, id)| *id).filter(|id| filter.may_be(*id)).collect();
            prop_assert_eq!(seen, all);
            prop_assert!(pages <= keys.len() / page + 1, "more pages than without a filter");
        }
    }
}
