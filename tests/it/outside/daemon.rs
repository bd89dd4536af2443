//! The program under test, started as an operator starts it.
//!
//! Invariant: it gets nothing from the environment of the tests but `PATH`, and it does not outlive its story.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::outside::aws::REGION;
use crate::outside::siem;
use crate::outside::store::Store;
use crate::outside::wait;

/// Keys that let the AWS-compatible server in while it checks no permissions.
pub const ANY_KEYS: (&str, &str) = ("AKIAEXAMPLE000000009", "any");

/// A folder with a configuration, a store and secrets: what one installation has.
pub struct House {
    folder: TempDir,
    sections: Vec<String>,
    environment: Vec<(String, String)>,
}

impl House {
    /// Makes a house that commits often, tries again soon, and has neither sources nor sinks yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, secret) = ANY_KEYS;
        let mut house = Self { folder, sections: Vec::new(), environment: Vec::new() };
        fs::write(house.path("secret"), format!("{}\n", siem::SECRET)).unwrap();
        house.set("AWS_ACCESS_KEY_ID", key);
        house.set("AWS_SECRET_ACCESS_KEY", secret);
        house.set("AWS_EC2_METADATA_DISABLED", "true");
        let home = house.path("").display().to_string();
        house.set("HOME", &home);
        house
            .with("[pipeline]\ncommit_interval = \"100ms\"\n")
            .with("[outbox]\ninitial_backoff = \"1s\"\nmax_backoff = \"2s\"\n")
    }

    /// Returns a path in the house.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Adds a variable of the environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Adds a section to the configuration, in the place of an earlier one that begins with the same line.
    pub fn with(mut self, section: &str) -> Self {
        let name = |text: &str| text.lines().next().unwrap().to_owned();
        let is_list = section.starts_with("[[");
        self.sections.retain(|known| is_list || name(known) != name(section));
        self.sections.push(section.to_owned());
        self
    }

    /// Adds a queue at `endpoint`; `more` are further keys.
    pub fn reading(self, endpoint: &str, queue_url: &str, more: &str) -> Self {
        self.with(&format!(
            "[[source.sqs]]\nname = \"trail\"\nqueue_url = \"{queue_url}\"\nendpoint_url = \"{endpoint}\"\n\
             region = \"{REGION}\"\nvisibility = \"10s\"\nwait = \"2s\"\n{more}\n"
        ))
    }

    /// Adds a receiver of webhooks; `more` are further keys.
    pub fn telling(self, url: &str, more: &str) -> Self {
        let secret = self.path("secret").display().to_string();
        self.with(&format!(
            "[[sink.webhook]]\nname = \"siem\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n\
             allow_http = true\nallow_private = true\nrate = 1000\n{more}\n"
        ))
    }

    /// Returns where the configuration is.
    pub fn config(&self) -> PathBuf {
        self.path("grantwatch.toml")
    }

    /// Returns where the store is.
    pub fn store_path(&self) -> PathBuf {
        self.path("store/grantwatch.db")
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::at(&self.store_path())
    }

    /// Writes the configuration.
    pub fn write(&self) {
        fs::create_dir_all(self.path("store")).unwrap();
        let store = format!("[store]\npath = \"{}\"\n", self.store_path().display());
        fs::write(self.config(), store + &self.sections.join("\n")).unwrap();
    }

    /// Returns the program with `arguments`, in this house's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.in_this_house(env!("CARGO_BIN_EXE_grantwatch").as_ref(), arguments)
    }

    fn in_this_house(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(self.path(""));
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Writes the configuration and starts the daemon.
    pub fn run(&self) -> Daemon {
        self.write();
        self.run_as_written()
    }

    /// Starts the daemon with the configuration that is there.
    pub fn run_as_written(&self) -> Daemon {
        let config = self.config().display().to_string();
        Daemon::start(self.command(&["run", "--config", &config]))
    }

    /// Starts the daemon, as it is configured, in a shell that first does what `before` says.
    pub fn run_after(&self, before: &str) -> Daemon {
        self.write();
        self.in_a_shell(&format!("{before} && exec"))
    }

    /// Starts the daemon, as it is configured, by way of another program.
    pub fn run_by(&self, other: &str) -> Daemon {
        self.in_a_shell(&format!("exec {other}"))
    }

    fn in_a_shell(&self, before: &str) -> Daemon {
        let (program, config) = (env!("CARGO_BIN_EXE_grantwatch"), self.config());
        let script = format!("{before} {program} run --config {}", config.display());
        Daemon::start(self.in_this_house("/bin/sh".as_ref(), &["-c", &script]))
    }
}

/// A running daemon; it is killed when dropped.
pub struct Daemon {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Daemon {
    fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (log, lines) = (Arc::new(Mutex::new(Vec::new())), process.stderr.take().unwrap());
        let written = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in BufReader::new(lines).lines() {
                let Ok(line) = line else { return };
                written.lock().unwrap().push(line);
            }
        });
        Self { process, log, reader: Some(reader) }
    }

    /// Returns the number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns everything it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Returns whether it has said something that contains `text`.
    pub fn said(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// Waits until it says something that contains `text`.
    #[track_caller]
    pub fn await_word(&mut self, text: &str) {
        self.await_that(&format!("`{text}` in the log"), |daemon| daemon.said(text));
    }

    /// Waits until `holds`; fails at once if the daemon ends before.
    #[track_caller]
    pub fn await_that(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let seen = wait::within(wait::SOON, || {
            let seen = holds(self);
            (seen || self.process.try_wait().unwrap().is_some()).then_some(seen)
        });
        // What it did last may show only after its end.
        let seen = seen.is_some_and(|seen| seen || holds(self));
        assert!(seen, "no {what}; the daemon said:\n{}", self.log());
    }

    /// Sends a signal: `TERM`, `HUP` or `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    /// Asks it to end and returns how it did.
    #[track_caller]
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end and returns how it ended and what it said.
    #[track_caller]
    pub fn ended(&mut self) -> (ExitStatus, String) {
        let status = wait::within(wait::SOON, || self.process.try_wait().unwrap());
        let status = status.unwrap_or_else(|| panic!("it does not end; it said:\n{}", self.log()));
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.log())
    }

    /// Ends it without warning.
    pub fn kill(mut self) -> String {
        self.process.kill().unwrap();
        self.ended().1
    }

    /// Returns the most memory it has had at once, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().unwrap();
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.log());
        }
    }
}
