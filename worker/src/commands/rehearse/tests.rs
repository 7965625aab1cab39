//! Rehearsals of the example fleet (`infra/examples`), as an operator sees them.

use super::super::layout::WIDTH;
use super::*;

fn examples(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../infra/examples")
        .join(name)
}

fn example() -> (World, Plan) {
    let config = Config::load(&examples("worker.toml")).unwrap_or_else(|errors| panic!("{errors}"));
    let request = plan::request("staging", "ingest", "registry.example.com/data/ingest:4f2c91e").unwrap();
    let definition = plan::allowed(&config, &request).unwrap();
    let fleet = read(&examples("fleet.json")).unwrap();
    let planned = drawgate_rollout::plan(&request, Some(&some_digest().unwrap()), &definition, &fleet);
    let planned = planned.unwrap();
    (copy(request, definition, fleet, &planned).unwrap(), planned)
}

fn rehearsed(script: &Script) -> Rehearsal {
    let (world, plan) = example();
    let (sim, result) = drawgate_rehearsal::rehearse(world, script);
    Rehearsal::of(&sim, &plan, result.err())
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "too wide: {line}");
    }
}

#[test]
fn a_roll_that_nothing_comes_between() {
    let rehearsal = rehearsed(&Script::default());
    let text = rehearsal.to_string();
    fits(&text);
    insta::assert_snapshot!(text);
    assert_eq!(rehearsal.violation, None);
}

#[test]
fn a_host_that_fails_after_the_worker_was_killed() {
    let rehearsal = rehearsed(&Script {
        fails: vec!["i-000af15db55187ed0".to_owned()],
        crashes_ms: vec![120_000],
    });
    let text = rehearsal.to_string();
    fits(&text);
    insta::assert_snapshot!(text);
    assert_eq!(rehearsal.violation, None);
}

#[test]
fn every_way_of_two_hosts() {
    let (world, _) = example();
    let mut fleet = world.fleet.as_ref().clone();
    fleet.hosts.truncate(2);
    let kept = |instance: &String| fleet.hosts.iter().any(|host| host.instance == *instance);
    for group in &mut fleet.groups {
        group.members.retain(|member| kept(&member.instance));
    }
    let planned = drawgate_rollout::plan(
        &world.request,
        Some(&some_digest().unwrap()),
        &world.definition,
        &fleet,
    );
    let world = World::of(world.request, world.definition, fleet);
    let search = Search::of(&world, &planned.unwrap(), 1);
    let text = search.to_string();
    fits(&text);
    insta::assert_snapshot!(text);
    assert_eq!(search.violation, None);
}

/// Random runs replace a complete search that would take too long.
#[test]
fn a_larger_fleet_is_searched_by_chance() {
    let (mut world, plan) = example();
    world.definition.roll.max_roll_ms = plan.estimate().expected_ms;
    let mut short = plan;
    short.definition.roll.max_roll_ms = world.definition.roll.max_roll_ms;
    let search = Search::of(&world, &short, 7);
    assert_eq!(search.violation, None);
    fits(&search.to_string());
}

#[test]
fn what_plan_writes_is_a_snapshot_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let fleet = std::fs::read_to_string(examples("fleet.json")).unwrap();
    std::fs::write(&path, format!("{{\"possible\": true, \"fleet\": {fleet}}}")).unwrap();
    assert_eq!(read(&path).unwrap(), read(&examples("fleet.json")).unwrap());
}

#[test]
fn a_file_that_is_no_snapshot_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.json");
    std::fs::write(&path, "{\"groups\": []}").unwrap();
    let error = read(&path).unwrap_err();
    let told = crate::error_chain(&error);
    assert!(
        told.contains("is not the snapshot of a fleet: missing field `hosts`"),
        "{told}"
    );
    assert!(error.hint().unwrap().contains("plan --format json"));
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_host_that_is_none_is_told_with_those_that_are() {
    let (_, plan) = example();
    let error = known(&plan, &["i-1".to_owned()]).unwrap_err();
    assert!(
        error.to_string().contains("i-1 is none of the hosts: i-0003"),
        "{error}"
    );
}

#[test]
fn a_snapshot_that_has_a_host_twice_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fleet.json");
    let mut fleet = read(&examples("fleet.json")).unwrap();
    fleet.hosts.push(fleet.hosts[0].clone());
    std::fs::write(&path, serde_json::to_string(&fleet).unwrap()).unwrap();
    let error = read(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the snapshot has \"i-0003a5c9e71b2d4f0\" twice"
    );
}

/// Hosts without a load balancer are rolled too, one after the other.
#[test]
fn a_fleet_without_targets_is_rehearsed() {
    let (world, _) = example();
    let mut fleet = world.fleet.as_ref().clone();
    fleet.target_groups.clear();
    for host in &mut fleet.hosts {
        host.targets.clear();
    }
    let digest = some_digest().unwrap();
    let planned = drawgate_rollout::plan(&world.request, Some(&digest), &world.definition, &fleet).unwrap();
    let world = World::of(world.request, world.definition, fleet);
    let (sim, result) = drawgate_rehearsal::rehearse(world, &Script::default());
    assert_eq!(result, Ok(()));
    let rehearsal = Rehearsal::of(&sim, &planned, None);
    assert!(rehearsal.to_string().contains("succeeded after"), "{rehearsal}");
}
