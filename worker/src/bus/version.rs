//! The broker's RabbitMQ version.
//!
//! The worker must know it, because `x-delivery-limit = -1` means "none" to RabbitMQ 4, where leaving it out
//! means 20. RabbitMQ 3.10 accepts the same argument silently and drops a message at its first redelivery.

/// A server's version, as far as the worker needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerVersion {
    /// The first number; `None` when the server does not state it.
    pub(super) major: Option<u32>,
    /// The version as the server writes it.
    pub(super) text: String,
}

impl ServerVersion {
    pub(super) fn new(text: &str) -> Self {
        let major = text.split('.').next().and_then(|major| major.parse().ok());
        Self {
            major,
            text: text.to_owned(),
        }
    }

    /// Whether the server discards a message after 20 deliveries by default (RabbitMQ guide, "Quorum Queues",
    /// "Poison Message Handling").
    pub(super) fn has_a_limit_of_its_own(&self) -> bool {
        self.major.is_some_and(|major| major >= 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_decides() {
        assert_eq!(ServerVersion::new("3.10.8").major, Some(3));
        assert_eq!(ServerVersion::new("4.1.0-rc.1").major, Some(4));
        assert_eq!(ServerVersion::new("").major, None);
    }
}
