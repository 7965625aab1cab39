//! `drawgate history`, for people: a row for each release. Rows are 80 columns wide, except for the ids,
//! which people copy.

use drawgate_schemas::{ForgottenSequence, PastView, ReleaseState, limits};
use jiff::Timestamp;

use crate::view::words::ago;

/// Widths of the columns for the version and for the state, in characters.
const VERSION: usize = 12;
const STATE: usize = 18;

/// The heading and a row for each release, then a row for each time that the lane's build numbers were
/// forgotten.
pub(super) fn history(releases: &[PastView], forgotten: &[ForgottenSequence], now: Timestamp) -> Vec<String> {
    let row = |id: &str, version: &str, state: &str, by: &str| {
        let (version, state) = (limits::cut(version, VERSION), limits::cut(state, STATE));
        let row = format!("{id:<36} {version:<VERSION$} {state:<STATE$} {by}");
        row.trim_end().to_owned()
    };
    let mut rows = vec![row("RELEASE", "VERSION", "STATE", "BY")];
    for past in releases {
        let state = match &past.state {
            ReleaseState::Waiting { .. } => "waits".to_owned(),
            ReleaseState::Running => "rolls".to_owned(),
            ReleaseState::Ended { outcome } => {
                let at = past.ended_at.unwrap_or(past.accepted_at);
                format!("{outcome} {}", ago(at, now))
            }
        };
        let by = past
            .request
            .requested_by
            .as_ref()
            .map(|person| limits::cut(person.as_str(), 10));
        let (id, version) = (past.request.id.to_string(), past.request.version_name());
        rows.push(row(&id, &version, &state, &by.unwrap_or_default()));
    }
    if releases.is_empty() {
        rows.push("no release of this lane was published yet".to_owned());
    }
    rows.extend(
        forgotten
            .iter()
            .map(|forgotten| format!("{} ago: {forgotten}", ago(forgotten.at, now))),
    );
    rows
}
