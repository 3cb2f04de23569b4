//! The demonstration, whole.

use crate::daemon::program;

#[test]
fn the_demonstration_ends_well_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let output = program(dir.path()).arg("demo").env("TMPDIR", dir.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{complaints}");
    assert!(told.contains("Every step was as it should be"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colours without a terminal");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
