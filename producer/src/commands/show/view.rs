//! `drawgate show`, for people.

use drawgate_schemas::{Event, HostLogs, ReleaseRequest, ReleaseState, ReleaseView};

use crate::view::words::awaits_approval;
use crate::view::{Detail, Layout, ViewState, clean, final_line, header, lines, receipt};

/// The rows of `show`: request, state, timeline, receipt, logs.
pub(super) fn show(view: &ReleaseView, layout: &Layout) -> Vec<String> {
    let mut rows = vec![header(&view.request, layout.width)];
    rows.extend(facts(&view.request).iter().map(|row| layout.plain(row)));
    if let Some(digest) = &view.digest {
        rows.push(format!("digest     {digest}"));
    }
    rows.push(layout.plain(&format!("state      {}", state(&view.state))));
    rows.push(String::new());
    rows.extend(timeline(view, layout));
    let ended = view.events.iter().rev().find_map(|event| match &event.event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    });
    if let Some(table) = ended.and_then(|ended| ended.receipt.as_ref()).map(receipt) {
        rows.push(String::new());
        rows.push("receipt".to_owned());
        rows.extend(table);
    }
    for host in &view.logs {
        rows.push(String::new());
        rows.extend(logs(host));
    }
    let last = view.events.iter().rev().find_map(final_line);
    if let Some(last) = last {
        rows.push(String::new());
        rows.push(layout.plain(&last));
    }
    if let Some(hint) = ended.and_then(|ended| ended.hint.as_ref()) {
        rows.push(layout.plain(&format!("hint: {hint}")));
    }
    rows
}

fn facts(request: &ReleaseRequest) -> Vec<String> {
    let time = |at: &jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let mut rows = vec![
        format!("image      {}", request.image),
        format!("requested  {}", time(&request.requested_at)),
    ];
    let mut fact = |name: &str, value: Option<String>| {
        rows.extend(value.map(|value| format!("{name:<10} {value}")));
    };
    let build = request.build.as_ref();
    fact("expires", request.expires_at.as_ref().map(time));
    fact("revision", request.revision.as_ref().map(ToString::to_string));
    fact("branch", request.branch.as_ref().map(ToString::to_string));
    fact(
        "build",
        build
            .and_then(|build| build.url.as_ref())
            .map(ToString::to_string),
    );
    fact("reason", request.reason.as_ref().map(ToString::to_string));
    let options = &request.options;
    let seconds = |s: u32| format!("{s} s");
    fact(
        "options",
        (!options.is_empty()).then(|| {
            let parts = [
                options
                    .max_unavailable
                    .map(|n| format!("at most {n} out at once")),
                options
                    .min_healthy_time_s
                    .map(|s| format!("healthy for {}", seconds(s))),
                options.min_drain_s.map(|s| format!("drain for {}", seconds(s))),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }),
    );
    rows
}

fn state(state: &ReleaseState) -> String {
    match state {
        ReleaseState::Waiting {
            approval: Some(awaited),
            ..
        } => awaits_approval(awaited),
        ReleaseState::Waiting { blockers, .. } if !blockers.is_empty() => {
            let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            blockers.join("; ")
        }
        ReleaseState::Waiting { ahead: 0, .. } => "waiting, next in its lane".to_owned(),
        ReleaseState::Waiting { ahead: 1, .. } => "waiting, 1 release before it".to_owned(),
        ReleaseState::Waiting { ahead, .. } => format!("waiting, {ahead} releases before it"),
        ReleaseState::Running => "running".to_owned(),
        ReleaseState::Ended { outcome } => outcome.to_string(),
    }
}

fn timeline(view: &ReleaseView, layout: &Layout) -> Vec<String> {
    let mut known = ViewState::default();
    let mut rows = Vec::new();
    for event in &view.events {
        let news = lines(&known, event, Detail::Every);
        rows.extend(news.iter().map(|line| layout.line(line, event.at)));
        known.apply(event);
    }
    rows
}

fn logs(host: &HostLogs) -> Vec<String> {
    let title = format!("last lines of the container that failed on {}", host.instance);
    let lines = host.lines.iter().map(|line| format!("  | {}", clean(line)));
    std::iter::once(clean(&title)).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use drawgate_schemas::Outcome;

    use super::*;
    use crate::testing::stories::{B, numbered, rollback};
    use crate::testing::view_with;

    const LOG: Layout = Layout {
        width: None,
        times: true,
        colour: false,
    };

    #[test]
    fn shown_for_people() {
        let outcome = Outcome::RolledBack;
        let mut view = view_with(numbered(rollback()), ReleaseState::Ended { outcome }, false);
        view.logs = vec![HostLogs {
            instance: B.to_owned(),
            lines: vec![
                "starting".to_owned(),
                "\x1b[31mdb: no such table\x1b[0m".to_owned(),
            ],
        }];
        insta::assert_snapshot!(show(&view, &LOG).join("\n"));
    }
}
