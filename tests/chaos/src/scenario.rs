//! What can be played: which server, which workers, what is done to them, what the network does, what
//! users do. Twenty-four of the combinations have a number, and any can be named.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::relay::{Fault, Rates};
use crate::server::Kind;
use crate::worker::Program;

/// What is done to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Trouble {
    /// SIGKILL, and another one starts.
    Kill,
    /// SIGSTOP for longer than a lease and its margin, then SIGCONT.
    Stop,
    /// SIGTERM, and SIGKILL while it ends.
    Shutdown,
    /// Only the network fails.
    Nothing,
    /// All of it, in turn.
    Mixed,
}

/// Which faults of the network are many; there are a few of the others as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Network {
    LostAnswer,
    LostRequest,
    Busy,
    Slow,
    /// Connections are cut before a write is done, and in the middle of what a read is answered.
    Reset,
    Duplicate,
    /// A few of all.
    Mixed,
}

/// What users do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Load {
    /// Tasks in objects of their own, short and long.
    Lone,
    /// Tasks that share an object.
    Packed,
    /// Tasks that fail twice.
    Retries,
    /// Tasks that ask twice to come again.
    Later,
    /// Tasks that are cancelled while they run.
    Cancel,
    /// Each task is submitted twice at the same moment, under one key.
    Keys,
    /// All of it, in turn.
    Mixed,
}

/// One combination. It is written `dev/shell/kill/slow/lone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Combination {
    pub server: Kind,
    pub program: Program,
    pub trouble: Trouble,
    pub network: Network,
    pub load: Load,
}

/// What is played.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub number: usize,
    pub what: Combination,
    pub seed: u64,
    /// How long the trouble lasts at least.
    pub length: Duration,
    /// How long there is between two troubles.
    pub every: Duration,
}

/// The twenty-four. Each value of a column meets each value of every other, but for the network and
/// the load, of which 24 of 36 pairs meet.
pub const NUMBERED: [Combination; 24] = {
    use Kind::{Dev, LocalStack, Moto};
    use Load::{Cancel, Keys, Later, Lone, Packed, Retries};
    use Network::{Busy, Duplicate, LostAnswer, LostRequest, Reset, Slow};
    use Program::{Python, Rust, Shell};
    use Trouble::{Kill, Nothing, Shutdown, Stop};
    [
        of(Moto, Python, Kill, Reset, Lone),
        of(LocalStack, Rust, Kill, Slow, Packed),
        of(LocalStack, Shell, Kill, Busy, Retries),
        of(Dev, Rust, Kill, Duplicate, Later),
        of(Moto, Shell, Kill, LostAnswer, Cancel),
        of(LocalStack, Shell, Kill, LostRequest, Keys),
        of(Moto, Python, Stop, LostRequest, Lone),
        of(Moto, Rust, Stop, LostAnswer, Packed),
        of(Moto, Shell, Stop, Duplicate, Retries),
        of(Dev, Rust, Stop, Busy, Later),
        of(Dev, Rust, Stop, Slow, Cancel),
        of(LocalStack, Rust, Stop, Reset, Keys),
        of(Dev, Rust, Shutdown, Busy, Lone),
        of(Dev, Shell, Shutdown, Reset, Packed),
        of(Dev, Python, Shutdown, LostAnswer, Retries),
        of(LocalStack, Shell, Shutdown, LostRequest, Later),
        of(Moto, Python, Shutdown, Duplicate, Cancel),
        of(Dev, Shell, Shutdown, Slow, Keys),
        of(LocalStack, Shell, Nothing, LostAnswer, Lone),
        of(LocalStack, Python, Nothing, Duplicate, Packed),
        of(Dev, Rust, Nothing, LostRequest, Retries),
        of(Moto, Python, Nothing, Slow, Later),
        of(LocalStack, Python, Nothing, Reset, Cancel),
        of(Moto, Python, Nothing, Busy, Keys),
    ]
};

/// Which of them run in CI, from 1: every load and every network once, every server and every program
/// twice.
pub const IN_CI: [usize; 6] = [3, 4, 7, 8, 18, 23];

const fn of(
    server: Kind,
    program: Program,
    trouble: Trouble,
    network: Network,
    load: Load,
) -> Combination {
    Combination {
        server,
        program,
        trouble,
        network,
        load,
    }
}

impl Trouble {
    pub const EACH: [Trouble; 3] = [Trouble::Kill, Trouble::Stop, Trouble::Shutdown];
}

impl Load {
    pub const EACH: [Load; 6] = [
        Load::Lone,
        Load::Packed,
        Load::Retries,
        Load::Later,
        Load::Cancel,
        Load::Keys,
    ];
}

impl Network {
    /// The faults that this is about: each of them has to happen. None is where all are rare.
    pub fn planned(self) -> &'static [Fault] {
        match self {
            Network::LostAnswer => &[Fault::DoneThenBroken, Fault::DoneThenCut],
            Network::LostRequest => &[Fault::Lost, Fault::Zombie],
            Network::Busy => &[Fault::Busy, Fault::Broken],
            Network::Slow => &[Fault::SlowThere, Fault::SlowBack],
            Network::Reset => &[Fault::CutThere, Fault::CutBack],
            Network::Duplicate => &[Fault::Twice],
            Network::Mixed => &[],
        }
    }

    /// A tenth of all requests fail in any case, and most of another tenth in the planned way.
    pub fn rates(self) -> Rates {
        Fault::ALL.map(|fault| {
            let few = match fault {
                Fault::Busy => 20,
                // A client waits 5 s for each of these.
                Fault::Lost => 4,
                Fault::Broken | Fault::SlowThere | Fault::SlowBack => 10,
                Fault::CutThere | Fault::CutBack => 6,
                Fault::DoneThenBroken | Fault::DoneThenCut | Fault::Zombie | Fault::Twice => 10,
            };
            let planned = self.planned();
            match planned.contains(&fault) {
                true => few + 80 / planned.len() as u64,
                false => few,
            }
        })
    }
}

/// The word for one of the values that a combination is made of.
pub fn word(value: impl ValueEnum) -> String {
    let named = value.to_possible_value();
    named.map_or(String::new(), |named| named.get_name().to_owned())
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (server, program) = (word(self.server), word(self.program));
        let (trouble, network) = (word(self.trouble), word(self.network));
        let load = word(self.load);
        write!(f, "{server}/{program}/{trouble}/{network}/{load}")
    }
}

impl FromStr for Combination {
    type Err = String;

    fn from_str(text: &str) -> Result<Combination, String> {
        fn part<T: ValueEnum>(word_given: &str) -> Result<T, String> {
            T::from_str(word_given, false).map_err(|_| {
                let words: Vec<String> = T::value_variants().iter().cloned().map(word).collect();
                format!("{word_given}: use one of {}", words.join(", "))
            })
        }
        let words: Vec<&str> = text.split('/').collect();
        let [server, program, trouble, network, load] = words[..] else {
            return Err(format!("{text}: write it as {}", NUMBERED[0]));
        };
        Ok(of(
            part(server)?,
            part(program)?,
            part(trouble)?,
            part(network)?,
            part(load)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn columns(c: &Combination) -> [String; 5] {
        let text = c.to_string();
        let words: Vec<String> = text.split('/').map(str::to_owned).collect();
        words.try_into().unwrap()
    }

    #[test]
    fn each_value_meets_each_value_of_another_column() {
        let sizes = [3, 3, 4, 6, 6];
        for one in 0..5 {
            for other in one + 1..5 {
                let pairs = NUMBERED.iter().map(columns);
                let pairs = pairs.map(|c| (c[one].clone(), c[other].clone()));
                let pairs: BTreeSet<_> = pairs.collect();
                let all = (sizes[one] * sizes[other]).min(NUMBERED.len());
                assert_eq!(pairs.len(), all, "columns {one} and {other}");
            }
        }
    }

    #[test]
    fn the_page_on_assurance_has_what_came_of_each() {
        let page = include_str!("../../../docs/assurance.md");
        let told = oq_printed::first_column(page, "chaos");
        let all = NUMBERED.map(|what| what.to_string());
        assert_eq!(told, all, "oq-chaos --all --write docs/assurance.md");
    }

    #[test]
    fn ci_plays_every_value() {
        let ci: Vec<_> = IN_CI.iter().map(|n| columns(&NUMBERED[n - 1])).collect();
        for (column, values) in [3, 3, 4, 6, 6].into_iter().enumerate() {
            let played: BTreeSet<_> = ci.iter().map(|c| &c[column]).collect();
            assert_eq!(played.len(), values, "column {column}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for combination in NUMBERED {
            assert_eq!(combination.to_string().parse(), Ok(combination));
        }
        let mixed = "dev/shell/mixed/mixed/mixed";
        assert_eq!(mixed.parse::<Combination>().unwrap().to_string(), mixed);
        for wrong in ["", "dev", "dev/shell/kill/slow", "s3/shell/kill/slow/lone"] {
            assert!(wrong.parse::<Combination>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_planned_happens_more_often_than_the_rest() {
        for network in Network::value_variants() {
            let rates = network.rates();
            assert!(rates.iter().sum::<u64>() <= 200);
            let mixed = Network::Mixed.rates();
            for fault in network.planned() {
                assert!(rates[*fault as usize] > mixed[*fault as usize]);
            }
        }
    }
}
