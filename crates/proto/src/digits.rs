//! Converts numbers to ASCII digits and back without the formatting machinery: a listing of 100,000
//! lines contains a million of them.

/// Appends `value` in decimal.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: u64) {
    push_decimal_right(out, value, 0);
}

/// Appends `value` in decimal, right-aligned in `width` columns; a longer number is not cut.
pub(crate) fn push_decimal_right(out: &mut Vec<u8>, mut value: u64, width: usize) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    let digits = &digits[start..];
    push_blanks(out, width.saturating_sub(digits.len()));
    out.extend_from_slice(digits);
}

/// Appends the last two decimal digits of `value`.
pub(crate) fn push_two_digits(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[b'0' + value / 10 % 10, b'0' + value % 10]);
}

/// Appends a year as four digits. RFC 3659 §2.3 has room for no more, so earlier years become 0,
/// and later ones 9999.
pub(crate) fn push_year(out: &mut Vec<u8>, year: i64) {
    let year = year.clamp(0, 9999);
    push_two_digits(out, (year / 100) as u8);
    push_two_digits(out, (year % 100) as u8);
}

/// Appends `value` in lower-case hexadecimal.
pub(crate) fn push_hex(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends the permission bits of a mode as four octal digits: some clients take the last three or
/// four digits, and fail if there are fewer or more.
pub(crate) fn push_mode(out: &mut Vec<u8>, mode: u32) {
    out.extend([9, 6, 3, 0].map(|shift| b'0' + (mode >> shift & 7) as u8));
}

/// Appends `count` blanks.
pub(crate) fn push_blanks(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b' ');
}

/// Parses a number of one or more decimal digits and nothing else, at most `u64::MAX`.
pub(crate) fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_filled_from_the_left() {
        assert_eq!(written(|out| push_decimal_right(out, 42, 5)), "   42");
        assert_eq!(written(|out| push_decimal_right(out, 42, 1)), "42");
    }

    #[test]
    fn years_have_four_digits() {
        assert_eq!(written(|out| push_year(out, i64::MIN)), "0000");
        assert_eq!(written(|out| push_year(out, 45)), "0045");
        assert_eq!(written(|out| push_year(out, 2026)), "2026");
        assert_eq!(written(|out| push_year(out, i64::MAX)), "9999");
    }

    #[test]
    fn only_digits_are_numbers() {
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_decimal(b"007"), Some(7));
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_standard_library(value: u64) {
            prop_assert_eq!(written(|out| push_decimal(out, value)), value.to_string());
            prop_assert_eq!(written(|out| push_hex(out, value)), format!("{value:x}"));
            prop_assert_eq!(parse_decimal(value.to_string().as_bytes()), Some(value));
        }
    }
}
