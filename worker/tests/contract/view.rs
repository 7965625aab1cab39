//! The state of a fleet after a step, and the step's outcome, in words that the model and the lab have in
//! common.

use std::collections::{BTreeMap, BTreeSet};

use drawgate_rehearsal::World;
use drawgate_rehearsal::world::{Container, Host, LeaseOwner, OneOff, Target, Which};
use drawgate_rollout::{LABEL_RELEASE, Release, StepOutcome, silenced_tag};
use serde_json::{Value, json};

use crate::bench::{Bench, Came, LEASE, NAME, PARAMETER};

/// Everything that a release may touch, as pairs of a name and a word, so that each difference has a name.
pub(crate) type View = BTreeMap<String, String>;

/// The state of the model's fleet.
pub(crate) fn of_model(world: &World, release: &Release) -> View {
    let mut view = View::new();
    for (name, group) in &world.groups {
        view.insert("group".to_owned(), name.clone());
        view.insert("suspended".to_owned(), words(&group.suspended));
        let id = release.request.id.to_string();
        let whose = group
            .tag
            .as_ref()
            .map(|tag| tag.split(' ').next() == Some(id.as_str()));
        view.insert("tag of the group".to_owned(), owner(whose).to_owned());
        if whose == Some(true) {
            view.insert("tag says".to_owned(), words(&group.tag_says));
        }
    }
    for (instance, host) in &world.hosts {
        view.insert(format!("{instance} member"), host.member.to_string());
        if host.member {
            let targets: Vec<&str> = host.targets().map(target).collect();
            view.insert(format!("{instance} targets"), targets.join(" "));
            view.insert(format!("{instance} tagged"), host.tagged.to_string());
            view.insert(format!("{instance} containers"), containers(host));
        }
    }
    for (alarm, on) in &world.alarms {
        let tagged = world.alarm_tags.contains(alarm);
        view.insert(
            format!("alarm {alarm}"),
            format!("actions {}, {}", switch(*on), tag(tagged)),
        );
    }
    view.insert("muted".to_owned(), world.muted_until.is_some().to_string());
    view.insert(
        "parameter".to_owned(),
        parameter(world.parameter.as_deref(), release),
    );
    let lease_owner = match world.lease_owner {
        None => "nobody",
        Some(LeaseOwner::Us) => "us",
        Some(LeaseOwner::Another) => "another",
    };
    view.insert("lease".to_owned(), lease_owner.to_owned());
    // The containers of a host that is gone are gone with it.
    let hosts_it = |instance: &str| world.hosts.get(instance).is_some_and(|host| host.member);
    let one_off = world
        .one_off
        .filter(|_| release.before_host().is_none_or(hosts_it));
    let one_off = one_off.map_or("none", |one_off| match one_off {
        OneOff::Created => "created",
        OneOff::Running => "running",
        OneOff::Exited => "exited",
    });
    view.insert("one-off".to_owned(), one_off.to_owned());
    view
}

/// The state of the lab's fleet.
pub(crate) async fn of_lab(bench: &Bench) -> View {
    let state = bench.outside.lab.get("state").await;
    let mut view = View::new();
    see_group(bench, &state, &mut view);
    see_alarms(bench, &state, &mut view);
    view.insert("one-off".to_owned(), "none".to_owned());
    for place in 0..bench.fleet.instances.len() {
        see_instance(bench, &state, place, &mut view).await;
    }
    see_parameters(bench, &mut view).await;
    view
}

fn see_group(bench: &Bench, state: &Value, view: &mut View) {
    let groups = list(&state["groups"]);
    let Some(group) = groups
        .iter()
        .find(|group| group["name"] == bench.fleet.name.as_str())
    else {
        return;
    };
    view.insert("group".to_owned(), bench.fleet.name.clone());
    let suspended = list(&group["suspended"]).iter().map(text).collect();
    view.insert("suspended".to_owned(), words(&suspended));
    let tag = group["tags"]["drawgate:suspended"].as_str();
    let mut said = tag.unwrap_or_default().split(' ');
    let id = bench.id();
    let whose = tag.map(|_| said.next() == Some(id.as_str()));
    view.insert("tag of the group".to_owned(), owner(whose).to_owned());
    if whose == Some(true) {
        let names = said.next().unwrap_or_default().split('+');
        let names = names.filter(|name| !name.is_empty() && *name != "-");
        view.insert("tag says".to_owned(), words(&names.map(str::to_owned).collect()));
    }
}

fn see_alarms(bench: &Bench, state: &Value, view: &mut View) {
    for alarm in list(&state["alarms"]) {
        let tagged = alarm["tags"].get(silenced_tag(&bench.id())).is_some();
        let on = switch(alarm["actions_enabled"] == true);
        let name = text(&alarm["name"]);
        view.insert(format!("alarm {name}"), format!("actions {on}, {}", tag(tagged)));
    }
    let muted = !list(&state["mute_rules"]).is_empty();
    view.insert("muted".to_owned(), muted.to_string());
}

/// Whether the instance runs and is `InService` in its group.
fn is_member(state: &Value, instance: &str) -> bool {
    let groups = list(&state["groups"]);
    let mut members = groups.iter().flat_map(|group| list(&group["instances"]));
    let in_service = members.any(|member| member["id"] == instance && member["lifecycle"] == "InService");
    let instances = list(&state["instances"]);
    let mut running = instances.iter().filter(|seen| seen["state"] == "running");
    in_service && running.any(|seen| seen["id"] == instance)
}

async fn see_instance(bench: &Bench, state: &Value, place: usize, view: &mut View) {
    let instance = bench.instance(place);
    let member = is_member(state, &instance);
    view.insert(format!("{instance} member"), member.to_string());
    if !member {
        return;
    }
    let targets = bench.target_groups();
    let targets: Vec<String> = targets
        .iter()
        .map(|arn| state_in(state, arn, &instance))
        .collect();
    view.insert(format!("{instance} targets"), targets.join(" "));
    let instances = list(&state["instances"]);
    let seen = instances.iter().find(|seen| seen["id"] == instance.as_str());
    let tags = seen
        .and_then(|seen| seen["tags"].as_object().cloned())
        .unwrap_or_default();
    let tagged = tags.keys().any(|key| key.starts_with("drawgate:target:"));
    view.insert(format!("{instance} tagged"), tagged.to_string());
    let path = format!("hosts/{}/containers", bench.host(place));
    let all = list(&bench.outside.lab.get(&path).await);
    let containers = seen_containers(&all, &instance, &bench.release);
    view.insert(format!("{instance} containers"), containers);
    let id = bench.id();
    if let Some(found) = all
        .iter()
        .find(|each| label(each, "drawgate.before") == Some(&id))
    {
        view.insert("one-off".to_owned(), text(&found["State"]["Status"]));
    }
}

async fn see_parameters(bench: &Bench, view: &mut View) {
    let value = bench.outside.parameter(PARAMETER).await;
    view.insert(
        "parameter".to_owned(),
        parameter(value.as_deref(), &bench.release),
    );
    let note = bench.outside.parameter(LEASE).await;
    let note: Option<Value> = note.map(|note| serde_json::from_str(&note).unwrap_or(Value::Null));
    let lease = note.map_or("nobody", |note| match note["release"] == bench.id().as_str() {
        true => "us",
        false => "another",
    });
    view.insert("lease".to_owned(), lease.to_owned());
}

/// The outcome of a step: its kind, the kind of its evidence, and the obstacle, if any.
pub(crate) fn outcome(came: &Came) -> String {
    let outcome = match came {
        Ok(outcome) => outcome,
        Err(instead) => return instead.clone(),
    };
    let seen = serde_json::to_value(outcome).unwrap();
    let word = |pointer: &str| seen.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut said = word("/outcome").to_owned();
    let evidence = word("/evidence/evidence");
    if !matches!(evidence, "" | "nothing") {
        said = format!("{said}, {evidence}");
    }
    let learnt = learnt(evidence, &seen["evidence"]);
    if !learnt.is_empty() {
        said = format!("{said} ({learnt})");
    }
    match word("/failure/obstacle/obstacle") {
        "" => said,
        obstacle => format!("{said}, {obstacle}"),
    }
}

/// The failure in words, for people who read a difference.
pub(crate) fn why(came: &Came) -> String {
    let failure = came.as_ref().ok().and_then(StepOutcome::failure);
    failure.map_or_else(String::new, |failure| format!(" [{}]", failure.what))
}

/// The part of the evidence in which the model and the lab must agree.
fn learnt(evidence: &str, seen: &Value) -> String {
    let ids = |key: &str| {
        let ids: Vec<String> = list(&seen[key])
            .iter()
            .map(|host| text(&host["instance"]))
            .collect();
        ids.join(" ")
    };
    match evidence {
        "joined" => format!("to roll: {}; up to date: {}", ids("hosts"), ids("up_to_date")),
        "none_joined" => format!("by themselves: {}", list(&seen["by_themselves"]).len()),
        "unmuted" => format!("firing: {}", list(&seen["firing"]).len()),
        "preflight_passed" => planned(&seen["plan"]),
        "observed" => observed(&seen["observation"]),
        _ => String::new(),
    }
}

/// A plan, without times and without the value of the desired version, which the model makes up.
fn planned(plan: &Value) -> String {
    let of = |key: &str, what: &str| {
        let each = list(&plan[key]);
        let named: Vec<String> = each.iter().map(|each| text(&each[what])).collect();
        named.join(" ")
    };
    let suspend: Vec<String> = list(&plan["groups"])
        .iter()
        .map(|group| format!("{} less {}", group["suspend"], group["suspended_before"]))
        .collect();
    let groups = plan["target_groups"].as_object().cloned().unwrap_or_default();
    let floors: Vec<String> = groups.values().map(|group| group["floor"].to_string()).collect();
    format!(
        "hosts {}; {}; floors {}; alarms {}; watched {}",
        of("hosts", "instance"),
        suspend.join(" "),
        floors.join(" "),
        of("alarms", "name"),
        of("watched", "name")
    )
}

/// An observation, without container ids and without the registry's answers, which the model makes up.
fn observed(seen: &Value) -> String {
    let mut seen = seen.clone();
    for (_, host) in seen["hosts"].as_object_mut().into_iter().flatten() {
        for key in ["container", "image", "version", "unseen", "still"] {
            host.as_object_mut().map(|host| host.remove(key));
        }
        if host["member"] == false {
            // For a while AWS gives changing answers about the targets of a terminated instance.
            host["targets"] = json!([]);
        }
        for target in host["targets"].as_array_mut().into_iter().flatten() {
            // Health changes at its own pace, so only the registration is compared.
            let state = match target["state"].as_str() {
                Some("draining") => "draining",
                Some("absent" | "unused") => "absent",
                _ => "registered",
            };
            target["state"] = json!(state);
        }
    }
    for key in ["tag_digest", "mute_rules", "desired"] {
        seen.as_object_mut().map(|seen| seen.remove(key));
    }
    seen.to_string()
}

fn seen_containers(all: &[Value], instance: &str, release: &Release) -> String {
    let before = release.host(instance).and_then(|host| host.before.as_ref());
    let id = release.request.id.to_string();
    let named = |container: &Value| text(&container["Name"]) == format!("/{NAME}");
    let old = all.iter().find(|each| match before {
        Some(before) => each["Id"] == before.id.as_str(),
        None => named(each) && label(each, LABEL_RELEASE).is_none(),
    });
    let new = all.iter().find(|each| label(each, LABEL_RELEASE) == Some(&id));
    let shown = |name: &str, container: &Value| {
        let runs = container["State"]["Running"] == true;
        let restart = text(&container["HostConfig"]["RestartPolicy"]["Name"]);
        let restart = match restart.as_str() {
            "" => "no",
            other => other,
        };
        one(name, named(container), runs, restart)
    };
    both(
        old.map_or_else(|| "no old one".to_owned(), |old| shown("old", old)),
        new.map_or_else(|| "no new one".to_owned(), |new| shown("new", new)),
    )
}

fn containers(host: &Host) -> String {
    let shown = |name: &str, which: Which, container: &Container| {
        let restart = container.restart.to_string();
        one(name, host.named == Some(which), container.running, &restart)
    };
    let old = host.old.as_ref().map(|old| shown("old", Which::Old, old));
    let new = host.new.as_ref().map(|new| shown("new", Which::New, new));
    both(
        old.unwrap_or_else(|| "no old one".to_owned()),
        new.unwrap_or_else(|| "no new one".to_owned()),
    )
}

fn both(old: String, new: String) -> String {
    format!("{old}; {new}")
}

fn one(name: &str, named: bool, runs: bool, restart: &str) -> String {
    let runs = if runs { "runs" } else { "stands" };
    let named = if named { " with the name" } else { "" };
    format!("{name} {runs}{named}, restart {restart}")
}

pub(crate) fn state_in(state: &Value, arn: &str, instance: &str) -> String {
    let groups = list(&state["target_groups"]);
    let group = groups.iter().find(|group| group["arn"] == arn);
    let targets = group.map(|group| list(&group["targets"])).unwrap_or_default();
    let seen = targets.iter().find(|target| target["id"] == instance);
    match seen.map(|seen| text(&seen["state"])).as_deref() {
        None | Some("unused" | "absent") => "absent".to_owned(),
        Some("draining") => "draining".to_owned(),
        Some(_) => "registered".to_owned(),
    }
}

fn target(target: Target) -> &'static str {
    match target {
        Target::Absent => "absent",
        Target::GroupGone => "group deleted",
        Target::Draining => "draining",
        Target::Registered => "registered",
    }
}

fn parameter(value: Option<&str>, release: &Release) -> String {
    let planned = release.plan.as_ref().and_then(|plan| plan.desired.as_ref());
    let said = match (value, planned) {
        (None, _) => "none",
        (Some(value), Some(planned)) if value == planned.value => "the new version",
        (Some(value), Some(planned)) if Some(value) == planned.before.as_deref() => "the version of before",
        (Some(value), Some(planned)) if value == planned.placeholder => "reserved",
        (Some(_), Some(_)) => "somebody else's",
        (Some(_), None) => "some value",
    };
    said.to_owned()
}

fn owner(ours: Option<bool>) -> &'static str {
    match ours {
        None => "none",
        Some(true) => "ours",
        Some(false) => "another's",
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn tag(tagged: bool) -> &'static str {
    if tagged { "tagged" } else { "untagged" }
}

fn words(all: &BTreeSet<String>) -> String {
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.join(" ")
}

fn label<'c>(container: &'c Value, name: &str) -> Option<&'c str> {
    container["Config"]["Labels"][name].as_str()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
