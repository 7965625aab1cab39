//! Every environment variable that `drawgate` reads.

/// The names of the variables. Each one stands in for a command-line option, which wins over it, unless its
/// comment says otherwise.
pub(crate) struct EnvVars;

impl EnvVars {
    /// The broker's address: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS. `%2f` is the
    /// default virtual host. Every user of the machine can see a command-line option, so a CI job should use
    /// this variable.
    pub(crate) const AMQP_URL: &'static str = "DRAWGATE_AMQP_URL";

    /// The environment to release to, in place of `--environment`.
    pub(crate) const ENVIRONMENT: &'static str = "DRAWGATE_ENVIRONMENT";

    /// The path of a file that has the broker's password and nothing else; a newline at its end is dropped.
    /// This password takes the place of one in the address.
    pub(crate) const AMQP_PASSWORD_FILE: &'static str = "DRAWGATE_AMQP_PASSWORD_FILE";

    /// The path of a file with certificates in PEM that are trusted besides the system's own.
    pub(crate) const AMQP_CA_FILE: &'static str = "DRAWGATE_AMQP_CA_FILE";

    /// Set to anything but the empty text, it turns colours off (<https://no-color.org>). It has no option.
    pub(crate) const NO_COLOR: &'static str = "NO_COLOR";

    /// The kind of terminal; `dumb` turns the live view off. It has no option.
    pub(crate) const TERM: &'static str = "TERM";
}
