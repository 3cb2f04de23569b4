//! Where traces go.

use super::reader::Reader;
use super::sections::base_url;
use secrecy::SecretString;
use std::num::NonZeroU32;

/// What is traced, and who is told.
#[derive(Debug, Clone)]
pub struct Traces {
    /// Who is told; none: nothing is traced.
    pub collector: Option<Collector>,
    /// One arrival in so many begins a trace, where its caller does not decide that.
    pub one_in: NonZeroU32,
}

/// Whom spans are sent to.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The base of its URL, ending in a slash; `v1/traces` goes behind it.
    pub base: String,
    /// What goes with each request, such as a token: names and values.
    pub headers: Vec<(String, SecretString)>,
}

/// What the errors of a header say is allowed.
const HEADERS_ALLOWED: &str = "headers such as \"authorization: Bearer …\"";

pub(super) fn traces(reader: &mut Reader) -> Option<Traces> {
    let endpoint = reader.parsed("traces.endpoint", |text| {
        let given = Some(text).filter(|text| !text.is_empty());
        given.map(|text| base_url(text, "http://127.0.0.1:4318")).transpose()
    });
    let headers = reader.list("traces.headers", HEADERS_ALLOWED, header);
    let one_in = reader.integer::<u32>("traces.one_in", 1..=1_000_000);
    let (endpoint, headers) = (endpoint?, headers?);
    if !headers.is_empty() && endpoint.as_ref().is_some_and(|endpoint| endpoint.is_readable) {
        let problem =
            "are secrets, so that traces.endpoint must begin with https:// or be loopback";
        reader.wrong("traces.headers", problem);
    }
    let collector = endpoint.map(|endpoint| Collector { base: endpoint.url, headers });
    Some(Traces { collector, one_in: NonZeroU32::new(one_in?)? })
}

/// A header's name and value.
fn header(text: &str) -> Option<(String, SecretString)> {
    let (name, value) = text.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_value = !value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (is_name(name) && is_value).then(|| (name.to_owned(), value.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;
    use secrecy::ExposeSecret as _;
    use std::fs;

    #[test]
    fn headers_come_from_a_credential_one_a_line() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("traces_headers"), "authorization: Bearer a:b\nx-team: 7\n")
            .unwrap();
        let file = dir.path().join("creditd.toml");
        fs::write(&file, "[traces]\nendpoint = \"https://collector.example.com/otlp/\"\n").unwrap();
        let settings = Settings::load(Some(&file), [], Some(dir.path())).unwrap();
        let collector = settings.traces.collector.unwrap();
        assert_eq!(collector.base, "https://collector.example.com/otlp/");
        let headers = collector.headers.iter();
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(headers, [("authorization", "Bearer a:b"), ("x-team", "7")]);
        let shown = settings.shown.iter().find(|shown| shown.key == "traces.headers").unwrap();
        assert_eq!(shown.value, "(hidden)");
    }
}
