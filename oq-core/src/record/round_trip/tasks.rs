//! The two large kinds of body, every field of them: tasks before their outcome and after it.

use super::*;

fn ident<T: Debug>(parse: fn(&str) -> Option<T>) -> impl Strategy<Value = T> {
    "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}".prop_map(move |text| parse(&text).unwrap())
}

fn task_type() -> impl Strategy<Value = TaskType> {
    "[a-z][a-z.]{0,9}".prop_map(|text| TaskType::new(text).unwrap())
}

/// JSON as others write it: with spaces, numbers of any length, and a name twice.
fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        Just("null".to_owned()),
        ".{0,20}".prop_map(|text| Value::from(text).to_string()),
        "-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?(e-?[0-9]{1,2})?",
        "\\[ ?\\{\"a\" : [1-9][0-9]{0,2},\"a\":\\[ \\]\\}\n?\\]",
    ];
    text.prop_map(|text| Json::parse(text).unwrap())
}

fn data() -> impl Strategy<Value = Data> {
    let part = (any::<bool>(), 0u16..1024).prop_map(|(input, n)| match input {
        true => Part::Input(n),
        false => Part::Output(n),
    });
    let at = (
        ident(Token::parse),
        part,
        any::<u64>(),
        "[0-9a-f]{64}",
        any::<bool>(),
    );
    let at = at.prop_map(|(token, part, size, sha256, zstd)| PayloadRef {
        token,
        part,
        size,
        sha256,
        zstd,
    });
    prop_oneof![3 => json().prop_map(Data::Json), 1 => at.prop_map(Data::At)]
}

fn failure() -> impl Strategy<Value = Failure> {
    (".{0,9}", ".{0,40}", any::<bool>()).prop_map(|(kind, message, fatal)| Failure {
        kind,
        message,
        fatal,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let ending = prop::sample::select(&Ending::ALL[..]);
    let (output, failure) = (prop::option::of(data()), prop::option::of(failure()));
    (ending, time(), any::<u32>(), output, failure).prop_map(
        |(ending, at, attempts, output, failure)| Outcome {
            ending,
            at,
            attempts,
            output,
            failure,
        },
    )
}

fn keyed() -> impl Strategy<Value = Keyed> {
    (".{0,20}", span()).prop_map(|(key, window)| Keyed {
        hash: KeyHash::of(&key),
        window,
    })
}

fn task_id() -> impl Strategy<Value = TaskId> {
    (
        time(),
        any::<u64>(),
        0u8..32,
        1usize..=MAX_PACK,
        0u16..1024,
        any::<usize>(),
    )
        .prop_map(|(due, random, priority, count, shard, index)| {
            let (p, s) = (Priority::new(priority).unwrap(), Shard::new(shard).unwrap());
            ObjectId::from_parts(due, random, p, count, s).task(index % count)
        })
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    let steps = [
        Step::Claimed,
        Step::TakenOver,
        Step::Adopted,
        Step::Retried,
        Step::Rescheduled,
        Step::Released,
        Step::CancelRequested,
        Step::Cancelled,
        Step::Expired,
        Step::Finished,
    ];
    let (worker, reason) = (
        prop::option::of(ident(WorkerId::parse)),
        prop::option::of(".{0,20}"),
    );
    let event = (
        time(),
        prop::sample::select(steps.to_vec()),
        any::<u32>(),
        worker,
        reason,
    );
    let event = event.prop_map(|(at, what, delivery, worker, reason)| Event {
        at,
        what,
        delivery,
        worker,
        reason,
    });
    prop::collection::vec(event, 0..=MAX_HISTORY)
}

fn lease() -> impl Strategy<Value = Lease> {
    let (token, worker) = (ident(Token::parse), ident(WorkerId::parse));
    (token, worker, span(), any::<u16>()).prop_map(|(token, worker, length, among)| Lease {
        token,
        worker,
        length,
        among,
    })
}

fn some_options() -> impl Strategy<Value = Options> {
    prop_oneof![Just(Options::default()), options()]
}

fn trace() -> impl Strategy<Value = Option<String>> {
    prop::option::of("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
}

fn slot() -> impl Strategy<Value = Slot> {
    let progress = (any::<u64>(), any::<u64>()).prop_map(|(done, total)| Progress { done, total });
    let about = (data(), texts(), trace(), prop::option::of(time()));
    let counts = (any::<u32>(), 0u32..3, 0u32..3);
    let flags = (any::<bool>(), any::<bool>());
    let said = (
        prop::option::of(json()),
        prop::option::of(progress),
        prop::option::of(failure()),
        prop::option::of(outcome()),
    );
    (about, counts, flags, said, extra()).prop_map(|(about, counts, flags, said, extra)| {
        let (input, tags, trace, available_at) = about;
        let (starts, excused, rescheduled) = counts;
        let (running, cancel_requested) = flags;
        let (saved, progress, failure, outcome) = said;
        Slot {
            input,
            tags,
            trace,
            available_at,
            starts,
            excused,
            rescheduled,
            running,
            cancel_requested,
            saved,
            progress,
            failure,
            outcome,
            extra,
        }
    })
}

fn live() -> impl Strategy<Value = Live> {
    let states = vec![LiveState::Pending, LiveState::Running, LiveState::Terminal];
    let stands = (
        prop::sample::select(states),
        prop::option::of(time()),
        prop::option::of(lease()),
        any::<u32>(),
        prop::option::of(any::<u16>()),
    );
    let from = (prop::option::of(keyed()), prop::option::of(task_id()));
    let tasks = prop::collection::vec(slot(), 1..4);
    let head = (stamp(), task_type(), some_options());
    (head, stands, from, tasks, history(), extra()).prop_map(
        |((write, task_type, options), stands, (key, retry_of), tasks, history, extra)| {
            let (state, available_at, lease, delivery, width) = stands;
            Live {
                v: V1,
                write,
                task_type,
                state,
                options,
                available_at,
                delivery,
                width,
                lease,
                key,
                retry_of,
                tasks,
                history,
                extra,
            }
        },
    )
}

fn done_task() -> impl Strategy<Value = DoneTask> {
    (
        outcome(),
        texts(),
        prop::option::of(data()),
        trace(),
        any::<u32>(),
    )
        .prop_map(|(outcome, tags, input, trace, starts)| DoneTask {
            outcome,
            tags,
            input,
            trace,
            starts,
        })
}

fn done() -> impl Strategy<Value = Done> {
    let whose = (ident(Token::parse), ident(WriteId::parse));
    let about = (task_type(), some_options(), time(), span());
    let from = (prop::option::of(keyed()), prop::option::of(task_id()));
    let open = prop::option::weighted(0.2, any::<u32>());
    let tasks = prop::collection::vec(done_task(), 0..4);
    let head = (stamp(), open, whose);
    (head, about, from, tasks, history(), extra()).prop_map(
        |((write, open, (token, life)), about, (key, retry_of), tasks, history, extra)| {
            let (task_type, options, submitted, keep) = about;
            Done {
                v: V1,
                write,
                open,
                token,
                life,
                task_type,
                options,
                submitted,
                keep,
                key,
                retry_of,
                tasks,
                history,
                extra,
            }
        },
    )
}

/// The length says what the record does, and promises no more than it.
fn is_hinted<R: Record>(record: &R) -> Result<(), TestCaseError> {
    let said = Hint::of_size(encode(record).len() as u64);
    let holds = match (record.hint(), said) {
        (Hint::Runnable, Hint::Runnable) => true,
        (Hint::Running(really), Hint::Running(said)) => said <= really,
        (Hint::Waiting(really), Hint::Waiting(said)) => said <= really,
        (Hint::Terminal(really), Hint::Terminal(said)) => said >= really.min(MAX_SPAN),
        _ => false,
    };
    prop_assert!(holds, "{:?} of {:?}", said, record);
    Ok(())
}

proptest! {
    #[test]
    fn tasks_without_an_outcome_read_back(record in live()) {
        reads_back(&record)?;
        is_hinted(&record)?;
    }

    #[test]
    fn outcomes_and_seals_read_back(record in done()) {
        reads_back(&record)?;
        is_hinted(&record)?;
        prop_assert_eq!(record.is_seal(), record.hint() == Hint::Runnable);
    }
}

#[test]
fn a_saved_null_is_not_nothing_saved() {
    let mut slot = Slot::new(Data::Json(Json::null()));
    for saved in [None, Some(Json::null())] {
        slot.saved = saved.clone();
        let text = serde_json::to_string(&slot).unwrap();
        let read: Slot = serde_json::from_str(&text).unwrap();
        assert_eq!(read.saved, saved, "{text}");
    }
}
