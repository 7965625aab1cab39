//! `[verify]`.

use crate::tests::checked_service;

#[test]
fn two_kinds_of_check() {
    let text = r#"[verify]
http = { path = "/health", port = 8080 }
healthcheck = true
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:8:1: [verify] has more than one kind of check
      8 | healthcheck = true
        | ^^^^^^^^^^^
      hint: write one of http = { path = "/health", port = 8080 }, command = ["bin/smoke"], healthcheck = true

    worker.toml: 1 error
    "#);
}

#[test]
fn a_start_timeout_without_a_healthcheck() {
    let text = r#"[verify]
http = { path = "/health", port = 8080 }
start_timeout = "5m"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:8:17: `verify.start_timeout`: bounds how long a healthcheck may say that the container is starting, and there is none
      8 | start_timeout = "5m"
        |                 ^^^^
      hint: write healthcheck = true, or raise attempts or interval instead

    warning: services/api.toml:7:1: `verify.http` asks port 8080, which is not published
      7 | http = { path = "/health", port = 8080 }
        | ^^^^
      hint: publish it, as in [container] ports = ["8080:8080"]

    worker.toml: 1 error, 1 warning
    "#);
}

#[test]
fn a_start_timeout_beyond_its_bounds() {
    let text = r#"[verify]
healthcheck = true
start_timeout = "2h"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:8:17: `verify.start_timeout`: must be from 1s to 1h
      8 | start_timeout = "2h"
        |                 ^^^^
      hint: the host is out of service while it waits; an hour is what a large cache takes to warm up

    worker.toml: 1 error
    "#);
}

#[test]
fn a_check_of_nothing() {
    let text = r#"[verify]
attempts = 3
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:6:1: [verify] says nothing to check
      6 | [verify]
        | ^^^^^^^^
      hint: write one of http = { path = "/health", port = 8080 }, command = ["bin/smoke"], healthcheck = true; or remove [verify]: then the container only has to keep running

    worker.toml: 1 error
    "#);
}

#[test]
fn a_check_at_the_containers_port() {
    let text = r#"[container]
ports = ["80:8080"]
[verify]
http = { path = "health", port = 8080, state = 200 }
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:9:17: `verify.http.path`: "health" is no path of a request
      9 | http = { path = "health", port = 8080, state = 200 }
        |                 ^^^^^^^^
      hint: write it as "/health" or "/health?full=1"; the host is always the rolled one

    error: services/api.toml:9:40: unknown key `state`
      9 | http = { path = "health", port = 8080, state = 200 }
        |                                        ^^^^^
      hint: did you mean `status`?

    worker.toml: 2 errors
    "#);
}

#[test]
fn a_port_nobody_publishes() {
    let text = r#"[container]
ports = ["80:8080"]
[verify]
http = { path = "/health", port = 8080 }
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    warning: services/api.toml:9:1: `verify.http` asks port 8080, which is not published
      9 | http = { path = "/health", port = 8080 }
        | ^^^^
      hint: 8080 is the port in the container; on the host it is 80

    worker.toml: ok, 1 warning
    "#);
}
