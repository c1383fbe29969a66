//! Splits text into words, in the same way for search requests and every store.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// Maximum characters of a word; longer ones (addresses, text without spaces) are cut off.
const LONGEST: usize = 64;

/// The words of a text, in order, without case and diacritics.
/// Every character that is neither a letter nor a digit separates words. There is no stemming, and
/// no text acts as a search operator.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in text.split_whitespace().map(folded) {
        let parts = part.split(|char: char| !char.is_alphanumeric());
        words.extend(parts.filter(|word| !word.is_empty()).map(shortened));
    }
    words
}

fn folded(part: &str) -> String {
    if part.is_ascii() {
        return part.to_ascii_lowercase(); // the usual case, and many times faster
    }
    let plain = part.nfkd().filter(|char| canonical_combining_class(*char) == 0);
    // Through upper case, because some letters have two lower cases: ς and σ, ß and ss.
    plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn shortened(word: &str) -> String {
    if word.len() <= LONGEST { word.to_owned() } else { word.chars().take(LONGEST).collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_diacritics_make_no_difference() {
        for (text, same) in [
            ("Café", "cafe"),
            ("CAFE\u{301}", "cafe"),
            ("Ångström", "angstrom"),
            ("STRASSE", "straße"),
            ("ΟΔΟΣ", "οδός"),
            ("İstanbul", "istanbul"),
            ("ﬁnal", "final"),
            ("Ёлка", "елка"),
        ] {
            assert_eq!(words(text), words(same), "{text}");
            assert_eq!(words(text).len(), 1, "{text}");
        }
        assert_ne!(words("matches"), words("match"));
    }

    #[test]
    fn what_is_neither_a_letter_nor_a_digit_only_separates() {
        let text = r#"-minus "a phrase" NEAR(title:x*, 2) AND don't_a.b@c 1,500 {$ne} 日本"#;
        let expected = "minus a phrase near title x 2 and don t a b c 1 500 ne 日本";
        assert_eq!(words(text), expected.split(' ').collect::<Vec<_>>());
        assert_eq!(words(" \"*\" -- \0 \u{301} "), Vec::<String>::new());
        assert_eq!(words(&"a".repeat(1_000)), ["a".repeat(64)]);
    }

    proptest! {
        /// Words in a store must be equal to the words of a search request.
        #[test]
        fn a_word_is_itself(text in "\\PC{0,40}") {
            for word in words(&text) {
                prop_assert_eq!(words(&word), [word.as_str()]);
            }
        }
    }
}
