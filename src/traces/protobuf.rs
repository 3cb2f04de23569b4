//! As much of Protocol Buffers as traces need: numbers, texts, and messages within messages.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Layout {
    Varint = 0,
    Eight = 1,
    Counted = 2,
    Four = 5,
}

impl Message {
    /// The message as it is sent.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.0.push(low & 0x7f);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    fn tag(&mut self, field: u32, layout: Layout) {
        self.varint(u64::from(field) << 3 | layout as u64);
    }

    /// A whole number; below zero it takes ten bytes, as int64 has it.
    pub(super) fn number(&mut self, field: u32, number: i64) {
        self.tag(field, Layout::Varint);
        self.varint(u64::from_ne_bytes(number.to_ne_bytes()));
    }

    /// A number of eight bytes.
    pub(super) fn fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, Layout::Eight);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A number of four bytes.
    pub(super) fn fixed32(&mut self, field: u32, number: u32) {
        self.tag(field, Layout::Four);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A text, or bytes.
    pub(super) fn bytes(&mut self, field: u32, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.tag(field, Layout::Counted);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message within this one.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the format's own documentation has for these values.
    #[test]
    fn values_are_laid_out_as_the_format_has_it() {
        let written = |write: fn(&mut Message)| {
            let mut message = Message::default();
            write(&mut message);
            message.into_bytes()
        };
        assert_eq!(written(|it| it.number(1, 150)), [0x08, 0x96, 0x01]);
        let minus_two = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(written(|it| it.number(1, -2)), minus_two);
        let text = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(written(|it| it.bytes(2, "testing")), text);
        let within = written(|it| it.message(3, |it| it.number(1, 150)));
        assert_eq!(within, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(written(|it| it.fixed32(16, 1)), [0x85, 0x01, 1, 0, 0, 0]);
        assert_eq!(written(|it| it.fixed64(7, 1)), [0x39, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
