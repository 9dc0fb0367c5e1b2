//! Makes a report of a text in Markdown: a page of HTML that needs nothing else, and a PDF.

mod config;
mod fonts;
mod html;
mod images;
mod lines;
mod paper;
mod pdf;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stepwell_sdk::StepError;
use stepwell_sdk::blob::{self, Blob};

use config::{Config, Format};
use images::Images;

/// What the report says.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The text: Markdown (CommonMark) with tables, strikethrough and task lists. HTML in it is shown as text. A line
    /// `<!-- pagebreak -->` begins a new page.
    markdown: String,
    /// Set above the text, and told to readers as the document's.
    title: Option<String>,
    /// Set below the title, with the date.
    author: Option<String>,
    /// As it is to be read: `31 May 2024`.
    date: Option<String>,
    /// Images, PNG or JPEG, by the name that the text has for them: `![A chart](chart)`.
    #[serde(default)]
    images: BTreeMap<String, Blob>,
}

/// What was made.
#[derive(Serialize, JsonSchema)]
struct Output {
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<Blob>,
    /// The PDF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pdf: Option<Blob>,
    /// How many pages the PDF has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pages: Option<usize>,
}

/// What is known of a report besides its text.
#[derive(Default)]
struct About {
    title: String,
    author: String,
    date: String,
}

impl About {
    /// Author and date, as far as they are known.
    fn byline(&self) -> String {
        let known: Vec<&str> =
            [self.author.as_str(), self.date.as_str()].into_iter().filter(|one| !one.is_empty()).collect();
        known.join(", ")
    }
}

#[stepwell_sdk::step]
fn report(input: Input, config: Config) -> Result<Output, StepError> {
    if config.formats.is_empty() {
        return Err(StepError::permanent("config: `formats` is empty: name `html`, `pdf`, or both"));
    }
    if !(5.0..=80.0).contains(&config.margin_mm) {
        return Err(StepError::permanent(format!(
            "config: `margin_mm` is {}: it must be 5 to 80",
            config.margin_mm
        )));
    }
    let Input { markdown, title, author, date, images } = input;
    let about = About {
        title: title.unwrap_or_default(),
        author: author.unwrap_or_default(),
        date: date.unwrap_or_default(),
    };
    let images = Images::read(&images)?;
    let file = |extension: &str| {
        format!("{}.{extension}", if about.title.is_empty() { "report" } else { &about.title })
    };
    let mut output = Output { html: None, pdf: None, pages: None };
    if config.formats.contains(&Format::Html) {
        let page = html::write(&markdown, &about, &images, &config.language);
        output.html = Some(blob::put("text/html; charset=utf-8", page.as_bytes())?.named(file("html")));
    }
    if config.formats.contains(&Format::Pdf) {
        let (bytes, pages) = pdf::write(&markdown, &about, &images, &config)?;
        output.pdf = Some(blob::put("application/pdf", &bytes)?.named(file("pdf")));
        output.pages = Some(pages);
    }
    Ok(output)
}
