//! The receipt of a release as a table.

use drawgate_schemas::{HostReceipt, Receipt, TargetReceipt};

use super::layout::clean;
use super::words::{count, short_image};
use crate::limits;

/// The table of hosts, before and after. Hosts that are not as they should be come first.
pub(crate) fn receipt(receipt: &Receipt) -> Vec<String> {
    let mut rows = hosts(&receipt.hosts);
    for group in &receipt.groups {
        rows.push(format!(
            "  {}: {} suspended by us",
            group.group,
            count(group.suspended.len(), "process", "processes")
        ));
        rows.push(format!("    suspended before  {}", listed(&group.before)));
        rows.push(format!("    suspended after   {}", listed(&group.after)));
    }
    if !receipt.alarms.is_empty() {
        let on = |after: bool| {
            let on = receipt
                .alarms
                .iter()
                .filter(|alarm| if after { alarm.after } else { alarm.before });
            on.count()
        };
        let alarms = count(receipt.alarms.len(), "alarm", "alarms");
        rows.push(format!(
            "  {alarms}: {} on before, {} on after",
            on(false),
            on(true)
        ));
        let still_off = receipt.alarms.iter().filter(|alarm| alarm.before && !alarm.after);
        rows.extend(still_off.map(|alarm| format!("    still off: {}", alarm.alarm)));
    }
    if let Some(wanted) = &receipt.desired {
        let name = |version: &Option<String>| version.clone().unwrap_or_else(|| "nothing".to_owned());
        rows.push(format!(
            "  new instances started {} before, {} after ({})",
            name(&wanted.before),
            name(&wanted.after),
            wanted.parameter
        ));
    }
    rows.extend(receipt.hooks.iter().map(|hook| {
        let end = if hook.passed { "passed" } else { "FAILED" };
        let attempts = count(hook.attempts as usize, "attempt", "attempts");
        format!("  {}: {end}, {attempts}: {}", hook.hook, hook.run.join(" "))
    }));
    if let (Some(moved_to), Some(digest)) = (&receipt.tag_moved_to, &receipt.digest) {
        rows.push(format!(
            "  the tag has moved to {moved_to}; every host got {digest}"
        ));
    }
    rows.extend(receipt.notes.iter().map(|note| format!("  note: {note}")));
    rows.push(match receipt.leftovers.len() {
        0 => "  leftovers: none".to_owned(),
        n => format!("  leftovers: {n}, see above"),
    });
    rows.iter().map(|row| clean(row)).collect()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(", ")
}

fn hosts(hosts: &[HostReceipt]) -> Vec<String> {
    if hosts.is_empty() {
        return Vec::new();
    }
    let mut sorted: Vec<&HostReceipt> = hosts.iter().collect();
    sorted.sort_by_key(|host| is_fine(host));
    let name = |version: &Option<String>, image: &Option<String>| {
        let image = || image.as_deref().map(short_image);
        version.clone().or_else(image).unwrap_or_else(|| "-".to_owned())
    };
    let head = ["host", "before", "after", "targets"].map(str::to_owned);
    let rows = sorted.iter().take(limits::RECEIPT_ROWS).map(|host| {
        [
            host.instance.clone(),
            name(&host.version_before, &host.image_before),
            name(&host.version_after, &host.image_after),
            state_of(host),
        ]
    });
    let mut rows = aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    if let Some(more) = hosts
        .len()
        .checked_sub(limits::RECEIPT_ROWS)
        .filter(|more| *more > 0)
    {
        rows.push(format!("  and {more} more (drawgate show --format json has all)"));
    }
    rows
}

fn is_fine(host: &HostReceipt) -> bool {
    let targets_fine = host.targets.iter().all(|target| target.before == target.after);
    host.touched && !host.gone && targets_fine
}

fn state_of(host: &HostReceipt) -> String {
    if host.gone {
        return "left the fleet".to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    for target in &host.targets {
        let word = target_word(target);
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if !host.touched {
        words.push("not touched".to_owned());
    }
    words.join(", ")
}

/// A target's state. A target that is the same before and after needs no name.
fn target_word(target: &TargetReceipt) -> String {
    if target.before == target.after {
        return target.after.clone();
    }
    let TargetReceipt {
        target_group,
        port,
        before,
        after,
    } = target;
    format!("{target_group}:{port} {before} -> {after}")
}

/// Rows with columns as wide as their widest cell; the last column is not padded.
fn aligned(rows: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (a, b, c) = (width(0), width(1), width(2));
    rows.iter()
        .map(|[host, before, after, state]| format!("  {host:<a$}  {before:<b$}  {after:<c$}  {state}"))
        .map(|row| row.trim_end().to_owned())
        .collect()
}
