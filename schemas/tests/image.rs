//! Image references, as people and registries write them.
#![allow(clippy::unwrap_used, reason = "tests")]

use drawgate_schemas::{Digest, ImageReference};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Per case: the text, its repository, its tag, whether it has a digest, its version.
#[test]
fn good_references_are_taken_apart_and_put_together_again() {
    let d = format!("sha256:{HEX}");
    for (text, repository, tag, digest, version) in [
        ("nginx:1.27".to_owned(), "nginx", Some("1.27"), false, "1.27"),
        (
            "library/nginx:latest".to_owned(),
            "library/nginx",
            Some("latest"),
            false,
            "latest",
        ),
        (
            "docker.io/library/nginx:1".to_owned(),
            "docker.io/library/nginx",
            Some("1"),
            false,
            "1",
        ),
        (
            "localhost:5000/api:x".to_owned(),
            "localhost:5000/api",
            Some("x"),
            false,
            "x",
        ),
        (
            "localhost/api:x".to_owned(),
            "localhost/api",
            Some("x"),
            false,
            "x",
        ),
        (
            "registry:5000/a/b/c:x".to_owned(),
            "registry:5000/a/b/c",
            Some("x"),
            false,
            "x",
        ),
        (
            "10.0.0.1:5000/api:x".to_owned(),
            "10.0.0.1:5000/api",
            Some("x"),
            false,
            "x",
        ),
        (
            "Registry.Example.com/team/api:V1_2.3-x".to_owned(),
            "Registry.Example.com/team/api",
            Some("V1_2.3-x"),
            false,
            "V1_2.3-x",
        ),
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/api:0123abc".to_owned(),
            "1.dkr.ecr.eu-west-1.amazonaws.com/api",
            Some("0123abc"),
            false,
            "0123abc",
        ),
        (
            format!("registry:5000/api@{d}"),
            "registry:5000/api",
            None,
            true,
            "0123456789ab",
        ),
        (
            format!("registry:5000/api:x@{d}"),
            "registry:5000/api",
            Some("x"),
            true,
            "x",
        ),
        (format!("api@{d}"), "api", None, true, "0123456789ab"),
        (
            "a_b/c__d/e-f/g.h:_x".to_owned(),
            "a_b/c__d/e-f/g.h",
            Some("_x"),
            false,
            "_x",
        ),
        (
            format!("api:{}", "x".repeat(128)),
            "api",
            Some(&*"x".repeat(128)),
            false,
            &*"x".repeat(128),
        ),
    ] {
        let image: ImageReference = text.parse().unwrap();
        assert_eq!(image.repository(), repository, "{text}");
        assert_eq!(image.tag(), tag, "{text}");
        assert_eq!(image.digest().is_some(), digest, "{text}");
        assert_eq!(image.version(), version, "{text}");
        assert_eq!(image.to_string(), text);
        let json = serde_json::to_string(&image).unwrap();
        assert_eq!(serde_json::from_str::<ImageReference>(&json).unwrap(), image);
    }
}

#[test]
fn malformed_references_are_refused_with_a_reason() {
    let names_none = "names no version";
    let component = "has the component";
    let tag = "which no registry accepts";
    for (text, why) in [
        ("", "must have 1 to 512 characters"),
        (
            &*format!("{}:x", "a".repeat(511)),
            "must have 1 to 512 characters",
        ),
        ("api", names_none),
        ("registry:5000/api", names_none),
        ("registry.example.com/team/api", names_none),
        (":x", component),
        ("/api:x", component),
        ("api/:x", component),
        ("a//b:x", component),
        ("API:x", component),
        ("team/API:x", component),
        ("team/-api:x", component),
        ("team/api-:x", component),
        ("team/.api:x", component),
        ("team/a..b:x", component),
        ("team/a b:x", component),
        ("team/a\nb:x", component),
        ("../etc/passwd:x", component),
        ("https://registry.example.com/api:x", component),
        ("registry:0/api:x", component),
        ("registry:99999/api:x", component),
        ("registry:port/api:x", component),
        ("-registry.com/api:x", component),
        ("api:", tag),
        ("api:x:y", tag),
        ("api:.x", tag),
        ("api:-x", tag),
        ("api:x y", tag),
        ("api:x\u{1b}", tag),
        ("api:ä", tag),
        (&*format!("api:{}", "x".repeat(129)), tag),
        ("api@", "must be sha256:"),
        ("api@sha256:", "must be sha256:"),
        ("api@sha256:0123", "must be sha256:"),
        (&*format!("api@sha256:{}", HEX.to_uppercase()), "must be sha256:"),
        (&*format!("api@sha512:{HEX}"), "must be sha256:"),
        (&*format!("api@sha256:{HEX}@sha256:{HEX}"), "must be sha256:"),
        (&*format!("@sha256:{HEX}"), component),
    ] {
        let error = text
            .parse::<ImageReference>()
            .map(|image| image.to_string())
            .unwrap_err();
        assert!(error.to_string().contains(why), "{text:?}: {error}");
    }
}

#[test]
fn a_digest_is_sha256_and_64_digits() {
    let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
    assert_eq!((digest.short(), digest.as_str().len()), ("0123456789ab", 71));
    for bad in [
        "",
        "sha256:",
        HEX,
        &format!("sha256:{HEX}0"),
        &format!("sha256:{}g", &HEX[..63]),
    ] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
}

#[test]
fn a_tag_has_one_colon_before_it() {
    assert!("api::x".parse::<ImageReference>().is_err());
    assert!("registry:5000/api:::x".parse::<ImageReference>().is_err());
}
