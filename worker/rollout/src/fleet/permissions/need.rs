//! One write on one thing.

use std::collections::BTreeMap;

use super::resource::Resource;
use super::write::Write;

/// Values of condition keys, as a request has them.
pub type Context = BTreeMap<String, Vec<String>>;

/// One write on one thing, with what its request says of itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub write: Write,
    pub on: Resource,
    /// The condition keys that the request has values for, apart from those that every request has.
    pub context: Context,
}
