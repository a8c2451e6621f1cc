//! The file of figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oq_core::Result;
use serde::{Deserialize, Serialize};

use super::load::{Load, Name};
use super::{compiler, valgrind};
use crate::simulated::{Idle, virtually};

pub type Figures = BTreeMap<String, f64>;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What made the code whose instructions were counted.
    pub compiler: String,
    pub requests: Figures,
    pub instructions: Figures,
}

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.json")
}

impl Kept {
    pub fn count() -> Result<Kept> {
        let mut kept = Kept {
            compiler: compiler(),
            ..Kept::default()
        };
        for name in Name::ALL {
            let ran = virtually(name.burst(name.tasks()).run())?;
            let all = ran.all;
            for (verb, n) in [("PUT", all.put()), ("GET", all.get()), ("LIST", all.list())] {
                let what = format!("{}: {verb}", name.as_str());
                kept.requests.insert(what, round(ran.a_task(n)));
            }
            let load = |tasks| Load {
                name,
                tasks,
                observed: None,
            };
            if let Some(each) = valgrind::each(name.tasks(), |tasks| load(tasks).instructions()) {
                kept.instructions.insert(name.as_str().into(), each.round());
            }
        }
        for workers in [1, 10] {
            let used = virtually(Idle::hour(workers))?;
            let what = |verb| format!("{workers} idle, an hour: {verb}");
            for (verb, n) in [
                ("PUT", used.put()),
                ("GET", used.get()),
                ("LIST", used.list()),
            ] {
                kept.requests.insert(what(verb), n as f64);
            }
        }
        Ok(kept)
    }

    pub fn read() -> Kept {
        let text = std::fs::read_to_string(path())
            .expect("tests/bench/gate.json is there; `oq-bench gate --write` makes it");
        serde_json::from_str(&text).expect("tests/bench/gate.json is as `gate --write` made it")
    }

    pub fn write(&self) {
        let text = serde_json::to_string_pretty(self).expect("figures are JSON");
        std::fs::write(path(), text + "\n").expect("tests/bench/gate.json can be written");
    }
}

fn round(n: f64) -> f64 {
    (n * 1e6).round() / 1e6
}
