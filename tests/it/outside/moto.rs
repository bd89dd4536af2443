//! moto, an AWS-compatible server, in a virtual environment that is made once.
//!
//! Most stories share one server and use buckets and queues of their own; a story that changes the server itself
//! (IAM enforcement) starts another. A server reads its standard input to the end and then ends, so none outlives
//! the tests, however they end.

use std::fs;
use std::fs::File;
use std::io::BufRead as _;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::OnceLock;

use crate::files;
use crate::outside::aws::Aws;
use crate::outside::http;
use crate::outside::http::Request;
use crate::outside::wait;

/// What the environment holds; a change makes a new one.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// A running server.
pub struct Moto {
    address: SocketAddr,
    process: Child,
}

impl Moto {
    /// Returns the server that stories share.
    pub fn shared() -> Aws {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start).aws()
    }

    /// Starts a server.
    pub fn start() -> Self {
        let mut process = Command::new(environment())
            .arg(files::path("tests/it/outside/serve.py"))
            .env_remove("PYTHONPATH")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 =
            port.trim().parse().expect("moto tells its port; standard error says why not");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let hello = Request {
            method: "GET".to_owned(),
            target: "/moto-api/data.json".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        wait::until("moto to answer", || http::send(address, &hello).is_ok());
        Self { address, process }
    }

    /// Returns the services it offers.
    pub fn aws(&self) -> Aws {
        Aws::at(self.address)
    }

    /// Lets the server check permissions from now on, or not at all.
    pub fn enforce_permissions(&self, enforced: Enforced) {
        let body = match enforced {
            Enforced::FromNowOn => "0",
            Enforced::No => "1000000000",
        };
        let request = Request {
            method: "POST".to_owned(),
            target: "/moto-api/reset-auth".to_owned(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(http::send(self.address, &request).unwrap().status, 200);
    }
}

/// Whether permissions are checked.
#[derive(Debug, Clone, Copy)]
pub enum Enforced {
    /// Every request from now on.
    FromNowOn,
    /// None.
    No,
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().unwrap();
    }
}

/// Returns the interpreter of the environment, making the environment if it is not there.
fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../it");
    fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    // Two test processes may come here at once.
    let lock = File::create(folder.join("moto.lock")).unwrap();
    lock.lock().unwrap();
    let (moto, made) = (folder.join("moto"), folder.join("moto.made"));
    if fs::read_to_string(&made).unwrap_or_default() != REQUIREMENTS || !moto.exists() {
        make_environment(&moto);
        fs::write(&made, REQUIREMENTS).unwrap();
    }
    moto.join("bin/python")
}

fn make_environment(folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    must(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        "The integration tests need Python 3.11 or newer with its `venv` module (Debian: apt-get install python3-venv).",
    );
    must(
        Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(files::path("tests/it/outside/requirements.txt")),
        "The integration tests install moto from PyPI, once; without the network they cannot.",
    );
}

fn must(command: &mut Command, advice: &str) {
    let ended = command.output();
    let ended =
        ended.unwrap_or_else(|error| panic!("could not run {command:?}: {error}\n{advice}"));
    let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{command:?} failed:\n{said}\n{advice}");
}
