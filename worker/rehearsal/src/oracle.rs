//! The rules that hold in every scenario, checked after every step and at the end. The oracle looks at the
//! world and not at the journal, and knows nothing of how `decide` comes to its decisions.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use drawgate_rollout::{Phase, Plan, Release, Step, StepStatus, limits};
use drawgate_schemas::{Direction, LeftoverKind, NoteKind, Outcome};

use crate::check::ensure;
use crate::world::{Container, Host, LeaseOwner, Tally, Target, VALUE, Which, World};

/// The original state of a host: as at the start, or, of an instance that joined, as every newcomer is.
fn was(before: &World, instance: &str) -> Host {
    let known = before.hosts.get(instance).cloned();
    known.unwrap_or_else(|| before.newcomer())
}

/// Checks the rules that hold after every entry and every effect. Those about one host, and what it counts for in
/// those about the whole fleet, are judged for the hosts that may have changed (`world/tally.rs`).
///
/// # Errors
/// The rule that does not hold.
pub fn always(before: &Arc<World>, world: &mut World, release: &Release) -> Result<(), String> {
    ensure(world.broken.is_empty(), || world.broken.join("; "))?;
    ensure(world.before_runs <= 1, || {
        format!("[before] ran {} times", world.before_runs)
    })?;
    let acts = |alarm: &&String| world.alarms.get(*alarm) == Some(&true);
    let acting: Vec<&String> = world.alarms_of_others.iter().filter(acts).collect();
    ensure(acting.is_empty(), || {
        let context = context(world);
        format!("{acting:?} act while another release silences them: {context}")
    })?;
    let Some(plan) = &release.plan else {
        let untouched = world.hosts.values().all(|host| !host.disturbed);
        return ensure(untouched, || {
            format!("touched without a plan: {}", context(world))
        });
    };
    canary_first(before, world, release, plan)?;
    let tally = world.tally(before, plan)?;
    few_are_out(world, release, plan, &tally)?;
    floors_are_kept(world, release, plan, &tally)
}

fn context(world: &World) -> String {
    format!("{:#?}\nafter {:?}", world.hosts, world.performed.last())
}

fn few_are_out(world: &World, release: &Release, plan: &Plan, tally: &Tally) -> Result<(), String> {
    let mut out = Cow::Borrowed(tally.out());
    let in_one_zone = plan.definition.roll.zone_by_zone;
    if out.values().sum::<usize>() > plan.at_once() as usize || (in_one_zone && out.len() > 1) {
        for instance in lost(world, release, tally) {
            out.to_mut()
                .entry(world.zone(instance))
                .and_modify(|hosts| *hosts -= 1);
        }
        out.to_mut().retain(|_, hosts| *hosts > 0);
    }
    ensure(out.values().sum::<usize>() <= plan.at_once() as usize, || {
        format!("{out:?} are out: {}", context(world))
    })?;
    ensure(out.len() <= 1 || !in_one_zone, || {
        format!("out in two zones: {}", context(world))
    })
}

/// The hosts that are out and cannot go back: nobody can bring them into service. Asked only where a rule would not
/// hold otherwise, because it goes through the fleet.
fn lost<'w>(world: &World, release: &Release, tally: &'w Tally) -> Vec<&'w String> {
    let out = tally.hosts_out();
    out.filter(|instance| is_given_up(world, release, instance))
        .collect()
}

fn floors_are_kept(world: &World, release: &Release, plan: &Plan, tally: &Tally) -> Result<(), String> {
    let lost_by_fate = tally.lost_by_fate();
    let holds = |healthy: usize, floor: usize| {
        let healthy = healthy + lost_by_fate;
        healthy >= floor || healthy + lost(world, release, tally).len() >= floor
    };
    let is_used =
        |group: &(&String, _)| !world.aws.deleted.contains(group.0) && !world.aws.unused.contains(group.0);
    for (arn, target_group) in plan.target_groups.iter().filter(is_used) {
        for (zone_name, floor) in &target_group.zone_floors {
            let healthy = tally.healthy_in(arn, zone_name);
            ensure(holds(healthy, *floor as usize), || {
                format!(
                    "{healthy} healthy in {zone_name}, floor {floor}: {}",
                    context(world)
                )
            })?;
        }
        let (healthy, floor) = (world.healthy_in(arn) as usize, target_group.floor as usize);
        ensure(holds(healthy, floor), || {
            format!("{healthy} healthy, floor {floor}: {}", context(world))
        })?;
    }
    Ok(())
}

/// Checks that only the canary hosts get the new version before the canary was watched.
fn canary_first(before: &World, world: &World, release: &Release, plan: &Plan) -> Result<(), String> {
    let Some(canary) = plan.definition.roll.canary else {
        return Ok(());
    };
    if world.performed.contains(&Step::Canary) {
        return Ok(());
    }
    let new = world
        .hosts
        .iter()
        .filter(|(_, host)| host.named == Some(Which::New));
    let well =
        new.filter(|(instance, _)| was(before, instance).healthy() || !before.hosts.contains_key(*instance));
    // A host that was sick in the plan, or when it was taken out, is no canary.
    let seen_sick = |instance: &String| {
        let mut planned = plan.hosts.iter();
        let known = planned.find(|host| host.instance == *instance);
        release.rolled_next.contains(instance) || known.is_some_and(|host| !host.was_healthy())
    };
    let well = well.filter(|(instance, _)| !seen_sick(instance));
    let well = well.filter(|(_, host)| host.member && host.disturbed && !host.taken_sick);
    let well = well.count();
    ensure(well <= canary.instances as usize, || {
        format!("{well} hosts have the new version before the canary was watched")
    })
}

/// What differs from the original state, or, with `on_new`, from the new version on every host.
pub fn differences(before: &World, world: &World, on_new: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut differs = |what: String, differs: bool| {
        if differs {
            found.push(what);
        }
    };
    differs(
        format!("scaling {:?}", world.groups),
        world.groups != before.groups,
    );
    differs(
        "the fleet's lease".to_owned(),
        world.lease_owner == Some(LeaseOwner::Us),
    );
    let by_others = |name: &String| world.switched_off.iter().any(|(_, other)| other == name);
    // An alarm is on where it was before, or where only another release had it off; and off while one has.
    let should_be_on = |name: &String| {
        let was_on = before.alarms[name] || before.alarms_of_others.contains(name);
        was_on && !world.alarms_of_others.contains(name)
    };
    let changed = |(name, on): (&String, &bool)| should_be_on(name) != *on && !by_others(name);
    differs(
        format!("alarms {:?}", world.alarms),
        world.alarms.iter().any(changed),
    );
    differs("alarm tags".to_owned(), !world.alarm_tags.is_empty());
    differs("mute rule".to_owned(), world.muted_until.is_some());
    let parameter = if on_new && world.definition.wanted_parameter.is_some() {
        Some(VALUE)
    } else {
        before.parameter.as_deref()
    };
    differs(
        format!("wanted is {:?}", world.parameter),
        world.parameter.as_deref() != parameter,
    );
    for (instance, host) in world.hosts.iter().filter(|(_, host)| host.member) {
        let was = was(before, instance);
        differs(
            format!("{instance} is {:?}", host.targets().collect::<Vec<_>>()),
            !host
                .targets()
                .zip(was.targets())
                .all(|(now, was)| now == was || now == Target::GroupGone),
        );
        let unhealthy = was.healthy() && !host.healthy() && !host.sick;
        differs(format!("{instance} is not healthy"), unhealthy);
        let as_it_should = if on_new {
            is_on_new(world, host)
        } else {
            is_on_old(host, &was)
        };
        differs(format!("containers of {instance}: {host:?}"), !as_it_should);
    }
    found
}

fn is_on_new(world: &World, host: &Host) -> bool {
    let container = world.definition.container();
    let kept = |new: &Container| container.is_none_or(|wanted| new.restart == wanted.restart);
    let new = host.new.as_ref().is_some_and(|new| new.running && kept(new));
    new && host.named == Some(Which::New) && !host.ran()
}

fn is_on_old(host: &Host, was: &Host) -> bool {
    host.old == was.old && host.named == was.named && host.new.as_ref().is_none_or(|new| !new.running)
}

/// What differs from the original state, except the version of each host: every host serves on either
/// version.
fn half_way(before: &World, world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (instance, host) in &world.hosts {
        let one = |on_new: bool| {
            let mut alone = world.clone();
            alone.hosts = [(instance.clone(), host.clone())].into_iter().collect();
            // There is one parameter for all hosts: it is checked below.
            alone.definition.wanted_parameter = None;
            alone.parameter.clone_from(&before.parameter);
            differences(before, &alone, on_new)
        };
        if !one(true).is_empty() {
            found.extend(one(false));
        }
    }
    let all_on_new = world.hosts.values().all(|host| is_on_new(world, host));
    if world.parameter != before.parameter && !all_on_new {
        found.push(format!("{:?} is wanted and not all run it", world.parameter));
    }
    found
}

/// Checks the rules that hold at the end.
///
/// # Errors
/// The rule that does not hold.
pub fn at_end(before: &World, world: &World, release: &Release) -> Result<(), String> {
    let Some(ended) = &release.ended else {
        return Err("has no end".to_owned());
    };
    let leftovers = ended.receipt.iter().flat_map(|receipt| &receipt.leftovers);
    let leftovers: Vec<&LeftoverKind> = leftovers.map(|leftover| &leftover.what).collect();
    let text = || format!("{ended:#?}\n{:#?}", world.hosts);
    one_version(world, release).map_err(|what| format!("{what} {}", text()))?;
    if ended.outcome == Outcome::NeedsOperator {
        return needs_operator(before, world, release, &leftovers, &text);
    }
    let named = named_latecomers(world, release);
    let mut judged = world.clone();
    let mut notes = ended.receipt.iter().flat_map(|receipt| &receipt.notes);
    if notes.any(|note| matches!(note.what, NoteKind::LeaseNotGivenBack { .. })) {
        judged.lease_owner = None;
    }
    judged.hosts.retain(|instance| !named.contains(instance));
    left_as_they_were(before, &mut judged, release)?;
    let really = differences(before, &judged, ended.outcome == Outcome::Succeeded);
    ensure(really.is_empty(), || {
        format!("left behind: {really:?} {}", text())
    })?;
    ensure(leftovers.is_empty(), text)?;
    let touched = world.hosts.values().any(|host| host.disturbed);
    let untouched = matches!(ended.outcome, Outcome::Failed | Outcome::Rejected);
    ensure(!(touched && untouched), || {
        format!("says that nothing was touched: {}", text())
    })
}

/// Checks that hosts which were left out are as they were, and that the end names each. They are then judged
/// no more.
fn left_as_they_were(before: &World, judged: &mut World, release: &Release) -> Result<(), String> {
    let ended = release.ended.as_ref();
    let summary = ended.map_or("", |ended| ended.summary.as_str());
    for left_out in release.left_out() {
        let instance = &left_out.host.instance;
        let Some(host) = judged.hosts.remove(instance) else {
            continue;
        };
        let as_before = is_on_old(&host, &was(before, instance)) && !host.disturbed;
        ensure(as_before, || format!("{instance} was left out, and is {host:?}"))?;
        let named = release.is_rolling_back() || summary.contains(instance.as_str());
        ensure(named, || {
            format!("{instance} was left out, and the end does not say so: {summary}")
        })?;
    }
    Ok(())
}

/// Checks that the healthy hosts run one version, whichever hosts fell ill meanwhile. It counts hosts that
/// are members, healthy now, and rolled by this release or known to it; a host that was ill until no host was
/// worked on any more counts as ill. The check leaves out a fleet that
/// - stays where it is on purpose, because `[before]` cannot be undone, or because another worker has it;
/// - has more hosts that cannot go back than may be lost during a rollback, one of a small fleet: a step of their
///   rollback was refused until the worker gave up, or they are back on the earlier version and ill on it, or were
///   until they left, and were not sick before. The earlier version seems not to work any more, so the hosts that
///   serve stay as they are. A single one is named by the receipt, and counts for neither version;
/// - has a host that started the new version by itself: it has no earlier version to roll back to, and the
///   receipt names it.
fn one_version(world: &World, release: &Release) -> Result<(), String> {
    if release.is_one_way() || release.lost_to_another().is_some() {
        return Ok(());
    }
    let ill_on_old = |(instance, host): &(&String, &Host)| {
        let back = host.disturbed && host.named == Some(Which::Old);
        // A host that has left since was ill when the worker decided which hosts may still be rolled back.
        let ill = match host.member {
            true => host.registered() && (host.sick || host.well_late),
            false => world.ever_sick.contains(*instance),
        };
        back && ill
    };
    let was_sick_before = |instance: &String| {
        let wait = release.sick_wait.as_ref();
        let waited_for = wait.is_some_and(|wait| wait.kept.sick.contains(instance));
        waited_for || release.rolled_next.contains(instance)
    };
    let lost = world.hosts.iter();
    let lost = lost.filter(|host| is_given_up(world, release, host.0) || ill_on_old(host));
    let lost = lost.filter(|(instance, _)| !was_sick_before(instance)).count();
    if lost > limits::lost_during_rollback(release.hosts().count()) {
        return Ok(());
    }
    let on = |which: Which| {
        let judged = release.hosts().filter(move |known| {
            let host = world.hosts.get(&known.instance);
            let host = host.filter(|_| !is_given_up(world, release, &known.instance));
            host.is_some_and(|host| host.healthy() && !host.well_late && host.named == Some(which))
        });
        judged.map(|host| host.instance.as_str()).collect::<Vec<_>>()
    };
    let (old, new) = (on(Which::Old), on(Which::New));
    ensure(old.is_empty() || new.is_empty(), || {
        format!("two versions serve: {new:?} the new one, {old:?} that of before")
    })
}

/// Whether a step of a host's rollback was refused, or, where the host does not serve, failed for good. A host that
/// serves may have failed to go back because the floor keeps it.
fn is_given_up(world: &World, release: &Release, instance: &str) -> bool {
    let host = world.hosts.get(instance).filter(|host| host.disturbed);
    let Some(host) = host.filter(|_| release.is_rolling_back()) else {
        return false;
    };
    let failed = |phase| {
        let step = Step::on_host(instance, Direction::Back, phase);
        let failed = matches!(release.step_status(&step, world.now), StepStatus::Failed(_));
        release.was_refused(&step) || (failed && !host.healthy())
    };
    Phase::ALL.into_iter().any(failed)
}

/// Members that the release could not have rolled, because they joined after it last looked for such. The
/// receipt has to name them, unless they joined after the last look of all.
fn named_latecomers(world: &World, release: &Release) -> Vec<String> {
    let receipt = release.ended.as_ref().and_then(|ended| ended.receipt.as_ref());
    let notes = receipt.map_or(&[][..], |receipt| &receipt.notes);
    let known: BTreeSet<&str> = release.everyone().map(|known| known.instance.as_str()).collect();
    let late = world.hosts.iter().filter(|(instance, host)| {
        let known = known.contains(instance.as_str());
        let named = notes.iter().any(|note| match &note.what {
            NoteKind::JoinedLate { instance: named, .. }
            | NoteKind::JoinedLateBooting { instance: named, .. } => named == *instance,
            _ => false,
        });
        !known && (host.joined_unseen || (host.joined_late && named))
    });
    late.map(|(instance, _)| instance.clone()).collect()
}

/// Checks that `needs_operator` is said of a fleet where something really is left, and that the receipt says
/// what.
fn needs_operator(
    before: &World,
    world: &World,
    release: &Release,
    leftovers: &[&LeftoverKind],
    text: &dyn Fn() -> String,
) -> Result<(), String> {
    let says = |kind: fn(&LeftoverKind) -> bool| leftovers.iter().any(|leftover| kind(leftover));
    let names = |instance: &str| {
        leftovers
            .iter()
            .any(|leftover| leftover.instance() == Some(instance))
    };
    if release.is_one_way() {
        let half = half_way(before, world);
        ensure(half.is_empty(), || format!("left half-way: {half:?} {}", text()))?;
        return ensure(says(|kind| matches!(kind, LeftoverKind::OneWay { .. })), text);
    }
    if release.lost_to_another().is_some() {
        let another = world.lease_owner == Some(LeaseOwner::Another);
        return ensure(
            another && says(|kind| matches!(kind, LeftoverKind::LostToAnother { .. })),
            text,
        );
    }
    let really = differences(before, world, !release.is_rolling_back());
    let blind = !release.done(&Step::Confirm);
    let nobody = world.hosts.iter().all(|(instance, host)| {
        !host.member || !before.hosts.contains_key(instance) || release.gone.contains(instance)
    });
    // The last observation of this host is older than its departure.
    let left = |(instance, host): (&String, &Host)| !host.member && names(instance);
    let just_left = world.hosts.iter().any(left);
    // A host that is ill, or was when the worker saw it last.
    let ill = world.ever_sick.iter().any(|instance| names(instance));
    ensure(!really.is_empty() || blind || nobody || just_left || ill, || {
        format!("nothing is left: {}", text())
    })?;
    ensure(!leftovers.is_empty() || nobody, || {
        format!("does not say what is left: {really:?} {}", text())
    })
}
