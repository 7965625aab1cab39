//! Where a branch goes.

use super::systems::systems;
use super::{REVISION, ROUTES, TWO_LINES, filled};
use crate::origin::routes::Routes;

#[test]
fn routes_say_where_a_branch_goes() {
    let file = format!("{TWO_LINES}{ROUTES}");
    for (name, variables) in systems().into_iter().filter(|(name, _)| *name != "concourse") {
        let text = filled(&file, &variables, &[]).unwrap();
        assert!(
            text.contains("environment: staging (route \"main\")"),
            "{name}: {text}"
        );
    }
    let mine = [
        ("CIRCLECI", "true"),
        ("CIRCLE_SHA1", REVISION),
        ("CIRCLE_BRANCH", "remote-run/Ben.K/faster"),
    ];
    let text = filled(&file, &mine, &[]).unwrap();
    assert!(text.contains("\"environment\": \"personal-ben-k\""), "{text}");
}

#[test]
fn the_narrowest_route_wins_and_two_alike_are_refused() {
    let routes: Routes = toml::from_str(
        "\"*\" = \"integration\"\n\"release/*\" = \"staging\"\n\"release/{train}/hotfix\" = \"hotfix-{train}\"\n\
         \"a*\" = \"one\"\n\"*b\" = \"two\"\n",
    )
    .unwrap();
    let way = |branch: &str| routes.way(branch).map(|way| way.unwrap().environment.to_string());
    assert_eq!(way("feature/x").unwrap(), "integration");
    assert_eq!(way("release/7").unwrap(), "staging");
    assert_eq!(way("release/7.1/hotfix").unwrap(), "hotfix-7-1");
    assert!(way("axb").unwrap_err().contains("both match"));
    let few: Routes = toml::from_str("\"main\" = \"staging\"\n\"x.y\" = \"z\"\n").unwrap();
    for other in ["maine", "amain", "xay", ""] {
        assert_eq!(few.way(other), Ok(None), "{other}");
    }
}
