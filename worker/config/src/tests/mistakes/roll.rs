//! `[roll]`.

use crate::tests::checked_service;

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
