//! Decoded events to valid events.
