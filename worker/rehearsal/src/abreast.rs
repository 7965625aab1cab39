//! Two maps with the same keys, gone through abreast: what is in the other one need not be looked up.

use std::cmp::Ordering;
use std::collections::btree_map::Iter;
use std::iter::Peekable;

/// The value of this key in the other map. Keys are asked for in ascending order.
pub(crate) fn abreast<'m, V>(other: &mut Peekable<Iter<'m, String, V>>, key: &str) -> Option<&'m V> {
    while let Some((next, value)) = other.peek().copied() {
        match next.as_str().cmp(key) {
            Ordering::Greater => return None,
            Ordering::Equal => {
                other.next();
                return Some(value);
            }
            Ordering::Less => {
                other.next();
            }
        }
    }
    None
}
