//! The fleets that the search starts from.

use crate::world::World;

/// The fleets that the search starts from, each with its name: one to three instances, one or two out at
/// once, with and without a canary, in one target group or two; and fleets with features that only some
/// services use.
pub fn fleets() -> Vec<(String, World)> {
    let mut fleets = Vec::new();
    let two = || World::new(2, 1).by_people();
    fleets.push(("watched alarm".to_owned(), two().watched(30_000)));
    fleets.push(("watched hosts".to_owned(), two().watching_hosts(30_000)));
    fleets.push(("shared alarm".to_owned(), two().sharing_alarms()));
    fleets.push(("lease".to_owned(), two().with_lease()));
    fleets.push(("desired version".to_owned(), two().publishing(Some("main-41"))));
    fleets.push(("migration".to_owned(), two().with_before(true)));
    fleets.push(("command".to_owned(), two().commanded()));
    for hosts in 1..=3_usize {
        for out in 1..=2_u32 {
            for canary in [false, true] {
                for two in [false, true] {
                    let mut world = World::new(hosts, out).by_people();
                    if canary {
                        world = world.with_canary();
                    }
                    if two {
                        world = world.in_two_groups();
                    }
                    let canary = if canary { ", canary" } else { "" };
                    let groups = if two { 2 } else { 1 };
                    let name = format!("{hosts} hosts, {out} out{canary}, {groups} target groups");
                    fleets.push((name, world));
                }
            }
        }
    }
    fleets
}

/// Fleets in which what AWS lets come between matters, beside those of [`fleets`]: each right after another release
/// of the same fleet, with what this search alone has.
pub fn aws_fleets() -> Vec<(String, World)> {
    let one = || World::new(1, 1).by_people();
    let two = || World::new(2, 1).by_people();
    let fleets = [
        ("two target groups, after another release", two().in_two_groups()),
        ("lease, after another release", two().with_lease()),
        ("desired version made anew", two().publishing(None)),
        ("mute rule", two().muted()),
        ("mute rule, watched alarm", two().muted().watched(30_000)),
        ("shared alarm, after another release", two().sharing_alarms()),
        ("one host behind a Network Load Balancer", one().behind_an_nlb()),
        ("behind a Network Load Balancer", two().behind_an_nlb()),
        ("canary, after another release", two().with_canary()),
    ];
    let named = fleets.into_iter();
    named
        .map(|(name, world)| (name.to_owned(), world.after_another_release()))
        .collect()
}
