//! `[command]`: what goes with it, what does not, and the recipes as they are checked in.

use std::path::Path;

use super::{WORKER, checked, checked_service};

fn checked_command(lines: &str) -> String {
    checked(
        WORKER,
        &[(
            "web.toml",
            &format!(
                "service = \"web\"\nenvironments = [\"staging\"]\npolicy.images = [\"registry.example.com/shop/web\"]\n{lines}"
            ),
        )],
    )
}

#[test]
fn the_recipes_are_without_mistakes() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/recipes");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(recipes).unwrap().flatten() {
        let Ok(services) = std::fs::read_dir(folder.path().join("services")) else {
            continue;
        };
        files.extend(
            services
                .flatten()
                .map(|file| std::fs::read_to_string(file.path()).unwrap()),
        );
    }
    assert_eq!(files.len(), 4);
    for text in files {
        let told = checked(WORKER, &[("recipe.toml", &text)]);
        assert!(!told.contains("error"), "{told}");
    }
}

#[test]
fn what_is_missing() {
    insta::assert_snapshot!(checked_command("[command]\nrun_on = \"bastion\"\n"));
}

#[test]
fn beside_a_container() {
    let text = "[container]\nname = \"web\"\n[command]\nrun_on = \"host\"\ndeploy = [\"./d\"]\nrollback = [\"./r\"]\n";
    insta::assert_snapshot!(checked_service(text));
}

#[test]
fn nothing_tells_what_was_before() {
    let text = "[command]\nrun_on = \"host\"\ndeploy = [\"./d\", \"{previous}\"]\nrollback = [\"./d\", \"{previous}\"]\n\
                secrets = { A = \"ssm:/a\" }\npass_env = [\"HOME\"]\n";
    insta::assert_snapshot!(checked_service(text));
}

#[test]
fn what_is_about_containers() {
    let text = "wanted_parameter = \"/wanted/{environment}\"\n[command]\nrun_on = \"host\"\ndeploy = [\"./d\"]\n\
                rollback = [\"./d\"]\n[verify]\nhealthcheck = true\n\
                [before]\nrun = [\"bin/migrate\"]\n[after]\nrun = [\"bin/browse\"]\nrun_on = \"container\"\n";
    insta::assert_snapshot!(checked_service(text));
}

#[test]
fn words_that_mean_nothing_there() {
    let text = "[command]\nrun_on = \"worker\"\ndeploy = [\"A=1\", \"{instance}\"]\nrollback = [\"./r\", \"{expected}\"]\n\
                version = { run = [\"cat\", \"{tag}\"], is = \"{tga}\" }\nverify = [\"./check\"]\n";
    insta::assert_snapshot!(checked_command(text));
}

#[test]
fn what_is_about_hosts() {
    let text = "auto_scaling_group = \"web\"\n[roll]\ncanary = { instances = 1 }\n[command]\nrun_on = \"worker\"\n\
                deploy = [\"/opt/apply\"]\nrollback = [\"kubectl\", \"rollout\", \"undo\"]\n\
                [verify]\nhttp = { path = \"/\", port = 80 }\n";
    insta::assert_snapshot!(checked_command(text));
}

#[test]
fn a_release_is_never_read_by_a_shell() {
    let text = "[command]\nrun_on = \"worker\"\ndeploy = [\"sh\", \"-c\", \"kubectl apply --tag={tag}\"]\n\
                rollback = [\"{tag}\"]\n[verify]\ncommand = [\"bash\", \"-ec\", \"check {expected}\"]\n";
    insta::assert_snapshot!(checked_command(text));
}
