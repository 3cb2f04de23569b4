//! Where the rows of a workspace lie.

use sha2::{Digest as _, Sha256};

/// The bucket of a workspace: the first byte of SHA-256 of its id, 0 to 255.
///
/// It leads the key of every row of the workspace, so that tables can be distributed by it. It is
/// stored, and therefore a constant for good. In SQL: `get_byte(sha256(id::bytea), 0)`.
pub(in crate::store) fn bucket(workspace: &str) -> i16 {
    let [first, ..] = <[u8; 32]>::from(Sha256::digest(workspace.as_bytes()));
    i16::from(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_never_changes() {
        let cases = [("", 0xe3), ("w", 0x50), ("team_1", 0x7c), ("ada@example.com", 0xb5)];
        for (workspace, expected) in cases {
            assert_eq!(bucket(workspace), expected, "{workspace}");
        }
    }
}
