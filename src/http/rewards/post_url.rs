//! A post's address in its one normal form, so that one post counts once (R15).

use super::super::input::field::Network;
use std::fmt::Write;

/// The normal form of a post's address: https, the network's one host, no query, no fragment, no
/// final slash, escapes only where they are needed.
///
/// # Errors
/// Says what the address must be.
pub(super) fn normal(network: Network, text: &str) -> Result<String, &'static str> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        _ => return Err("must be an https address"),
    };
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b)) {
        return Err("must be an address without blanks and odd characters");
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (host, path) = rest[..end].split_once('/').unwrap_or((&rest[..end], ""));
    let host = own_host(network, &host.to_ascii_lowercase())?;
    let path = path.trim_end_matches('/');
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("must be the address of one post");
    }
    let path = plain_escapes(path).ok_or("must be an address with whole escapes")?;
    Ok(format!("https://{host}/{path}"))
}

/// The one host that stands for all names of the network.
fn own_host(network: Network, host: &str) -> Result<&'static str, &'static str> {
    match network {
        Network::Linkedin if host == "linkedin.com" || host.ends_with(".linkedin.com") => {
            Ok("linkedin.com")
        }
        Network::Linkedin => Err("must be on linkedin.com"),
        Network::X => {
            let names = ["www.", "mobile.", "m."];
            let bare = names.iter().find_map(|name| host.strip_prefix(name)).unwrap_or(host);
            match bare {
                "x.com" | "twitter.com" => Ok("x.com"),
                _ => Err("must be on x.com or twitter.com"),
            }
        }
    }
}

/// Undoes escapes of characters that need none, and writes the others in upper case; none where
/// an escape is broken or hides a control character, a slash or a dot.
fn plain_escapes(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        let digits = after.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        plain.push_str(before);
        match byte {
            b'/' | b'\\' | b'.' | 0..0x20 | 0x7f => return None,
            b'-' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                plain.push(char::from(byte));
            }
            _ => write!(plain, "%{byte:02X}").ok()?,
        }
        rest = after.get(2..)?;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: Network, text: &str, expected: Option<&str>) {
        assert_eq!(normal(network, text).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn r15_one_post_has_one_address() {
        let post = Some("https://x.com/ann/status/1");
        for same in [
            "https://x.com/ann/status/1",
            "HTTPS://X.com/ann/status/1/",
            "https://twitter.com/ann/status/1?s=20",
            "https://www.twitter.com/ann/status/1#top",
            "https://mobile.x.com/ann/status/1//?a=/b",
            "https://x.com/%61nn/status/1",
        ] {
            check(Network::X, same, post);
        }
        let post = Some("https://linkedin.com/posts/ann_caf%C3%A9-1");
        for same in [
            "https://linkedin.com/posts/ann_caf%C3%A9-1",
            "https://www.linkedin.com/posts/ann_caf%c3%a9-1/?utm=x",
            "https://de.linkedin.com/posts/ann_caf%C3%A9-1",
        ] {
            check(Network::Linkedin, same, post);
        }
    }

    #[test]
    fn r15_other_addresses_are_no_posts_of_the_network() {
        for bad in [
            "http://x.com/ann/status/1",
            "x.com/ann/status/1",
            "https://x.com",
            "https://x.com/",
            "https://x.com.example.com/ann/status/1",
            "https://example.com/x.com/1",
            "https://ann@x.com/ann/status/1",
            "https://x.com:8443/ann/status/1",
            "https://evilx.com/ann/status/1",
            "https://x.com/a/../ann/status/1",
            "https://x.com/ann//status/1",
            "https://x.com/ann/status/1%",
            "https://x.com/ann/status%2f1",
            "https://x.com/ann/status/1\u{0}",
            "https://x.com/änn/status/1",
            "https://linkedin.com/posts/1",
        ] {
            check(Network::X, bad, None);
        }
        check(Network::Linkedin, "https://x.com/ann/status/1", None);
        check(Network::Linkedin, "https://notlinkedin.com/posts/1", None);
    }
}
