mod mails;
mod providers;

use serde_json::{Value, json};
use stepwell_sdk::http::Request;
use stepwell_sdk::testing::{Answer, FakeHost, call};
use stepwell_sdk::{StepError, StepErrorKind};

use super::*;

const PROVIDERS: [(&str, &str); 4] = [
    ("resend", "https://api.resend.com/emails"),
    ("sendgrid", "https://api.sendgrid.com/v3/mail/send"),
    ("postmark", "https://api.postmarkapp.com/email"),
    ("mailgun", "https://api.mailgun.net/v3/mg.example.com/messages"),
];

fn taken(provider: &str) -> Answer {
    match provider {
        "resend" => Answer::json(200, &json!({"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})),
        "sendgrid" => Answer::bytes(202, "").header("x-message-id", "14c5d75ce93"),
        "postmark" => Answer::json(
            200,
            &json!({
                "To": "ann@example.com", "SubmittedAt": "2014-02-17T07:25:01.4178645-05:00",
                "MessageID": "0a129aee-e1cd-480d-b08d-4f48548ff48d", "ErrorCode": 0, "Message": "OK",
            }),
        ),
        _ => Answer::json(
            200,
            &json!({"id": "<20111114174239.25659.5817@mg.example.com>", "message": "Queued. Thank you."}),
        ),
    }
}

/// Sends an e-mail, and gives what went out with what came of it.
fn sent(
    host: &FakeHost,
    provider: &str,
    input: &Value,
    answer: Answer,
) -> (Option<Request>, Result<Value, StepError>) {
    let url = PROVIDERS.into_iter().find(|(name, _)| *name == provider).unwrap().1;
    host.answer("POST", url, answer);
    let config = json!({"provider": provider, "from": "Help <help@example.com>", "domain": "mg.example.com"});
    let result = call(email_send, input, &config);
    (host.requests().pop(), result)
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn mail() -> Value {
    json!({"to": "ann@example.com", "subject": "Hi", "text": "Hello"})
}
