//! Named places where the fault suite (tests/faults) can end, stop or hold this process. Only in builds with debug
//! assertions: in what users run a fail point is nothing, whatever the environment says.

/// Strikes here if `REKINDLE_FAIL_POINT` says so: `NAME PASS ACTION`, at the `PASS`th time (from 1) that `NAME` is
/// passed; several of these with `;` between them. `ACTION`: `panic`; `hold PATH` makes that file and waits until
/// somebody removes it; anything else names a signal (`KILL`, `STOP`) that the process sends to itself.
#[cfg(debug_assertions)]
pub(super) fn fail_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Vec<([String; 4], AtomicU64)>> = OnceLock::new();
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("REKINDLE_FAIL_POINT").unwrap_or_default();
        let point = |point: &str| {
            let mut words = point.split_whitespace().map(str::to_owned);
            Some([words.next()?, words.next()?, words.next()?, words.next().unwrap_or_default()])
        };
        text.split(';').filter_map(point).map(|point| (point, AtomicU64::new(0))).collect()
    });
    let strikes = |([point, pass, ..], passes): &&([String; 4], AtomicU64)| {
        point == name && (passes.fetch_add(1, Ordering::Relaxed) + 1).to_string() == *pass
    };
    let Some(([_, _, action, path], _)) = wanted.iter().find(strikes) else { return };
    tracing::error!(name, action, "fail point");
    match action.as_str() {
        "panic" => panic!("fail point {name}"),
        "hold" => {
            std::fs::write(path, name).expect("the file that shows where it holds");
            while std::path::Path::new(path).exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        signal => {
            let pid = std::process::id().to_string();
            let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &pid]).status();
            assert!(sent.is_ok_and(|status| status.success()), "kill -{signal}");
        }
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn fail_point(_: &str) {}

/// Has the engine panic at every event with this id, if `REKINDLE_FAIL_POINT` is `event ID panic`.
#[cfg(debug_assertions)]
pub(super) fn arm(engine: &mut std::sync::Arc<crate::engine::EngineSettings>) {
    let text = std::env::var("REKINDLE_FAIL_POINT").unwrap_or_default();
    let Some(id) = text.strip_prefix("event ").and_then(|rest| rest.strip_suffix(" panic")) else { return };
    let id = crate::model::ids::EventId::new(id).expect("an event id");
    std::sync::Arc::make_mut(engine).panic_on = Some(id);
}

/// Nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn arm(_: &mut std::sync::Arc<crate::engine::EngineSettings>) {}
