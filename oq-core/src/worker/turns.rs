//! Whose turn it is, among queues of different weights.

/// What one unit of weight is worth; a queue's turn comes after `TURN / weight`.
const TURN: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Turns {
    weights: Vec<u32>,
    passes: Vec<u64>,
}

impl Turns {
    pub fn new(weights: Vec<u32>) -> Turns {
        Turns {
            passes: vec![0; weights.len()],
            weights,
        }
    }

    /// The places in the order of their turns.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.passes.len()).collect();
        order.sort_by_key(|i| self.passes[*i]);
        order
    }

    /// Something was taken from this place.
    pub fn took(&mut self, i: usize) {
        // One that had nothing for a while does not save up turns.
        let last = self.passes.iter().copied().max().unwrap_or(0);
        self.passes[i] = self.passes[i].max(last.saturating_sub(TURN))
            + TURN / u64::from(self.weights[i].max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(turns: &mut Turns, rounds: usize) -> usize {
        let first = (0..rounds).filter(|_| {
            let i = turns.order()[0];
            turns.took(i);
            i == 0
        });
        first.count()
    }

    #[test]
    fn turns_are_in_proportion_and_cannot_be_saved_up() {
        let mut turns = Turns::new(vec![3, 1]);
        assert_eq!(share(&mut turns, 400), 300);
        for _ in 0..1000 {
            turns.took(1);
        }
        assert!((60..=80).contains(&share(&mut turns, 88)));
    }
}
