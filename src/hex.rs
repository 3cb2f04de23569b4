//! Bytes as hexadecimal digits.

/// Two digits a byte, in lower case.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// So many bytes, from digits of either case; none where the text is anything else.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let nibble = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read_alike() {
        let bytes = [0x00, 0xff, 0x7f, 0x80];
        assert_eq!(encode(&bytes), "00ff7f80");
        assert_eq!(decode("00ff7f80"), Some(bytes));
        assert_eq!(decode("00FF7f80"), Some(bytes));
        assert_eq!(decode(""), Some([]));
    }

    #[test]
    fn what_is_no_digit_or_not_as_long_is_refused() {
        for wrong in ["", "0", "00ff", "00ff0", "00ff00ff", "00ff0g", "+1+1+1", "łłł"] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }
}
