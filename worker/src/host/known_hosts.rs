//! Whether the worker would trust the host key of an instance that nobody has logged in to before. Judged
//! without such an instance, by what the operator's own `ssh_config` says of it.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::pool::Hosts;
use super::settings::HostKeys;
use super::ssh_config::effective_config;

/// An instance id that no instance has.
const NOBODY: &str = "i-00000000000000000";

impl Hosts {
    /// Why the host key of a newly launched instance would not be trusted; `None` where a certificate
    /// authority or a command vouches for it, where keys are accepted on first sight and remembered, or where
    /// that cannot be told from here.
    pub async fn unknown_host_keys(&self) -> Option<String> {
        let settings = &self.shared.settings;
        if settings.host_keys == HostKeys::AcceptNew {
            let file = settings.remembered_keys.as_deref()?;
            let error = may_write(file).err()?;
            let file = file.display();
            return Some(format!(
                "known_hosts = \"accept-new\" remembers no key, because {file} cannot be written ({error}): any machine \
                 may take a host's place"
            ));
        }
        let config = effective_config(settings, NOBODY).await?;
        if knows(&config, |path| std::fs::read_to_string(path).ok()) {
            return None;
        }
        Some(
            "no @cert-authority and no KnownHostsCommand vouches for their host keys; sign the hosts' keys at launch and \
             add a line \"@cert-authority i-* KEY\" to the known hosts, or write known_hosts = \"accept-new\" in \
             worker.toml"
                .to_owned(),
        )
    }
}

/// Whether the file can be written, or made. It is not made here: whoever runs `plan` may be another user
/// than the worker's.
fn may_write(file: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = file.parent().unwrap_or(Path::new("/"));
            rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)?;
            Ok(())
        }
        opened => opened.map(drop),
    }
}

/// Whether this configuration vouches for the key of a new instance.
fn knows(config: &str, read: impl Fn(&Path) -> Option<String>) -> bool {
    for line in config.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key.to_ascii_lowercase().as_str() {
            "knownhostscommand" if value != "none" => return true,
            "userknownhostsfile" | "globalknownhostsfile" => {
                for name in value.split_whitespace() {
                    // A name with tokens expands differently for each connection, so whether that file
                    // vouches cannot be ruled out.
                    let vouches =
                        name.contains('%') || read(&expanded(name)).is_some_and(|text| has_authority(&text));
                    if vouches {
                        return true;
                    }
                }
            }
            _ => {}
        }
    }
    false
}

fn expanded(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(name),
    }
}

/// Whether a known-hosts file has a certificate authority for instance ids (sshd(8), "SSH_KNOWN_HOSTS FILE
/// FORMAT").
fn has_authority(known_hosts: &str) -> bool {
    let patterns = known_hosts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("@cert-authority"))
            .then(|| words.next())
            .flatten()
    });
    patterns.into_iter().any(matches_instance)
}

fn matches_instance(patterns: &str) -> bool {
    let (negated, plain): (Vec<&str>, Vec<&str>) =
        patterns.split(',').partition(|pattern| pattern.starts_with('!'));
    plain.iter().any(|pattern| glob(pattern, NOBODY))
        && !negated
            .iter()
            .any(|pattern| glob(pattern.trim_start_matches('!'), NOBODY))
}

/// ssh's patterns: `*` for any number of characters, `?` for one.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.get(1..).unwrap_or_default();
            let tails = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            tails
                .into_iter()
                .any(|at| glob(rest, text.get(at..).unwrap_or_default()))
        }
        (Some(wanted), Some(found)) if wanted == '?' || wanted == found => glob(
            pattern.get(wanted.len_utf8()..).unwrap_or_default(),
            text.get(found.len_utf8()..).unwrap_or_default(),
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows_with(config: &str, known_hosts: &str) -> bool {
        knows(config, |path| {
            (path == Path::new("/k")).then(|| known_hosts.to_owned())
        })
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_without_making_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        may_write(&file).unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "").unwrap();
        may_write(&file).unwrap();
        let nowhere = folder.path().join("missing/known_hosts");
        assert_eq!(may_write(&nowhere).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn trap_25_only_an_authority_or_command_vouches_for_new_hosts() {
        let file = "userknownhostsfile /none /k\nknownhostscommand none\n";
        for (known_hosts, vouches) in [
            ("@cert-authority * ssh-ed25519 AAAA ca", true),
            ("# keys\n@cert-authority *.example.com,i-* ssh-ed25519 AAAA", true),
            ("@cert-authority i-????????????????? ssh-ed25519 AAAA", true),
            ("@cert-authority *.example.com ssh-ed25519 AAAA", false),
            ("@cert-authority *,!i-* ssh-ed25519 AAAA", false),
            ("@revoked * ssh-ed25519 AAAA", false),
            ("i-0123456789abcdef0 ssh-ed25519 AAAA\n* ssh-ed25519 AAAA", false),
            ("", false),
        ] {
            assert_eq!(knows_with(file, known_hosts), vouches, "{known_hosts}");
        }
        assert!(knows_with("knownhostscommand /usr/local/bin/keys %H", ""));
        assert!(knows_with(
            "globalknownhostsfile /k",
            "@cert-authority * ssh-rsa AAAA"
        ));
        assert!(knows_with("userknownhostsfile /keys/%k", ""));
        assert!(!knows_with("", "@cert-authority * ssh-rsa AAAA"));
    }
}
