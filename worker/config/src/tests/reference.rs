//! The checked-in reference page is the one that the tables of keys make. `DRAWGATE_UPDATE_REFERENCE=1`
//! writes it anew.

use std::path::PathBuf;
use std::{env, fs};

use crate::reference;

#[test]
fn the_checked_in_reference_is_current() {
    let made = reference();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../runbooks/configuration.md");
    if env::var_os("DRAWGATE_UPDATE_REFERENCE").is_some_and(|value| value == "1") {
        fs::write(&path, &made).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == made,
        "{} is not current: DRAWGATE_UPDATE_REFERENCE=1 cargo test -p drawgate-config",
        path.display()
    );
}

#[test]
fn the_reference_is_read_at_100_columns() {
    for line in reference().lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}
