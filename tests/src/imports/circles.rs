//! Circles of files: the strongly connected components of more than one file.

use std::collections::{BTreeMap, BTreeSet};

use super::Import;

/// The circles among these imports: each a sorted list of files that all reach one another.
pub fn circles(imports: &[Import]) -> Vec<Vec<String>> {
    let mut forward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut backward: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Import { file, imported, .. } in imports {
        forward.entry(file).or_default().insert(imported);
        backward.entry(imported).or_default().insert(file);
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in forward.keys() {
        if seen.contains(file) {
            continue;
        }
        let to = reached(&forward, file);
        let from = reached(&backward, file);
        let circle: Vec<String> = to.intersection(&from).map(|file| (*file).to_owned()).collect();
        seen.extend(to.intersection(&from).copied());
        if circle.len() > 1 {
            found.push(circle);
        }
    }
    found
}

fn reached<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(file) = todo.pop() {
        if reached.insert(file) {
            todo.extend(edges.get(file).into_iter().flatten());
        }
    }
    reached
}
