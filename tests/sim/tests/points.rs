//! Every point at which a process can die in each operation, one after the other.

#![allow(missing_docs)]

use oq_sim::points::all;
use oq_sim::report;
use oq_sim::story;
use oq_sim::sweep::cores;

#[test]
fn a_process_may_die_at_any_point() {
    let tried = all(cores());
    print!("{}", report::point_table(&tried));
    for one in tried {
        let name = one.operation.name;
        // A request of its own is a send and its answer, at least.
        assert!(one.points >= 3, "{name}: only {} points", one.points);
        if let Some((point, judged)) = one.failed.into_iter().next() {
            panic!(
                "{name}, at point {point} of {}:\n{}",
                one.points,
                story::tell(&judged.played, &judged.violations)
            );
        }
    }
}
