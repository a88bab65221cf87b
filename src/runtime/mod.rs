//! Workers that own engines and drive the edges: poll, process, publish in transactions, restore.

pub mod settings;
