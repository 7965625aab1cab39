//! What stands before a release begins, as facts and rules: its place in the queue of its target, newer
//! releases that supersede it, freezes, windows, and another environment that its digest has to have
//! succeeded in.
//!
//! The driver fetches the facts ([`QueueView`]), and `decide` judges them.

pub(crate) mod gates;
mod order;
pub(crate) mod supersede;
mod view;

pub use order::{Queued, next};
pub use supersede::{Other, leaps};
pub use view::{Policies, QueueView, Rival};
