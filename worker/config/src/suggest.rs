//! Suggests the known name that a mistyped one probably means.

/// Names longer than this are no typing mistakes, and comparing names costs the square of their length.
const NAME_CHARS: usize = 64;

/// The nearest of the known names, if it is near enough: a third of the letters may differ.
pub(super) fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if written.len() > NAME_CHARS {
        return None;
    }
    let written = written.to_lowercase().replace('-', "_");
    let distance = |name: &str| strsim::damerau_levenshtein(&written, &name.to_lowercase().replace('-', "_"));
    // The beginning of a name is near, too: `password` for `password_file`.
    let begins = |name: &str| written.len() >= 4 && name.starts_with(written.as_str());
    known
        .into_iter()
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1) || begins(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_enough() {
        let known = ["max_unavailable", "min_drain", "port", "ports"];
        assert_eq!(nearest("max_unavailble", known), Some("max_unavailable"));
        assert_eq!(nearest("max-unavailable", known), Some("max_unavailable"));
        assert_eq!(nearest("prot", known), Some("port"));
        assert_eq!(nearest("max_un", known), Some("max_unavailable"));
        assert_eq!(nearest("replicas", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
