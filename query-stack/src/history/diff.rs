//! Shows people the difference of two texts word by word: `on [-Tuesday-]{+Monday+}`.

use std::time::Instant;

use similar::{ChangeTag, TextDiff};

/// Unchanged words shown on each side of a change.
const CONTEXT: usize = 8;

/// A run of unchanged tokens, or of removed and added text.
#[derive(Debug)]
enum Stretch<'a> {
    Same(Vec<&'a str>),
    Changed { removed: String, added: String },
}

/// Returns the difference; text not compared by the deadline is shown as replaced.
pub(crate) fn words(from: &str, to: &str, deadline: Instant) -> String {
    let diff = TextDiff::configure().deadline(deadline).diff_unicode_words(from, to);
    let mut stretches = Vec::new();
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Equal => same(&mut stretches, change.value()),
            ChangeTag::Delete => changed(&mut stretches, change.value(), ""),
            ChangeTag::Insert => changed(&mut stretches, "", change.value()),
        }
    }
    write(&join_across_spaces(stretches))
}

fn same<'a>(stretches: &mut Vec<Stretch<'a>>, token: &'a str) {
    match stretches.last_mut() {
        Some(Stretch::Same(tokens)) => tokens.push(token),
        _ => stretches.push(Stretch::Same(vec![token])),
    }
}

fn changed(stretches: &mut Vec<Stretch<'_>>, minus: &str, plus: &str) {
    if let Some(Stretch::Changed { removed, added }) = stretches.last_mut() {
        removed.push_str(minus);
        added.push_str(plus);
    } else {
        let (removed, added) = (minus.to_owned(), plus.to_owned());
        stretches.push(Stretch::Changed { removed, added });
    }
}

/// Joins two replacements that only white space separates.
fn join_across_spaces(stretches: Vec<Stretch<'_>>) -> Vec<Stretch<'_>> {
    let mut joined: Vec<Stretch<'_>> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        if stretch.is_replacement()
            && let [.., replaced, Stretch::Same(space)] = &joined[..]
            && replaced.is_replacement()
            && space.iter().all(|token| token.trim().is_empty())
            && let Some(Stretch::Same(space)) = joined.pop()
        {
            let space = space.concat();
            changed(&mut joined, &space, &space);
        }
        match stretch {
            Stretch::Changed { removed, added } => changed(&mut joined, &removed, &added),
            same @ Stretch::Same(_) => joined.push(same),
        }
    }
    joined
}

impl Stretch<'_> {
    fn is_replacement(&self) -> bool {
        matches!(self, Self::Changed { removed, added } if !removed.is_empty() && !added.is_empty())
    }
}

fn write(stretches: &[Stretch<'_>]) -> String {
    let mut text = String::new();
    for (at, stretch) in stretches.iter().enumerate() {
        match stretch {
            Stretch::Same(tokens) => {
                let after_a_change = if at == 0 { 0 } else { CONTEXT };
                let before_a_change = if at + 1 == stretches.len() { 0 } else { CONTEXT };
                text.push_str(&elided(tokens, after_a_change, before_a_change));
            }
            Stretch::Changed { removed, added } => {
                mark(&mut text, "[-", removed, "-]");
                mark(&mut text, "{+", added, "+}");
            }
        }
    }
    text
}

fn mark(text: &mut String, open: &str, marked: &str, close: &str) {
    if !marked.is_empty() {
        text.extend([open, marked, close]);
    }
}

/// Returns the first and last words around `…`, or all if hardly any would be left out.
fn elided(tokens: &[&str], first: usize, last: usize) -> String {
    let is_word = |token: &str| token.chars().any(char::is_alphanumeric);
    let numbered = tokens.iter().enumerate();
    let words: Vec<_> = numbered.filter(|(_, token)| is_word(token)).map(|(at, _)| at).collect();
    if words.len() <= first + last + 2 {
        return tokens.concat();
    }
    let head = first.checked_sub(1).map_or("".into(), |end| tokens[..=words[end]].concat() + " ");
    let tail = match last {
        0 => String::new(),
        last => format!(" {}", tokens[words[words.len() - last]..].concat()),
    };
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn diff(from: &str, to: &str) -> String {
        words(from, to, Instant::now() + Duration::from_secs(9))
    }

    #[test]
    fn a_replaced_word_is_shown_in_its_sentence_and_punctuation_stays() {
        let (from, to) = ("The mayor opened it on Tuesday.", "The mayor opened it on Monday.");
        assert_eq!(diff(from, to), "The mayor opened it on [-Tuesday-]{+Monday+}.");
    }

    #[test]
    fn neighbours_are_replaced_together_and_an_added_word_stands_alone() {
        assert_eq!(diff("a red car", "a green bus"), "a [-red car-]{+green bus+}");
        assert_eq!(diff("it rains", "it often rains"), "it {+often +}rains");
        assert_eq!(diff("it often rains", "it rains"), "it [-often -]rains");
    }

    #[test]
    fn long_stretches_that_stayed_are_left_out() {
        let numbers = |range: std::ops::Range<u32>| {
            range.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
        };
        let text = |word: &str| {
            format!(
                "{} {word}, {} {word}. {}",
                numbers(0..50),
                numbers(100..150),
                numbers(200..250)
            )
        };
        let expected = "… 42 43 44 45 46 47 48 49 [-old-]{+new+}, 100 101 102 103 104 105 106 107 … \
                        142 143 144 145 146 147 148 149 [-old-]{+new+}. 200 201 202 203 204 205 206 207 …";
        assert_eq!(diff(&text("old"), &text("new")), expected);
    }

    #[test]
    fn without_spaces_between_words_too() {
        let long = "今日は雨が降ります".repeat(20);
        let diff = diff(&format!("{long}東京"), &format!("{long}大阪"));
        assert!(diff.starts_with('…') && diff.ends_with("[-東京-]{+大阪+}"), "{diff}");
        assert!(diff.chars().count() < 60, "{diff}");
    }

    #[test]
    fn two_long_texts_without_anything_in_common_are_told_in_time() {
        let text = |seed: u64| {
            let mut state = seed;
            let mut word = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
                format!("{:x} ", (state >> 33) % 5_000)
            };
            let mut text = String::new();
            while text.len() < 200_000 {
                text.push_str(&word());
            }
            text
        };
        let (from, to) = (text(1), text(2));
        let begun = Instant::now();
        let diff = words(&from, &to, begun + Duration::from_millis(100));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert!(diff.contains("[-"));
    }
}
