//! The signature against one computed elsewhere, and secrets that stay secret.

use journey_types::Timestamp;

use super::{Secret, sign};

fn secret(text: &str) -> Secret {
    Secret::from_file_content(text.as_bytes()).unwrap()
}

#[test]
fn the_signature_is_what_openssl_computes() {
    // printf '1767603600.{"a":1}' | openssl dgst -sha256 -hmac whsec_0123456789abcdef
    let at = Timestamp::from_unix_ms(1_767_603_600_999);
    let value = sign(&secret("whsec_0123456789abcdef\n"), at, br#"{"a":1}"#);
    assert_eq!(
        value,
        "t=1767603600,v1=c767aa93877f877a032f54c41cb72347e4ff1099c68d8245dcdefb5ae57a233d"
    );
}

#[test]
fn a_secret_is_never_shown() {
    let shown = format!("{:?}", secret("whsec_0123456789abcdef"));
    assert!(!shown.contains("whsec"), "{shown}");
}

#[test]
fn secrets_that_are_none_are_refused() {
    assert!(Secret::from_file_content(b"\r\n").is_err());
    assert!(Secret::from_file_content(&[b'x'; 5_000]).is_err());
    assert!(secret("short").check_for_signing().is_err());
    assert!(secret("0123456789abcdef").check_for_signing().is_ok());
}
