//! The description and the page to try the API with: open, whole in themselves, for this origin alone.

use rekindle::http::HttpServer;

use crate::http_double::{Double, Reply, get, serve_double};

#[test]
fn the_description_is_open_and_is_that_of_the_program() {
    let server = serve_double(Double::default());
    let reply = get(&server, "/openapi.json");
    assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some("application/json")));
    assert_eq!(reply.json()["openapi"], "3.1.0");
    assert_eq!(reply.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    let printed = std::process::Command::new(env!("CARGO_BIN_EXE_rekindle")).arg("openapi").output().expect("it runs");
    assert!(printed.status.success());
    assert_eq!(String::from_utf8_lossy(&printed.stdout).trim_end(), reply.body);
}

/// Paths that a page loads, by attribute.
fn loaded(page: &str) -> Vec<&str> {
    let parts = ["src=\"", "href=\""].map(|name| page.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
    parts.into_iter().flatten().collect()
}

#[test]
fn the_page_to_try_it_is_whole_in_itself_and_runs_its_own_scripts_only() {
    let server = serve_double(Double::default());
    let moved = get(&server, "/docs");
    assert_eq!((moved.status, moved.header("location").as_deref()), (308, Some("docs/")));
    let page = get(&server, "/docs/");
    assert_eq!((page.status, page.header("content-type").as_deref()), (200, Some("text/html")));
    assert!(!page.body.contains("<style>") && !page.body.contains("<script>"), "nothing that the policy forbids");
    let loaded = loaded(&page.body);
    assert!(loaded.len() >= 5, "{loaded:?}");
    // Icons are no text.
    for path in loaded.into_iter().filter(|path| !path.ends_with(".png")) {
        let file = fetched(&server, path);
        let policy = file.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(file.header("x-content-type-options").as_deref(), Some("nosniff"));
    }
    let start = fetched(&server, "swagger-initializer.js").body;
    assert!(start.contains("\"../openapi.json\"") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    assert!(!start.contains("http"), "{start}");
    get(&server, "/docs/nothing.js").is_problem(404, "no such resource");
    get(&server, "/docs/..%2Fopenapi.json").is_problem(404, "no such resource");
}

fn fetched(server: &HttpServer, path: &str) -> Reply {
    let path = path.strip_prefix("./").unwrap_or(path);
    assert!(!path.contains(':') && !path.starts_with('/'), "{path} lies elsewhere");
    let reply = get(server, &format!("/docs/{path}"));
    assert_eq!(reply.status, 200, "{path}");
    reply
}
