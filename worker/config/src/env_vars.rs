//! Every environment variable that the worker reads.
//!
//! | variable            | meaning                                                                      |
//! |---------------------|------------------------------------------------------------------------------|
//! | `DRAWGATE_CONFIG`   | path of `worker.toml` where `--config` is absent                              |
//! | `DRAWGATE_AMQP_URL` | broker's address in place of `[amqp] url`, for a password that no file may hold |
//! | `DRAWGATE_LOG`      | what is logged, as a `tracing` filter: `info`, `drawgate_worker=debug,info`      |
//!
//! AWS credentials come from the places that every AWS tool reads (`AWS_PROFILE`, the instance's role, …);
//! those variables are AWS's and not listed.

/// Path of `worker.toml`; `/etc/drawgate/worker.toml` where absent.
pub const DRAWGATE_CONFIG: &str = "DRAWGATE_CONFIG";

/// The broker's address, with or without its password. It overrides `[amqp] url`; a password in it overrides
/// `[amqp] password_file`.
pub const DRAWGATE_AMQP_URL: &str = "DRAWGATE_AMQP_URL";

/// Filter of the worker's log; `info` where absent.
pub const DRAWGATE_LOG: &str = "DRAWGATE_LOG";
