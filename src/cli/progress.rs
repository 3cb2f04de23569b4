//! Bars that show how far long work has come.

use indicatif::ProgressStyle;

/// What a bar shows; the plain one where `template` is none.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
