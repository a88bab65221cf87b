//! A real registry in a process of its own: Apicurio, downloaded once by Maven. It keeps its schemas in a file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::broker::free_ports;
use crate::support::clients::eventually;
use crate::support::watchdog;

const ARTIFACT: &str = "io.apicurio:apicurio-registry-app:3.3.3:tar.gz:all";

/// A running registry; ended when dropped.
pub struct Apicurio {
    java: PathBuf,
    folder: PathBuf,
    data: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
}

impl Apicurio {
    /// Starts it and waits until it answers.
    pub fn start() -> Result<Apicurio, String> {
        let [port] = free_ports();
        let data = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut registry = Apicurio { java: java()?, folder: unpacked()?, data, port, process: None };
        registry.begin()?;
        Ok(registry)
    }

    /// The base of its Confluent API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Starts it (again), and waits until it answers.
    pub fn begin(&mut self) -> Result<(), String> {
        let child = Command::new(&self.java)
            .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-jar"])
            .arg(self.folder.join("quarkus-run.jar"))
            .env("QUARKUS_HTTP_PORT", self.port.to_string())
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_MANAGEMENT_ENABLED", "false")
            .env("APICURIO_DATASOURCE_URL", format!("jdbc:h2:file:{}/schemas", self.data.path().display()))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", self.java.display()))?;
        watchdog::started(child.id());
        self.process = Some(child);
        let answers = || ureq::get(format!("{}/subjects", self.url())).call().is_ok();
        eventually("the registry answers", answers, |so| *so);
        Ok(())
    }

    /// Ends it, so that it keeps what it holds.
    pub fn end(&mut self) {
        let Some(mut child) = self.process.take() else { return };
        watchdog::reaped(child.id());
        // Fails if it has ended by itself, which is as well.
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        let _ = child.wait();
    }

    /// Registers an Avro schema, and gives its id.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let body = json!({"schema": schema, "schemaType": "AVRO"}).to_string();
        let sent = ureq::post(url).header("Content-Type", "application/vnd.schemaregistry.v1+json").send(body);
        let text = sent.expect("an answer").body_mut().read_to_string().expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["id"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id")
    }

    /// The text of a schema.
    pub fn schema(&self, id: u32) -> String {
        let mut answer = ureq::get(format!("{}/schemas/ids/{id}", self.url())).call().expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    }
}

impl Drop for Apicurio {
    fn drop(&mut self) {
        self.end();
    }
}

/// A Java of version 21 or later: `REKINDLE_TEST_JAVA`, the one on the PATH, or one beside it.
fn java() -> Result<PathBuf, String> {
    let mut found: Vec<PathBuf> = std::env::var_os("REKINDLE_TEST_JAVA").into_iter().map(PathBuf::from).collect();
    found.push("java".into());
    let beside = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    found.extend(beside.map(|folder| folder.path().join("bin/java")));
    let new_enough = |java: &PathBuf| version(java).is_some_and(|version| version >= 21);
    found
        .into_iter()
        .find(new_enough)
        .ok_or("no Java 21 or later was found; REKINDLE_TEST_JAVA may name one".to_owned())
}

/// Its major version.
fn version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split('"').nth(1)?.split('.').next()?.parse().ok()
}

/// The registry's folder, downloaded once into the target folder.
fn unpacked() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("apicurio-3.3.3");
    if folder.is_dir() {
        return Ok(folder);
    }
    let build = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("apicurio-download-{}", std::process::id()));
    std::fs::create_dir_all(&build).map_err(|e| format!("{}: {e}", build.display()))?;
    let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
    let goals = ["-q", "-B", plugin, &format!("-Dartifact={ARTIFACT}"), "-DoutputDirectory=."];
    run(Command::new("mvn").args(goals).current_dir(&build))?;
    let archive = build.join("apicurio-registry-app-3.3.3-all.tar.gz");
    let whole = build.join("registry");
    std::fs::create_dir_all(&whole).map_err(|e| format!("{}: {e}", whole.display()))?;
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&whole))?;
    // Renamed when whole, so that what was interrupted is never used; losing a race is fine.
    let _ = std::fs::rename(&whole, &folder);
    let _ = std::fs::remove_dir_all(&build);
    if folder.is_dir() { Ok(folder) } else { Err(format!("{} is missing after the download", folder.display())) }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    let said = || format!("{command:?}: {}", String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()));
    if output.status.success() { Ok(()) } else { Err(said()) }
}
