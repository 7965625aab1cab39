//! `[policy]`: which images may run, and which releases of a lane supersede others.

use drawgate_rollout::Supersede;
use drawgate_schemas::ImageReference;

use super::error::Problems;
use super::reader::{Field, Table};

/// Reads the section: the repositories, and which releases supersede others.
pub(super) fn read(root: &mut Table<'_, '_>, problems: &mut Problems<'_>) -> (Vec<String>, Supersede) {
    let Some(field) = root.take("policy") else {
        problems
            .error(
                0..0,
                "[policy] is missing: nothing says which images may run here",
            )
            .hint(format!(
                "write [policy] and {}",
                root.example_in("policy", "images")
            ));
        return Default::default();
    };
    let Some(mut table) = field.table(problems) else {
        return Default::default();
    };
    let supersede = table
        .take("supersede")
        .and_then(|field| read_supersede(&field, problems));
    let field = table.require("images", problems);
    table.finish(problems);
    let images = field.map_or_else(Vec::new, |field| read_images(&field, problems));
    (images, supersede.unwrap_or_default())
}

fn read_supersede(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<Supersede> {
    match field.plain_text(problems)? {
        "by_build" => Some(Supersede::ByBuild),
        "by_arrival" => Some(Supersede::ByArrival),
        "never" => Some(Supersede::Never),
        other => {
            let hint = "write \"by_build\", \"by_arrival\" or \"never\"".to_owned();
            field.invalid_hint(format!("{other:?} is none of them"), hint, problems);
            None
        }
    }
}

fn read_images(field: &Field<'_, '_>, problems: &mut Problems<'_>) -> Vec<String> {
    let Some(items) = field.list(problems) else {
        return Vec::new();
    };
    if items.is_empty() {
        field.invalid_hint(
            "is empty: nothing could be released",
            format!("write {}", field.example()),
            problems,
        );
    }
    items
        .iter()
        .filter_map(|item| repository(item, problems))
        .collect()
}

/// Reads a repository, without tag and digest.
fn repository(item: &Field<'_, '_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = item.plain_text(problems)?;
    if let Ok(image) = text.parse::<ImageReference>() {
        let hint = format!(
            "write \"{}\": which version is said by the release",
            image.repository()
        );
        item.invalid_hint(format!("{text:?} names a version"), hint, problems);
        return None;
    }
    if text.contains('*') {
        item.invalid_hint(
            format!("{text:?} is a pattern"),
            "list the repositories one by one",
            problems,
        );
        return None;
    }
    match format!("{text}:tag").parse::<ImageReference>() {
        Ok(image) => Some(image.repository().to_owned()),
        Err(_) => {
            item.invalid_hint(
                format!("{text:?} is no repository"),
                "write it in lower case and without https://, as in \"registry.example.com/team/api\"",
                problems,
            );
            None
        }
    }
}
