//! `mail.smtp_url`: where mail is handed over, and how safely.

use crate::email::transport::{Login, SmtpConfig, Tls};
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

/// What the errors of the URL say is allowed. They never quote the URL: it may hold a password.
const ALLOWED: &str =
    "smtp://user:password@host:587?tls=required or smtps://user:password@host:465";

/// What the URL says of a mail server.
#[derive(Debug)]
pub(super) struct SmtpUrl {
    host: String,
    port: u16,
    login: Option<Login>,
    tls: Tls,
}

impl SmtpUrl {
    /// The server with what other keys say of it.
    pub(super) fn with(self, ca_file: Option<PathBuf>, timeout: Duration) -> SmtpConfig {
        let Self { host, port, login, tls } = self;
        SmtpConfig { host, port, login, tls, ca_file, timeout }
    }
}

/// Reads the URL.
///
/// Without `tls=`, `smtp://` uses STARTTLS where offered, and requires it for hosts that are not
/// loopback. The port is 587 for `smtp`, 465 for `smtps`.
pub(super) fn parse(url: &str) -> Result<SmtpUrl, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("must be {ALLOWED}"))?;
    let implicit = match scheme {
        "smtp" => false,
        "smtps" => true,
        _ => return Err(format!("must begin with smtp:// or smtps://; it is {ALLOWED}")),
    };
    let (rest, query) =
        rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, address) =
        rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
    let (host, port) = host_and_port(address)?;
    let login = user.map(login).transpose()?;
    let tls = tls(query, implicit, &host)?;
    let port = port.unwrap_or(if implicit { 465 } else { 587 });
    Ok(SmtpUrl { host, port, login, tls })
}

fn host_and_port(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has a \"[\" without its \"]\"")?;
            host.parse::<Ipv6Addr>().map_err(|_| "has no IPv6 address between \"[\" and \"]\"")?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("has something other than a port after \"]\"".into()),
            }
        }
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if host.is_empty() || !host.bytes().all(named) {
        return Err(format!("has no valid host name; it is {ALLOWED}"));
    }
    let port = match port.map(str::parse::<u16>) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err("has a port that is not a number between 1 and 65535".into()),
    };
    Ok((host.to_owned(), port))
}

fn login(user: &str) -> Result<Login, String> {
    let (user, password) =
        user.split_once(':').ok_or("names a user and no password: user:password@host")?;
    let text = |part| percent_decoded(part).ok_or("has a \"%\" that begins no two hex digits");
    let (user, password) = (text(user)?, text(password)?);
    if user.is_empty() || password.is_empty() {
        return Err("has an empty user or password before \"@\"".into());
    }
    Ok(Login { user, password: password.into() })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn tls(query: Option<&str>, implicit: bool, host: &str) -> Result<Tls, String> {
    let mut word = None;
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        match pair.split_once('=') {
            Some(("tls", value)) => word = Some(value),
            _ => return Err("has a parameter that is not tls=".into()),
        }
    }
    match (word, implicit) {
        (None | Some("required"), true) => Ok(Tls::Wrapper),
        (Some(_), true) => Err("begins with smtps://, where tls= can only be \"required\"".into()),
        (Some("required"), false) => Ok(Tls::Required),
        (Some("opportunistic"), false) => Ok(Tls::Opportunistic),
        (Some("none"), false) => Ok(Tls::None),
        (None, false) => Ok(Tls::default_for(host)),
        (Some(_), false) => {
            Err("has tls= something other than \"required\", \"opportunistic\" or \"none\"".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[track_caller]
    fn check(url: &str, host: &str, port: u16, user: Option<(&str, &str)>, tls: Tls) {
        let smtp = parse(url).unwrap();
        assert_eq!((smtp.host.as_str(), smtp.port, smtp.tls), (host, port, tls), "{url}");
        let found =
            smtp.login.as_ref().map(|login| (login.user.as_str(), login.password.expose_secret()));
        assert_eq!(found, user, "{url}");
    }

    #[test]
    fn the_url_says_host_port_user_and_tls() {
        let ada = Some(("ada", "s3cret"));
        check(
            "smtp://ada:s3cret@mx.example.com:587?tls=required",
            "mx.example.com",
            587,
            ada,
            Tls::Required,
        );
        check("smtps://ada:s3cret@mx.example.com", "mx.example.com", 465, ada, Tls::Wrapper);
        check("smtps://mx.example.com?tls=required", "mx.example.com", 465, None, Tls::Wrapper);
        check("smtp://mx:25?tls=none", "mx", 25, None, Tls::None);
        check("smtp://mx/?tls=opportunistic", "mx", 587, None, Tls::Opportunistic);
        check("smtp://a%40b:p%3Aw%2F@mx", "mx", 587, Some(("a@b", "p:w/")), Tls::Required);
        check("smtp://[::1]:2525", "::1", 2525, None, Tls::Opportunistic);
        check("smtp://[2001:db8::1]", "2001:db8::1", 587, None, Tls::Required);
    }

    #[test]
    fn without_tls_only_loopback_may_go_without() {
        for host in ["127.0.0.1", "127.8.9.1", "localhost", "[::1]"] {
            assert_eq!(parse(&format!("smtp://{host}")).unwrap().tls, Tls::Opportunistic, "{host}");
        }
        for host in
            ["10.0.0.1", "mail.localhost.example", "localhost.example.com", "127.example.com"]
        {
            assert_eq!(parse(&format!("smtp://{host}")).unwrap().tls, Tls::Required, "{host}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_quote_nothing() {
        for url in [
            "mx.example.com",
            "http://ada:s3cret@mx",
            "smtp://",
            "smtp://ada:s3cret@",
            "smtp://ada:s3cret@mx:0",
            "smtp://ada:s3cret@mx:70000",
            "smtp://s3cret@mx",
            "smtp://ada:@mx",
            "smtp://ada:s3cret%4@mx",
            "smtp://ada:s3cret@[::1",
            "smtp://ada:s3cret@[::1]x",
            "smtp://ada:s3cret@mx?tls=maybe",
            "smtp://ada:s3cret@mx?timeout=5",
            "smtps://ada:s3cret@mx?tls=none",
            "smtp://ada:s3cret@mx/path",
        ] {
            let problem = parse(url).unwrap_err();
            assert!(!problem.contains("s3cret"), "{url}: {problem}");
        }
    }

    #[test]
    fn passwords_stay_out_of_debug() {
        let smtp = parse("smtp://ada:s3cret@mx").unwrap();
        assert!(!format!("{smtp:?}").contains("s3cret"));
    }
}
