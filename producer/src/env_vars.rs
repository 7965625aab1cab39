//! Every environment variable that `drawgate` reads.

/// The names. Each stands behind a command-line option, which wins over it, unless it says otherwise.
pub(crate) struct EnvVars;

impl EnvVars {
    /// The broker: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS. `%2f` is the default virtual host.
    /// An option on the command line can be seen by every user of the machine: in a CI job, use this.
    pub(crate) const AMQP_URL: &'static str = "DRAWGATE_AMQP_URL";

    /// Where to, in place of `--environment`.
    pub(crate) const ENVIRONMENT: &'static str = "DRAWGATE_ENVIRONMENT";

    /// A file that holds the broker's password, and nothing else; a newline at its end is dropped. It takes the place
    /// of a password in the address.
    pub(crate) const AMQP_PASSWORD_FILE: &'static str = "DRAWGATE_AMQP_PASSWORD_FILE";

    /// A file with certificates in PEM that a broker's certificate may be signed by, besides the system's own.
    pub(crate) const AMQP_CA_FILE: &'static str = "DRAWGATE_AMQP_CA_FILE";

    /// Set to anything but the empty text: no colours (<https://no-color.org>). No option stands for it.
    pub(crate) const NO_COLOR: &'static str = "NO_COLOR";

    /// The kind of terminal; `dumb` turns the live view off. No option stands for it.
    pub(crate) const TERM: &'static str = "TERM";
}
