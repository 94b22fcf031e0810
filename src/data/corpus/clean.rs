//! From raw files to running text, the same bytes on every machine.

/// Raw files, name and content.
type Files = [(String, String)];

/// The one file as it is.
pub fn nothing(files: &Files) -> String {
    files.iter().map(|(_, text)| text.as_str()).collect()
}

/// Lines like `1 Kings 3:16 Then came there …`: drops book, chapter and verse, the brackets around
/// words without counterpart in the original (the words stay) and the marks around speech; one line
/// a chapter. What remains has 63 different characters.
pub fn verses(files: &Files) -> String {
    let mut out = String::new();
    let mut chapter = "";
    for line in files.iter().flat_map(|(_, text)| text.lines()) {
        let Some((place, verse)) = split_reference(line) else {
            continue;
        };
        if !out.is_empty() {
            out.push(if place == chapter { ' ' } else { '\n' });
        }
        chapter = place;
        let verse = verse.replace(['[', ']', '‹', '›'], "");
        for (index, word) in verse.split_whitespace().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    out.push('\n');
    out
}

/// `1 Kings 3` and the verse; `None` for a line without a reference.
fn split_reference(line: &str) -> Option<(&str, &str)> {
    let (place, rest) = line.split_once(':')?;
    let (number, verse) = rest.split_once(' ')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(place.rsplit(' ').next()?)).then_some((place, verse))
}

/// Speeches one after the other, a blank line between; rare quotation marks, dashes and fractions
/// are written as the common ones are, so that 97 different characters remain.
pub fn speeches(files: &Files) -> String {
    let mut out = String::new();
    for (_, text) in files {
        for character in text.replace("\r\n", "\n").trim().chars() {
            match character {
                '“' | '”' => out.push('"'),
                // Two apostrophes were decoded as another character set's letters.
                '‘' | '’' | 'Ô' | 'Õ' => out.push('\''),
                '–' => out.push('—'),
                '⁄' => out.push('/'),
                '½' => out.push_str("1/2"),
                '¼' => out.push_str("1/4"),
                other => out.push(other),
            }
        }
        out.push_str("\n\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Vec<(String, String)> {
        vec![("a".into(), text.into())]
    }

    #[test]
    fn verses_become_running_text() {
        let raw = "Genesis 1:2 darkness [was] upon: the\nGenesis 1:3 Let  there\n\n\
                   1 Kings 2:1 he saith, ‹Come: now.› Amen.\n";
        assert_eq!(
            verses(&file(raw)),
            "darkness was upon: the Let there\nhe saith, Come: now. Amen.\n"
        );
    }

    #[test]
    fn speeches_follow_each_other() {
        let files = [
            ("1".into(), " a “b” –½\r\n\n".into()),
            ("2".into(), "c".into()),
        ];
        assert_eq!(speeches(&files), "a \"b\" —1/2\n\nc\n\n");
    }
}
