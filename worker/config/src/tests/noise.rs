//! No input makes the reading panic, hang or print more than a person reads.

use std::path::{Path, PathBuf};

use super::{WORKER, read_files};
use crate::error::FINDINGS_PER_FILE;
use crate::load::{Findings, judge_service, judge_worker};
use crate::source::Source;
use crate::worker_file::Surroundings;

const SERVICE: &str = include_str!("../../../../infra/examples/services/search-api.toml");
const EXAMPLE: &str = include_str!("../../../../infra/examples/worker.toml");

/// Either it is good, or it says why; explained, so that the rendering meets every input too.
fn survives(worker: bool, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut findings = Findings::default();
    let good = if worker {
        let around = Surroundings {
            folder: Path::new("/nonexistent"),
            amqp_url: None,
            hostname: None,
        };
        judge_worker(&Source::with_secrets("worker.toml", text), &around, &mut findings).is_some()
    } else {
        judge_service(Source::new("api.toml", text), &mut findings).is_some()
    };
    assert!(good || !findings.errors.is_empty());
    assert!(findings.errors.len() <= FINDINGS_PER_FILE && findings.warnings.len() <= FINDINGS_PER_FILE);
    for finding in findings.errors.iter().chain(&findings.warnings) {
        assert!(finding.to_string().len() < 4_000, "{finding}");
    }
}

#[test]
fn truncations() {
    for (text, worker) in [(SERVICE, false), (EXAMPLE, true)] {
        for end in 0..text.len() {
            survives(worker, &text.as_bytes()[..end]);
        }
    }
}

#[test]
fn flipped_bytes() {
    // Bytes that mean something in TOML or to the reader; another for each place.
    let replacements = b"\"{}[]=\n,*.\\0\0\xff-:%";
    for (text, worker) in [(SERVICE, false), (EXAMPLE, true)] {
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = replacements[at % replacements.len()];
            survives(worker, &bytes);
            bytes[at] = text.as_bytes()[at] ^ (1 << (at % 8));
            survives(worker, &bytes);
        }
    }
}

#[test]
fn a_file_of_mistakes_is_cut_short() {
    let unknown: String = (0..20_000).map(|n| format!("k{n} = 1\n")).collect();
    let long = format!("{} = {:?}\n", "k".repeat(50_000), "v".repeat(50_000));
    let nested = format!("a = {}", "[".repeat(200_000));
    let long_port = format!("container.ports = [\"{}\"]\n", "8".repeat(100_000));
    for text in [
        unknown,
        long,
        long_port,
        nested,
        "]\n".repeat(100_000),
        "[".repeat(200_000),
    ] {
        survives(false, text.as_bytes());
        survives(true, text.as_bytes());
    }
}

#[test]
fn no_text_at_all() {
    for bytes in [vec![0xff; 1000], vec![b'#'; 1024 * 1024], vec![0; 1000]] {
        let report = read_files(WORKER.as_bytes(), &[("api.toml", &bytes)]).unwrap_err();
        assert!(report.to_string().contains("services/api.toml"), "{report}");
    }
}

#[test]
fn a_folder_or_nothing_in_place_of_a_file() {
    let nowhere = crate::Config::load(&PathBuf::from("/nonexistent/worker.toml")).unwrap_err();
    assert!(nowhere.to_string().contains("does not exist"), "{nowhere}");
    assert!(crate::Config::load(&PathBuf::from("/")).is_err());
    assert!(crate::Config::load(&PathBuf::new()).is_err());
}
