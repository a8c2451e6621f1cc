//! Whether the store keeps its conditions when many write at once: of 32 exactly one may win.

use futures::future::join_all;

use super::finding::Finding;
use super::ground::{Ground, Tried};
use crate::store::{Etag, Write};

/// How many write at the same time.
pub(super) const WRITERS: usize = 32;

/// The one who won, or what went wrong.
fn winner(answers: Vec<Tried<Write>>) -> Tried<Result<(usize, Etag), String>> {
    let mut won = Vec::new();
    for (writer, answer) in answers.into_iter().enumerate() {
        if let Write::Won { etag, .. } = answer? {
            won.push((writer, etag));
        }
    }
    Ok(match (won.pop(), won.len()) {
        (Some(winner), 0) => Ok(winner),
        (None, _) => Err(format!("of {WRITERS} writers at once nobody won")),
        (Some(_), more) => Err(format!(
            "of {WRITERS} writers at once {} won: conditions are checked, then ignored",
            more + 1
        )),
    })
}

async fn judged(
    ground: &Ground,
    key: &str,
    round: usize,
    answers: Vec<Tried<Write>>,
) -> Tried<Result<Etag, String>> {
    let (writer, etag) = match winner(answers)? {
        Ok(winner) => winner,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let there = ground.text(key).await?;
    if there != body(round, writer) {
        return Ok(Err(
            "what is read after a race is not what the winner wrote".into(),
        ));
    }
    Ok(Ok(etag))
}

fn body(round: usize, writer: usize) -> String {
    format!("round {round}, writer {writer}")
}

pub(super) async fn create(ground: &Ground, rounds: usize) -> Tried<Finding> {
    let name = "race of creates";
    for round in 0..rounds {
        let key = format!("race-create-{round}");
        let all = (0..WRITERS).map(|writer| ground.create(&key, body(round, writer)));
        if let Err(wrong) = judged(ground, &key, round, join_all(all).await).await? {
            return Ok(Finding::refusal(name, wrong));
        }
    }
    Ok(Finding::ok(
        name,
        format!("one of {WRITERS} wins, in {rounds} of {rounds} rounds"),
    ))
}

pub(super) async fn update(ground: &Ground, rounds: usize) -> Tried<Finding> {
    let name = "race of updates";
    let Write::Won { mut etag, .. } = ground.create("race-update", "start").await? else {
        return Ok(Finding::refusal(name, "a key cannot be created"));
    };
    for round in 0..rounds {
        let seen = etag;
        let all =
            (0..WRITERS).map(|writer| ground.update("race-update", body(round, writer), &seen));
        etag = match judged(ground, "race-update", round, join_all(all).await).await? {
            Ok(etag) => etag,
            Err(wrong) => return Ok(Finding::refusal(name, wrong)),
        };
    }
    Ok(Finding::ok(
        name,
        format!("one of {WRITERS} wins, in {rounds} of {rounds} rounds"),
    ))
}
