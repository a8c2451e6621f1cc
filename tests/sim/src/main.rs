use oq_sim::play::{How, play};
use oq_sim::scenario::Scenario;
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let start = std::time::Instant::now();
    let mut total = 0;
    for seed in n..n + std::env::var("N").ok().and_then(|v| v.parse().ok()).unwrap_or(300) {
        let s = Scenario::of(seed);
        let p = play(s, How { mutant: None, story: std::env::args().nth(2).is_some() });
        for l in &p.story { println!("{l}"); }
        let bad = oq_sim::check::check(&p);
        for b in bad.iter().take(6) { println!("   {:?} {b}", b.object.as_ref().map(|o| o.1)); }
        total += p.fired.total();
        if !bad.is_empty() || !p.story.is_empty() { println!("{seed} {:?} subs {} starts {} writes {} faults {} recovered {:?} / {:?} ended {:?} outlived {} alive {} panics {:?} trace {:x} reqs {}", p.scenario.kind, p.scenario.submissions.len(), p.observed.starts.len(), p.log.len(), p.fired.total(), p.recovered, p.limit, p.ended, p.outlived, p.left_alive, p.panics, p.trace, p.requests.values().map(|r| r.get+r.put+r.list+r.delete).sum::<u64>()); }
    }
    println!("{:?} {total}", start.elapsed());
}
