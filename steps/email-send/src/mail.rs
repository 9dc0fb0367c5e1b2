//! An e-mail that can be sent: everything in it is checked, whoever carries it.

use std::collections::{BTreeMap, BTreeSet};

use stepwell_sdk::StepError;
use stepwell_sdk::blob::Blob;

use crate::address::{Address, Mailbox};
use crate::{Attachment, Config, Input, Mailboxes, Provider};

/// Headers that the provider writes, or that would say something else than the e-mail's own fields.
const OWN_HEADERS: [&str; 14] = [
    "bcc",
    "cc",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "from",
    "message-id",
    "mime-version",
    "received",
    "reply-to",
    "return-path",
    "subject",
    "to",
];

/// RFC 5322, section 2.1.1: no line may be longer.
const LONGEST_LINE: usize = 998;

/// One e-mail.
pub(crate) struct Mail {
    pub(crate) from: Address,
    pub(crate) to: Vec<Address>,
    pub(crate) cc: Vec<Address>,
    pub(crate) bcc: Vec<Address>,
    pub(crate) reply_to: Vec<Address>,
    pub(crate) subject: String,
    pub(crate) text: Option<String>,
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<File>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A file that goes with it.
pub(crate) struct File {
    pub(crate) blob: Blob,
    pub(crate) name: String,
    pub(crate) content_id: Option<String>,
}

impl Mail {
    pub(crate) fn new(input: Input, config: &Config) -> Result<Self, StepError> {
        let from = match (&input.from, &config.from) {
            (Some(from), _) => one(from, "/from")?,
            (None, Some(from)) => {
                from.parse().map_err(|why| StepError::permanent(format!("`from`: {why}")))?
            }
            (None, None) => {
                return Err(StepError::permanent("who sends it? Give `from`, in the config or in the input"));
            }
        };
        // A mailbox gets it once, where it is named first: providers refuse one that is named twice.
        let mut seen = BTreeSet::new();
        let mail = Self {
            from,
            to: all(&input.to, "/to", &mut seen)?,
            cc: all(&input.cc, "/cc", &mut seen)?,
            bcc: all(&input.bcc, "/bcc", &mut seen)?,
            reply_to: all(&input.reply_to, "/reply_to", &mut BTreeSet::new())?,
            subject: input.subject,
            text: input.text.filter(|text| !text.is_empty()),
            html: input.html.filter(|html| !html.is_empty()),
            files: files(input.attachments)?,
            headers: input.headers,
            tags: input.tags,
            metadata: input.metadata,
        };
        mail.check(config.provider)?;
        Ok(mail)
    }

    /// How many mailboxes it goes to.
    pub(crate) fn recipients(&self) -> usize {
        self.to.len() + self.cc.len() + self.bcc.len()
    }

    fn check(&self, provider: Provider) -> Result<(), StepError> {
        if self.to.is_empty() {
            return Err(fault("/to", "an e-mail has a recipient"));
        }
        let most = provider.most_recipients();
        if self.recipients() > most {
            let why =
                format!("{} mailboxes, and the provider takes {most} for one e-mail", self.recipients());
            return Err(fault("/to", &why));
        }
        if self.text.is_none() && self.html.is_none() {
            return Err(StepError::invalid_input("the e-mail is empty: give `text` or `html`"));
        }
        line(&self.subject, "/subject")?;
        for (name, value) in &self.headers {
            let pointer = format!("/headers/{name}");
            let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(fault(&pointer.escape_debug().to_string(), "this is no name of a header"));
            }
            let lower = name.to_ascii_lowercase();
            if OWN_HEADERS.contains(&lower.as_str()) {
                return Err(fault(
                    &pointer,
                    "the provider writes this header: use the field that the e-mail has for it",
                ));
            }
            line(value, &pointer)?;
        }
        for (index, tag) in self.tags.iter().enumerate() {
            line(tag, &format!("/tags/{index}"))?;
        }
        for (name, value) in &self.metadata {
            line(name, "/metadata")?;
            line(value, &format!("/metadata/{}", name.escape_debug()))?;
        }
        Ok(())
    }
}

impl Provider {
    /// For one e-mail, as each documents it.
    fn most_recipients(self) -> usize {
        match self {
            Self::Resend | Self::Postmark => 50,
            Self::Sendgrid | Self::Mailgun => 1000,
        }
    }
}

fn one(mailbox: &Mailbox, pointer: &str) -> Result<Address, StepError> {
    mailbox.parse().map_err(|why| fault(pointer, &why))
}

fn all(mailboxes: &Mailboxes, pointer: &str, seen: &mut BTreeSet<String>) -> Result<Vec<Address>, StepError> {
    let addresses = match mailboxes {
        Mailboxes::One(mailbox) => vec![one(mailbox, pointer)?],
        Mailboxes::Many(mailboxes) => mailboxes
            .iter()
            .enumerate()
            .map(|(index, mailbox)| one(mailbox, &format!("{pointer}/{index}")))
            .collect::<Result<_, _>>()?,
    };
    Ok(addresses.into_iter().filter(|address| seen.insert(address.email.to_ascii_lowercase())).collect())
}

fn files(attachments: Vec<Attachment>) -> Result<Vec<File>, StepError> {
    let file = |(index, attachment)| {
        let (blob, name, content_id) = match attachment {
            Attachment::Plain(blob) => (blob, None, None),
            Attachment::Named(named) => (named.blob, named.name, named.content_id),
        };
        let name = name.or_else(|| blob.name.clone()).unwrap_or_else(|| "attachment".into());
        let pointer = format!("/attachments/{index}");
        line(&name, &pointer)?;
        line(&blob.media_type, &pointer)?;
        line(content_id.as_deref().unwrap_or_default(), &pointer)?;
        Ok(File { blob, name, content_id })
    };
    attachments.into_iter().enumerate().map(file).collect()
}

/// What stands in a header stays within it.
fn line(text: &str, pointer: &str) -> Result<(), StepError> {
    if text.chars().any(char::is_control) {
        return Err(fault(
            pointer,
            "this goes into one line, and holds a line break or another control character",
        ));
    }
    if text.len() > LONGEST_LINE {
        return Err(fault(pointer, &format!("this goes into one line, which may have {LONGEST_LINE} bytes")));
    }
    Ok(())
}

pub(crate) fn fault(pointer: &str, why: &str) -> StepError {
    StepError::invalid_input(format!("{pointer}: {why}")).detail([pointer])
}
