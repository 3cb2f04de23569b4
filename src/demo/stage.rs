//! How the demonstration speaks.

use anyhow::ensure;
use std::io::IsTerminal;
use std::time::Instant;

/// Where the story is told: standard output, in colour on a terminal.
pub(super) struct Stage {
    colour: bool,
    scene: u32,
    began: Instant,
}

impl Stage {
    pub(super) fn new() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !plain, scene: 0, began: Instant::now() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Opens the story.
    pub(super) fn title(&self, text: &str) {
        println!("\n{}\n", self.paint("1;36", text));
    }

    /// Opens a scene.
    pub(super) fn scene(&mut self, text: &str) {
        self.scene += 1;
        println!("\n{} {}", self.paint("1;33", &format!("{}.", self.scene)), self.paint("1", text));
    }

    /// Tells what happens.
    pub(super) fn say(&self, text: &str) {
        println!("   {text}");
    }

    /// Shows something that the daemon answered or wrote.
    pub(super) fn show(&self, text: &str) {
        for line in text.lines() {
            println!("   {}", self.paint("2", &format!("│ {line}")));
        }
    }

    /// Checks that something is as it should be, and says so.
    ///
    /// # Errors
    /// When it is not: the story ends there.
    pub(super) fn check(&self, holds: bool, claim: &str) -> anyhow::Result<()> {
        ensure!(holds, "not as it should be: {claim}");
        println!("   {} {claim}", self.paint("32", "✓"));
        Ok(())
    }

    /// Closes the story.
    pub(super) fn end(&self) {
        let seconds = self.began.elapsed().as_secs_f32();
        println!(
            "\n{}",
            self.paint("1;32", &format!("Every step was as it should be ({seconds:.1} s)."))
        );
        println!("Nothing is left behind. The README says how to run creditd for real.\n");
    }

    /// Says what went wrong, with the daemon's last words.
    pub(super) fn failed(&self, cause: &anyhow::Error, log: &str) {
        println!("\n{} {cause:#}", self.paint("1;31", "✗"));
        self.show(log);
    }
}
