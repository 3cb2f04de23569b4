//! `creditd completions` and `creditd man`: what shells and `man` know of the commands.

use super::args::{Cli, Man};
use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man as Page;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What the first page says beside what the commands say of themselves; plain roff.
const MORE: &str = include_str!("printed/more.roff");

/// `creditd completions SHELL`.
pub(super) fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "creditd", &mut script);
    out.write_all(&script)
}

/// `creditd man`: the first page, or all of them into a folder.
pub(super) fn man(Man { into }: &Man, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut whole = Cli::command();
    whole.build();
    let Some(folder) = into else { return Ok(first(whole, out)?) };
    pages(whole, folder)
}

/// The page of the program itself.
fn first(whole: clap::Command, out: &mut dyn Write) -> io::Result<()> {
    let page = page(whole);
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    page.render_subcommands_section(out)?;
    out.write_all(MORE.as_bytes())
}

/// A page for a command and one for each below it: `creditd.1`, `creditd-account-show.1`.
fn pages(command: clap::Command, folder: &Path) -> anyhow::Result<()> {
    for below in command.get_subcommands() {
        pages(below.clone(), folder)?;
    }
    let is_whole = command.get_display_name().is_none_or(|name| name == "creditd");
    let page = page(command.clone());
    let path = folder.join(page.get_filename());
    let write = || {
        let mut file = File::create(&path)?;
        if is_whole { first(command, &mut file) } else { page.render(&mut file) }
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

fn page(command: clap::Command) -> Page {
    let source = concat!("creditd ", env!("CARGO_PKG_VERSION"));
    Page::new(command).source(source).manual("creditd")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::collections::BTreeSet;
    use std::fs;

    fn printed(into: Option<&Path>) -> String {
        let mut out = Vec::new();
        man(&Man { into: into.map(Path::to_path_buf) }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            completions(*shell, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn the_first_page_names_commands_files_and_statuses() {
        let page = printed(None);
        for expected in [
            ".TH creditd 1",
            ".SH NAME",
            "creditd\\-verify(1)",
            ".SH \"EXIT STATUS\"",
            "/etc/creditd/creditd.toml",
            "NO_COLOR",
        ] {
            assert!(page.contains(expected), "{expected} is not in:\n{page}");
        }
    }

    #[test]
    fn whatever_a_page_refers_to_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(printed(Some(folder.path())), "");
        let (mut pages, mut referred) = (BTreeSet::new(), BTreeSet::new());
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap().replace("\\-", "-");
            let words = text.split_whitespace().filter_map(|word| word.strip_suffix("(1)"));
            referred.extend(words.filter(|word| word.starts_with("creditd-")).map(str::to_owned));
            pages.insert(name.strip_suffix(".1").unwrap().to_owned());
        }
        assert!(pages.contains("creditd") && pages.contains("creditd-account-show"), "{pages:?}");
        assert_eq!(&referred - &pages, BTreeSet::new());
        assert_eq!(pages.len(), referred.len() + 1, "and each page but the first is referred to");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let missing = Man { into: Some("/nowhere/at/all".into()) };
        let error = man(&missing, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/"), "{error}");
    }
}
