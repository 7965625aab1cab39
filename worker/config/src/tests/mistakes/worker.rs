//! `worker.toml`.

use super::checked_worker;

#[test]
fn worker_keys() {
    let text = r#"worker = "bastion a"
site = "US West"
region = "us-west-2"
[amqp]
url = "rabbit://a:hush@b"
pasword_file = "x"
[ssh]
known_hosts = "no"
user = "ec2-user@host"
connect_timeout = 10
docker_socket = "docker.sock"
[chat]
[aws]
region = "Oregon"
endpoint = "localhost:4566"
share = 50
[limits]
max_waiting_per_lane = 0
[groups]
ops = ["ben"]
[orders]
from = ["ops"]
"#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:1:10: `worker`: must be 1 to 63 letters, digits, `-`, `.` and `_`
      1 | worker = "bastion a"
        |          ^^^^^^^^^^^

    error: worker.toml:2:8: site "US West" must be 1 to 63 of a-z, 0-9 and inner hyphens
      2 | site = "US West"
        |        ^^^^^^^^^
      hint: write it as "us-west"

    error: worker.toml:3:1: unknown key `region`
      3 | region = "us-west-2"
        | ^^^^^^
      hint: it belongs in [aws]

    error: worker.toml:5:7: `amqp.url`: must begin with amqps:// or amqp://
      5 | url = …
        |       ^
      hint: write url = "amqps://drawgate@broker.example.com:5671/drawgate"

    error: worker.toml:6:1: unknown key `pasword_file`
      6 | pasword_file = …
        | ^^^^^^^^^^^^
      hint: did you mean `password_file`?

    error: worker.toml:8:15: `ssh.known_hosts`: "no" is not known
      8 | known_hosts = "no"
        |               ^^^^
      hint: write "strict" (unknown hosts are refused) or "accept-new" (remembered on first sight)

    error: worker.toml:9:8: `ssh.user`: is no login name
      9 | user = …
        |        ^

    error: worker.toml:10:19: `ssh.connect_timeout` is an integer, and not a duration
      10 | connect_timeout = 10
         |                   ^^
      hint: write it with a unit: "10s"

    error: worker.toml:11:17: `ssh.docker_socket`: must be an absolute path on the hosts
      11 | docker_socket = "docker.sock"
         |                 ^^^^^^^^^^^^^
      hint: write "/var/run/docker.sock"

    error: worker.toml:12:1: [chat] names no webhook
      12 | [chat]
         | ^^^^^^
      hint: write webhook_file = "secrets/webhook", or remove [chat] for no chat

    error: worker.toml:14:10: `aws.region`: "Oregon" is no region
      14 | region = "Oregon"
         |          ^^^^^^^^
      hint: write it as "us-west-2"

    error: worker.toml:15:12: `aws.endpoint`: must begin with https:// or http://
      15 | endpoint = "localhost:4566"
         |            ^^^^^^^^^^^^^^^^
      hint: write it as "http://127.0.0.1:4566", or leave it out

    error: worker.toml:16:9: `aws.share`: must be from 0.05 to 1.0
      16 | share = 50
         |         ^^
      hint: it is a part of what AWS admits for the account, 1.0 for all of it; with less than a twentieth, a roll stands still

    error: worker.toml:18:24: `limits.max_waiting_per_lane`: must be from 1 to 10000
      18 | max_waiting_per_lane = 0
         |                        ^
      hint: each waiting release is read at every start; a line of thousands is a loop in a CI job

    worker.toml: 14 errors
    "#);
}

#[test]
fn leases() {
    let worker = |more: &str| {
        checked_worker(&format!(
            "worker = \"a\"\nsite = \"b\"\n{more}\n[amqp]\nurl = \"amqp://broker\"\n"
        ))
    };
    for (more, says) in [
        (
            "fleet_lease = \"/drawgate/lease/{service}\"",
            "is one lease for several targets",
        ),
        ("fleet_lease = \"lease/{environment}/{service}\"", "is no path"),
        ("limits.lease = \"20s\"", "must be from"),
        (
            "fleet_lease = \"none\"",
            "warning: worker.toml:3:15: no lease is taken",
        ),
    ] {
        let told = worker(more);
        assert!(told.contains(says), "{more}: {told}");
    }
}

#[test]
fn worker_without_anything() {
    let text = r#""#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:1:1: `site` is missing
      hint: write site = "us-west"

    error: worker.toml:1:1: the broker's address is missing
      hint: write [amqp] and url = "amqps://drawgate@broker.example.com:5671/drawgate", or set DRAWGATE_AMQP_URL

    warning: worker.toml:1:1: there is no [orders]: nobody may pause, resume or cancel a release, freeze, thaw, or have build numbers forgotten
      hint: write [orders] with from = ["ops"], and [groups] with ops = ["ben"], users of the broker

    worker.toml: 2 errors, 1 warning
    "#);
}

#[test]
fn worker_secrets_are_not_shown() {
    let text = r#"site = "us-west"
[amqp]
url = "amqp://a:hush@b"
password = "hush"
password_file = "/dev/null/nowhere"
[chat]
webhook = "hooks.example.com/hush"
webhook_file = "x"
[registry."https://registry.example.com"]
username = "u"
[registry."123456789012.dkr.ecr.us-west-2.amazonaws.com"]
username = "AWS"
password = "hush"
[groups]
ops = ["ben"]
[orders]
from = ["ops"]
"#;
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:4:1: unknown key `password`
      4 | password = …
        | ^^^^^^^^
      hint: did you mean `password_file`?

    error: worker.toml:5:1: `amqp.password_file`, and `amqp.url` holds a password too
      5 | password_file = "/dev/null/nowhere"
        | ^^^^^^^^^^^^^
      hint: take the password out of the url

    error: worker.toml:7:1: `chat.webhook` and `chat.webhook_file` are both there
      7 | webhook = …
        | ^^^^^^^
      hint: keep one

    error: worker.toml:9:11: "https://registry.example.com" is no registry's host
      9 | [registry."https://registry.example.com"]
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write [registry."registry.example.com"], with :PORT if it has one, without https:// and path

    error: worker.toml:11:1: `password_file` is missing in [registry.123456789012.dkr.ecr.us-west-2.amazonaws.com]
      11 | [registry."123456789012.dkr.ecr.us-west-2.amazonaws.com"]
         | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write password_file = "secrets/registry"

    error: worker.toml:13:1: unknown key `password`
      13 | password = …
         | ^^^^^^^^
      hint: did you mean `password_file`?

    warning: worker.toml:5:17: `amqp.password_file`: cannot read the secret in /dev/null/nowhere: Not a directory (os error 20)
      5 | password_file = "/dev/null/nowhere"
        |                 ^^^^^^^^^^^^^^^^^^^
      hint: the worker reads it at every use; write the secret there, readable by the worker only

    warning: worker.toml:11:11: 123456789012.dkr.ecr.us-west-2.amazonaws.com is ECR, where passwords live for 12 hours
      11 | [registry."123456789012.dkr.ecr.us-west-2.amazonaws.com"]
         |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: leave this table out: at ECR the worker asks for a token itself, for every release

    worker.toml: 6 errors, 2 warnings
    "#);
}

#[test]
fn registries_of_ecr_need_no_table() {
    let text = "site = \"us-west\"\namqp.url = \"amqp://localhost\"\n\
                [registry.\"123456789012.dkr-ecr.us-west-2.on.aws\"]\nusername = \"AWS\"\npassword_file = \"/dev/null\"\n\
                [registry.\"public.ecr.aws\"]\nlogin = \"ecr\"\n\
                [registry.\"ecr-public.aws.com\"]\nusername = \"AWS\"\npassword_file = \"/dev/null\"\n";
    insta::assert_snapshot!(checked_worker(text), @r#"
    error: worker.toml:7:9: `registry.public.ecr.aws.login`: is for private registries: ECR Public does not take their tokens
      7 | login = …
        |         ^
      hint: leave this table out: images there are pulled without a login

    warning: worker.toml:1:1: there is no [orders]: nobody may pause, resume or cancel a release, freeze, thaw, or have build numbers forgotten
      hint: write [orders] with from = ["ops"], and [groups] with ops = ["ben"], users of the broker

    warning: worker.toml:3:11: 123456789012.dkr-ecr.us-west-2.on.aws is ECR, where passwords live for 12 hours
      3 | [registry."123456789012.dkr-ecr.us-west-2.on.aws"]
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: leave this table out: at ECR the worker asks for a token itself, for every release

    warning: worker.toml:5:17: `registry.123456789012.dkr-ecr.us-west-2.on.aws.password_file`: /dev/null holds no secret: it is empty
      5 | password_file = "/dev/null"
        |                 ^^^^^^^^^^^
      hint: the worker reads it at every use; write the secret there, readable by the worker only

    warning: worker.toml:8:11: ecr-public.aws.com is ECR, where passwords live for 12 hours
      8 | [registry."ecr-public.aws.com"]
        |           ^^^^^^^^^^^^^^^^^^^^
      hint: leave this table out: images there are pulled without a login

    warning: worker.toml:10:17: `registry.ecr-public.aws.com.password_file`: /dev/null holds no secret: it is empty
      10 | password_file = "/dev/null"
         |                 ^^^^^^^^^^^
      hint: the worker reads it at every use; write the secret there, readable by the worker only

    worker.toml: 1 error, 5 warnings
    "#);
}

#[test]
fn people() {
    let text = "site = \"us-west\"\namqp.url = \"amqp://localhost\"\n[groups]\nops = [\"ben\", 5]\nnobody = []\n\
                [orders]\nfrom = [\"ops\", \"opps\"]\nto = [\"ops\"]\n";
    insta::assert_snapshot!(checked_worker(text));
}
