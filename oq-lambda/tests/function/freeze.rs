//! A function whose sandbox was frozen between two invocations, and whose clock stood still.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oq_core::env::{BoxFuture, Clock, Env, Mono};
use oq_core::protocol::Root;
use oq_core::record::QueueName;
use oq_core::testing::sim_clock::SimHost;
use oq_core::{Queue, Task};
use oq_lambda::Time;

use crate::world::{World, pause, worker};

/// A clock that misses the time of a freeze.
#[derive(Debug)]
struct Stopping {
    inner: Arc<dyn Clock>,
    missed: Mutex<Duration>,
    set_forward: Mutex<Duration>,
}

impl Clock for Stopping {
    fn now(&self) -> Mono {
        self.inner.now() - *self.missed.lock().unwrap() + *self.set_forward.lock().unwrap()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }
    fn set_forward(&self, by: Duration) {
        *self.set_forward.lock().unwrap() += by;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_during_a_freeze_is_run_at_once_although_the_clock_stood_still() {
    for aware in [true, false] {
        let world = World::new();
        let producer = world.queue().await;
        let env = SimHost::new(99, Duration::ZERO, 0).env(99);
        let clock = Arc::new(Stopping {
            inner: env.clock.clone(),
            missed: Mutex::default(),
            set_forward: Mutex::default(),
        });
        let env = Env {
            clock: clock.clone(),
            entropy: env.entropy,
        };
        let root = Root::new(world.store.clone(), env);
        let queue = Queue::open(root, QueueName::new("default").unwrap())
            .await
            .unwrap();
        let function = oq_lambda::handler(worker(&queue).build().unwrap());
        let minute = Duration::from_secs(60);
        let began = Duration::from_secs(1_795_255_200);
        let time = |at: Duration| Time {
            left: minute,
            deadline: aware.then_some(began + at + minute),
        };

        producer
            .submit(Task::new("sleep", &0u64).unwrap())
            .await
            .unwrap();
        let event = world.events().remove(0);
        function.answer(&event, time(Duration::ZERO)).await.unwrap();
        world.events();

        let frozen = Duration::from_secs(600);
        pause(frozen.as_secs()).await;
        *clock.missed.lock().unwrap() += frozen;
        producer.pause().await.unwrap();
        producer
            .submit(Task::new("sleep", &0u64).unwrap())
            .await
            .unwrap();
        let event = world.events().remove(0);
        let answer = function.answer(&event, time(frozen)).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        // Only who knows of the freeze reads the settings again, and learns of the pause.
        let expected = if aware { "untried" } else { "ran" };
        assert_eq!(answer["leads"][expected], 1, "{answer}");
        if aware {
            producer.resume().await.unwrap();
            pause(60).await;
            let answer = function
                .answer(&event, time(frozen + minute))
                .await
                .unwrap();
            assert_eq!(serde_json::to_value(answer).unwrap()["leads"]["ran"], 1);
        }
    }
}
