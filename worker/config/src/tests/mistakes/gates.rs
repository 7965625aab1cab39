//! `[environment.NAME]`.

use crate::tests::{HEAD, WORKER, checked, checked_service};

#[test]
fn gates() {
    let text = r#"[environment.staging]
requires = "integration"
windows = { open = ["Mon 8-16"] }

[environment."personal-*"]
requires = "personal-*"
windows = { timezone = "Pacific/Lost", open = [] }
"#;
    insta::assert_snapshot!(checked_service(text));
    insta::assert_snapshot!(checked_service(
        "[environment.staging]\nrequires = \"staging\"\n\n[environment.\"personal-*\"]\n"
    ));
}

#[test]
fn approvals() {
    let text = r#"[environment.staging]
approval = { from = ["opps", "ops"], count = 0, within = "90d", by = "noon" }

[environment.stagin]
approval = { from = [] }
"#;
    let worker = WORKER.to_owned();
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
}

#[test]
fn approvals_that_nobody_could_give() {
    let text = "[environment.staging]\napproval = { from = [\"ops\", \"devs\"], count = 2 }\n";
    let worker = WORKER.replace("[\"ben\"]", "[\"ben\", \"ci\"]") + "\n[people]\nshared = [\"ci\"]\n";
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
    let text = text.replace(", \"devs\"", "");
    insta::assert_snapshot!(checked(&worker, &[("api.toml", &format!("{HEAD}{text}"))]));
}
