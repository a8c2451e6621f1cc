use super::*;

#[test]
fn what_may_be_a_secret_is_masked() {
    for (url, shown) in [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://key:hunter2@bucket/p", "s3://***@bucket/p"),
        (
            "s3://b?region=eu&secret_key=hunter2",
            "s3://b?region=eu&secret_key=***",
        ),
        (
            "s3://b?session-token=hunter2&x=1",
            "s3://b?session-token=***&x=1",
        ),
        (
            "s3://b?endpoint=http://u:hunter2@h/x",
            "s3://b?endpoint=http://***@h/x",
        ),
        ("s3://b/a@b", "s3://b/a@b"),
        ("sqlite:oq.db", "sqlite:oq.db"),
    ] {
        assert_eq!(secret::masked(url), shown);
    }
}

#[test]
fn urls_with_credentials_are_refused_without_repeating_them() {
    for url in [
        "s3://k:hunter2@b",
        "http://hunter2@x",
        "s3://b?password=hunter2",
        "s3://b?Token=hunter2",
    ] {
        let e = secret::check_url(url).expect_err(url);
        assert!(e.contains("AWS tools") && !e.contains("hunter2"), "{e}");
    }
    for url in [
        "s3://b/p?region=eu-central-1&endpoint=http://127.0.0.1:1",
        "sqlite:a@b.db",
    ] {
        assert_eq!(secret::check_url(url), Ok(()), "{url}");
    }
}

#[test]
fn the_nearest_word_is_near() {
    assert_eq!(nearest("quue", ["queue", "url"]), Some("queue"));
    assert_eq!(nearest("zzz", ["queue", "url"]), None);
}

#[test]
fn variables_that_look_like_settings_are_told() {
    let names = [
        "OQ_URLS",
        "OQ_COLOUR",
        "OQ_URL",
        "OQ_TASK_ID",
        "OQ_LOG",
        "QUEUE",
    ];
    let told = misspelt(names.iter().map(|name| (*name).to_owned()));
    let told: Vec<_> = told.iter().map(|(a, b)| (a.as_str(), *b)).collect();
    assert_eq!(told, [("OQ_COLOUR", "OQ_COLOR"), ("OQ_URLS", "OQ_URL")]);
}

#[test]
fn defaults_pass_their_own_check() {
    for setting in SETTINGS.iter().filter(|s| !s.default.is_empty()) {
        assert_eq!((setting.check)(setting.default), Ok(()), "{}", setting.name);
    }
}
