//! Conditional writes, many at once.

use futures::future::join_all;

use super::*;

const WRITERS: usize = 32;
const ROUNDS: usize = 5;

/// Starts all writers together and returns their answers in order.
async fn race<F>(ground: &Ground, write: impl Fn(Ground, usize) -> F) -> Vec<Write>
where
    F: Future<Output = Write> + Send + 'static,
{
    let writers = (0..WRITERS).map(|n| tokio::spawn(write(ground.clone(), n)));
    let answers = join_all(writers).await;
    let answers = answers.into_iter().map(|a| a.expect("no writer panics"));
    answers.collect()
}

fn only_winner(answers: &[Write]) -> (usize, Etag) {
    let mut winners = answers.iter().enumerate().filter_map(|(n, a)| match a {
        Write::Won { etag, .. } => Some((n, etag.clone())),
        _ => None,
    });
    let winner = winners.next().expect("somebody wins");
    assert_eq!(winners.next(), None, "two writers won");
    let losers = answers.iter().filter(|a| **a == Write::Lost).count();
    assert_eq!(losers, WRITERS - 1, "all others lose: {answers:?}");
    winner
}

async fn assert_holds(ground: &Ground, key: &str, body: &str, etag: &Etag) {
    let object = ground.get(key).await.expect("it was written");
    assert_eq!(
        object.body,
        body.as_bytes(),
        "another body than the winner's"
    );
    assert_eq!(object.etag, *etag, "another ETag than the winner's");
}

/// Of many creates of one key at once exactly one wins, and its bytes are what is read.
pub async fn one_of_many_racing_creates_wins(ground: Ground) {
    for round in 0..ROUNDS {
        let answers = race(&ground, move |ground, n| async move {
            let key = format!("round-{round}");
            ground.try_create(&key, format!("{round} by {n}")).await
        });
        let (winner, etag) = only_winner(&answers.await);
        let body = format!("{round} by {winner}");
        assert_holds(&ground, &format!("round-{round}"), &body, &etag).await;
    }
}

/// Of many updates of one version at once exactly one wins, and its bytes are what is read.
pub async fn one_of_many_racing_updates_wins(ground: Ground) {
    let (mut etag, _) = ground.create("a", "start").await;
    for round in 0..ROUNDS {
        let seen = etag;
        let answers = race(&ground, move |ground, n| {
            let seen = seen.clone();
            async move {
                ground
                    .try_update("a", format!("{round} by {n}"), &seen)
                    .await
            }
        });
        let (winner, new) = only_winner(&answers.await);
        assert_holds(&ground, "a", &format!("{round} by {winner}"), &new).await;
        etag = new;
    }
}

/// Writers that read, add one and write again until they win lose no addition.
pub async fn racing_counters_lose_no_increment(ground: Ground) {
    const EACH: usize = 3;
    const COUNTERS: usize = 8;
    ground.create("a", "0").await;
    let count = |ground: Ground| async move {
        for _ in 0..EACH {
            loop {
                let seen = ground.get("a").await.expect("it was created");
                let n: usize = std::str::from_utf8(&seen.body)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .expect("a number was written");
                let answer = ground.try_update("a", (n + 1).to_string(), &seen.etag);
                if answer.await != Write::Lost {
                    break;
                }
            }
        }
    };
    let all = join_all((0..COUNTERS).map(|_| tokio::spawn(count(ground.clone()))));
    for one in all.await {
        one.expect("no writer panics");
    }
    let end = ground.get("a").await.expect("it was created");
    assert_eq!(end.body, (COUNTERS * EACH).to_string().as_bytes());
}
