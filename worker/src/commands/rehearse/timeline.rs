//! A journal as a timeline: notable moments as lines, hosts as bars.

use drawgate_rollout::{Entry, Phase, Record, Release, Step, events_of};
use drawgate_schemas::{Direction, Event};
use jiff::Timestamp;
use serde::Serialize;

/// A moment with a line of its own.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    /// The time in milliseconds since the acceptance.
    pub(super) at_ms: u64,
    pub(super) what: String,
}

/// One host's way through the roll.
#[derive(Debug, Serialize)]
pub(super) struct HostWay {
    /// The EC2 instance's id.
    pub(super) instance: String,
    /// The host's phases in their order.
    pub(super) stretches: Vec<Stretch>,
}

/// One phase of a host, from its intent to its outcome.
#[derive(Debug, Serialize)]
pub(super) struct Stretch {
    pub(super) direction: Direction,
    pub(super) phase: Phase,
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
}

pub(super) fn moments(journal: &[Entry]) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut rest = journal.iter();
    let Some(first) = rest.next() else { return moments };
    let Ok(mut release) = Release::begin(first) else {
        return moments;
    };
    for entry in rest {
        if release.apply(entry).is_err() {
            break;
        }
        let told = events_of(&release, entry);
        let words = told.into_iter().filter_map(words);
        moments.extend(words.map(|what| Moment {
            at_ms: since(journal, entry.at),
            what,
        }));
    }
    moments
}

fn since(journal: &[Entry], at: Timestamp) -> u64 {
    let first = journal.first().map_or(at, |entry| entry.at);
    drawgate_rollout::limits::between_ms(first, at)
}

fn words(event: Event) -> Option<String> {
    Some(match event {
        Event::Started(started) => format!("preflight passed: {} hosts", started.hosts.len()),
        Event::Staged { hosts, .. } => format!("{hosts} hosts have the image"),
        Event::ScalingSuspended(suspension) => format!(
            "suspended {} of {}",
            suspension.processes.join(", "),
            suspension.group
        ),
        Event::AlarmsSilenced { alarms, .. } => format!("silenced {}", alarms.join(", ")),
        Event::Baking { .. } => "on all hosts; bakes".to_owned(),
        Event::HostSick(sick) => sick.to_string(),
        Event::RollingBack { reason, .. } => format!("rolls back: {reason}"),
        Event::Joined {
            rolled, up_to_date, ..
        } => {
            format!("joined: {}", [rolled, up_to_date].concat().join(", "))
        }
        Event::DesiredPublished { parameter, .. } => format!("{parameter} has the new version"),
        Event::DesiredRestored { parameter, .. } => format!("{parameter} has its earlier version again"),
        Event::ScalingResumed(suspension) => format!(
            "resumed {} of {}",
            suspension.processes.join(", "),
            suspension.group
        ),
        Event::AlarmsUnsilenced { alarms } => format!("on again: {}", alarms.join(", ")),
        Event::TakenOver { open_steps } => {
            format!("the worker was killed; its next process takes over, {open_steps} steps open")
        }
        other => return other.in_a_line(),
    })
}

/// The way of every host, in the order in which the hosts' first phases ended.
pub(super) fn ways(journal: &[Entry]) -> Vec<HostWay> {
    let mut ways: Vec<HostWay> = Vec::new();
    let mut open: Vec<(&Step, u64)> = Vec::new();
    for entry in journal {
        let at = since(journal, entry.at);
        match &entry.record {
            Record::Intent { step } => open.push((step, at)),
            Record::Outcome { step, .. } => {
                let begun = open.iter().position(|(other, _)| *other == step);
                let begun = begun.map(|place| open.remove(place));
                end(&mut ways, begun, at);
            }
            Record::TakenOver => open.drain(..).for_each(|begun| end(&mut ways, Some(begun), at)),
            _ => {}
        }
    }
    ways
}

fn end(ways: &mut Vec<HostWay>, begun: Option<(&Step, u64)>, to_ms: u64) {
    let Some((
        Step::Host {
            instance,
            direction,
            phase,
        },
        from_ms,
    )) = begun
    else {
        return;
    };
    let stretch = Stretch {
        direction: *direction,
        phase: *phase,
        from_ms,
        to_ms,
    };
    match ways.iter_mut().find(|way| way.instance == *instance) {
        Some(way) => way.stretches.push(stretch),
        None => ways.push(HostWay {
            instance: instance.clone(),
            stretches: vec![stretch],
        }),
    }
}

/// Draws a way as a bar. Each column has the letter of its longest phase, in capitals during rollback.
pub(super) fn bar(way: &HostWay, all_ms: u64, columns: usize) -> String {
    let width_ms = all_ms.div_ceil(columns.max(1) as u64).max(1);
    let column = |place: usize| {
        let (from, to) = (place as u64 * width_ms, (place as u64 + 1) * width_ms);
        let within = |stretch: &&Stretch| stretch.to_ms.min(to).saturating_sub(stretch.from_ms.max(from));
        let most = way.stretches.iter().max_by_key(within);
        most.filter(|stretch| within(stretch) > 0).map_or(' ', letter)
    };
    (0..columns).map(column).collect::<String>().trim_end().to_owned()
}

fn letter(stretch: &Stretch) -> char {
    let letter = match stretch.phase {
        Phase::Deregister | Phase::Drain => 'd',
        Phase::Create | Phase::Swap | Phase::Verify | Phase::SetRestartPolicy => 's',
        Phase::Register | Phase::AwaitHealthy => 'h',
    };
    match stretch.direction {
        Direction::Forward => letter,
        Direction::Back => letter.to_ascii_uppercase(),
    }
}
