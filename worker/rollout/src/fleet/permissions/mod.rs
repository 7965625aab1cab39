//! Permissions: what a release may need, and what is known of it before anything is touched.
//!
//! ```text
//!   Write             each write to AWS: its action, what a policy names for it, how it is tried
//!   Plan  --needs()-> Need, Need, …        a write on one thing, with its request's condition keys
//!   Need + Answer, … --of()-> Permissions  proved, missing, not proved
//! ```

mod need;
mod needs;
mod outcome;
mod resource;
mod write;

pub use need::{Context, Need};
pub use outcome::{Answer, Denial, Missing, Permissions, Unproved};
pub use resource::{Account, Resource};
pub use write::{ResourceKind, Trial, Write};
