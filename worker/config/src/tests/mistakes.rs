//! Typical mistakes, each with exactly what `check` says about it. A service file's lines count from 6, after
//! [`HEAD`].

use super::{HEAD, WORKER, checked, checked_service};

fn checked_file(text: &str) -> String {
    checked(WORKER, &[("api.toml", text)])
}

fn checked_worker(text: &str) -> String {
    checked(text, &[("api.toml", HEAD)])
}

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
fn ports_without_quotes() {
    let text = r#"[container]
ports = [8080:8080]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:10: invalid time, expected a two-digit hour (HH)
      7 | ports = [8080:8080]
        |          ^^^^^^^^^
      hint: a port mapping is written in quotes, as in "8080:8080"

    worker.toml: 1 error
    "#);
}

#[test]
fn ports_that_cannot_be_published() {
    let text = r#"[container]
ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:10: `container.ports[0]`: "8080" names one port: the engine would choose the host's, and the load balancer could not know it
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |          ^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:18: `container.ports[1]`: "8000-8010:80" is a range: list the ports one by one
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                  ^^^^^^^^^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:34: `container.ports[2]`: "80:80/sctp" names a protocol that is neither tcp nor udp
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                                  ^^^^^^^^^^^^
      hint: write "HOST:CONTAINER", as in "8080:80", "127.0.0.1:8080:80" or "514:514/udp"

    error: services/api.toml:7:57: `container.ports[4]`: host port 90 is published twice
      7 | ports = ["8080", "8000-8010:80", "80:80/sctp", "90:90", "127.0.0.1:90:91"]
        |                                                         ^^^^^^^^^^^^^^^^^

    worker.toml: 4 errors
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
fn a_share_and_a_canary_have_their_bounds() {
    let text = r#"[roll]
max_unavailable = "0%"
canary = { instance = 1, bake = "2d" }
failure_budget = -1
max_roll = "10s"
zone_by_zone = "yes"
sick_wait = "2h"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:19: `roll.max_unavailable`: "0%" is not between 1% and 100%
      7 | max_unavailable = "0%"
        |                   ^^^^
      hint: write max_unavailable = "25%" or a number of hosts

    error: services/api.toml:8:10: `instances` is missing in [roll.canary]
      8 | canary = { instance = 1, bake = "2d" }
        |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write canary = { instances = 1, bake = "2m" }

    error: services/api.toml:8:12: unknown key `instance`
      8 | canary = { instance = 1, bake = "2d" }
        |            ^^^^^^^^
      hint: did you mean `instances`?

    error: services/api.toml:8:33: `roll.canary.bake`: "2d" is not a duration
      8 | canary = { instance = 1, bake = "2d" }
        |                                 ^^^^
      hint: write a duration as "500ms", "10s", "2m" or "1h 30m"

    error: services/api.toml:9:18: `roll.failure_budget`: must be from 0 to 500
      9 | failure_budget = -1
        |                  ^^
      hint: it counts hosts; a release has 500 of them at most

    error: services/api.toml:10:12: `roll.max_roll`: must be from 1m to 24h
      10 | max_roll = "10s"
         |            ^^^^^
      hint: scaling is suspended meanwhile; beyond a day, roll a part of the fleet as a service of its own

    error: services/api.toml:11:16: `roll.zone_by_zone` is a string, and not true or false
      11 | zone_by_zone = "yes"
         |                ^^^^^
      hint: write true or false, without quotes

    error: services/api.toml:12:13: `roll.sick_wait`: must be from 0s to 1h
      12 | sick_wait = "2h"
         |             ^^^^
      hint: most of scaling is suspended meanwhile; a host that is sick for an hour is for a person to see to

    worker.toml: 8 errors
    "#);
}

#[test]
fn gates() {
    let text = r#"[environment.staging]
requires = "integration"
windows = { open = ["Mon 8-16"] }

[environment."personal-*"]
requires = "personal-*"
windows = { timezone = "Pacific/Lost", open = [] }
"#;
    insta::assert_snapshot!(checked_service(text));
    insta::assert_snapshot!(checked_service(
        "[environment.staging]\nrequires = \"staging\"\n\n[environment.\"personal-*\"]\n"
    ));
}

#[test]
fn approvals() {
    let text = r#"[environment.staging]
approval = { from = ["opps", "ops"], count = 0, within = "90d", by = "noon" }

[environment.stagin]
approval = { from = [] }
"#;
    let worker = WORKER.to_owned();
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
}

#[test]
fn approvals_that_nobody_could_give() {
    let text = "[environment.staging]\napproval = { from = [\"ops\", \"devs\"], count = 2 }\n";
    let worker = WORKER.replace("[\"ben\"]", "[\"ben\", \"ci\"]") + "\n[people]\nshared = [\"ci\"]\n";
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
    let text = text.replace(", \"devs\"", "");
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
}

#[test]
fn secrets() {
    for (reference, says) in [
        ("vault:search", "does not say where the secret is kept"),
        ("hush", "does not say where the secret is kept"),
        ("ssm:", "has no secret's name"),
        ("ssm:a b", "has no secret's name"),
        ("secretsmanager:search#", "names no field"),
        ("secretsmanager:search|hex", "ends with something else"),
        ("secretsmanager:{enviroment}", "did you mean {environment}?"),
    ] {
        let told = checked_service(&format!("[container]\nsecrets = {{ URL = \"{reference}\" }}\n"));
        assert!(
            told.contains(says) && told.contains("worker.toml: 1 error"),
            "{reference}: {told}"
        );
    }
    let twice = checked_service("[container]\nenv = { URL = \"x\" }\nsecrets = { URL = \"ssm:/x\" }\n");
    assert!(twice.contains("is in env too"), "{twice}");
    let misplaced = checked_service("secrets = { A = \"ssm:a\" }\n");
    assert!(misplaced.contains("[container]"), "{misplaced}");
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
fn volumes() {
    let text = r#"[container]
volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:12: `container.volumes[0]`: "./data:/data" has a relative source, which means nothing on another host
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |            ^^^^^^^^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:28: `container.volumes[1]`: "/data" has no target: an anonymous volume would be empty after every release
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                            ^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:37: `container.volumes[2]`: "/a:/b:rx" has the option "rx", which the engine does not know
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                                     ^^^^^^^^^^
      hint: write "/on/host:/in/container" or "volume:/in/container", with ":ro" for read only

    error: services/api.toml:7:58: `container.volumes[4]`: /b is mounted twice
      7 | volumes = ["./data:/data", "/data", "/a:/b:rx", "/c:/b", "/d:/b"]
        |                                                          ^^^^^^^

    worker.toml: 4 errors
    "#);
}

#[test]
fn trap_05_processes_that_may_not_be_suspended() {
    let text = r#"[roll]
suspend = ["AddToLoadBalancer", "Healthcheck", "Sleep", "AZRebalance", "AZRebalance"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:12: `roll.suspend[0]`: AddToLoadBalancer is never suspended
      7 | suspend = ["AddToLoadBalancer", "Healthcheck", "Sleep", "AZRebalance", "AZRebalance"]
        |            ^^^^^^^^^^^^^^^^^^^
      hint: instances launched meanwhile would never join the load balancer, not even after it is resumed; remove it

    error: services/api.toml:7:33: `roll.suspend[1]`: "Healthcheck" is no Auto Scaling process
      7 | suspend = ["AddToLoadBalancer", "Healthcheck", "Sleep", "AZRebalance", "AZRebalance"]
        |                                 ^^^^^^^^^^^^^
      hint: did you mean "HealthCheck"?

    error: services/api.toml:7:48: `roll.suspend[2]`: "Sleep" is no Auto Scaling process
      7 | suspend = ["AddToLoadBalancer", "Healthcheck", "Sleep", "AZRebalance", "AZRebalance"]
        |                                                ^^^^^^^
      hint: known: AlarmNotification, AZRebalance, HealthCheck, InstanceRefresh, Launch, ReplaceUnhealthy, ScheduledActions, Terminate

    error: services/api.toml:7:72: `roll.suspend[4]`: AZRebalance is there twice
      7 | suspend = ["AddToLoadBalancer", "Healthcheck", "Sleep", "AZRebalance", "AZRebalance"]
        |                                                                        ^^^^^^^^^^^^^

    worker.toml: 4 errors
    "#);
}

#[test]
fn nothing_protects_the_hosts() {
    let text = r#"[roll]
suspend = ["ScheduledActions"]
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    warning: services/api.toml:7:11: neither HealthCheck nor ReplaceUnhealthy is suspended
      7 | suspend = ["ScheduledActions"]
        |           ^^^^^^^^^^^^^^^^^^^^
      hint: Auto Scaling may terminate a host while its container is swapped; leave `suspend` out for the usual set

    worker.toml: ok, 1 warning
    "#);
}

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

#[test]
fn labels_and_restart() {
    let text = r#"[container]
image = "registry.example.com/team/api"
restart = "never"
labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
network = "container:db"
"#;
    insta::assert_snapshot!(checked_service(text), @r#"
    error: services/api.toml:7:1: `container.image` comes with the release, not from this file
      7 | image = "registry.example.com/team/api"
        | ^^^^^
      hint: name the repository in [policy] images = ["registry.example.com/team/api"]

    error: services/api.toml:8:11: `container.restart`: "never" is no restart policy
      8 | restart = "never"
        |           ^^^^^^^
      hint: write "no", "always", "unless-stopped", "on-failure" or "on-failure:5"

    error: services/api.toml:9:12: labels that begin with `drawgate.` say who owns a container
      9 | labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
        |            ^^^^^^^^^^^^^^^^^^
      hint: choose a name of your own, as in "com.example.team"

    error: services/api.toml:9:38: labels that begin with `com.docker.compose.` say who owns a container
      9 | labels = { "drawgate.release" = "x", "com.docker.compose.project" = "y" }
        |                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: choose a name of your own, as in "com.example.team"

    error: services/api.toml:10:11: `container.network`: the network of container "db" would be gone when that one is replaced
      10 | network = "container:db"
         |           ^^^^^^^^^^^^^^
      hint: write "host", "bridge" or a network's name

    worker.toml: 5 errors
    "#);
}

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
fn an_empty_file() {
    let text = r#""#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:1:1: `service` is missing
      hint: write service = "search-api"

    error: services/api.toml:1:1: `environments` is missing
      hint: write environments = ["staging", "production"]

    error: services/api.toml:1:1: nothing says where the fleet is
      hint: write auto_scaling_group = "search-api-{environment}" at the top, or [fleet] with tags = { … }

    error: services/api.toml:1:1: [policy] is missing: nothing says which images may run here
      hint: write [policy] and images = ["registry.example.com/team/api"]

    worker.toml: 4 errors
    "#);
}

#[test]
fn a_file_with_little_in_it() {
    let text = r#"service = "Search_API"
environments = []
fleet.tags = {}
policy.images = []
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:1:11: service "Search_API" must be 1 to 63 of a-z, 0-9 and inner hyphens
      1 | service = "Search_API"
        |           ^^^^^^^^^^^^
      hint: write "search-api", here and in the repository's drawgate.toml

    error: services/api.toml:2:16: `environments`: is empty: the service could be released nowhere
      2 | environments = []
        |                ^^
      hint: write environments = ["staging", "personal-*"]

    error: services/api.toml:3:14: `fleet.tags`: names no tag, and would mean every instance of the account
      3 | fleet.tags = {}
        |              ^^
      hint: name the fleet's tags

    error: services/api.toml:4:17: `policy.images`: is empty: nothing could be released
      4 | policy.images = []
        |                 ^^
      hint: write images = ["registry.example.com/team/api"]

    worker.toml: 4 errors
    "#);
}

#[test]
fn images() {
    let text = r#"service = "api"
environments = ["staging"]
auto_scaling_group = "api"
[policy]
images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:5:11: `policy.images[0]`: "registry.example.com/api:latest" names a version
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write "registry.example.com/api": which version is said by the release

    error: services/api.toml:5:46: `policy.images[1]`: "https://registry.example.com/api" is no repository
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write it in lower case and without https://, as in "registry.example.com/team/api"

    error: services/api.toml:5:82: `policy.images[2]`: "registry.example.com/*" is a pattern
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |                                                                                  ^^^^^^^^^^^^^^^^^^^^^^^^
      hint: list the repositories one by one

    worker.toml: 3 errors
    "#);
}

#[test]
fn environments() {
    let text = r#"service = "api"
environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
auto_scaling_group = "api"
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:2:17: environment "Staging" must be 1 to 63 of a-z, 0-9 and inner hyphens
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                 ^^^^^^^^^
      hint: write a name as "staging" or a pattern as "personal-*"

    error: services/api.toml:2:28: pattern "personal-*-*" has more than one `*`
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                            ^^^^^^^^^^^^^^
      hint: write a name as "staging" or a pattern as "personal-*"

    error: services/api.toml:2:58: several environments, but the fleet is the same in each of them
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                                                          ^^^^^^^^^^^^^^
      hint: put {environment} into `auto_scaling_group` or a tag, or name one environment only

    warning: services/api.toml:2:58: "personal-ben" overlaps with "personal-*"
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                                                          ^^^^^^^^^^^^^^
      hint: remove the narrower one: both get the same definition

    worker.toml: 3 errors, 1 warning
    "#);
}

#[test]
fn wanted_parameters() {
    for name in [
        "drawgate/wanted",
        "/drawgate/wanted/",
        "/drawgate/{environment} {service}",
        "/aws/drawgate/{environment}",
        "/{environment}/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15",
    ] {
        let text = format!(
            "service = \"api\"\nenvironments = [\"staging\"]\nauto_scaling_group = \"api\"\n\
             wanted_parameter = \"{name}\"\npolicy.images = [\"registry.example.com/api\"]\n"
        );
        let told = checked_file(&text);
        assert!(
            told.starts_with("error: services/api.toml:4:20: `wanted_parameter`")
                && told.contains("write it as \"/drawgate/wanted/{environment}/{service}\"")
                && told.trim_end().ends_with("worker.toml: 1 error"),
            "{name}: {told}"
        );
    }
    let text = r#"service = "api"
environments = ["staging", "live"]
auto_scaling_group = "api-{environment}"
wanted_parameter = "/drawgate/{service}"
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:4:20: several environments, but `wanted_parameter` is the same in each of them
      4 | wanted_parameter = "/drawgate/{service}"
        |                    ^^^^^^^^^^^^^^^^^^^^^
      hint: put {environment} into it, or name one environment only

    worker.toml: 1 error
    "#);
}

#[test]
fn two_fleets() {
    let text = r#"service = "api"
environments = ["staging"]
auto_scaling_group = "api"
fleet = { tags = { a = "b" } }
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:3:1: `auto_scaling_group` and [fleet] both say where the fleet is
      3 | auto_scaling_group = "api"
        | ^^^^^^^^^^^^^^^^^^
      hint: keep one

    worker.toml: 1 error
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

#[test]
fn worker_keys() {
    let text = r#"worker = "bastion a"
site = "US West"
region = "us-west-2"
[amqp]
url = "rabbit://a:hush@b"
pasword_file = "x"
[ssh]
known_hosts = "no"
user = "ec2-user@host"
connect_timeout = 10
docker_socket = "docker.sock"
[chat]
[aws]
region = "Oregon"
endpoint = "localhost:4566"
[limits]
max_waiting_per_lane = 0
[groups]
ops = ["ben"]
[orders]
from = ["ops"]
"#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:1:10: `worker`: must be 1 to 63 letters, digits, `-`, `.` and `_`
      1 | worker = "bastion a"
        |          ^^^^^^^^^^^

    error: worker.toml:2:8: site "US West" must be 1 to 63 of a-z, 0-9 and inner hyphens
      2 | site = "US West"
        |        ^^^^^^^^^
      hint: write it as "us-west"

    error: worker.toml:3:1: unknown key `region`
      3 | region = "us-west-2"
        | ^^^^^^
      hint: it belongs in [aws]

    error: worker.toml:5:7: `amqp.url`: must begin with amqps:// or amqp://
      5 | url = …
        |       ^
      hint: write url = "amqps://drawgate@broker.example.com:5671/drawgate"

    error: worker.toml:6:1: unknown key `pasword_file`
      6 | pasword_file = …
        | ^^^^^^^^^^^^
      hint: did you mean `password_file`?

    error: worker.toml:8:15: `ssh.known_hosts`: "no" is not known
      8 | known_hosts = "no"
        |               ^^^^
      hint: write "strict" (unknown hosts are refused) or "accept-new" (remembered on first sight)

    error: worker.toml:9:8: `ssh.user`: is no login name
      9 | user = …
        |        ^

    error: worker.toml:10:19: `ssh.connect_timeout` is an integer, and not a duration
      10 | connect_timeout = 10
         |                   ^^
      hint: write it with a unit: "10s"

    error: worker.toml:11:17: `ssh.docker_socket`: must be an absolute path on the hosts
      11 | docker_socket = "docker.sock"
         |                 ^^^^^^^^^^^^^
      hint: write "/var/run/docker.sock"

    error: worker.toml:12:1: [chat] names no webhook
      12 | [chat]
         | ^^^^^^
      hint: write webhook_file = "secrets/webhook", or remove [chat] for no chat

    error: worker.toml:14:10: `aws.region`: "Oregon" is no region
      14 | region = "Oregon"
         |          ^^^^^^^^
      hint: write it as "us-west-2"

    error: worker.toml:15:12: `aws.endpoint`: must begin with https:// or http://
      15 | endpoint = "localhost:4566"
         |            ^^^^^^^^^^^^^^^^
      hint: write it as "http://127.0.0.1:4566", or leave it out

    error: worker.toml:17:24: `limits.max_waiting_per_lane`: must be from 1 to 10000
      17 | max_waiting_per_lane = 0
         |                        ^
      hint: each waiting release is read at every start; a line of thousands is a loop in a CI job

    worker.toml: 13 errors
    "#);
}

#[test]
fn leases() {
    let worker = |more: &str| {
        checked_worker(&format!(
            "worker = \"a\"\nsite = \"b\"\n{more}\n[amqp]\nurl = \"amqp://broker\"\n"
        ))
    };
    for (more, says) in [
        (
            "fleet_lease = \"/drawgate/lease/{service}\"",
            "is one lease for several targets",
        ),
        ("fleet_lease = \"lease/{environment}/{service}\"", "is no path"),
        ("limits.lease = \"20s\"", "must be from"),
        (
            "fleet_lease = \"none\"",
            "warning: worker.toml:3:15: no lease is taken",
        ),
    ] {
        let told = worker(more);
        assert!(told.contains(says), "{more}: {told}");
    }
}

#[test]
fn worker_without_anything() {
    let text = r#""#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:1:1: `site` is missing
      hint: write site = "us-west"

    error: worker.toml:1:1: the broker's address is missing
      hint: write [amqp] and url = "amqps://drawgate@broker.example.com:5671/drawgate", or set DRAWGATE_AMQP_URL

    warning: worker.toml:1:1: there is no [orders]: nobody may pause, resume or cancel a release, freeze, thaw, or have build numbers forgotten
      hint: write [orders] with from = ["ops"], and [groups] with ops = ["ben"], users of the broker

    worker.toml: 2 errors, 1 warning
    "#);
}

#[test]
fn worker_secrets_are_not_shown() {
    let text = r#"site = "us-west"
[amqp]
url = "amqp://a:hush@b"
password = "hush"
password_file = "/dev/null/nowhere"
[chat]
webhook = "hooks.example.com/hush"
webhook_file = "x"
[registry."https://registry.example.com"]
username = "u"
[registry."1234.dkr.ecr.us-west-2.amazonaws.com"]
username = "AWS"
password = "hush"
[groups]
ops = ["ben"]
[orders]
from = ["ops"]
"#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:4:1: unknown key `password`
      4 | password = …
        | ^^^^^^^^
      hint: did you mean `password_file`?

    error: worker.toml:5:1: `amqp.password_file`, and `amqp.url` holds a password too
      5 | password_file = "/dev/null/nowhere"
        | ^^^^^^^^^^^^^
      hint: take the password out of the url

    error: worker.toml:7:1: `chat.webhook` and `chat.webhook_file` are both there
      7 | webhook = …
        | ^^^^^^^
      hint: keep one

    error: worker.toml:9:11: "https://registry.example.com" is no registry's host
      9 | [registry."https://registry.example.com"]
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write [registry."registry.example.com"], with :PORT if it has one, without https:// and path

    error: worker.toml:11:1: `password_file` is missing in [registry.1234.dkr.ecr.us-west-2.amazonaws.com]
      11 | [registry."1234.dkr.ecr.us-west-2.amazonaws.com"]
         | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write password_file = "secrets/registry"

    error: worker.toml:13:1: unknown key `password`
      13 | password = …
         | ^^^^^^^^
      hint: did you mean `password_file`?

    warning: worker.toml:5:17: `amqp.password_file`: cannot read the secret in /dev/null/nowhere: Not a directory (os error 20)
      5 | password_file = "/dev/null/nowhere"
        |                 ^^^^^^^^^^^^^^^^^^^
      hint: the worker reads it at every use; write the secret there, readable by the worker only

    warning: worker.toml:11:11: 1234.dkr.ecr.us-west-2.amazonaws.com is ECR, where passwords live for 12 hours
      11 | [registry."1234.dkr.ecr.us-west-2.amazonaws.com"]
         |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: leave this table out: at ECR the worker asks for a token itself, for every release

    worker.toml: 6 errors, 2 warnings
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
fn a_bake_that_watches_nothing() {
    insta::assert_snapshot!(checked_service("[alarms]\nbake = \"5m\"\n"), @r#"
    warning: services/api.toml:7:8: nothing is watched
      7 | bake = "5m"
        |        ^^^^
      hint: name the alarms that show that a version is bad: watch = ["search-api-5xx"]

    worker.toml: ok, 1 warning
    "#);
}

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

#[test]
fn people() {
    let text = "site = \"us-west\"\namqp.url = \"amqp://localhost\"\n[groups]\nops = [\"ben\", 5]\nnobody = []\n\
                [orders]\nfrom = [\"ops\", \"opps\"]\nto = [\"ops\"]\n";
    insta::assert_snapshot!(checked_worker(text));
}
