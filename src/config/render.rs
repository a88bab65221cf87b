//! The effective configuration as TOML text that can be read back, but for what is redacted.

use std::collections::BTreeMap;

use super::fault::Origin;
use super::raw::dotted;
use super::reader::Effective;

/// One table a section, sorted; each line with the value's origin. Unset values are comments.
pub fn render(effective: &[Effective]) -> String {
    let mut sections: BTreeMap<&[String], Vec<&Effective>> = BTreeMap::new();
    for setting in effective {
        let (_, section) = setting.key.split_last().unwrap_or((&setting.key[0], &[]));
        sections.entry(section).or_default().push(setting);
    }
    let mut text = String::new();
    for (section, settings) in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("[{}]\n", dotted(section)));
        for setting in settings {
            let name = dotted(&setting.key[section.len()..]);
            let line = match &setting.shown {
                Some(value) => format!("{name} = {value}"),
                None => format!("# {name} is not set"),
            };
            match &setting.origin {
                Origin::Default => text.push_str(&format!("{line}\n")),
                origin => text.push_str(&format!("{line:<48} # {origin}\n")),
            }
        }
    }
    text
}
