//! The queries that are answered with lists: against the double, and with a real engine behind the port.

mod double;
mod erased;
mod events;
mod fresh;
mod history;
mod living;
mod nearest;
mod outcomes;
mod placed;
mod subjects;
