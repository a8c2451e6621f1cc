//! Answers as slow as a distant store's, and faults on purpose: so that one develops against the
//! truth.

use std::str::FromStr;
use std::time::Duration;

use http::{Method, Uri};
use oq_core::env::Env;
use oq_core::store::{Faults, Latency, StoreError};

/// How often requests fail, as shares of one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HttpFaults {
    /// Answered with 503 SlowDown; nothing was done.
    pub busy: f64,
    /// Answered with 500 InternalError; half of them were done all the same.
    pub broken: f64,
    /// The connection is cut instead of an answer; half of them were done all the same.
    pub cut: f64,
}

/// How faults are written, for messages.
const FORM: &str = "a share of 503s as 0.05, or each as in 503=0.05,500=0.01,cut=0.01";

impl FromStr for HttpFaults {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<HttpFaults, StoreError> {
        let wrong = || StoreError::Misconfigured(format!("'{text}' says no faults; write {FORM}"));
        let share = |text: &str| {
            let share = text.trim().parse::<f64>().ok();
            share.filter(|s| (0.0..=1.0).contains(s)).ok_or_else(wrong)
        };
        let mut faults = HttpFaults::default();
        if !text.contains('=') {
            faults.busy = share(text)?;
            return Ok(faults);
        }
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            match name.trim() {
                "503" => faults.busy = share(value)?,
                "500" => faults.broken = share(value)?,
                "cut" => faults.cut = share(value)?,
                _ => return Err(wrong()),
            }
        }
        if faults.busy + faults.broken + faults.cut > 1.0 {
            return Err(wrong());
        }
        Ok(faults)
    }
}

impl HttpFaults {
    /// The same for those who use the store without HTTP.
    pub fn of_store(self) -> Faults {
        let doubt = (self.broken + self.cut) / 2.0;
        Faults {
            again: self.busy,
            unknown_not_applied: doubt,
            unknown_applied: doubt,
            unavailable: self.busy + self.broken + self.cut,
        }
    }
}

/// What is to become of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Answered,
    Busy,
    Broken { applied: bool },
    Cut { applied: bool },
}

/// What the endpoint does to requests on purpose.
#[derive(Debug, Clone)]
pub struct Hardship {
    pub latency: Latency,
    pub faults: HttpFaults,
    env: Env,
}

impl Hardship {
    pub fn new(latency: Latency, faults: HttpFaults, env: Env) -> Hardship {
        Hardship {
            latency,
            faults,
            env,
        }
    }

    /// Draws what becomes of the next request.
    pub fn fate(&self) -> Fate {
        let HttpFaults { busy, broken, cut } = self.faults;
        if busy + broken + cut == 0.0 {
            return Fate::Answered;
        }
        let mut roll = self.unit();
        let applied = self.unit() < 0.5;
        for (share, fate) in [
            (busy, Fate::Busy),
            (broken, Fate::Broken { applied }),
            (cut, Fate::Cut { applied }),
        ] {
            if roll < share {
                return fate;
            }
            roll -= share;
        }
        Fate::Answered
    }

    /// How long a request takes: before it is applied, and after.
    pub fn delay(&self, method: &Method, uri: &Uri) -> (Duration, Duration) {
        let median = self.median(method, uri);
        let time = self.latency.sample(median, &self.env);
        let there = time.mul_f64(self.unit());
        (there, time.saturating_sub(there))
    }

    fn median(&self, method: &Method, uri: &Uri) -> Duration {
        let of_bucket = !uri.path().trim_matches('/').contains('/');
        match *method {
            Method::GET if of_bucket => self.latency.list,
            Method::GET | Method::HEAD => self.latency.get,
            Method::DELETE => self.latency.delete,
            // The one POST to a bucket is a batch deletion.
            Method::POST if of_bucket => self.latency.delete,
            _ => self.latency.put,
        }
    }

    fn unit(&self) -> f64 {
        self.env.below(1 << 53) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_a_share_or_a_list() {
        let parse = |text: &str| text.parse::<HttpFaults>();
        let busy = HttpFaults {
            busy: 0.05,
            ..HttpFaults::default()
        };
        assert_eq!(parse("0.05"), Ok(busy));
        let all = HttpFaults {
            busy: 0.1,
            broken: 0.2,
            cut: 0.3,
        };
        assert_eq!(parse("503=0.1, 500=0.2,cut=0.3"), Ok(all));
        for wrong in [
            "",
            "x",
            "-0.1",
            "1.1",
            "NaN",
            "503=0.6,500=0.6",
            "404=0.1",
            "503=",
            "0.1,0.2",
        ] {
            let why = parse(wrong).unwrap_err().to_string();
            assert!(why.contains("503=0.05"), "{wrong}: {why}");
        }
    }

    #[test]
    fn each_fault_comes_as_often_as_it_should() {
        let faults = HttpFaults {
            busy: 0.25,
            broken: 0.25,
            cut: 0.25,
        };
        let hardship = Hardship::new(Latency::NONE, faults, Env::system());
        let mut counts = [0; 6];
        for _ in 0..4000 {
            let at = match hardship.fate() {
                Fate::Answered => 0,
                Fate::Busy => 1,
                Fate::Broken { applied } => 2 + usize::from(applied),
                Fate::Cut { applied } => 4 + usize::from(applied),
            };
            counts[at] += 1;
        }
        let share = |range: std::ops::Range<usize>| counts[range].iter().sum::<u32>();
        for range in [0..1, 1..2, 2..4, 4..6] {
            assert!((800..1200).contains(&share(range)), "{counts:?}");
        }
        assert!(counts[2..].iter().all(|&n| n > 300), "{counts:?}");
    }

    #[test]
    fn the_kind_of_request_decides_how_slow_it_is() {
        let latency: Latency = "get=1ms,put=2ms,list=3ms,delete=4ms,sigma=0"
            .parse()
            .unwrap();
        let hardship = Hardship::new(latency, HttpFaults::default(), Env::system());
        for (method, uri, millis) in [
            (Method::GET, "/oq/a", 1),
            (Method::HEAD, "/oq/a", 1),
            (Method::PUT, "/oq/a", 2),
            (Method::GET, "/oq?list-type=2", 3),
            (Method::GET, "/oq/?list-type=2", 3),
            (Method::DELETE, "/oq/a", 4),
            (Method::POST, "/oq?delete", 4),
            (Method::POST, "/oq/a?uploads", 2),
        ] {
            let (there, back) = hardship.delay(&method, &uri.parse().unwrap());
            assert_eq!(
                there + back,
                Duration::from_millis(millis),
                "{method} {uri}"
            );
        }
    }
}
