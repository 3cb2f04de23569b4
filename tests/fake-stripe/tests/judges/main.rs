//! The fake before judges that others made: the types that an SDK is generated with, another SDK
//! as a client, and Stripe's own command line with its scripts.
mod strict_types;
mod python;
mod cli;

use std::path::{Path, PathBuf};

/// A tool under target/test-tools of the workspace.
#[track_caller]
fn tool(path: &str) -> PathBuf {
    let tool = root().join("target/test-tools").join(path);
    assert!(tool.exists(), "{} is missing: run scripts/test-tools", tool.display());
    tool
}

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
