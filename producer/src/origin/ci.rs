//! Which CI runs this program, and what it says of the build. Each CI is read by its vendor's list of
//! variables. The table is our own, because the libraries for it know neither the build's number nor the
//! person.

use super::variables::Variables;

/// What a CI says of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The CI's name; empty outside of any.
    pub(super) system: &'static str,
    pub(super) revision: Option<String>,
    /// The branch; in a build of a change request, the branch that is to be merged.
    pub(super) branch: Option<String>,
    /// The build's number.
    pub(super) number: Option<String>,
    /// How the CI tells which of two builds has the later version.
    pub(super) order: BuildOrder,
    /// Address at which a person finds the build.
    pub(super) url: Option<String>,
    /// The person who started the build.
    pub(super) person: Option<String>,
    /// The change request that the build is of: its number, or its branch where the CI gives no number.
    pub(super) change_request: Option<String>,
}

/// How a CI's build numbers order the versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum BuildOrder {
    /// One counter numbers all builds as they begin.
    #[default]
    Number,
    /// Each branch has a counter of its own, which numbers its builds as they begin.
    NumberOfBranch,
    /// The build's number says nothing about the order. This other number does, where the CI gives one.
    Other(Option<String>),
}

/// A CI: the variable that reveals it, and the function that reads its facts.
struct System {
    name: &'static str,
    told_by: &'static str,
    facts: fn(Variables<'_>) -> Facts,
}

const SYSTEMS: [System; 8] = [
    System {
        name: "buildkite",
        told_by: "BUILDKITE",
        facts: buildkite,
    },
    System {
        name: "github-actions",
        told_by: "GITHUB_ACTIONS",
        facts: github_actions,
    },
    System {
        name: "gitlab",
        told_by: "GITLAB_CI",
        facts: gitlab,
    },
    System {
        name: "teamcity",
        told_by: "TEAMCITY_VERSION",
        facts: teamcity,
    },
    System {
        name: "circleci",
        told_by: "CIRCLECI",
        facts: circleci,
    },
    System {
        name: "buddy",
        told_by: "BUDDY",
        facts: buddy,
    },
    System {
        name: "concourse",
        told_by: "ATC_EXTERNAL_URL",
        facts: concourse,
    },
    // Jenkins comes last, because other CIs set some of its variables for the sake of its plug-ins.
    System {
        name: "jenkins",
        told_by: "JENKINS_URL",
        facts: jenkins,
    },
];

/// The facts of the CI that runs this program; none outside of a CI.
pub(super) fn facts(variables: Variables<'_>) -> Facts {
    let system = SYSTEMS.iter().find(|system| variables(system.told_by).is_some());
    system.map_or_else(Facts::default, |system| Facts {
        system: system.name,
        ..(system.facts)(variables)
    })
}

/// Buildkite, "Environment variables". `BUILDKITE_PULL_REQUEST` is `false` in builds that are not of a pull
/// request. In a build of a tag the branch variable has the tag's name.
fn buildkite(var: Variables<'_>) -> Facts {
    Facts {
        revision: var("BUILDKITE_COMMIT").filter(|commit| commit != "HEAD"),
        branch: var("BUILDKITE_BRANCH").filter(|_| var("BUILDKITE_TAG").is_none()),
        number: var("BUILDKITE_BUILD_NUMBER"),
        url: var("BUILDKITE_BUILD_URL"),
        person: var("BUILDKITE_BUILD_CREATOR"),
        change_request: var("BUILDKITE_PULL_REQUEST").filter(|request| request != "false"),
        ..Facts::default()
    }
}

/// GitHub Docs, "Variables reference". In a pull request `GITHUB_SHA` is a merge that nobody pushed.
/// `GITHUB_REF_NAME` may be a tag.
fn github_actions(var: Variables<'_>) -> Facts {
    let of_branch = var("GITHUB_REF_TYPE").is_none_or(|kind| kind == "branch");
    let head = var("GITHUB_HEAD_REF");
    let url = || {
        let (server, repository) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?);
        Some(format!(
            "{server}/{repository}/actions/runs/{}",
            var("GITHUB_RUN_ID")?
        ))
    };
    let request = || {
        let reference = var("GITHUB_REF")?;
        let number = reference
            .strip_prefix("refs/pull/")?
            .split('/')
            .next()?
            .to_owned();
        Some(number)
    };
    Facts {
        revision: var("GITHUB_SHA"),
        branch: head
            .clone()
            .or_else(|| var("GITHUB_REF_NAME").filter(|_| of_branch)),
        number: var("GITHUB_RUN_NUMBER"),
        url: url(),
        person: var("GITHUB_ACTOR"),
        change_request: request().or(head),
        ..Facts::default()
    }
}

/// GitLab Docs, "Predefined CI/CD variables reference". `CI_COMMIT_BRANCH` is absent in builds of tags and
/// merge requests.
fn gitlab(var: Variables<'_>) -> Facts {
    Facts {
        revision: var("CI_COMMIT_SHA"),
        branch: var("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME").or_else(|| var("CI_COMMIT_BRANCH")),
        number: var("CI_PIPELINE_IID"),
        url: var("CI_PIPELINE_URL").or_else(|| var("CI_JOB_URL")),
        person: var("GITLAB_USER_LOGIN"),
        change_request: var("CI_MERGE_REQUEST_IID"),
        ..Facts::default()
    }
}

/// TeamCity, "List of predefined build parameters". The branch is a configuration parameter, which no build
/// sees unless it is handed on: `env.TEAMCITY_BUILD_BRANCH = %teamcity.build.branch%`. The person is handed
/// on with `env.TEAMCITY_BUILD_TRIGGERED_BY = %teamcity.build.triggeredBy.username%`.
fn teamcity(var: Variables<'_>) -> Facts {
    let is_request = |branch: &String| branch.starts_with("pull/") || branch.starts_with("merge-requests/");
    let branch = var("TEAMCITY_BUILD_BRANCH").filter(|branch| branch != "<default>");
    Facts {
        revision: var("BUILD_VCS_NUMBER"),
        change_request: branch.clone().filter(is_request),
        branch: branch.map(|branch| branch.trim_start_matches("refs/heads/").to_owned()),
        number: var("BUILD_NUMBER"),
        url: var("BUILD_URL"),
        person: var("TEAMCITY_BUILD_TRIGGERED_BY"),
        ..Facts::default()
    }
}

/// CircleCI, "Project values and variables". `CIRCLE_BUILD_NUM` is the job's number, and a late job of an
/// early pipeline has a high one. No job sees the pipeline's number unless it is handed on:
/// `CIRCLE_PIPELINE_NUMBER: << pipeline.number >>`.
fn circleci(var: Variables<'_>) -> Facts {
    let request = var("CIRCLE_PULL_REQUEST").or_else(|| var("CIRCLE_PR_NUMBER"));
    Facts {
        revision: var("CIRCLE_SHA1"),
        // In a build of a forked pull request the branch is `pull/NUMBER`.
        change_request: request.filter(|_| {
            var("CIRCLE_PR_NUMBER").is_some()
                || var("CIRCLE_BRANCH").is_some_and(|branch| branch.starts_with("pull/"))
        }),
        branch: var("CIRCLE_BRANCH"),
        number: var("CIRCLE_BUILD_NUM"),
        order: BuildOrder::Other(var("CIRCLE_PIPELINE_NUMBER")),
        url: var("CIRCLE_BUILD_URL"),
        person: var("CIRCLE_USERNAME"),
        ..Facts::default()
    }
}

/// Buddy, "Default variables". `BUDDY_EXECUTION_…` are the older names.
fn buddy(var: Variables<'_>) -> Facts {
    let either = |new: &str, old: &str| var(new).or_else(|| var(old));
    Facts {
        revision: either("BUDDY_RUN_COMMIT", "BUDDY_EXECUTION_REVISION"),
        branch: either(
            "BUDDY_RUN_PR_HEAD_BRANCH",
            "BUDDY_EXECUTION_PULL_REQUEST_HEAD_BRANCH",
        )
        .or_else(|| either("BUDDY_RUN_BRANCH", "BUDDY_EXECUTION_BRANCH")),
        number: either("BUDDY_RUN_ID", "BUDDY_EXECUTION_ID"),
        url: either("BUDDY_RUN_URL", "BUDDY_EXECUTION_URL"),
        person: var("BUDDY_INVOKER_NAME"),
        change_request: either("BUDDY_RUN_PR_NO", "BUDDY_EXECUTION_PULL_REQUEST_NO"),
        ..Facts::default()
    }
}

/// Concourse, "Build metadata". A task sees none of it unless the pipeline hands it on. Revision and branch
/// come from the repository.
fn concourse(var: Variables<'_>) -> Facts {
    let url = || {
        Some(format!(
            "{}/builds/{}",
            var("ATC_EXTERNAL_URL")?,
            var("BUILD_ID")?
        ))
    };
    Facts {
        number: var("BUILD_NAME"),
        url: url(),
        person: var("BUILD_CREATED_BY"),
        ..Facts::default()
    }
}

/// Jenkins, "Using environment variables", and the variables of the Git plug-in. `GIT_BRANCH` has the
/// remote's name before the branch. In a multibranch pipeline `BRANCH_NAME` is `PR-NUMBER` for a change
/// request and the tag's name for a tag; each branch is a job, which counts its own builds.
fn jenkins(var: Variables<'_>) -> Facts {
    let of_plugin = || {
        let branch = var("GIT_BRANCH")?;
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
        Some(branch.strip_prefix("origin/").unwrap_or(branch).to_owned())
    };
    let change_request = var("CHANGE_ID");
    Facts {
        revision: var("GIT_COMMIT"),
        branch: var("CHANGE_BRANCH")
            .or_else(|| var("BRANCH_NAME"))
            .or_else(of_plugin)
            .filter(|_| var("TAG_NAME").is_none()),
        number: var("BUILD_NUMBER"),
        order: match var("BRANCH_NAME") {
            Some(_) => BuildOrder::NumberOfBranch,
            None => BuildOrder::Number,
        },
        url: var("BUILD_URL"),
        person: var("BUILD_USER_ID").or_else(|| var("CHANGE_AUTHOR")),
        change_request,
        ..Facts::default()
    }
}
