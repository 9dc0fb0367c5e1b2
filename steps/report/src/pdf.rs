//! The report as a PDF: the story is laid out on paper, then each page is written.

mod layout;

use krilla::Document;
use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::luma;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::{Page, PageSettings};
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{GlyphId, KrillaGlyph};
use stepwell_sdk::StepError;

use crate::About;
use crate::config::Config;
use crate::fonts::Fonts;
use crate::images::Images;
use crate::lines::{Line, Span, lines};
use crate::paper::{Mark, Paper};
use crate::story::{self, Run, Style};

/// The size of headers and footers.
const SMALL: f32 = 8.5;

/// Writes the PDF; gives its bytes and how many pages it has.
pub(crate) fn write(
    markdown: &str,
    about: &About,
    images: &Images,
    config: &Config,
) -> Result<(Vec<u8>, usize), StepError> {
    let fonts = Fonts::load()?;
    let mut paper = layout::lay_out(&story::read(markdown), about, images, &fonts, config)?;
    add_headers_and_footers(&mut paper, about, &fonts, config);
    fonts.tell();

    let mut document = Document::new();
    document.set_metadata(metadata(about, config));
    let failed = |why: &str| StepError::permanent(format!("the PDF cannot be written: {why}"));
    let settings =
        PageSettings::from_wh(paper.width, paper.height).ok_or_else(|| failed("its pages have no size"))?;
    for marks in &paper.pages {
        let mut page = document.start_page_with(settings.clone());
        let mut surface = page.surface();
        for mark in marks {
            draw(&mut surface, mark, &fonts, images);
        }
        surface.finish();
        marks.iter().for_each(|mark| link(&mut page, mark));
        page.finish();
    }
    let bytes = document.finish().map_err(|error| failed(&error.to_string()))?;
    Ok((bytes, paper.pages.len()))
}

fn metadata(about: &About, config: &Config) -> Metadata {
    let mut metadata = Metadata::new().language(config.language.clone()).producer("Stepwell".into());
    if !about.title.is_empty() {
        metadata = metadata.title(about.title.clone());
    }
    if !about.author.is_empty() {
        metadata = metadata.authors(vec![about.author.clone()]);
    }
    metadata
}

fn add_headers_and_footers(paper: &mut Paper, about: &About, fonts: &Fonts, config: &Config) {
    let pages = paper.pages.len();
    let (top, bottom) = (paper.margin * 0.6, paper.height - paper.margin * 0.5);
    for number in 1..=pages {
        for (says, y) in [(&config.header, top), (&config.footer, bottom)] {
            let text = says
                .replace("{pages}", &pages.to_string())
                .replace("{page}", &number.to_string())
                .replace("{title}", &about.title)
                .replace("{author}", &about.author)
                .replace("{date}", &about.date);
            let run = Run { text: text.replace('\n', " "), style: Style::default() };
            let Some(line) = lines(&[run], fonts, SMALL, paper.measure(), false).into_iter().next() else {
                continue;
            };
            let width: f32 = line.iter().map(|span| span.width).sum();
            let x = (paper.width - width) / 2.0;
            paper.pages[number - 1].push(Mark::Text { x, y, size: SMALL, grey: 110, line });
        }
    }
}

fn draw(surface: &mut Surface<'_>, mark: &Mark, fonts: &Fonts, images: &Images) {
    match mark {
        Mark::Text { x, y, size, grey, line } => {
            let mut x = *x;
            for span in line {
                draw_span(surface, span, (x, *y), *size, *grey, fonts);
                x += span.width;
            }
        }
        Mark::Box { x, y, width, height, grey } => draw_box(surface, (*x, *y), (*width, *height), *grey),
        Mark::Image { x, y, width, height, name } => {
            if let (Some(picture), Some(size)) = (images.get(name), Size::from_wh(*width, *height)) {
                surface.push_transform(&Transform::from_translate(*x, *y));
                surface.draw_image(picture.image.clone(), size);
                surface.pop();
            }
        }
    }
}

fn draw_span(surface: &mut Surface<'_>, span: &Span, (x, y): (f32, f32), size: f32, grey: u8, fonts: &Fonts) {
    let grey = if span.style.link.is_some() { grey.max(60) } else { grey };
    surface.set_fill(Some(fill(grey)));
    let starts = span.text.char_indices().map(|(at, character)| at..at + character.len_utf8());
    let glyphs: Vec<KrillaGlyph> = starts
        .zip(&span.letters)
        .map(|(text_range, letter)| KrillaGlyph {
            glyph_id: GlyphId::new(letter.glyph),
            text_range,
            x_advance: letter.width,
            x_offset: 0.0,
            y_offset: 0.0,
            y_advance: 0.0,
            location: None,
        })
        .collect();
    let font = fonts.face(&span.style).font.clone();
    surface.draw_glyphs(Point::from_xy(x, y), &glyphs, font, &span.text, size, false);
    let thick = size / 18.0;
    if span.style.link.is_some() {
        draw_box(surface, (x, y + size * 0.12), (span.width, thick), 150);
    }
    if span.style.struck {
        draw_box(surface, (x, y - size * 0.28), (span.width, thick), grey);
    }
}

fn draw_box(surface: &mut Surface<'_>, (x, y): (f32, f32), (width, height): (f32, f32), grey: u8) {
    let mut path = PathBuilder::new();
    if let Some(rect) = Rect::from_xywh(x, y, width, height) {
        path.push_rect(rect);
    }
    if let Some(path) = path.finish() {
        surface.set_fill(Some(fill(grey)));
        surface.draw_path(&path);
    }
}

fn fill(grey: u8) -> Fill {
    Fill { paint: luma::Color::new(grey).into(), opacity: NormalizedF32::ONE, rule: Default::default() }
}

/// Makes what is a link one that can be followed.
fn link(page: &mut Page<'_>, mark: &Mark) {
    let Mark::Text { x, y, size, line, .. } = mark else { return };
    let mut x = *x;
    for span in line as &Line {
        let rect = Rect::from_xywh(x, y - size, span.width, size * 1.3);
        if let (Some(to), Some(rect)) = (&span.style.link, rect) {
            let target = Target::Action(Action::from(LinkAction::new(to.clone())));
            page.add_annotation(Annotation::new_link(LinkAnnotation::new(rect, target), None));
        }
        x += span.width;
    }
}
