//! ChromeDriver as a child process: found, started on a free port, and ended with everything that it started.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const MISSING: &str = "the tests of the page need Chromium and its driver (Debian: chromium chromium-driver)";
/// How long a browser may take to go.
const LEAVES_WITHIN: Duration = Duration::from_secs(10);

/// A driver with one session of a browser.
pub struct Driver {
    child: Child,
    agent: ureq::Agent,
    session: String,
    profile: TempDir,
}

impl Driver {
    /// Starts a browser without a window, with a profile of its own.
    pub fn start() -> Driver {
        let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path);
        let browser = browser.unwrap_or_else(|| panic!("no chromium on the PATH: {MISSING}"));
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("chromedriver does not start ({e}): {MISSING}"));
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok());
        let port = port.expect("chromedriver says its port");
        // It goes on to write; a full pipe would hold it up.
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let mut driver = Driver { child, agent: agent.into(), session: String::new(), profile };
        let made = driver.send("POST", &format!("http://127.0.0.1:{port}/session"), &driver.wanted(&browser));
        let id = made["sessionId"].as_str().expect("a session");
        driver.session = format!("http://127.0.0.1:{port}/session/{id}");
        driver
    }

    fn wanted(&self, browser: &str) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let mut args =
            vec!["--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", &profile];
        args.extend(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        // Its sandbox refuses to work for root.
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            args.push("--no-sandbox");
        }
        let options = json!({"binary": browser, "args": args});
        let always = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        json!({"capabilities": {"alwaysMatch": always}})
    }

    /// Asks the session something; panics at what WebDriver calls an error.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, &format!("{}{path}", self.session), body)
    }

    fn send(&self, method: &str, url: &str, body: &Value) -> Value {
        let answer = match method {
            "GET" => self.agent.get(url).call(),
            "DELETE" => self.agent.delete(url).call(),
            _ => self.agent.post(url).send_json(body),
        };
        let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
        let value: Value = answer.body_mut().with_config().limit(64 << 20).read_json().expect("JSON");
        assert!(answer.status().is_success(), "{method} {url} {body:.300}: {}", value["value"]["message"]);
        value["value"].clone()
    }
}

/// How long the browser may take to do one thing.
const PATIENCE: Duration = Duration::from_secs(30);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The browser is not a child of ours: it is known by its profile.
        let profile = self.profile.path().display().to_string();
        let until = Instant::now() + LEAVES_WITHIN;
        while let Some(process) = process_with(&profile) {
            if Instant::now() > until {
                let _ = Command::new("kill").args(["-KILL", &process]).status();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A process that was started with this text among its arguments.
fn process_with(text: &str) -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let ids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    ids.filter(|id| id.bytes().all(|b| b.is_ascii_digit())).find(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    })
}

fn on_path(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())?;
    found.into_os_string().into_string().ok()
}
