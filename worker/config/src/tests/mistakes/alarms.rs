//! `[alarms]`.

use crate::tests::checked_service;

#[test]
fn alarms() {
    let text = r#"[alarms]
silence = ["*", "api-*-5xx", "", 5]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:12: `alarms.silence[0]`: "*" would silence alarms of others too
      7 | silence = ["*", "api-*-5xx", "", 5]
        |            ^^^
      hint: begin with the service's name, as in "search-api-*"

    error: services/api.toml:7:17: `alarms.silence[1]`: a `*` may stand at the end only
      7 | silence = ["*", "api-*-5xx", "", 5]
        |                 ^^^^^^^^^^^
      hint: list the alarms, or begin alike and end with `*`

    error: services/api.toml:7:30: `alarms.silence[2]`: must not be empty
      7 | silence = ["*", "api-*-5xx", "", 5]
        |                              ^^

    error: services/api.toml:7:34: `alarms.silence[3]` is an integer, and not a string
      7 | silence = ["*", "api-*-5xx", "", 5]
        |                                  ^
      hint: write "5"

    worker.toml: 4 errors
    "#);
}

#[test]
fn watched_alarms() {
    let text = r#"[alarms]
watch = ["*"]
watch_interval = "10ms"
bake = 300
allow_firing = "yes"
wach = []
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:10: `alarms.watch[0]`: "*" would roll back on alarms of others too
      7 | watch = ["*"]
        |          ^^^
      hint: begin with the service's name, as in "search-api-*"

    error: services/api.toml:8:18: `alarms.watch_interval`: must be from 1s to 1m
      8 | watch_interval = "10ms"
        |                  ^^^^^^
      hint: an alarm is evaluated each 10s at most, and one that fires should be heard within the minute

    error: services/api.toml:9:8: `alarms.bake` is an integer, and not a duration
      9 | bake = 300
        |        ^^^
      hint: write it with a unit: "300s"

    error: services/api.toml:10:16: `alarms.allow_firing` is a string, and not true or false
      10 | allow_firing = "yes"
         |                ^^^^^
      hint: write true or false, without quotes

    error: services/api.toml:11:1: unknown key `wach`
      11 | wach = []
         | ^^^^
      hint: did you mean `watch`?

    worker.toml: 5 errors
    "#);
}

#[test]
fn an_interval_that_watches_nothing() {
    insta::assert_snapshot!(checked_service("[alarms]\nwatch_interval = \"5s\"\n"), @r#"
    warning: services/api.toml:7:18: nothing is watched
      7 | watch_interval = "5s"
        |                  ^^^^
      hint: name the alarms that show that a version is bad: watch = ["search-api-5xx"]

    worker.toml: ok, 1 warning
    "#);
}

#[test]
fn ways_to_silence() {
    insta::assert_snapshot!(checked_service("[alarms]\nby = \"mute\"\nsettle = \"2h\"\n"), @r#"
    error: services/api.toml:7:6: `alarms.by`: "mute" is no way to silence an alarm
      7 | by = "mute"
        |      ^^^^^^
      hint: write "mute_rule" or "disable_actions"

    error: services/api.toml:8:10: `alarms.settle`: must be from 0s to 1h
      8 | settle = "2h"
        |          ^^^^
      hint: the release stays open so long, and the next one waits

    warning: services/api.toml:8:10: nothing settles where actions are disabled: enabled again, they wait for the next change
      8 | settle = "2h"
        |          ^^^^
      hint: say by = "mute_rule", or remove `settle`

    worker.toml: 2 errors, 1 warning
    "#);
}
