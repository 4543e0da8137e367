//! Webhooks against a real HTTP server on a port of its own: every class of answer.

mod receiver;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use journey_types::{TimeSpan, Timestamp, Value};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use self::receiver::{Answer, Receiver};
use super::{Webhook, WebhookOptions};
use crate::delivery::Delivery;
use crate::limits::ANSWER_SIZE_BYTES_MAX;
use crate::signature::{Secret, sign};
use crate::verdict::{Attempt, AttemptClass, Health, Verdict};

const SECRET: &[u8] = b"whsec_0123456789abcdef";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T00:00:00Z").unwrap()
}

fn options(url: &str) -> WebhookOptions {
    WebhookOptions {
        url: url.to_owned(),
        secret: Secret::from_file_content(SECRET).unwrap(),
        headers: Vec::new(),
        timeout: Duration::from_secs(30),
        allow_private: true,
        connections_max: 4,
        extra_roots: None,
    }
}

fn webhook(url: &str) -> Webhook {
    Webhook::new(options(url)).unwrap()
}

fn message() -> Delivery {
    Delivery {
        effect_id: "e1~00000000000000ab~1~default~ann~0~7~0".to_owned(),
        attempt: 1,
        kind: "message",
        channel: Some("push".to_owned()),
        workspace: "default".to_owned(),
        customer_id: "ann".to_owned(),
        journey: "hello".to_owned(),
        version: 3,
        step: "greet".to_owned(),
        instance: 1,
        content: Some("hi".to_owned()),
        content_version: Some(2),
        rendered: [("body".to_owned(), "Hey Ann".to_owned())].into(),
        input: None,
        why: "signed up".to_owned(),
        purpose: "service".to_owned(),
        created_at: now().minus(TimeSpan::from_secs(5)),
        send_by: None,
    }
}

fn call() -> Delivery {
    Delivery {
        kind: "call",
        channel: None,
        content: None,
        content_version: None,
        rendered: [].into(),
        input: Some(serde_json::json!({ "plan": "gold" })),
        purpose: String::new(),
        ..message()
    }
}

/// One delivery to a receiver that answers so.
async fn deliver(delivery: &Delivery, answer: Answer) -> Attempt {
    let receiver = Receiver::start(vec![answer]).await;
    let attempt = webhook(&receiver.url("/hook"))
        .deliver(delivery, now())
        .await;
    assert_eq!(receiver.n_requests(), 1, "one request an attempt");
    attempt
}

fn reason(attempt: &Attempt) -> &str {
    match &attempt.verdict {
        Verdict::Delivered { .. } => "delivered",
        Verdict::FailedForNow { reason, .. } | Verdict::FailedForGood { reason } => reason,
    }
}

#[tokio::test]
async fn the_request_carries_body_signature_and_key() {
    let receiver = Receiver::start(vec![Answer::status(200)]).await;
    let mut options = options(&receiver.url("/hook?tenant=7"));
    let token = Secret::from_file_content(b"Bearer t0ken\n").unwrap();
    options.headers.push(("Authorization".to_owned(), token));
    let webhook = Webhook::new(options).unwrap();
    let attempt = webhook.deliver(&message(), now()).await;
    assert_eq!(attempt.verdict, Verdict::Delivered { result: None });
    let request = receiver.requests().remove(0);
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/hook?tenant=7")
    );
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("authorization"), "Bearer t0ken");
    assert_eq!(request.header("idempotency-key"), message().effect_id);
    let secret = Secret::from_file_content(SECRET).unwrap();
    assert_eq!(
        request.header("journeyd-signature"),
        sign(&secret, now(), &request.body)
    );
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "effect_id": "e1~00000000000000ab~1~default~ann~0~7~0", "attempt": 1, "kind": "message",
            "channel": "push", "workspace": "default", "customer_id": "ann", "journey": "hello", "version": 3,
            "step": "greet", "instance": 1, "content": "hi", "content_version": 2,
            "rendered": { "body": "Hey Ann" }, "why": "signed up", "purpose": "service",
            "created_at": "2026-11-21T23:59:55Z",
        })
    );
}

#[tokio::test]
async fn every_status_has_its_class() {
    let cases = [
        (200, AttemptClass::Delivered),
        (201, AttemptClass::Delivered),
        (202, AttemptClass::Delivered),
        (204, AttemptClass::Delivered),
        (301, AttemptClass::Redirected),
        (302, AttemptClass::Redirected),
        (308, AttemptClass::Redirected),
        (400, AttemptClass::Refused),
        (401, AttemptClass::Unauthorized),
        (403, AttemptClass::Refused),
        (404, AttemptClass::Refused),
        (408, AttemptClass::Throttled),
        (409, AttemptClass::Refused),
        (410, AttemptClass::Refused),
        (422, AttemptClass::Refused),
        (425, AttemptClass::Throttled),
        (429, AttemptClass::Throttled),
        (500, AttemptClass::ServerError),
        (502, AttemptClass::ServerError),
        (503, AttemptClass::ServerError),
    ];
    let answers = cases.map(|(status, _)| Answer::status(status).with_body("No such\n device"));
    let receiver = Receiver::start(answers.to_vec()).await;
    let webhook = webhook(&receiver.url("/"));
    for (status, class) in cases {
        let attempt = webhook.deliver(&message(), now()).await;
        assert_eq!(attempt.class, class, "{status}");
        let is_fine = attempt.class.health() == Health::Fine;
        match attempt.verdict {
            Verdict::Delivered { result } => {
                assert!((200..300).contains(&status) && result.is_none())
            }
            Verdict::FailedForGood { reason } => {
                assert!(is_fine && reason.contains(&status.to_string()), "{reason}");
            }
            Verdict::FailedForNow {
                reason,
                retry_after,
            } => {
                assert!(!is_fine && retry_after.is_none(), "{status}");
                assert_eq!(reason, format!("HTTP {status}: No such device"));
            }
        }
    }
}

#[tokio::test]
async fn retry_after_is_taken_from_refusals_for_now() {
    for (status, value, expected) in [
        (429, "120", 120),
        (503, "7", 7),
        (429, "Sun, 22 Nov 2026 00:01:30 GMT", 90),
    ] {
        let answer = Answer::status(status).with_header("retry-after", value);
        let attempt = deliver(&message(), answer).await;
        let Verdict::FailedForNow { retry_after, .. } = attempt.verdict else {
            panic!("{status} gave {attempt:?}");
        };
        assert_eq!(retry_after, Some(TimeSpan::from_secs(expected)));
    }
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let elsewhere = Receiver::start(vec![Answer::status(200)]).await;
    let answer = Answer::status(302).with_header("location", &elsewhere.url("/other"));
    let attempt = deliver(&message(), answer).await;
    assert!(
        matches!(&attempt.verdict, Verdict::FailedForGood { reason } if reason.contains("/other")),
        "{attempt:?}"
    );
    assert_eq!(elsewhere.n_requests(), 0);
}

#[tokio::test]
async fn every_attempt_has_the_same_key_and_its_own_number() {
    let receiver = Receiver::start(vec![Answer::status(500), Answer::status(200)]).await;
    let webhook = webhook(&receiver.url("/"));
    for attempt in 1..=2 {
        webhook
            .deliver(
                &Delivery {
                    attempt,
                    ..message()
                },
                now(),
            )
            .await;
    }
    let requests = receiver.requests();
    assert_eq!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
    assert_ne!(
        requests[0].header("journeyd-signature"),
        requests[1].header("journeyd-signature")
    );
    assert_eq!(receiver.n_connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn the_answer_to_a_call_is_its_result() {
    let answer = Answer::status(200).with_body(r#"{"score": 0.5, "tier": "gold", "visits": 3}"#);
    let attempt = deliver(&call(), answer).await;
    let Verdict::Delivered {
        result: Some(Value::Map(fields)),
    } = attempt.verdict
    else {
        panic!("{attempt:?}");
    };
    assert_eq!(fields["score"], Value::Double(0.5));
    assert_eq!(fields["visits"], Value::Int(3));
    let attempt = deliver(&call(), Answer::status(204)).await;
    assert_eq!(
        attempt.verdict,
        Verdict::Delivered {
            result: Some(Value::Map([].into()))
        }
    );
}

#[tokio::test]
async fn a_call_is_answered_with_an_object_or_fails_for_good() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let deep = format!("{{\"a\": {deep}}}");
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(17_000));
    for (body, expected) in [
        ("done", "no JSON"),
        ("[1]", "a JSON list"),
        ("null", "a JSON null"),
        (deep.as_str(), "too deep"),
        (long.as_str(), "at most 16384 are kept"),
        (
            &"x".repeat(ANSWER_SIZE_BYTES_MAX + 1),
            "larger than 65536 bytes",
        ),
    ] {
        let attempt = deliver(&call(), Answer::status(200).with_body(body)).await;
        assert_eq!(attempt.class, AttemptClass::BadAnswer);
        assert!(reason(&attempt).contains(expected), "{attempt:?}");
        assert!(matches!(attempt.verdict, Verdict::FailedForGood { .. }));
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let huge = "x".repeat(ANSWER_SIZE_BYTES_MAX * 100);
    let attempt = deliver(&message(), Answer::status(200).with_body(&huge)).await;
    assert_eq!(attempt.class, AttemptClass::Delivered);
    let attempt = deliver(&message(), Answer::status(500).with_body(&huge)).await;
    assert_eq!(reason(&attempt), "HTTP 500");
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_times_out() {
    let receiver = Receiver::start(vec![Answer::never()]).await;
    let mut options = options(&receiver.url("/"));
    options.timeout = Duration::from_millis(50);
    let attempt = Webhook::new(options)
        .unwrap()
        .deliver(&message(), now())
        .await;
    assert_eq!(attempt.class, AttemptClass::Timeout);
    assert_eq!(reason(&attempt), "no answer within 50 ms");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_network_failure() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let attempt = webhook(&format!("http://127.0.0.1:{port}/"))
        .deliver(&message(), now())
        .await;
    assert_eq!(attempt.class, AttemptClass::Network);
    assert!(
        reason(&attempt).contains(&format!("connecting to 127.0.0.1:{port}")),
        "{attempt:?}"
    );
    assert!(matches!(attempt.verdict, Verdict::FailedForNow { .. }));
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_network_failure() {
    let attempt = deliver(&message(), Answer::hang_up()).await;
    assert_eq!(attempt.class, AttemptClass::Network, "{attempt:?}");
}

#[tokio::test]
async fn a_receiver_without_tls_is_a_network_failure() {
    let receiver = Receiver::start(vec![Answer::status(200)]).await;
    let url = receiver.url("/").replace("http://", "https://");
    let attempt = webhook(&url).deliver(&message(), now()).await;
    assert_eq!(attempt.class, AttemptClass::Network);
    assert!(
        reason(&attempt).contains("TLS with 127.0.0.1"),
        "{attempt:?}"
    );
    assert_eq!(receiver.n_requests(), 0);
}

#[tokio::test]
async fn https_goes_only_to_whom_a_trusted_certificate_names() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let receiver = Receiver::start_tls(vec![Answer::status(200)], config).await;
    let url = receiver.url("/");
    let unknown = webhook(&url).deliver(&message(), now()).await;
    assert_eq!(unknown.class, AttemptClass::Network);
    assert!(reason(&unknown).contains("UnknownIssuer"), "{unknown:?}");
    let trusting = |url: &str| WebhookOptions {
        extra_roots: Some(made.cert.pem().into_bytes()),
        ..options(url)
    };
    let known = Webhook::new(trusting(&url)).unwrap();
    let known = known.deliver(&message(), now()).await;
    assert_eq!(known.class, AttemptClass::Delivered, "{known:?}");
    let other_name = url.replace("127.0.0.1", "localhost");
    let other_name = Webhook::new(trusting(&other_name)).unwrap();
    let refused = other_name.deliver(&message(), now()).await;
    assert_eq!(refused.class, AttemptClass::Network, "{refused:?}");
    assert_eq!(receiver.n_requests(), 1);
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let receiver = Receiver::start(vec![Answer::status(200)]).await;
    // Neither reads as an address; the resolver makes 127.0.0.1 of both, as it may of any name.
    for host in ["127.1", "2130706433"] {
        let url = receiver.url("/").replace("127.0.0.1", host);
        let mut options = options(&url);
        options.allow_private = false;
        let attempt = Webhook::new(options)
            .unwrap()
            .deliver(&message(), now())
            .await;
        assert_eq!(attempt.class, AttemptClass::AddressRefused, "{attempt:?}");
        assert!(reason(&attempt).contains("loopback"), "{attempt:?}");
        assert!(matches!(attempt.verdict, Verdict::FailedForNow { .. }));
    }
    assert_eq!((receiver.n_requests(), receiver.n_connections()), (0, 0));
}

#[tokio::test]
async fn what_is_too_late_is_not_sent() {
    let receiver = Receiver::start(vec![Answer::status(200)]).await;
    let late = Delivery {
        send_by: Some(now().minus(TimeSpan::from_ms(1))),
        ..message()
    };
    let attempt = webhook(&receiver.url("/")).deliver(&late, now()).await;
    assert_eq!(
        (attempt.class, attempt.class.health()),
        (AttemptClass::Expired, Health::Unknown)
    );
    assert_eq!(receiver.n_connections(), 0);
}

#[test]
fn every_problem_of_the_options_is_reported() {
    let mut options = options("https://user:pass@example.com/");
    options.secret = Secret::from_file_content(b"short").unwrap();
    let value = Secret::from_file_content(b"a\nb").unwrap();
    options.headers = vec![
        ("Host".to_owned(), value.clone()),
        ("x y".to_owned(), value.clone()),
        ("x-ok".to_owned(), value),
    ];
    options.extra_roots = Some(b"nothing".to_vec());
    let problems: Vec<String> = options.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert!(!format!("{problems:?}{options:?}").contains("pass@"));
}

#[test]
fn urls_that_cannot_be_webhooks_are_refused() {
    for (url, expected) in [
        ("", "cannot be read"),
        ("/path", "must be"),
        ("ftp://example.com/", "must be"),
        ("https://example.com/#part", "fragment"),
        ("http://127.0.0.1:80/", "loopback"),
        ("http://[::1]/", "loopback"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://LocalHost/", "this machine"),
    ] {
        let mut options = options(url);
        options.allow_private = false;
        let problems = format!("{:?}", options.problems());
        assert!(problems.contains(expected), "{url}: {problems}");
        assert_eq!(options.problems().len(), 1);
    }
}
