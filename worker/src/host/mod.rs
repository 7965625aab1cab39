//! Everything the worker does on a host: one SSH connection per host, and the Docker engine through it.
//!
//! ```text
//! Hosts ---- Host i-1 ---- Link: ssh master (one process, one TCP connection)
//!   |                        |-- forwarded socket --> /var/run/docker.sock   bollard, one channel per request
//!   |                        |-- forwarded socket --> 127.0.0.1:8080         the service, for its verification
//!   |                        |-- df, ss, cat /proc/PID/net/tcp               plain commands, no shell text of ours
//!   |                        |-- flock, timeout, env, ./deploy.sh            the service's own programs
//!   |                        `-- lifeline: `cat` on a pipe; the worker's death closes it and ends the master
//!   `------- Host i-2 ---- ...
//! ```
//!
//! Secrets travel in the bodies and headers of Docker's API only: never in an argument list, never on the
//! host's disk. (bollard and hyper log whole requests at `debug` and `trace`: the worker's log filter must
//! keep both at `info` or above.)

mod body;
mod containers;
mod credentials;
mod diagnosis;
mod engine;
mod error;
mod exec;
mod facts;
mod http;
mod images;
mod known_hosts;
mod lifecycle;
pub mod limits;
mod master;
mod occupants;
mod open_connections;
mod pool;
mod program;
mod retention;
mod settings;
mod socket_dir;
mod ssh_config;

pub use body::container_body;
pub(crate) use body::engine_policy;
pub use containers::{ContainerInfo, HostPort, PortUse};
pub use credentials::RegistryCredentials;
pub use error::{Cause, HostError, Stage};
pub use exec::ExecResult;
pub use facts::HostFacts;
pub use http::HttpAnswer;
pub(crate) use images::healthcheck_of;
pub use images::{PullProgress, Pulled, RegistryImage};
pub use occupants::Listener;
pub use pool::{Host, Hosts};
pub use program::{HostProgram, HostRan};
pub use settings::{HostKeys, HostSettings};
