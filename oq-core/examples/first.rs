//! Submits a few tasks, runs them, prints what came of them and what it cost.
//!
//! ```text
//! cargo run -p oq-core --example first                     # in memory
//! OQ_URL=sqlite:oq.db cargo run -p oq-core --example first
//! OQ_URL=s3://my-bucket/oq cargo run -p oq-core --example first
//! ```

use std::time::Duration;

use oq_core::store::Prices;
use oq_core::{Context, Queue, Task, TaskError, Worker};

#[tokio::main]
async fn main() -> oq_core::Result<()> {
    let url = std::env::var("OQ_URL").unwrap_or_else(|_| "memory:".into());
    let queue = Queue::connect(&url).await?.named("first").await?;

    let mut ids = Vec::new();
    for path in ["cat.png", "dog.png", "broken.png"] {
        ids.push(queue.submit(Task::new("resize", path)?).await?.id);
    }
    println!("submitted {} tasks to {url}", ids.len());

    let worker = Worker::builder()
        .queue(&queue)
        .handler("resize", resize)
        .build()?;
    let (waiting, all) = (queue.clone(), ids.clone());
    let until_over = async move {
        for id in all {
            // What is not over then shows below.
            let _ = waiting.wait(id, Duration::from_secs(60)).await;
        }
    };
    worker.run(until_over).await?;

    for id in ids {
        match queue.result::<String>(id).await {
            Ok(small) => println!("{id} -> {small}"),
            Err(error) => println!("{error}"),
        }
    }
    let used = queue.requests();
    println!(
        "{} PUT, {} GET, {} LIST, {} DELETE: ${:.6} at the prices of S3 Standard",
        used.put(),
        used.get(),
        used.list(),
        used.delete(),
        used.cost(&Prices::S3_STANDARD),
    );
    Ok(())
}

async fn resize(task: Context, path: String) -> Result<String, TaskError> {
    if path.starts_with("broken") {
        return Err(TaskError::fatal(format!("{path} is no picture")));
    }
    Ok(format!("small-{path}, attempt {}", task.attempt()))
}
