//! The report as a page that needs nothing else: its style and its images are in it, and nothing of the text is markup.

use std::fmt::Write as _;

use data_encoding::BASE64;
use pulldown_cmark::{CowStr, Event, Parser, Tag, TagEnd, html};

use crate::About;
use crate::images::Images;
use crate::story;

const STYLE: &str = include_str!("style.css");

/// Writes the page.
pub(crate) fn write(markdown: &str, about: &About, images: &Images, language: &str) -> String {
    let mut body = String::new();
    html::push_html(&mut body, Safe { events: Parser::new_ext(markdown, story::OPTIONS), images, alts: 0 });
    let title = escaped(&about.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escaped(language)
    );
    let byline = escaped(&about.byline());
    if !title.is_empty() || !byline.is_empty() {
        let _ = write!(page, "<header>");
        if !title.is_empty() {
            let _ = write!(page, "<h1>{title}</h1>");
        }
        if !byline.is_empty() {
            let _ = write!(page, "<p>{byline}</p>");
        }
        page.push_str("</header>\n");
    }
    page + "<main>\n" + &body + "</main>\n</body>\n</html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Markdown's events, without those that could do harm in a browser.
struct Safe<'m, 'i> {
    events: Parser<'m>,
    images: &'i Images,
    /// Images around this place that are not there: what they say in their place stays.
    alts: usize,
}

impl<'m> Iterator for Safe<'m, '_> {
    type Item = Event<'m>;

    fn next(&mut self) -> Option<Event<'m>> {
        Some(match self.events.next()? {
            Event::Html(html) | Event::InlineHtml(html) if html.trim() == story::PAGE_BREAK => {
                Event::Html("<div class=\"page\"></div>\n".into())
            }
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest_url = if story::leads_on(&dest_url) { dest_url } else { CowStr::Borrowed("#") };
                Event::Start(Tag::Link { link_type, dest_url, title, id })
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => match self.images.get(&dest_url) {
                Some(picture) => {
                    let data = BASE64.encode(&picture.bytes);
                    let dest_url = format!("data:{};base64,{data}", picture.media_type).into();
                    Event::Start(Tag::Image { link_type, dest_url, title, id })
                }
                None => {
                    self.alts += 1;
                    Event::Start(Tag::Emphasis)
                }
            },
            Event::End(TagEnd::Image) if self.alts > 0 => {
                self.alts -= 1;
                Event::End(TagEnd::Emphasis)
            }
            other => other,
        })
    }
}
