//! Server-sent events (WHATWG HTML, section 9.2.6), as bytes come in. Knows nothing of what the events say.

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty where the stream names none.
    pub(super) name: String,
    pub(super) data: String,
}

/// Makes events of bytes, wherever those are cut.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The last byte was a `\r`: a `\n` that follows belongs to it.
    after_return: bool,
    begun: bool,
    name: String,
    /// Of the event that has not ended; none as long as it has no data line.
    data: Option<String>,
}

impl Parser {
    /// Takes in what came, and gives the events that are whole by now.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => (),
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    events.extend(self.end_of_line());
                }
                _ => {
                    self.after_return = false;
                    self.line.push(byte);
                }
            }
        }
        events
    }

    /// A line is whole here, and so are its characters.
    fn end_of_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = match std::mem::replace(&mut self.begun, true) {
            false => line.strip_prefix('\u{feff}').unwrap_or(&line),
            true => &line,
        };
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| Event { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.name),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", none) => *none = Some(value.to_owned()),
            _ => (),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        let taken = pieces.iter().flat_map(|piece| parser.take(piece));
        taken.map(|event| (event.name, event.data)).collect()
    }

    fn named(name: &str, data: &str) -> (String, String) {
        (name.into(), data.into())
    }

    #[test]
    fn every_kind_of_line_is_read_as_the_standard_has_it() {
        let stream = "\u{feff}: a comment\n\ndata: one\n\nevent: ping\ndata\n\ndata:two\ndata:  three\r\n\r\nid: 7\rretry: 10\r\revent: lost\n\ndata: [DONE]\n\ndata: half";
        let expected = [named("", "one"), named("ping", ""), named("", "two\n three"), named("", "[DONE]")];
        assert_eq!(events(&[stream.as_bytes()]), expected);
    }

    #[test]
    fn a_character_a_token_or_a_line_ending_may_be_cut_anywhere() {
        let stream = "data: {\"a\": \"ä€😀\"}\r\n\r\ndata: b\r\n\r\n".as_bytes();
        let whole = events(&[stream]);
        assert_eq!(whole, [named("", "{\"a\": \"ä€😀\"}"), named("", "b")]);
        for cut in 0..=stream.len() {
            assert_eq!(events(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(events(&bytes), whole);
    }

    fn stream() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            "data: ?[a-zäß€😀{}\":,]{0,12}",
            "event: [a-z]{1,6}",
            ":.{0,6}",
            "id: [0-9]{1,3}",
            "[a-z]{0,4}",
            Just(String::new()),
        ];
        let ended =
            (line, prop_oneof![Just("\n"), Just("\r\n"), Just("\r")]).prop_map(|(line, end)| line + end);
        prop::collection::vec(ended, 0..24).prop_map(|lines| lines.concat())
    }

    proptest! {
        #[test]
        fn a_stream_says_the_same_however_it_is_cut(stream in stream(), sizes in prop::collection::vec(1..9_usize, 1..80)) {
            let whole = events(&[stream.as_bytes()]);
            let mut rest = stream.as_bytes();
            let mut pieces = Vec::new();
            for size in sizes {
                let (piece, behind) = rest.split_at(size.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces.push(rest);
            prop_assert_eq!(events(&pieces), whole);
        }

        #[test]
        fn no_bytes_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            Parser::default().take(&bytes);
        }
    }
}
