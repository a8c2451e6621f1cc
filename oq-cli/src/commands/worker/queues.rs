//! `mail:3,default:1` as values.

use std::str::FromStr;

use oq_core::record::QueueName;

/// A queue and how many turns it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    pub queue: QueueName,
    pub weight: u32,
}

impl FromStr for Weighted {
    type Err = String;

    fn from_str(text: &str) -> Result<Weighted, String> {
        let (name, weight) = match text.split_once(':') {
            Some((name, weight)) => (name, weight.parse().map_err(|_| wrong(weight))?),
            None => (text, 1),
        };
        let queue = QueueName::new(name).map_err(|e| e.to_string())?;
        match weight {
            0 => Err(wrong("0")),
            weight => Ok(Weighted { queue, weight }),
        }
    }
}

fn wrong(weight: &str) -> String {
    format!("'{weight}' is no weight: write it as mail:3,default:1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_without_a_weight_gets_one_turn() {
        let weight = |text: &str| text.parse::<Weighted>().map(|w| w.weight);
        assert_eq!(weight("mail:3"), Ok(3));
        assert_eq!(weight("mail"), Ok(1));
        for text in ["mail:0", "mail:-1", "mail:", ":1", "../mail:1"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }
}
