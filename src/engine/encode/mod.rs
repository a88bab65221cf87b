//! States and suggestions to bytes, and state bytes back.
