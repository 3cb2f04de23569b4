//! Where daemons under test keep their books: the one place that knows the engines.

use tempfile::TempDir;

/// A kind of database. Every test of the whole runs on each.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
}

impl Engine {
    /// The URL of a database of its own for one daemon, whose directory this is.
    pub(crate) fn database(self, dir: &TempDir) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}/creditd.db", dir.path().display()),
        }
    }
}

/// Makes a test of each function, on each engine. A function that is not named here is dead code,
/// of which the compiler warns.
macro_rules! on_each_engine {
    ($($test:ident)+) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::engine::Engine::Sqlite).await;
                }
            )+
        }
    };
}

pub(crate) use on_each_engine;
