//! The ids of a trace and of one of its steps, and how W3C's Trace Context writes them down.

use crate::hex;
use std::fmt;

/// One step of a trace, as those who continue it know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    sampled: bool,
}

/// The length of version 00.
const LENGTH: usize = 55;

impl Traceparent {
    /// A new step of a trace; none without randomness.
    pub(super) fn step(trace: [u8; 16]) -> Option<Self> {
        let mut span = [0; 8];
        getrandom::fill(&mut span).ok()?;
        Some(Self { trace, span, sampled: true })
    }

    /// Reads the text of a header, of this version or a later one; none where it is no such text.
    /// Whoever reads another's nonsense begins anew, as the standard has it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [version] = hex::decode(text.get(..2)?)?;
        let goes_on = text.len() > LENGTH;
        let fits = match version {
            0 => !goes_on,
            0xff => false,
            _ => !goes_on || text.as_bytes().get(LENGTH) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
        let is_lower = !text.bytes().take(LENGTH).any(|byte| byte.is_ascii_uppercase());
        if !fits || !dashes || !is_lower {
            return None;
        }
        let trace = hex::decode(text.get(3..35)?)?;
        let span = hex::decode(text.get(36..52)?)?;
        let [flags]: [u8; 1] = hex::decode(text.get(53..55)?)?;
        let nobody = trace == [0; 16] || span == [0; 8];
        (!nobody).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// Whether whoever began the trace wants it recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace's id, as logs and collectors show it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex::encode(&self.trace)
    }
}

/// As the header has it.
impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = hex::encode(&self.span);
        write!(f, "00-{}-{span}-{:02x}", self.trace_id(), u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_header_is_read_and_written_alike() {
        let read = Traceparent::parse(TEXT).unwrap();
        assert_eq!(read.to_string(), TEXT);
        assert_eq!(read.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert!(read.is_sampled());
        assert!(!Traceparent::parse(&TEXT.replace("-01", "-00")).unwrap().is_sampled());
    }

    #[test]
    fn later_versions_may_go_on_and_are_read_as_far_as_known() {
        for text in [TEXT.replacen("00-", "01-", 1), TEXT.replacen("00-", "cc-", 1) + "-more"] {
            assert_eq!(Traceparent::parse(&text).unwrap().to_string(), TEXT, "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_trace() {
        let long = format!("{TEXT}-more");
        let wrong = [
            "",
            "00",
            "é",
            &TEXT[..54],
            &TEXT.replacen("00-", "ff-", 1),
            &TEXT.replace('a', "A"),
            &TEXT.replace("-b7", "_b7"),
            &TEXT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            &TEXT.replace("b7ad6b7169203331", &"0".repeat(16)),
            &TEXT.replace("b7ad", "g7ad"),
            &long,
            &long.replacen("00-", "01-", 1).replace("-more", "more"),
            &"é".repeat(28),
        ];
        for text in wrong {
            assert_eq!(Traceparent::parse(text), None, "{text}");
        }
    }
}
