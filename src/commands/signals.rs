//! SIGTERM and SIGINT: the first is a message, the second ends the process.

use std::process::exit;
use std::sync::mpsc::{Receiver, channel};

use tokio::signal::unix::{SignalKind, signal};

/// Exit code of a second signal: what a shell reports for an interrupted process.
const INTERRUPTED: i32 = 130;

/// A message at the first signal.
pub fn signals() -> anyhow::Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let (sender, receiver) = channel();
    let listen = async move {
        for meaning in ["stopping; a second signal ends the process at once", "ending at once"] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("signal: {meaning}");
            // Nobody listens any more if what was to be stopped is past its end.
            let _ = sender.send(());
        }
        exit(INTERRUPTED)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || runtime.block_on(listen))?;
    Ok(receiver)
}
