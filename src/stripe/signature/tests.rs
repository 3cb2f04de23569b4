use super::*;
use sha2::Digest;

const SECRET: &str = "whsec_test_secret";
const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
const NOW: i64 = 1_790_000_000;

fn verifier(secrets: &[&str]) -> Verifier {
    let secrets = secrets.iter().map(|text| SecretString::from(*text)).collect();
    Verifier::try_new(secrets, TOLERANCE).unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// HMAC as RFC 2104 writes it, so that the tests do not trust the code that they test.
fn hmac_by_hand(key: &str, message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key.as_bytes());
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner.finalize());
    outer.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The signature of `BODY` at `time` under `secret`.
fn v1(secret: &str, time: impl std::fmt::Display) -> String {
    let message = [time.to_string().as_bytes(), b".", BODY].concat();
    hmac_by_hand(secret, &message)
}

#[track_caller]
fn check(header: &str, expected: Result<i64, SignatureError>) {
    let answer = verifier(&[SECRET]).verify(Some(header), BODY, at(NOW));
    assert_eq!(answer.map(|verified| verified.skew.num_seconds()), expected, "{header}");
}

#[test]
fn a_header_holds_when_any_v1_is_the_bodys() {
    let good = v1(SECRET, NOW);
    let other = v1("whsec_other", NOW);
    check(&format!("t={NOW},v1={good}"), Ok(0));
    check(&format!("v1={good},t={NOW}"), Ok(0));
    check(&format!("t={NOW},v1={other},v1={good}"), Ok(0));
    check(&format!("t={NOW},v1={good},v1={other}"), Ok(0));
    check(&format!("t={NOW},v1=junk,v1={good},v0=junk"), Ok(0));
    check(&format!("t={NOW},v1={good},"), Ok(0));
    check(&format!("t={NOW},v1={}", good.to_uppercase()), Ok(0));
    check(&format!("t={NOW},v2={other},v1={good},foo"), Ok(0));
}

#[test]
fn a_header_without_a_matching_v1_is_wrong() {
    let good = v1(SECRET, NOW);
    let other = v1("whsec_other", NOW);
    let bare = hmac_by_hand(SECRET, BODY);
    let without_prefix = v1("test_secret", NOW);
    for signature in ["", "00", &other, &bare, &without_prefix, &good[..62], &format!("{good}00")] {
        check(&format!("t={NOW},v1={signature}"), Err(SignatureError::NoMatch));
    }
    check(&format!("t={NOW},v0={good}"), Err(SignatureError::NoMatch));
    check(&format!("t={NOW}"), Err(SignatureError::NoMatch));
    check(&format!("t={},v1={good}", NOW - 1), Err(SignatureError::NoMatch));
    check(&format!("t={NOW},v1= {good}"), Err(SignatureError::NoMatch));
}

#[test]
fn a_header_needs_one_plain_time() {
    let good = v1(SECRET, NOW);
    check(&format!("v1={good}"), Err(SignatureError::Malformed));
    check("nonsense", Err(SignatureError::Malformed));
    check(",=,==", Err(SignatureError::Malformed));
    for time in ["", "+1790000000", "-1", " 1790000000", "1790000000 ", "1e9", "0x10", "１"] {
        check(&format!("t={time},v1={}", v1(SECRET, time)), Err(SignatureError::Malformed));
    }
    let endless = "9".repeat(40);
    check(&format!("t={endless},v1={}", v1(SECRET, &endless)), Err(SignatureError::Malformed));
    let latest = i64::MAX;
    check(&format!("t={latest},v1={}", v1(SECRET, latest)), Err(SignatureError::Malformed));
}

#[test]
fn two_times_are_refused_since_one_of_them_was_not_signed() {
    let good = v1(SECRET, NOW);
    check(&format!("t={NOW},t={},v1={good}", NOW - 9), Err(SignatureError::Malformed));
    check(&format!("t={NOW},t={NOW},v1={good}"), Err(SignatureError::Malformed));
}

#[test]
fn a_signature_may_be_300_seconds_old_and_from_any_future() {
    for (time, expected) in [
        (NOW - 300, Ok(300)),
        (NOW - 301, Err(SignatureError::TooOld { age_s: 301 })),
        (0, Err(SignatureError::TooOld { age_s: NOW })),
        (NOW + 301, Ok(-301)),
        (NOW + 86_400, Ok(-86_400)),
    ] {
        check(&format!("t={time},v1={}", v1(SECRET, time)), expected);
    }
    let just_over = at(NOW) + TimeDelta::microseconds(1);
    let header = format!("t={},v1={}", NOW - 300, v1(SECRET, NOW - 300));
    let answer = verifier(&[SECRET]).verify(Some(&header), BODY, just_over);
    assert_eq!(answer, Err(SignatureError::TooOld { age_s: 300 }));
}

#[test]
fn an_old_signature_is_called_wrong_unless_it_is_ours() {
    let old = NOW - 4_000;
    check(&format!("t={old},v1={}", v1("whsec_other", old)), Err(SignatureError::NoMatch));
}

#[test]
fn a_missing_or_empty_header_is_missing() {
    for header in [None, Some("")] {
        let answer = verifier(&[SECRET]).verify(header, BODY, at(NOW));
        assert_eq!(answer, Err(SignatureError::Missing));
    }
}

#[test]
fn every_active_secret_may_have_signed() {
    let both = verifier(&["whsec_old", "whsec_new"]);
    for secret in ["whsec_old", "whsec_new"] {
        let header = format!("t={NOW},v1={}", v1(secret, NOW));
        assert!(both.verify(Some(&header), BODY, at(NOW)).is_ok(), "{secret}");
    }
    let header = format!("t={NOW},v1={}", v1("whsec_third", NOW));
    assert_eq!(both.verify(Some(&header), BODY, at(NOW)), Err(SignatureError::NoMatch));
}

#[test]
fn the_body_is_signed_byte_for_byte() {
    let header = format!("t={NOW},v1={}", v1(SECRET, NOW));
    let verifier = verifier(&[SECRET]);
    for body in [&BODY[1..], &[BODY, b"\n"].concat(), b""] {
        assert_eq!(verifier.verify(Some(&header), body, at(NOW)), Err(SignatureError::NoMatch));
    }
}

#[test]
fn bodies_need_not_be_text() {
    let body = [0_u8, 0xff, 0xfe, b'.', 0x80];
    let header = header(&SecretString::from(SECRET), &body, at(NOW));
    assert!(verifier(&[SECRET]).verify(Some(&header), &body, at(NOW)).is_ok());
}

#[test]
fn a_blank_secret_is_refused_by_its_number() {
    let make = |texts: &[&str]| {
        let secrets = texts.iter().map(|text| SecretString::from(*text)).collect();
        Verifier::try_new(secrets, TOLERANCE).map(|_| ())
    };
    assert_eq!(make(&[]), Err(SecretError::None));
    assert_eq!(make(&[""]), Err(SecretError::Blank { number: 1 }));
    assert_eq!(make(&["whsec_a", " \t\n"]), Err(SecretError::Blank { number: 2 }));
    assert_eq!(make(&["whsec_a", "whsec_b"]), Ok(()));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    assert!(!format!("{:?}", verifier(&[SECRET])).contains("test_secret"));
}
