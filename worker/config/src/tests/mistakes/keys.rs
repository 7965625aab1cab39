//! Keys that are mistyped or in the wrong table, values of the wrong kind, and files that are no TOML.

use super::checked_worker;
use crate::tests::checked_service;

#[test]
fn a_mistyped_key() {
    let text = r#"[roll]
max_unavailble = 2
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:1: unknown key `max_unavailble`
      7 | max_unavailble = 2
        | ^^^^^^^^^^^^^^
      hint: did you mean `max_unavailable`?

    worker.toml: 1 error
    "#);
}

#[test]
fn keys_in_the_wrong_table() {
    let text = r#"[verify]
healthcheck = true
ports = ["80:80"]
service = "api"
min_drain = "5s"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:8:1: unknown key `ports`
      8 | ports = ["80:80"]
        | ^^^^^
      hint: it belongs in [container]

    error: services/api.toml:9:1: unknown key `service`
      9 | service = "api"
        | ^^^^^^^
      hint: it belongs at the top of the file, before the first [table]

    error: services/api.toml:10:1: unknown key `min_drain`
      10 | min_drain = "5s"
         | ^^^^^^^^^
      hint: it belongs in [roll]

    worker.toml: 3 errors
    "#);
}

#[test]
fn a_key_that_several_tables_have() {
    let text = r#"[roll]
timeout = "5s"
requires = "staging"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:1: unknown key `timeout`
      7 | timeout = "5s"
        | ^^^^^^^
      hint: it belongs in [command] or [verify] or [before] or [after]

    error: services/api.toml:8:1: unknown key `requires`
      8 | requires = "staging"
        | ^^^^^^^^
      hint: it belongs in [environment.NAME]

    worker.toml: 2 errors
    "#);
}

/// The broker's url has a user too, so `user` is not said to belong in `[ssh]`.
#[test]
fn a_key_that_may_mean_something_else() {
    let text = "site = \"us-west\"\n[amqp]\nurl = \"amqp://localhost\"\nuser = \"drawgate\"\n";
    let told = checked_worker(text);
    assert!(told.contains("hint: known here: url, password_file"), "{told}");
}

#[test]
fn an_unknown_key_like_no_other() {
    let text = r#"[container]
replicas = 3
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:1: unknown key `replicas`
      7 | replicas = 3
        | ^^^^^^^^
      hint: known here: name, ports, volumes, env, secrets, labels, network, restart, memory, cpus, log, command, stop_timeout, keep_images

    worker.toml: 1 error
    "#);
}

#[test]
fn numbers_in_place_of_texts() {
    let text = r#"[container]
env = { PORT = 8080, DEBUG = true }
[verify]
command = "bin/smoke"
attempts = "3"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:16: `container.env.PORT` is an integer, and not a string
      7 | env = { PORT = 8080, DEBUG = true }
        |                ^^^^
      hint: write "8080"

    error: services/api.toml:7:30: `container.env.DEBUG` is a boolean, and not a string
      7 | env = { PORT = 8080, DEBUG = true }
        |                              ^^^^
      hint: write "true"

    error: services/api.toml:9:11: `verify.command` is a string, and not a list
      9 | command = "bin/smoke"
        |           ^^^^^^^^^^^
      hint: write command = ["bin/smoke", "--quick"]

    error: services/api.toml:10:12: `verify.attempts` is a string, and not a whole number
      10 | attempts = "3"
         |            ^^^
      hint: write a number without quotes

    worker.toml: 4 errors
    "#);
}

#[test]
fn durations_and_sizes() {
    let text = r#"[roll]
min_healthy_time = 10
min_drain = "5"
poll_interval = "10ms"
healthy_timeout = "soon"
[container]
memory = "512m"
stop_timeout = "1500ms"
cpus = 0
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:20: `roll.min_healthy_time` is an integer, and not a duration
      7 | min_healthy_time = 10
        |                    ^^
      hint: write it with a unit: "10s"

    error: services/api.toml:8:13: `roll.min_drain`: "5" is not a duration
      8 | min_drain = "5"
        |             ^^^
      hint: write a number with a unit, as in "5s" (units: ms, s, m, h)

    error: services/api.toml:9:17: `roll.poll_interval`: must be from 100ms to 1m
      9 | poll_interval = "10ms"
        |                 ^^^^^^
      hint: AWS throttles whoever asks more often; more seldom only costs time

    error: services/api.toml:10:19: `roll.healthy_timeout`: "soon" is not a duration
      10 | healthy_timeout = "soon"
         |                   ^^^^^^
      hint: write a duration as "500ms", "10s", "2m" or "1h 30m"

    error: services/api.toml:12:10: `container.memory`: "512m" is not a size
      12 | memory = "512m"
         |          ^^^^^^
      hint: write "512MiB"

    error: services/api.toml:13:16: `container.stop_timeout`: must be whole seconds: the engine takes nothing finer
      13 | stop_timeout = "1500ms"
         |                ^^^^^^^^
      hint: write it as "20s"

    error: services/api.toml:14:8: `container.cpus`: must be from 0.01 to 1024
      14 | cpus = 0
         |        ^
      hint: it counts CPUs: 1.5 is one and a half

    worker.toml: 7 errors
    "#);
}

#[test]
fn a_placeholder_that_is_none() {
    let text = r#"[container]
env = { A = "{enviroment}", B = "${HOME}", C = "${environment}" }
name = "api-{environment}"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:13: `container.env.A`: unknown placeholder {enviroment}
      7 | env = { A = "{enviroment}", B = "${HOME}", C = "${environment}" }
        |             ^^^^^^^^^^^^^^
      hint: did you mean {environment}?

    error: services/api.toml:7:33: `container.env.B`: unknown placeholder {HOME}
      7 | env = { A = "{enviroment}", B = "${HOME}", C = "${environment}" }
        |                                 ^^^^^^^^^
      hint: {environment} and {service} are filled in; write {{HOME}} for the text {HOME}

    error: services/api.toml:7:48: `container.env.C`: `${environment}` would become a dollar sign with the environment's name
      7 | env = { A = "{enviroment}", B = "${HOME}", C = "${environment}" }
        |                                                ^^^^^^^^^^^^^^^^
      hint: write {environment}

    error: services/api.toml:8:8: `container.name`: {environment} is not filled in here
      8 | name = "api-{environment}"
        |        ^^^^^^^^^^^^^^^^^^^
      hint: placeholders work in fleet tags, auto_scaling_group, wanted_parameter, env, labels, volumes, log options and alarms

    worker.toml: 4 errors
    "#);
}

#[test]
fn syntax() {
    let text = r#"[roll
max_unavailable = 1
[container]
name = api
name = "api"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:6:6: unclosed table, expected `]`
      6 | [roll
        |      ^

    error: services/api.toml:9:8: a text must be in quotes
      9 | name = api
        |        ^^^
      hint: write it as in name = "api"

    error: services/api.toml:10:1: duplicate key
      10 | name = "api"
         | ^^^^
      hint: it is there already, above; keep one

    worker.toml: 3 errors
    "#);
}
