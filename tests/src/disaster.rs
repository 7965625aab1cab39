//! Disasters in the middle of a roll that the lab's own API does not offer.

use std::path::PathBuf;

use tokio::process::Command;

/// An iptables rule for one port of the lab's address. `lift` removes it.
pub struct PortRule(Vec<String>);

impl PortRule {
    /// Drops packets to the port.
    pub async fn silent(port: u16) -> Self {
        Self::insert(port, &["-j", "DROP"]).await
    }

    /// Resets connections to the port.
    pub async fn reset(port: u16) -> Self {
        Self::insert(port, &["-j", "REJECT", "--reject-with", "tcp-reset"]).await
    }

    /// Resets connections to the port for programs on the bastion only, and not for the hosts.
    pub async fn reset_on_bastion(port: u16) -> Self {
        Self::insert(port, &["-i", "lo", "-j", "REJECT", "--reject-with", "tcp-reset"]).await
    }

    async fn insert(port: u16, verdict: &[&str]) -> Self {
        let port = port.to_string();
        let rule = [&["INPUT", "-p", "tcp", "--dport", &port], verdict].concat();
        run("iptables", &[&["-I"], rule.as_slice()].concat()).await;
        Self(rule.into_iter().map(str::to_owned).collect())
    }

    /// Removes the rule.
    pub async fn lift(self) {
        let rule: Vec<&str> = self.0.iter().map(String::as_str).collect();
        run("iptables", &[&["-D"], rule.as_slice()].concat()).await;
    }
}

/// A small file system of its own, which a test can fill.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a file system of `bytes` at this path.
    pub async fn mount(at: PathBuf, bytes: u64) -> Self {
        std::fs::create_dir(&at).unwrap();
        let size = format!("size={bytes}");
        let path = at.to_str().expect("a path in UTF-8");
        run("mount", &["-t", "tmpfs", "-o", &size, "ledger", path]).await;
        Self(at)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Fills the file system to the last byte.
    pub fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    /// Frees the space again.
    pub fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    /// Unmounts it, even while files are open there.
    pub async fn unmount(self) {
        run("umount", &["--lazy", self.0.to_str().expect("a path in UTF-8")]).await;
    }
}

async fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status().await.unwrap();
    assert!(done.success(), "{program} {}: {done}", arguments.join(" "));
}
