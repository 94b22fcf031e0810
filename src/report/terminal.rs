//! Tables for the terminal.

use crate::claims::{Answer, Verdict};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::io::IsTerminal;

/// How a table is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal, where there is one.
    pub width: Option<u16>,
    /// Whether to colour.
    pub color: bool,
}

impl Look {
    /// For standard output as it is now: its width, and colour only on a terminal without `NO_COLOR`.
    pub fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            width: terminal_size::terminal_size()
                .filter(|_| terminal)
                .map(|(width, _)| width.0),
            color: terminal && !plain,
        }
    }
}

/// Columns of a verdict table that goes to a file or a pipe.
const UNKNOWN_WIDTH: u16 = 100;

/// Header of the verdict table in every format.
pub const HEADER: [&str; 5] = ["claim", "answer", "sentence", "flips", "more_seeds"];

/// The word for an answer.
pub fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Supported => "supported",
        Answer::Refuted => "refuted",
        Answer::Conditional => "conditional",
        Answer::Inconclusive => "inconclusive",
    }
}

/// The verdict table: claim, answer, sentence; one row a verdict.
pub fn verdict_table(verdicts: &[Verdict], look: Look) -> String {
    if verdicts.is_empty() {
        return "no verdicts yet\n".into();
    }
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_header(["claim", "answer", "because"]);
    for verdict in verdicts {
        table.add_row([
            verdict.claim.as_str(),
            answer(verdict.answer),
            &sentence(verdict),
        ]);
    }
    // Narrower than this a table cannot be read; the terminal may then wrap it.
    let width = look.width.unwrap_or(UNKNOWN_WIDTH).max(60);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    let ids = verdicts.iter().map(|v| v.claim.len()).max().unwrap_or(0);
    let lower = |n: u16| ColumnConstraint::LowerBoundary(Width::Fixed(n + 2));
    table.set_constraints([lower(ids.min(24) as u16), lower(12)]);
    let text = table.to_string();
    let lines = text.lines().map(|line| match look.color {
        true => colored(line),
        false => line.trim_end().to_string(),
    });
    lines.map(|line| line + "\n").collect()
}

/// Splits what a table has room for from the rest of a verdict: its first sentence, or its first two
/// where the first is but a heading for the second.
pub fn lead(sentence: &str) -> (&str, &str) {
    let ends = sentence.match_indices(". ").map(|(at, _)| at + 1);
    let next = |at: usize| sentence[at..].trim_start().chars().next();
    let mut ends = ends.filter(|at| next(*at).is_some_and(char::is_uppercase));
    let end = ends.find(|at| *at >= 60).unwrap_or(sentence.len());
    sentence.split_at(end)
}

/// What the table says: the lead, and of an open case what would decide it.
fn sentence(verdict: &Verdict) -> String {
    let (lead, rest) = lead(&verdict.sentence);
    match rest.rfind(" About ") {
        Some(at) if verdict.more_seeds.is_some() => format!("{lead}{}", &rest[at..]),
        _ => lead.to_string(),
    }
}

/// One verdict on one line, as it is said while others are still to come.
pub fn verdict_line(verdict: &Verdict) -> String {
    format!(
        "{} so far {}: {}",
        verdict.claim,
        answer(verdict.answer),
        sentence(verdict)
    )
}

/// Colours the answer, the second cell of the line; the width seen stays the same.
fn colored(line: &str) -> String {
    let cells: Vec<String> = line
        .split('┆')
        .enumerate()
        .map(|(index, cell)| {
            let code = match cell.trim() {
                "supported" => "32",
                "refuted" => "31",
                "conditional" => "33",
                "inconclusive" => "90",
                _ => return cell.to_string(),
            };
            if index == 1 {
                format!("\u{1b}[1;{code}m{cell}\u{1b}[0m")
            } else {
                cell.to_string()
            }
        })
        .collect();
    cells.join("┆")
}

/// The verdicts as rows under [`HEADER`].
pub fn verdict_rows(verdicts: &[Verdict]) -> Vec<Vec<String>> {
    let row = |v: &Verdict| {
        vec![
            v.claim.clone(),
            answer(v.answer).to_string(),
            v.sentence.clone(),
            v.flips.clone().unwrap_or_default(),
            v.more_seeds.map_or(String::new(), |n| n.to_string()),
        ]
    };
    verdicts.iter().map(row).collect()
}

/// The verdict table as CSV under [`HEADER`].
pub fn verdict_csv(verdicts: &[Verdict]) -> String {
    let quote = |field: &String| match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.clone(),
    };
    let line = |row: Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(",") + "\n";
    let rows = verdict_rows(verdicts).into_iter().map(line);
    std::iter::once(HEADER.join(",") + "\n")
        .chain(rows)
        .collect()
}

/// The verdict table as Markdown.
pub fn verdict_markdown(verdicts: &[Verdict]) -> String {
    let mut out = String::from("| claim | answer | because |\n| --- | --- | --- |\n");
    for verdict in verdicts {
        let sentence = sentence(verdict).replace('|', "\\|").replace('\n', " ");
        out += &format!(
            "| {} | **{}** | {sentence} |\n",
            verdict.claim,
            answer(verdict.answer)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts() -> Vec<Verdict> {
        let verdict = |claim: &str, answer, sentence: &str| Verdict {
            claim: claim.into(),
            answer,
            sentence: sentence.into(),
            flips: None,
            more_seeds: (answer == Answer::Inconclusive).then_some(4),
            evidence: Vec::new(),
        };
        vec![
            verdict(
                "speed-long",
                Answer::Conditional,
                "At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast.",
            ),
            verdict(
                "next-word",
                Answer::Inconclusive,
                "The gap of 0.02 bits is within its interval, \"so | far\". About 4 more seeds would \
                 decide it.",
            ),
        ]
    }

    #[test]
    fn the_table_is_aligned_and_fits_the_terminal() {
        let text = verdict_table(
            &verdicts(),
            Look {
                width: Some(70),
                color: false,
            },
        );
        insta::assert_snapshot!(text, @r#"
        ┌────────────┬──────────────┬────────────────────────────────────────┐
        │ claim      ┆ answer       ┆ because                                │
        ╞════════════╪══════════════╪════════════════════════════════════════╡
        │ speed-long ┆ conditional  ┆ At T = 512 the transformer trains 1.9  │
        │            ┆              ┆ times as fast as the LSTM, at T = 4096 │
        │            ┆              ┆ half as fast.                          │
        │ next-word  ┆ inconclusive ┆ The gap of 0.02 bits is within its     │
        │            ┆              ┆ interval, "so | far". About 4 more     │
        │            ┆              ┆ seeds would decide it.                 │
        └────────────┴──────────────┴────────────────────────────────────────┘
        "#);
        assert!(text.lines().all(|line| line.chars().count() <= 70));
    }

    #[test]
    fn colour_changes_nothing_but_the_answer() {
        let plain = verdict_table(
            &verdicts(),
            Look {
                width: Some(90),
                color: false,
            },
        );
        let color = verdict_table(
            &verdicts(),
            Look {
                width: Some(90),
                color: true,
            },
        );
        assert!(color.contains("\u{1b}[1;33m conditional "), "{color}");
        let stripped = color
            .replace("\u{1b}[1;33m", "")
            .replace("\u{1b}[1;90m", "")
            .replace("\u{1b}[0m", "");
        assert_eq!(stripped, plain);
    }

    #[test]
    fn the_lead_is_the_first_sentence_that_says_something() {
        let text = "It depends on T. Up to T = 0.5 k the transformer is 1.9 times as fast as the LSTM. More follows.";
        let (head, rest) = lead(text);
        assert!(head.ends_with("as the LSTM."), "{head}");
        assert_eq!(rest, " More follows.");
        assert_eq!(lead("Not judged yet."), ("Not judged yet.", ""));
    }

    #[test]
    fn csv_reads_back_and_markdown_keeps_its_columns() {
        let csv = verdict_csv(&verdicts());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(
            &rows[1][2],
            "The gap of 0.02 bits is within its interval, \"so | far\". About 4 more seeds would decide it."
        );
        assert_eq!(&rows[1][4], "4");
        let markdown = verdict_markdown(&verdicts());
        assert!(markdown.contains("| next-word | **inconclusive** | The gap"));
        assert!(markdown.contains("so \\| far"));
    }

    #[test]
    fn csv_and_markdown_are_written_to_the_byte() {
        insta::assert_snapshot!(verdict_csv(&verdicts()), @r#"
        claim,answer,sentence,flips,more_seeds
        speed-long,conditional,"At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast.",,
        next-word,inconclusive,"The gap of 0.02 bits is within its interval, ""so | far"". About 4 more seeds would decide it.",,4
        "#);
        insta::assert_snapshot!(verdict_markdown(&verdicts()), @r#"
        | claim | answer | because |
        | --- | --- | --- |
        | speed-long | **conditional** | At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast. |
        | next-word | **inconclusive** | The gap of 0.02 bits is within its interval, "so \| far". About 4 more seeds would decide it. |
        "#);
        assert_eq!(verdict_csv(&[]), "claim,answer,sentence,flips,more_seeds\n");
        assert_eq!(
            verdict_markdown(&[]),
            "| claim | answer | because |\n| --- | --- | --- |\n"
        );
        let look = Look {
            width: None,
            color: true,
        };
        assert_eq!(verdict_table(&[], look), "no verdicts yet\n");
    }
}
