//! Flags over the environment over the folder's file over the user's.

use expect_test::expect;

use crate::oq::{Oq, Ran};

/// Without OQ_URL, and with a user's file if it was written.
fn run(oq: &Oq, args: &[&str], env: &[(&str, &str)]) -> Ran {
    let mut command = oq.command(args);
    command
        .env_remove("OQ_URL")
        .env("XDG_CONFIG_HOME", oq.path().join("xdg"));
    command.envs(env.iter().copied());
    oq.end(command.output().unwrap())
}

#[test]
fn each_layer_has_its_place() {
    let oq = Oq::new();
    oq.file(
        "oq.toml",
        "url = \"sqlite:folder.db\"\n[profiles.prod]\nqueue = \"prod\"\n",
    );
    oq.file(
        "xdg/oq/config.toml",
        "url = \"sqlite:user.db\"\nqueue = \"user\"\ncost = true\n[profiles.far]\nurl = \"sqlite:far.db\"\n",
    );
    let show = ["config", "show", "--origin", "-o", "csv"];
    expect![[r#"
        exit 0
        --- stdout
        setting,value,origin
        profile,,default
        url,sqlite:folder.db,FOLDER/oq.toml
        queue,user,FOLDER/xdg/oq/config.toml
        output,csv,--output
        color,auto,default
        quiet,false,default
        cost,true,FOLDER/xdg/oq/config.toml
        --- stderr
        oq: read FOLDER/oq.toml
        oq: read FOLDER/xdg/oq/config.toml
    "#]]
    .assert_eq(&run(&oq, &show, &[]).shown());
    let flag = [&show[..], &["--queue", "flag", "--profile", "far"]].concat();
    expect![[r#"
        exit 0
        --- stdout
        setting,value,origin
        profile,far,--profile
        url,sqlite:far.db,FOLDER/xdg/oq/config.toml [profiles.far]
        queue,flag,--queue
        output,csv,--output
        color,auto,default
        quiet,false,default
        cost,true,FOLDER/xdg/oq/config.toml
        --- stderr
        oq: read FOLDER/oq.toml
        oq: read FOLDER/xdg/oq/config.toml
    "#]]
    .assert_eq(
        &run(
            &oq,
            &flag,
            &[("OQ_QUEUE", "env"), ("OQ_URL", "sqlite:env.db")],
        )
        .shown(),
    );
    expect![[r#"
        exit 0
        --- stdout
        setting,value,origin
        profile,prod,OQ_PROFILE
        url,sqlite:folder.db,FOLDER/oq.toml
        queue,env,OQ_QUEUE
        output,csv,--output
        color,auto,default
        quiet,false,default
        cost,true,FOLDER/xdg/oq/config.toml
        --- stderr
        oq: read FOLDER/oq.toml
        oq: read FOLDER/xdg/oq/config.toml
    "#]]
    .assert_eq(&run(&oq, &show, &[("OQ_PROFILE", "prod"), ("OQ_QUEUE", "env")]).shown());
}

#[test]
fn a_file_is_found_from_below() {
    let oq = Oq::new();
    oq.file("oq.toml", "url = \"sqlite:oq.db\"\nqueue = \"mail\"\n");
    oq.file("a/b/c", "");
    let mut command = oq.command(&["config", "show", "-o", "csv"]);
    command
        .env_remove("OQ_URL")
        .current_dir(oq.path().join("a/b"));
    let ran = oq.end(command.output().unwrap());
    assert!(ran.out.contains("queue,mail,"), "{ran:?}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let oq = Oq::new();
    for (file, says) in [
        (
            "quue = \"a\"",
            "there is no setting quue; did you mean queue?",
        ),
        (
            "[profiles.p]\nurll = \"a\"",
            "there is no setting profiles.p.urll; did you mean url?",
        ),
        (
            "secret_access_key = \"hunter2\"",
            "secrets do not belong in this file",
        ),
        ("url = 5", "url is a integer, not a text"),
        (
            "url = \"s3://k:hunter2@b\"",
            "may not carry a user name or password",
        ),
        ("url = \"s3://b?secret=hunter2\"", "may not carry secrets"),
        ("queue = \"../x\"", "queue \"../x\": queue name"),
        ("color = \"pink\"", "use one of auto, always, never"),
        ("url = \"hunter2\nqueue = 3", "line 1: "),
        (
            "profile = \"nome\"\n[profiles.home]\n",
            "did you mean home?",
        ),
    ] {
        oq.file("oq.toml", file);
        let ran = run(&oq, &["list"], &[]);
        ran.refused(7, says);
        assert!(ran.err.contains("OQ-CONFIG: "), "{}", ran.err);
        assert!(ran.err.contains("oq.toml"), "{}", ran.err);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        // Whoever looks for the fault is not stopped by it.
        assert_eq!(run(&oq, &["explain", "OQ-CONFIG"], &[]).code, Some(0));
        assert!(!run(&oq, &["config", "show"], &[]).out.contains("hunter2"));
    }
}

#[test]
fn the_environment_is_checked_too() {
    let oq = Oq::new();
    run(&oq, &["list"], &[("OQ_URL", "")]).refused(7, "OQ_URL is set and empty");
    run(&oq, &["list"], &[("OQ_URL", " ")]).refused(7, "OQ_URL is set and empty");
    run(&oq, &["list"], &[("OQ_QUEUE", "A/B")]).refused(7, "OQ_QUEUE: queue \"A/B\"");
    run(&oq, &["list"], &[("OQ_OUTPUT", "xml")]).refused(7, "use one of table, json");
    run(&oq, &["list"], &[("OQ_PROFILE", "x")]).refused(7, "there is no profile \"x\"");
    run(&oq, &["list", "--profile", "x"], &[]).refused(2, "no file has profiles");
    run(&oq, &["list"], &[]).refused(2, "OQ_URL");
    run(&oq, &["list", "--url", "s3://k:hunter2@b"], &[]).refused(2, "password");
}

#[test]
fn a_variable_that_looks_like_a_setting_is_told() {
    let oq = Oq::new();
    let ran = run(&oq, &["config", "show"], &[("OQ_URLS", "sqlite:secret.db")]);
    assert!(
        ran.err
            .contains("OQ_URLS is set and is no setting; did you mean OQ_URL?"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("secret"), "{}", ran.err);
}

#[test]
fn every_setting_is_a_flag_and_a_variable() {
    let oq = Oq::new();
    let help = oq.run(&["list", "--help"]).out;
    let settings = oq.run(&["config", "list", "-o", "json"]).json();
    for setting in settings.as_array().unwrap() {
        let (name, env) = (
            setting["name"].as_str().unwrap(),
            setting["env"].as_str().unwrap(),
        );
        assert!(help.contains(&format!("--{name}")), "{name}");
        assert!(help.contains(&format!("[env: {env}]")), "{env}");
    }
}
