//! What can be read from outside: bodies and names of objects, ids, options, JSON.

use std::str::FromStr;

use oq_core::queue::TaskSpec;
use oq_core::record::{
    Bell, Dead, Done, Format, Hint, Idempotency, Json, Key, KeyHash, Live, MAX_SPAN, ObjectId,
    Options, Presence, QueueName, Record, Settings, TaskId, TaskType, decode, encode,
};
use oq_core::store::StoreKey;
use oq_core::{StoreTime, span};

use crate::Target;

/// All of them.
pub const ALL: &[Target] = &[
    Target {
        name: "live",
        corpus: "corpus/live",
        run: record::<Live>,
    },
    Target {
        name: "done",
        corpus: "corpus/done",
        run: record::<Done>,
    },
    Target {
        name: "dead",
        corpus: "corpus/dead",
        run: record::<Dead>,
    },
    Target {
        name: "settings",
        corpus: "corpus/settings",
        run: settings,
    },
    Target {
        name: "others",
        corpus: "corpus/others",
        run: others,
    },
    Target {
        name: "options",
        corpus: "corpus/options",
        run: options,
    },
    Target {
        name: "keys",
        corpus: "corpus/keys",
        run: keys,
    },
    Target {
        name: "ids",
        corpus: "corpus/ids",
        run: ids,
    },
    Target {
        name: "names",
        corpus: "corpus/names",
        run: names,
    },
    Target {
        name: "json",
        corpus: "corpus/json",
        run: json,
    },
    Target {
        name: "durations",
        corpus: "corpus/durations",
        run: durations,
    },
    Target {
        name: "specs",
        corpus: "corpus/specs",
        run: specs,
    },
];

/// What is read is written so that it is read the same again, and its length is its hint.
fn record<R: Record>(bytes: &[u8]) -> String {
    let key = StoreKey::listed("q/live/00/G/x");
    let record: R = match decode(&key, bytes) {
        Ok(record) => record,
        Err(e) => return e.to_string(),
    };
    let written = encode(&record);
    let again: R = decode(&key, &written).expect("what was written can be read");
    assert_eq!(
        encode(&again),
        written,
        "what was written is written the same again"
    );
    let says = Hint::of_size(written.len() as u64);
    let kind = std::mem::discriminant::<Hint>;
    assert_eq!(
        kind(&says),
        kind(&again.hint()),
        "the length hints at the state"
    );
    format!("read, {}", shape(&written))
}

/// Which fields a record has.
fn shape(written: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(written).unwrap_or_default();
    let fields = value.as_object().into_iter().flat_map(|o| o.keys());
    fields
        .filter(|f| f.len() < 15)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}

fn settings(bytes: &[u8]) -> String {
    let said = record::<Settings>(bytes);
    match decode::<Settings>(&StoreKey::listed("q/queue.json"), bytes) {
        Ok(settings) => format!(
            "{said}: {:?}",
            settings.check().err().map(|e| e.to_string())
        ),
        Err(_) => said,
    }
}

fn others(bytes: &[u8]) -> String {
    [
        record::<Bell>(bytes),
        record::<Format>(bytes),
        record::<Idempotency>(bytes),
        record::<Presence>(bytes),
    ]
    .join("; ")
}

/// Durations among them: what passes the check can be computed with.
fn options(bytes: &[u8]) -> String {
    let options: Options = match serde_json::from_slice(bytes) {
        Ok(options) => options,
        Err(e) => return format!("{:?}", e.classify()),
    };
    for attempts in [0, 1, 7, u32::MAX] {
        let delay = options.retry.delay(attempts, 0.999);
        let _ = oq_core::StoreTime::MAX.plus(delay);
    }
    format!("{:?}", options.check().err().map(|e| e.to_string()))
}

/// A key that is read is written the same.
fn keys(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return "not UTF-8".into();
    };
    if let Some(hash) = KeyHash::parse(text) {
        return format!("a hash of {}", hash.as_str().len());
    }
    match Key::parse(text) {
        Some(key) => {
            assert_eq!(
                key.store_key().as_str(),
                text,
                "a key is written as it was read"
            );
            let kind = format!("{key:?}");
            kind.split('(').next().unwrap_or_default().to_owned()
        }
        None => "not a key".into(),
    }
}

/// An id that is read is written the same, but for the letters that ULIDs take for others.
fn ids(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let task = match TaskId::from_str(&text) {
        Ok(task) => task,
        Err(e) => return format!("{e}: {:?}", ObjectId::from_str(&text).is_ok()),
    };
    let written = task.to_string();
    assert_eq!(
        TaskId::from_str(&written).ok(),
        Some(task),
        "an id is read as it was written"
    );
    assert!(
        task.index() < task.object().count(),
        "an index is within its object"
    );
    let (shard, priority) = (task.object().shard(), task.object().priority());
    assert!(shard.value() < 1024 && priority.value() < 32);
    format!(
        "an id of {} characters",
        ["a few", "many"][usize::from(written.len() > 26)]
    )
}

fn names(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let queue = QueueName::new(&*text);
    if let Ok(name) = &queue {
        assert_eq!(name.to_string(), text);
        let key = Key::Settings(name.clone()).store_key();
        assert_eq!(Key::parse(key.as_str()), Some(Key::Settings(name.clone())));
    }
    let (queue, task) = (queue.err(), TaskType::new(&*text).err());
    let say = |e: Option<oq_core::Error>| e.map_or("fine".into(), |e| e.to_string());
    format!("{}; {}", say(queue), say(task))
}

fn json(bytes: &[u8]) -> String {
    match Json::parse(String::from_utf8_lossy(bytes)) {
        Ok(json) => {
            let again = Json::parse(json.as_str()).expect("what is JSON stays JSON");
            assert_eq!(again.as_str(), json.as_str());
            "JSON".into()
        }
        Err(e) => e.to_string(),
    }
}

/// Spans and moments: what is read is shown so that it is read as the same again.
fn durations(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let span = match span::parse(&text) {
        Ok(read) => {
            let shown = span::exact(read);
            let ms = read.as_millis();
            let again = span::parse(&shown).map(|d| d.as_millis());
            // Nobody may ask for longer ones; they are only shown, in the message that refuses them.
            let allowed = read <= MAX_SPAN;
            assert!(!allowed || again.ok() == Some(ms), "{shown} is not {text}");
            assert!(!span::rough(read).is_empty());
            "a span".into()
        }
        Err(e) => e.to_string(),
    };
    let time = match text.parse::<StoreTime>() {
        Ok(time) => {
            assert_eq!(time.to_string().parse::<StoreTime>().ok(), Some(time));
            "a moment".into()
        }
        Err(e) => e.to_string(),
    };
    format!("{span}; {time}")
}

/// Lines of a bulk submission, and what functions are sent.
fn specs(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let task = TaskSpec::parse(&text).and_then(TaskSpec::task);
    match task.and_then(|task| task.check().map(|()| task)) {
        Ok(task) => {
            let input = Json::parse(task.input().as_str());
            assert!(input.is_ok(), "an input stays JSON");
            format!("a task, {}", task.input().as_str().starts_with('{'))
        }
        // Up to what it quotes: the rest is the input's, and says nothing new.
        Err(e) => e.to_string().split(['`', '"', '\'']).take(1).collect(),
    }
}
