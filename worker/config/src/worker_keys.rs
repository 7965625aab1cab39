//! The keys of `worker.toml`: a row each.

use super::key::Fallback::{Ms, Number as Count, Required, Text as Is, Toml, Words};
use super::key::Kind::{Duration, Flag, Fraction, List, Number, OneOf, Path, Template, Text};
use super::key::{Section, Sections, key};
use super::limits as at;

// A row's first line is for the readers, its second for people; rustfmt would break each into seven.
#[rustfmt::skip]
pub(super) const WORKER: Sections = &[
    Section { name: "", meaning: "Who this worker is, and where its files are.", keys: &[
        key("worker", Text, Words("the machine's name"), r#""bastion-a""#,
            "The worker's name in events and leases: 1 to 63 letters, digits, `-`, `.` and `_`."),
        key("site", Text, Required, r#""us-west""#,
            "The site, which names this bastion's queue: `drawgate.releases.us-west`."),
        key("ledger", Path, Is("/var/lib/drawgate/ledger.sqlite"), r#""/var/lib/drawgate/ledger.sqlite""#,
            "The ledger's file, on a local disk and never on a network file system."),
        key("services", Path, Is("services"), r#""services""#,
            "The folder of the service files."),
        key("fleet_lease", Template(at::PARAMETER_CHARS), Is("/drawgate/lease/{environment}/{service}"),
            r#""/drawgate/lease/{environment}/{service}""#,
            "The parameter (Parameter Store) that a worker holds while it rolls a fleet, one for each target; \
             `\"none\"` for no such lease."),
    ] },
    Section { name: "amqp", meaning: "The broker.", keys: &[
        key("url", Text, Words("the address in `DRAWGATE_AMQP_URL`, which overrides this key"),
            r#""amqps://drawgate@broker.example.com:5671/drawgate""#,
            "The broker's address."),
        key("password_file", Path, Words("the password in the address"), r#""secrets/amqp""#,
            "The file of the broker's password, read again for every connection."),
    ] },
    Section { name: "ssh", meaning: "How the worker reaches hosts.", keys: &[
        key("user", Text, Words("what the `ssh_config` says"), r#""ec2-user""#,
            "The login on the hosts.")
            // The broker's url has both.
            .ambiguous(),
        key("port", Number(at::PORT), Words("what the `ssh_config` says"), "22",
            "The port of the hosts' SSH servers.")
            .ambiguous(),
        key("key_file", Path, Words("what the `ssh_config` says"), r#""secrets/id_ed25519""#,
            "The private key."),
        key("config_file", Path, Words("the user's and the system's"), r#""ssh_config""#,
            "The `ssh_config` to use."),
        key("known_hosts", OneOf(&["strict", "accept-new"]), Is("strict"), r#""accept-new""#,
            "Whether an unknown host is refused, or its key is remembered on first sight, in `known_hosts` beside \
             the ledger."),
        key("docker_socket", Text, Is("/var/run/docker.sock"), r#""/var/run/docker.sock""#,
            "The Docker engine's socket on the hosts, an absolute path."),
        key("connect_timeout", Duration(at::CONNECT_TIMEOUT), Ms(at::CONNECT_TIMEOUT_DEFAULT_MS), r#""20s""#,
            "The longest wait for a connection."),
        key("connect_by_instance_id", Flag, Toml("false"), "true",
            "Whether `ssh` gets the instance's id in place of its address, as a ProxyCommand for Session Manager \
             wants it."),
        key("runtime_dir", Path, Words("the system's temporary directory"), r#""/run/drawgate""#,
            "The folder for sockets: a short path on a local disk."),
    ] },
    Section { name: "chat", meaning: "Where events are posted; without the table, nowhere.", keys: &[
        key("webhook_file", Path, Words("the address in `webhook`"), r#""secrets/webhook""#,
            "The file of the webhook's address, which is a secret."),
        key("webhook", Text, Words("the address in `webhook_file`"), r#""https://hooks.example.com/T0/B0""#,
            "The webhook's address itself."),
    ] },
    Section { name: "aws", meaning: "AWS; credentials come from the instance's role or `AWS_PROFILE`.", keys: &[
        key("region", Text, Words("what the AWS environment says"), r#""us-west-2""#,
            "The region of the fleets."),
        key("endpoint", Text, Words("AWS's own"), r#""http://127.0.0.1:4566""#,
            "The address of every AWS service, for a lab."),
        key("share", Fraction(at::AWS_SHARE), Toml("0.5"), "0.8",
            "The part of AWS's request rates that the worker may use: AWS counts all requests of the account and \
             region together, those of others too.")
            // Many a thing has shares.
            .ambiguous(),
    ] },
    Section { name: "registry.*", meaning: "The login at a registry, by its host; ECR needs none, and ECR Public \
        (`public.ecr.aws`) takes none.", keys: &[
        key("username", Text, Words("none; it must be there without `login`"), r#""drawgate""#,
            "The user at the host, as in `[registry.\"registry.example.com\"]`."),
        key("password_file", Path, Words("none; it must be there without `login`"), r#""secrets/registry""#,
            "The file of the password, read again for every release."),
        key("login", OneOf(&["ecr"]), Words("a login with user and password"), r#""ecr""#,
            "Says that the host is an ECR registry under a name of your own."),
    ] },
    Section { name: "groups", meaning: "The broker's users by groups; the broker vouches for who sent a message.",
        keys: &[
        key("*", List(at::LIST), Words("there is no such group"), r#"["ben", "anna"]"#,
            "The users of the group of that name."),
    ] },
    Section { name: "people", meaning: "What else is known of the broker's users.", keys: &[
        key("shared", List(at::LIST), Required, r#"["ci"]"#,
            "Logins that several people or programs share: they approve nothing."),
    ] },
    Section { name: "orders", meaning: "Who may control releases; without the table, nobody.", keys: &[
        key("from", List(at::LIST), Required, r#"["ops"]"#,
            "The groups that may pause, resume, cancel, freeze, thaw and forget build numbers."),
    ] },
    Section { name: "emergency", meaning: "Who may let a release pass every gate; without the table, nobody.",
        keys: &[
        key("from", List(at::LIST), Required, r#"["ops"]"#,
            "The groups that may publish with `--emergency`."),
    ] },
    Section { name: "limits", meaning: "How much may wait, and how long a lane is kept.", keys: &[
        key("max_waiting_per_lane", Number(at::WAITING), Count(at::WAITING_DEFAULT as u64), "200",
            "The releases that may wait in one lane; one more is refused."),
        key("lease", Duration(at::LEASE), Ms(at::LEASE_DEFAULT.as_secs() * 1_000), r#""90s""#,
            "How long a worker that hangs keeps its lanes; another worker takes its fleets 30 s later."),
    ] },
];
