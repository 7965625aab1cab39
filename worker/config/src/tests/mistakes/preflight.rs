//! `[preflight]`, and the older name of one of its keys.

use drawgate_rollout::Share;
use drawgate_rollout::definition::{Firing, PreflightPolicy};

use crate::tests::{HEAD, WORKER, checked_service, read_files};

#[test]
fn preflight() {
    let text = r#"[preflight]
wait = "2h"
unreachable = "0%"
firing = "all"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:8: `preflight.wait`: must be from 0s to 1h
      7 | wait = "2h"
        |        ^^^^
      hint: the target's other releases wait meanwhile; a host that is on its way for an hour is for a person to see to

    error: services/api.toml:8:15: `preflight.unreachable`: "0%" is not between 1% and 100%
      8 | unreachable = "0%"
        |               ^^^^
      hint: write unreachable = "5%" or a number of hosts

    error: services/api.toml:9:10: `preflight.firing`: "all" is no choice of alarms
      9 | firing = "all"
        |          ^^^^^
      hint: write "any", "watched" or "none"

    worker.toml: 3 errors
    "#);
}

#[test]
fn the_older_name_of_firing_is_read_with_a_hint() {
    insta::assert_snapshot!(checked_service("[alarms]\nallow_firing = true\n"), @r#"
    warning: services/api.toml:7:1: `allow_firing` is an older name, and is still read
      7 | allow_firing = true
        | ^^^^^^^^^^^^
      hint: write firing = "none" in [preflight], which means the same

    worker.toml: ok, 1 warning
    "#);
}

#[test]
fn firing_is_said_once() {
    let text = "[alarms]\nallow_firing = false\n[preflight]\nfiring = \"any\"\n";
    let told = checked_service(text);
    assert!(
        told.contains("`alarms.allow_firing` and `preflight.firing` both say which alarms refuse a release"),
        "{told}"
    );
}

#[test]
fn the_bounds_are_read() {
    let read = |lines: &str| {
        let text = format!("{HEAD}{lines}");
        let config = read_files(WORKER.as_bytes(), &[("api.toml", text.as_bytes())]).unwrap();
        let (environment, service) = ("staging".parse().unwrap(), "api".parse().unwrap());
        config.definition(&environment, &service).unwrap().preflight
    };
    let policy = |wait_ms, unreachable, firing| PreflightPolicy {
        wait_ms,
        unreachable,
        firing,
    };
    let nobody = Share::Count(0);
    assert_eq!(read(""), policy(600_000, nobody, Firing::Watched));
    assert_eq!(
        read("[preflight]\nwait = \"0s\"\nunreachable = \"5%\"\nfiring = \"any\"\n"),
        policy(0, Share::Percent(5), Firing::Any)
    );
    assert_eq!(
        read("[preflight]\nunreachable = 3\n").unreachable,
        Share::Count(3)
    );
    let old = |value: bool| read(&format!("[alarms]\nallow_firing = {value}\n")).firing;
    assert_eq!((old(true), old(false)), (Firing::None, Firing::Any));
}
