//! A Lambda function that submits: the event is a [`Submit`], the answer an [`Accepted`]. `OQ_URL`
//! names the store.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use oq_core::queue::Queue;
use oq_lambda::{Accepted, Submit, submit_handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("OQ_URL").map_err(|_| "OQ_URL is not set: name the store in it")?;
    let queue = Queue::connect(&url).await?;
    run(service_fn(
        async |event: LambdaEvent<Submit>| -> Result<Accepted, Error> {
            Ok(submit_handler(&queue, event.payload).await?)
        },
    ))
    .await
}
