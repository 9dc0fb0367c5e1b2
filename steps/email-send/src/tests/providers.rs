use std::time::Duration;

use stepwell_sdk::context::Attempt;
use stepwell_sdk::http::Part;

use super::*;

/// An e-mail with everything.
fn full(host: &FakeHost) -> Value {
    let report = host.put_blob("application/pdf; v=1", "%PDF").named("report.pdf");
    let logo = host.put_blob("image/png", [0x89]);
    json!({
        "from": {"email": "sales@example.com", "name": "Sales, \"EU\""},
        "to": ["Ann <ann@example.com>", "bob@example.com"], "cc": "carl@example.com", "bcc": ["dora@example.com"], "reply_to": "help@example.com",
        "subject": "Grüße", "text": "Hello", "html": "<p>Hello</p>",
        "attachments": [report, {"blob": logo, "name": "logo.png", "content_id": "logo"}],
        "headers": {"List-Unsubscribe": "<https://example.com/u>"}, "tags": ["welcome"], "metadata": {"order": "7"},
    })
}

#[test]
fn resend_gets_its_shape() {
    let host = FakeHost::new();
    let (request, result) = sent(&host, "resend", &full(&host), taken("resend"));
    assert_eq!(
        result.unwrap(),
        json!({"provider": "resend", "id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", "recipients": 4})
    );
    let request = request.unwrap();
    assert_eq!(request.header_value("authorization"), Some("Bearer {{secret.RESEND_API_KEY}}"));
    let expected = json!({
        "from": "\"Sales, \\\"EU\\\"\" <sales@example.com>",
        "to": ["\"Ann\" <ann@example.com>", "bob@example.com"],
        "cc": ["carl@example.com"], "bcc": ["dora@example.com"], "reply_to": ["help@example.com"],
        "subject": "Grüße", "text": "Hello", "html": "<p>Hello</p>",
        "headers": {"List-Unsubscribe": "<https://example.com/u>"},
        "tags": [{"name": "welcome", "value": "true"}, {"name": "order", "value": "7"}],
        "attachments": [
            {"filename": "report.pdf", "content": "JVBERg==", "content_type": "application/pdf; v=1"},
            {"filename": "logo.png", "content": "iQ==", "content_type": "image/png", "content_id": "logo"},
        ],
    });
    assert_eq!(body(&request), expected);
}

#[test]
fn resend_knows_an_email_again_that_a_retry_sends() {
    let key_of = |attempt: u32, node: &str, text: &str| {
        let host = FakeHost::new();
        let current = stepwell_sdk::context::current();
        let idempotency_key = format!("{}.{node}.{attempt}", current.run_id);
        host.set_attempt(Attempt { attempt, idempotency_key, ..current });
        let mut input = mail();
        input["text"] = json!(text);
        let request = sent(&host, "resend", &input, taken("resend")).0.unwrap();
        request.header_value("idempotency-key").unwrap().to_owned()
    };
    let first = key_of(1, "tell", "a");
    assert_eq!(first, key_of(2, "tell", "a"));
    assert_ne!(first, key_of(1, "tell", "b"));
    assert_ne!(first, key_of(1, "tell[2]", "a"));
    assert!(first.len() <= 256);
}

#[test]
fn sendgrid_gets_its_shape() {
    let host = FakeHost::new();
    let (request, result) = sent(&host, "sendgrid", &full(&host), taken("sendgrid"));
    assert_eq!(result.unwrap(), json!({"provider": "sendgrid", "id": "14c5d75ce93", "recipients": 4}));
    let request = request.unwrap();
    assert_eq!(request.header_value("authorization"), Some("Bearer {{secret.SENDGRID_API_KEY}}"));
    let expected = json!({
        "personalizations": [{
            "to": [{"email": "ann@example.com", "name": "Ann"}, {"email": "bob@example.com"}],
            "cc": [{"email": "carl@example.com"}], "bcc": [{"email": "dora@example.com"}],
        }],
        "from": {"email": "sales@example.com", "name": "Sales, \"EU\""},
        "reply_to": {"email": "help@example.com"},
        "subject": "Grüße",
        "content": [{"type": "text/plain", "value": "Hello"}, {"type": "text/html", "value": "<p>Hello</p>"}],
        "headers": {"List-Unsubscribe": "<https://example.com/u>"}, "categories": ["welcome"], "custom_args": {"order": "7"},
        "attachments": [
            {"filename": "report.pdf", "content": "JVBERg==", "type": "application/pdf", "disposition": "attachment"},
            {"filename": "logo.png", "content": "iQ==", "type": "image/png", "disposition": "inline", "content_id": "logo"},
        ],
    });
    assert_eq!(body(&request), expected);
}

#[test]
fn postmark_gets_its_shape() {
    let host = FakeHost::new();
    let (request, result) = sent(&host, "postmark", &full(&host), taken("postmark"));
    assert_eq!(
        result.unwrap(),
        json!({"provider": "postmark", "id": "0a129aee-e1cd-480d-b08d-4f48548ff48d", "recipients": 4})
    );
    let request = request.unwrap();
    assert_eq!(request.header_value("x-postmark-server-token"), Some("{{secret.POSTMARK_SERVER_TOKEN}}"));
    let expected = json!({
        "From": "\"Sales, \\\"EU\\\"\" <sales@example.com>", "To": "\"Ann\" <ann@example.com>, bob@example.com",
        "Cc": "carl@example.com", "Bcc": "dora@example.com", "ReplyTo": "help@example.com",
        "Subject": "Grüße", "TextBody": "Hello", "HtmlBody": "<p>Hello</p>", "MessageStream": "outbound",
        "Tag": "welcome", "Metadata": {"order": "7"}, "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://example.com/u>"}],
        "Attachments": [
            {"Name": "report.pdf", "Content": "JVBERg==", "ContentType": "application/pdf"},
            {"Name": "logo.png", "Content": "iQ==", "ContentType": "image/png", "ContentID": "cid:logo"},
        ],
    });
    assert_eq!(body(&request), expected);

    let mut input = mail();
    input["tags"] = json!(["a", "b"]);
    let error = sent(&host, "postmark", &input, taken("postmark")).1.unwrap_err();
    assert!(error.message.starts_with("/tags: Postmark takes one tag"), "{error}");
}

#[test]
fn mailgun_gets_a_form_whose_files_never_enter_the_step() {
    let host = FakeHost::new();
    let (request, result) = sent(&host, "mailgun", &full(&host), taken("mailgun"));
    let expected =
        json!({"provider": "mailgun", "id": "<20111114174239.25659.5817@mg.example.com>", "recipients": 4});
    assert_eq!(result.unwrap(), expected);
    let request = request.unwrap();
    assert_eq!(request.header_value("authorization"), Some("Basic {{secret.MAILGUN_BASIC}}"));
    let mut blobs = 0;
    let mut text = String::new();
    for part in &request.parts {
        match part {
            Part::Bytes(bytes) => text.push_str(std::str::from_utf8(bytes).unwrap()),
            Part::Blob(_) => blobs += 1,
        }
    }
    assert_eq!(blobs, 2);
    for field in [
        "name=\"from\"\r\n\r\n\"Sales, \\\"EU\\\"\" <sales@example.com>\r\n",
        "name=\"to\"\r\n\r\n\"Ann\" <ann@example.com>\r\n",
        "name=\"to\"\r\n\r\nbob@example.com\r\n",
        "name=\"cc\"\r\n\r\ncarl@example.com\r\n",
        "name=\"bcc\"\r\n\r\ndora@example.com\r\n",
        "name=\"subject\"\r\n\r\nGrüße\r\n",
        "name=\"h:Reply-To\"\r\n\r\nhelp@example.com\r\n",
        "name=\"h:List-Unsubscribe\"\r\n\r\n<https://example.com/u>\r\n",
        "name=\"o:tag\"\r\n\r\nwelcome\r\n",
        "name=\"v:order\"\r\n\r\n7\r\n",
        "name=\"attachment\"; filename=\"report.pdf\"",
        "name=\"inline\"; filename=\"logo\"",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
}

#[test]
fn another_region_and_another_key_are_a_matter_of_config() {
    let host = FakeHost::new();
    host.answer("POST", "https://api.eu.mailgun.net/v3/mg.example.com/messages", taken("mailgun"));
    let config = json!({
        "provider": "mailgun", "from": "a@example.com", "domain": "mg.example.com",
        "base_url": "https://api.eu.mailgun.net/", "api_key_secret": "EU_KEY", "timeout_ms": 2000,
    });
    call(email_send, &mail(), &config).unwrap();
    let request = &host.requests()[0];
    assert_eq!(request.header_value("authorization"), Some("Basic {{secret.EU_KEY}}"));
    assert_eq!(request.timeout, Some(Duration::from_secs(2)));
}

#[test]
fn a_provider_that_refuses_is_quoted() {
    let inactive = "You tried to send to a recipient that has been marked as inactive.";
    for (provider, answer, kind, words) in [
        (
            "resend",
            Answer::json(
                403,
                &json!({"statusCode": 403, "name": "validation_error", "message": "The example.com domain is not verified."}),
            ),
            StepErrorKind::Permanent,
            "validation_error: The example.com domain",
        ),
        (
            "resend",
            Answer::json(
                401,
                &json!({"statusCode": 401, "name": "missing_api_key", "message": "Missing API Key"}),
            ),
            StepErrorKind::Permanent,
            "missing_api_key",
        ),
        (
            "resend",
            Answer::json(
                429,
                &json!({"statusCode": 429, "name": "rate_limit_exceeded", "message": "Too many requests."}),
            ),
            StepErrorKind::Retryable,
            "Too many requests",
        ),
        (
            "resend",
            Answer::json(
                429,
                &json!({"statusCode": 429, "name": "daily_quota_exceeded", "message": "Quota."}),
            ),
            StepErrorKind::Permanent,
            "daily_quota_exceeded",
        ),
        (
            "resend",
            Answer::json(
                409,
                &json!({"statusCode": 409, "name": "concurrent_idempotent_requests", "message": "In progress."}),
            ),
            StepErrorKind::Retryable,
            "In progress",
        ),
        (
            "resend",
            Answer::json(500, &json!({"statusCode": 500, "name": "application_error", "message": "Oops."})),
            StepErrorKind::Retryable,
            "Oops",
        ),
        (
            "sendgrid",
            Answer::json(
                400,
                &json!({"errors": [{"message": "The from email does not contain a valid address.", "field": "from.email", "help": "http://..."}]}),
            ),
            StepErrorKind::Permanent,
            "from.email: The from email",
        ),
        (
            "sendgrid",
            Answer::json(
                401,
                &json!({"errors": [{"message": "The provided authorization grant is invalid, expired, or revoked", "field": null, "help": null}]}),
            ),
            StepErrorKind::Permanent,
            "e-mail: The provided authorization",
        ),
        (
            "sendgrid",
            Answer::json(429, &json!({"errors": [{"field": null, "message": "too many requests"}]})),
            StepErrorKind::Retryable,
            "too many",
        ),
        (
            "postmark",
            Answer::json(422, &json!({"ErrorCode": 406, "Message": inactive})),
            StepErrorKind::Permanent,
            "marked as inactive. (error code 406)",
        ),
        (
            "postmark",
            Answer::json(200, &json!({"ErrorCode": 406, "Message": inactive})),
            StepErrorKind::Permanent,
            "(status 200)",
        ),
        (
            "postmark",
            Answer::json(422, &json!({"ErrorCode": 100, "Message": "Offline for maintenance."})),
            StepErrorKind::Retryable,
            "maintenance",
        ),
        (
            "postmark",
            Answer::json(429, &json!({"ErrorCode": 429, "Message": "Rate limit exceeded."})),
            StepErrorKind::Retryable,
            "Rate limit",
        ),
        (
            "mailgun",
            Answer::json(
                400,
                &json!({"message": "to parameter is not a valid address. please check documentation"}),
            ),
            StepErrorKind::Permanent,
            "to parameter is not",
        ),
        (
            "mailgun",
            Answer::text(401, "Forbidden"),
            StepErrorKind::Permanent,
            "e-mail: Forbidden (status 401)",
        ),
        (
            "mailgun",
            Answer::json(404, &json!({"message": "Domain not found: mg.example.com"})),
            StepErrorKind::Permanent,
            "Domain not found",
        ),
        (
            "mailgun",
            Answer::json(429, &json!({"message": "Too Many Requests"})),
            StepErrorKind::Retryable,
            "Too Many",
        ),
    ] {
        let host = FakeHost::new();
        let error = sent(&host, provider, &mail(), answer.header("retry-after", "9")).1.unwrap_err();
        assert_eq!(error.kind, kind, "{provider}: {error}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(error.retry_after, (kind == StepErrorKind::Retryable).then_some(Duration::from_secs(9)));
    }
}

#[test]
fn a_page_or_half_an_answer_names_the_provider() {
    for (provider, _) in PROVIDERS {
        for answer in [
            Answer::text(502, "<html>Bad gateway</html>"),
            Answer::text(200, "<html>Sign in</html>"),
            Answer::bytes(200, "{\"id\": \"49a3").header("content-type", "application/json"),
        ] {
            let host = FakeHost::new();
            let error = sent(&host, provider, &mail(), answer).1.unwrap_err();
            assert_eq!(error.kind, StepErrorKind::Retryable, "{provider}: {error}");
            assert!(error.message.to_lowercase().starts_with(provider), "{error}");
        }
    }
}
