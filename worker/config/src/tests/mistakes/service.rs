//! What a service file says of itself: its name, environments, fleet and images.

use super::checked_file;

#[test]
fn an_empty_file() {
    let text = r#""#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:1:1: `service` is missing
      hint: write service = "search-api"

    error: services/api.toml:1:1: `environments` is missing
      hint: write environments = ["staging", "production"]

    error: services/api.toml:1:1: nothing says where the fleet is
      hint: write auto_scaling_group = "search-api-{environment}" at the top, or [fleet] with tags = { … }

    error: services/api.toml:1:1: [policy] is missing: nothing says which images may run here
      hint: write [policy] and images = ["registry.example.com/team/api"]

    worker.toml: 4 errors
    "#);
}

#[test]
fn a_file_with_little_in_it() {
    let text = r#"service = "Search_API"
environments = []
fleet.tags = {}
policy.images = []
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:1:11: service "Search_API" must be 1 to 63 of a-z, 0-9 and inner hyphens
      1 | service = "Search_API"
        |           ^^^^^^^^^^^^
      hint: write "search-api", here and in the repository's drawgate.toml

    error: services/api.toml:2:16: `environments`: is empty: the service could be released nowhere
      2 | environments = []
        |                ^^
      hint: write environments = ["staging", "personal-*"]

    error: services/api.toml:3:14: `fleet.tags`: names no tag, and would mean every instance of the account
      3 | fleet.tags = {}
        |              ^^
      hint: name the fleet's tags

    error: services/api.toml:4:17: `policy.images`: is empty: nothing could be released
      4 | policy.images = []
        |                 ^^
      hint: write images = ["registry.example.com/team/api"]

    worker.toml: 4 errors
    "#);
}

#[test]
fn images() {
    let text = r#"service = "api"
environments = ["staging"]
auto_scaling_group = "api"
[policy]
images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:5:11: `policy.images[0]`: "registry.example.com/api:latest" names a version
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write "registry.example.com/api": which version is said by the release

    error: services/api.toml:5:46: `policy.images[1]`: "https://registry.example.com/api" is no repository
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      hint: write it in lower case and without https://, as in "registry.example.com/team/api"

    error: services/api.toml:5:82: `policy.images[2]`: "registry.example.com/*" is a pattern
      5 | images = ["registry.example.com/api:latest", "https://registry.example.com/api", "registry.example.com/*"]
        |                                                                                  ^^^^^^^^^^^^^^^^^^^^^^^^
      hint: list the repositories one by one

    worker.toml: 3 errors
    "#);
}

#[test]
fn environments() {
    let text = r#"service = "api"
environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
auto_scaling_group = "api"
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:2:17: environment "Staging" must be 1 to 63 of a-z, 0-9 and inner hyphens
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                 ^^^^^^^^^
      hint: write a name as "staging" or a pattern as "personal-*"

    error: services/api.toml:2:28: pattern "personal-*-*" has more than one `*`
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                            ^^^^^^^^^^^^^^
      hint: write a name as "staging" or a pattern as "personal-*"

    error: services/api.toml:2:58: several environments, but the fleet is the same in each of them
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                                                          ^^^^^^^^^^^^^^
      hint: put {environment} into `auto_scaling_group` or a tag, or name one environment only

    warning: services/api.toml:2:58: "personal-ben" overlaps with "personal-*"
      2 | environments = ["Staging", "personal-*-*", "personal-*", "personal-ben"]
        |                                                          ^^^^^^^^^^^^^^
      hint: remove the narrower one: both get the same definition

    worker.toml: 3 errors, 1 warning
    "#);
}

#[test]
fn wanted_parameters() {
    for name in [
        "drawgate/wanted",
        "/drawgate/wanted/",
        "/drawgate/{environment} {service}",
        "/aws/drawgate/{environment}",
        "/{environment}/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15",
    ] {
        let text = format!(
            "service = \"api\"\nenvironments = [\"staging\"]\nauto_scaling_group = \"api\"\n\
             wanted_parameter = \"{name}\"\npolicy.images = [\"registry.example.com/api\"]\n"
        );
        let told = checked_file(&text);
        assert!(
            told.starts_with("error: services/api.toml:4:20: `wanted_parameter`")
                && told.contains("write it as \"/drawgate/wanted/{environment}/{service}\"")
                && told.trim_end().ends_with("worker.toml: 1 error"),
            "{name}: {told}"
        );
    }
    let text = r#"service = "api"
environments = ["staging", "live"]
auto_scaling_group = "api-{environment}"
wanted_parameter = "/drawgate/{service}"
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:4:20: several environments, but `wanted_parameter` is the same in each of them
      4 | wanted_parameter = "/drawgate/{service}"
        |                    ^^^^^^^^^^^^^^^^^^^^^
      hint: put {environment} into it, or name one environment only

    worker.toml: 1 error
    "#);
}

#[test]
fn two_fleets() {
    let text = r#"service = "api"
environments = ["staging"]
auto_scaling_group = "api"
fleet = { tags = { a = "b" } }
policy.images = ["registry.example.com/api"]
"#;
    insta::assert_snapshot!(checked_file(text), @r#"
    error: services/api.toml:3:1: `auto_scaling_group` and [fleet] both say where the fleet is
      3 | auto_scaling_group = "api"
        | ^^^^^^^^^^^^^^^^^^
      hint: keep one

    worker.toml: 1 error
    "#);
}
