//! The live page as people use it: in a real Chromium, driven over WebDriver, with and without tokens, by pointer and by
//! keyboard, in light and dark, wide and narrow. `REKINDLE_TEST_SCREENSHOTS=FOLDER` keeps pictures of every view.

#[allow(dead_code, unused_imports)]
#[path = "../http_double/mod.rs"]
mod http_double;
#[allow(dead_code)]
#[path = "../http_lists/living.rs"]
mod living;

mod axe;
mod browser;
mod driver;
mod faults;
mod hostile;
mod keyboard;
mod looks;
mod story;
mod tokens;
mod views;
