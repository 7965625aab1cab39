//! The first line about a request.

use drawgate_schemas::ReleaseRequest;

use super::layout::clean;

/// The first line about a request: `search-api 4f2c91e -> staging   build 812 by ben`, and the id.
pub(crate) fn header(request: &ReleaseRequest, width: Option<usize>) -> String {
    let what = format!(
        "{} {} -> {}",
        request.service,
        request.version_name(),
        request.environment
    );
    let build = request.build.as_ref().and_then(|build| build.number.as_ref());
    let build = build.map(|number| format!("build {number}"));
    let by = request.requested_by.as_ref().map(|person| format!("by {person}"));
    let origin: Vec<String> = build.into_iter().chain(by).collect();
    let parts = [what, origin.join(" "), format!("release {}", request.id)];
    let mut rows: Vec<String> = Vec::new();
    for part in parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| clean(part))
    {
        let fits =
            |row: &String| width.is_none_or(|width| row.chars().count() + 3 + part.chars().count() <= width);
        match rows.last_mut().filter(|row| fits(row)) {
            Some(row) => *row = format!("{row}   {part}"),
            None => rows.push(part),
        }
    }
    rows.join("\n  ")
}
