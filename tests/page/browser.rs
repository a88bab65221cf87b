//! What a test does with the browser, and what it sees.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rekindle::http::HttpServer;
use serde_json::{Value, json};

use crate::driver::Driver;

/// How long something may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

/// A browser at a service's page.
pub struct Browser {
    driver: Driver,
    origin: String,
}

impl Browser {
    /// Opens the overview of a served port.
    pub fn at(server: &HttpServer) -> Browser {
        Browser::at_address(&server.address().to_string())
    }

    /// Opens the overview at an address.
    pub fn at_address(address: &str) -> Browser {
        let browser = Browser { driver: Driver::start(), origin: format!("http://{address}/") };
        browser.size(1400, 900);
        browser.go("");
        browser
    }

    /// Goes to a view; `hash` is empty or begins with `#`.
    pub fn go(&self, hash: &str) {
        self.driver.ask("POST", "/url", &json!({"url": format!("{}{hash}", self.origin)}));
    }

    /// Loads anew what is shown.
    pub fn reload(&self) {
        self.driver.ask("POST", "/refresh", &json!({}));
    }

    /// Goes back.
    pub fn back(&self) {
        self.driver.ask("POST", "/back", &json!({}));
    }

    /// What a script returns.
    pub fn js(&self, script: &str) -> Value {
        self.driver.ask("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// What a script hands to its callback.
    pub fn js_later(&self, script: &str) -> Value {
        self.driver.ask("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// The text of an element as it is rendered; empty if it is hidden.
    pub fn text(&self, css: &str) -> String {
        let script =
            format!("const e = document.querySelector({}); return e?.checkVisibility() ? e.innerText : ''", json!(css));
        self.js(&script).as_str().unwrap_or_default().to_owned()
    }

    /// How many elements there are.
    pub fn count(&self, css: &str) -> u64 {
        self.js(&format!("return document.querySelectorAll({}).length", json!(css))).as_u64().unwrap_or_default()
    }

    /// Waits until an element's text contains something, and returns the text.
    pub fn see(&self, css: &str, text: &str) -> String {
        let mut held = String::new();
        self.until(
            || {
                held = self.text(css);
                held.contains(text)
            },
            || format!("{css} does not say {text:?} at {}, but:\n{}", self.hash(), self.text("body")),
        );
        held
    }

    /// Waits until a script returns true.
    pub fn holds(&self, script: &str) {
        let holds = || self.js(&format!("return Boolean({script})")) == json!(true);
        self.until(holds, || format!("{script} does not hold at {}:\n{}", self.hash(), self.text("body")));
    }

    fn until(&self, mut seen: impl FnMut() -> bool, failed: impl Fn() -> String) {
        let until = Instant::now() + SEEN_WITHIN;
        while !seen() {
            assert!(Instant::now() < until, "{}", failed());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The part of the address behind the page's.
    pub fn hash(&self) -> String {
        self.js("return location.hash").as_str().unwrap_or_default().to_owned()
    }

    /// Presses on the first element that matches, as a pointer does.
    pub fn click(&self, css: &str) {
        self.holds(&format!("document.querySelector({})", json!(css)));
        let element = self.driver.ask("POST", "/element", &json!({"using": "css selector", "value": css}));
        let id = element.as_object().and_then(|o| o.values().next()).and_then(Value::as_str).expect("an element");
        self.driver.ask("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// Types into a field.
    pub fn fill(&self, css: &str, text: &str) {
        self.holds(&format!("document.querySelector({})", json!(css)));
        let element = self.driver.ask("POST", "/element", &json!({"using": "css selector", "value": css}));
        let id = element.as_object().and_then(|o| o.values().next()).and_then(Value::as_str).expect("an element");
        self.driver.ask("POST", &format!("/element/{id}/clear"), &json!({}));
        self.driver.ask("POST", &format!("/element/{id}/value"), &json!({"text": text}));
    }

    /// Presses keys one after the other, wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let press = |key: char| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.driver.ask("POST", "/actions", &json!({"actions": [keyboard]}));
    }

    /// The size of what is shown.
    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What the reader prefers: a scheme, and whether little should move.
    pub fn prefer(&self, scheme: &str, still: bool) {
        let motion = if still { "reduce" } else { "no-preference" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]);
        self.command("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    fn command(&self, name: &str, params: &Value) {
        self.driver.ask("POST", "/goog/cdp/execute", &json!({"cmd": name, "params": params}));
    }

    /// Keeps a picture, if pictures are wanted.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("REKINDLE_TEST_SCREENSHOTS") else { return };
        let png = self.driver.ask("GET", "/screenshot", &Value::Null);
        let png = STANDARD.decode(png.as_str().expect("base64")).expect("base64");
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), png).expect("the folder is there");
    }

    /// Asserts that the browser had nothing to complain of, but for answers that are refusals.
    pub fn is_content(&self) {
        let log = self.driver.ask("POST", "/se/log", &json!({"type": "browser"}));
        let complaints: Vec<&str> = (log.as_array().expect("a list").iter())
            .filter_map(|entry| entry["message"].as_str())
            .filter(|message| !message.contains("Failed to load resource"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
