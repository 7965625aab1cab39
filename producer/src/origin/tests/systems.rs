//! The variables that each CI sets.

use super::REVISION;

/// The variables of each CI for build 812 of `main`, by the vendor's own list.
pub(super) fn systems() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        (
            "buildkite",
            vec![
                ("BUILDKITE", "true"),
                ("BUILDKITE_COMMIT", REVISION),
                ("BUILDKITE_BRANCH", "main"),
                ("BUILDKITE_BUILD_NUMBER", "812"),
                (
                    "BUILDKITE_BUILD_URL",
                    "https://buildkite.com/acme/search/builds/812",
                ),
                ("BUILDKITE_BUILD_CREATOR", "Ben"),
                ("BUILDKITE_PULL_REQUEST", "false"),
            ],
        ),
        (
            "github_actions",
            vec![
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SHA", REVISION),
                ("GITHUB_REF", "refs/heads/main"),
                ("GITHUB_REF_NAME", "main"),
                ("GITHUB_REF_TYPE", "branch"),
                ("GITHUB_RUN_NUMBER", "812"),
                ("GITHUB_RUN_ID", "7001"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "acme/search"),
                ("GITHUB_ACTOR", "ben"),
            ],
        ),
        (
            "gitlab",
            vec![
                ("GITLAB_CI", "true"),
                ("CI_COMMIT_SHA", REVISION),
                ("CI_COMMIT_BRANCH", "main"),
                ("CI_PIPELINE_IID", "812"),
                (
                    "CI_PIPELINE_URL",
                    "https://gitlab.example.com/acme/search/-/pipelines/7001",
                ),
                ("GITLAB_USER_LOGIN", "ben"),
            ],
        ),
        (
            "teamcity",
            vec![
                ("TEAMCITY_VERSION", "2025.07"),
                ("BUILD_VCS_NUMBER", REVISION),
                ("BUILD_NUMBER", "812"),
                ("BUILD_URL", "https://teamcity.example.com/build/7001"),
                ("TEAMCITY_BUILD_BRANCH", "refs/heads/main"),
                ("TEAMCITY_BUILD_TRIGGERED_BY", "ben"),
            ],
        ),
        (
            "jenkins",
            vec![
                ("JENKINS_URL", "https://jenkins.example.com/"),
                ("GIT_COMMIT", REVISION),
                ("GIT_BRANCH", "origin/main"),
                ("BUILD_NUMBER", "812"),
                ("BUILD_URL", "https://jenkins.example.com/job/search/812/"),
                ("BUILD_USER_ID", "ben"),
            ],
        ),
        (
            "concourse",
            vec![
                ("ATC_EXTERNAL_URL", "https://ci.example.com"),
                ("BUILD_ID", "7001"),
                ("BUILD_NAME", "812"),
                ("BUILD_CREATED_BY", "ben"),
            ],
        ),
        (
            "buddy",
            vec![
                ("BUDDY", "true"),
                ("BUDDY_RUN_COMMIT", REVISION),
                ("BUDDY_RUN_BRANCH", "main"),
                ("BUDDY_RUN_ID", "812"),
                (
                    "BUDDY_RUN_URL",
                    "https://app.buddy.works/acme/search/pipelines/pipeline/1/execution/812",
                ),
                ("BUDDY_INVOKER_NAME", "Ben"),
            ],
        ),
        (
            "circleci",
            vec![
                ("CIRCLECI", "true"),
                ("CIRCLE_SHA1", REVISION),
                ("CIRCLE_BRANCH", "main"),
                ("CIRCLE_BUILD_NUM", "7001"),
                ("CIRCLE_PIPELINE_NUMBER", "812"),
                ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/search/812"),
                ("CIRCLE_USERNAME", "ben"),
            ],
        ),
    ]
}
