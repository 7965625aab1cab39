//! `[before]` and `[after]`.

use crate::tests::checked_service;

#[test]
fn before_that_would_be_repeated_or_run_elsewhere() {
    let text = r#"[before]
run = "bin/migrate"
attempts = 3
run_on = "worker"
timeout = "2d"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:7: `before.run` is a string, and not a list
      7 | run = "bin/migrate"
        |       ^^^^^^^^^^^^^
      hint: write run = ["bin/migrate"]

    error: services/api.toml:8:1: `before.attempts` is not for [before]: it runs once per release and is never repeated
      8 | attempts = 3
        | ^^^^^^^^
      hint: remove it; what must be tried again tries again by itself, in the program

    error: services/api.toml:9:1: `before.run_on` is not for [before]: it runs in the release's own image, on a host
      9 | run_on = "worker"
        | ^^^^^^
      hint: remove it; what runs on the bastion can run in the CI job before `drawgate publish`

    error: services/api.toml:10:11: `before.timeout`: "2d" is not a duration
      10 | timeout = "2d"
         |           ^^^^
      hint: write a duration as "500ms", "10s", "2m" or "1h 30m"

    worker.toml: 4 errors
    "#);
}

#[test]
fn after_without_a_place_and_with_a_program_from_nowhere() {
    let text = r#"[after]
run = ["./browse", "--version={versoin}"]
on_failure = "ignore"
attempts = 0
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:6:1: `run_on` is missing in [after]
      6 | [after]
        | ^^^^^^^
      hint: write run_on = "worker" (on the bastion) or run_on = "container" (in the release's image, on a host)

    error: services/api.toml:7:20: `after.run[1]`: unknown placeholder {versoin}
      7 | run = ["./browse", "--version={versoin}"]
        |                    ^^^^^^^^^^^^^^^^^^^^^
      hint: did you mean {version}?

    error: services/api.toml:8:14: `after.on_failure`: "ignore" says nothing
      8 | on_failure = "ignore"
        |              ^^^^^^^^
      hint: write "roll_back" (the release has failed) or "report" (it succeeds, and this is said)

    error: services/api.toml:9:12: `after.attempts`: must be from 1 to 20
      9 | attempts = 0
        |            ^
      hint: scaling is suspended while they last; a test that needs more is no test

    worker.toml: 4 errors
    "#);
}

#[test]
fn after_on_the_bastion() {
    let text = r#"[after]
run = ["./browse", "{version}"]
run_on = "worker"
image = "registry.example.com/tests:1"
pass_env = ["DRAWGATE_AMQP_URL", "A B"]
env = { DRAWGATE_TAG = "x" }
directory = "tests"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:7: `after.run`: the program's path is relative, and nothing says to what
      7 | run = ["./browse", "{version}"]
        |       ^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write its full path, or say directory = "/opt/deploy"

    error: services/api.toml:9:9: `after.image`: run_on = "worker" needs no image
      9 | image = "registry.example.com/tests:1"
        |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: remove it, or write run_on = "container"

    error: services/api.toml:10:13: `after.pass_env[0]`: DRAWGATE_AMQP_URL is Drawgate's own
      10 | pass_env = ["DRAWGATE_AMQP_URL", "A B"]
         |             ^^^^^^^^^^^^^^^^^^^
      hint: name a variable of the worker's environment, as in pass_env = ["KUBECONFIG"]

    error: services/api.toml:10:34: `after.pass_env[1]`: "A B" is no environment variable's name
      10 | pass_env = ["DRAWGATE_AMQP_URL", "A B"]
         |                                  ^^^^^
      hint: name a variable of the worker's environment, as in pass_env = ["KUBECONFIG"]

    error: services/api.toml:11:9: DRAWGATE_TAG is Drawgate's own
      11 | env = { DRAWGATE_TAG = "x" }
         |         ^^^^^^^^^^^^
      hint: choose another name: DRAWGATE_TAG and the like are set by the release

    error: services/api.toml:12:13: `after.directory`: "tests" is no full path
      12 | directory = "tests"
         |             ^^^^^^^
      hint: write it from `/` on

    worker.toml: 6 errors
    "#);
}

#[test]
fn what_a_release_says_is_never_read_by_a_shell() {
    let text = r#"[before]
run = ["/bin/sh", "-ec", "bin/migrate --to={tag}"]
[after]
run_on = "container"
run = ["{repository}", "bash"]
directory = "/tests"
image = "registry.example.com/tests"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:26: `before.run[2]`: {tag} would be read as a command by the shell
      7 | run = ["/bin/sh", "-ec", "bin/migrate --to={tag}"]
        |                          ^^^^^^^^^^^^^^^^^^^^^^^^
      hint: pass it on as an argument of its own after the text, or write "$DRAWGATE_TAG" in the text, with the quotes

    error: services/api.toml:9:10: `after.run_on`: a container has nothing of the worker's around it
      9 | run_on = "container"
        |          ^^^^^^^^^^^
      hint: remove `directory` and `pass_env`; `env` gives a container its variables

    error: services/api.toml:10:8: `after.run[0]`: a release must not choose the program
      10 | run = ["{repository}", "bash"]
         |        ^^^^^^^^^^^^^^
      hint: name the program itself; only its arguments come from the release

    error: services/api.toml:12:9: `after.image`: "registry.example.com/tests" is no image with its tag or digest
      12 | image = "registry.example.com/tests"
         |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write it as "registry.example.com/team/browser-tests:3"

    worker.toml: 4 errors
    "#);
}

#[test]
fn hooks_that_are_fine() {
    let text = r#"[before]
run = ["/bin/sh", "-c", "exec bin/migrate \"$1\"", "migrate", "{tag}"]
reversible = true
[after]
run_on = "worker"
run = ["/opt/tests/browse", "--site=https://{environment}.example.com", "{{literal}}"]
pass_env = ["BROWSER"]
on_failure = "report"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    worker.toml: ok
    "#);
}
