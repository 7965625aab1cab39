//! The gates before a release in an environment.

use drawgate_schemas::Environment;

use super::window::Windows;

/// What the service's file asks for in an environment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gates {
    /// The environment that the digest has to have succeeded in.
    pub requires: Option<Environment>,
    /// When releases may begin; at any time where absent.
    pub windows: Option<Windows>,
}
