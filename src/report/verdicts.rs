//! Verdicts in words: a table of them in every format, or one on a line.

use super::sheet::{Format, Frame, Sheet};
use crate::claims::{Answer, Verdict};

/// ANSI codes of the answers: green, red, yellow, grey.
const COLORS: [(&str, &str); 4] = [
    ("supported", "32"),
    ("refuted", "31"),
    ("conditional", "33"),
    ("inconclusive", "90"),
];

/// Every answer, in the order of a legend.
pub const ANSWERS: [Answer; 4] = [
    Answer::Supported,
    Answer::Refuted,
    Answer::Conditional,
    Answer::Inconclusive,
];

/// The word for an answer.
pub fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Supported => "supported",
        Answer::Refuted => "refuted",
        Answer::Conditional => "conditional",
        Answer::Inconclusive => "inconclusive",
    }
}

/// The mark of an answer, so that it can be told without its colour.
pub fn sign(answer: &str) -> &'static str {
    match answer {
        "supported" | "agrees" => "\u{25cf}",
        "reversed" | "refuted" | "differs" => "\u{25bc}",
        "no-difference" => "\u{25a0}",
        "conditional" => "\u{25c6}",
        _ => "\u{271a}",
    }
}

/// The verdicts as a table of three columns, or in full as CSV.
pub fn sheet(verdicts: &[Verdict], format: Format) -> Sheet<'static> {
    let claim = |v: &Verdict| v.claim.clone();
    let answer = |v: &Verdict| answer(v.answer).to_owned();
    if format == Format::Csv {
        return Sheet::of(
            verdicts,
            &[
                ("claim", claim),
                ("answer", answer),
                ("sentence", |v| v.sentence.clone()),
                ("flips", |v| v.flips.clone().unwrap_or_default()),
                ("more_seeds", |v| {
                    v.more_seeds.map_or(String::new(), |n| n.to_string())
                }),
            ],
        );
    }
    let longest = verdicts.iter().map(|v| v.claim.len()).max().unwrap_or(0);
    Sheet {
        frame: Some(Frame {
            answer: 1,
            colors: &COLORS,
            least: vec![longest.min(24) as u16 + 2, 14],
            width: 100,
            narrowest: 60,
            nothing: "no verdicts yet",
            notes: String::new(),
        }),
        ..Sheet::of(
            verdicts,
            &[("claim", claim), ("answer", answer), ("because", sentence)],
        )
    }
}

/// Splits what a table has room for from the rest of a verdict: its first sentence, or its first two
/// where the first only announces the second.
pub fn lead(sentence: &str) -> (&str, &str) {
    let ends = sentence.match_indices(". ").map(|(at, _)| at + 1);
    let next = |at: usize| sentence[at..].trim_start().chars().next();
    let mut ends = ends.filter(|at| next(*at).is_some_and(char::is_uppercase));
    let end = ends.find(|at| *at >= 60).unwrap_or(sentence.len());
    sentence.split_at(end)
}

/// What the table says: the lead and, of an open case, what would decide it.
fn sentence(verdict: &Verdict) -> String {
    let (lead, rest) = lead(&verdict.sentence);
    match rest.rfind(" About ") {
        Some(at) if verdict.more_seeds.is_some() => format!("{lead}{}", &rest[at..]),
        _ => lead.to_string(),
    }
}

/// One verdict on one line, printed while other experiments still run.
pub fn verdict_line(verdict: &Verdict) -> String {
    format!(
        "{} so far {}: {}",
        verdict.claim,
        answer(verdict.answer),
        sentence(verdict)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sheet::Look;

    fn verdict_table(verdicts: &[Verdict], look: Look) -> String {
        sheet(verdicts, Format::Table).table(look)
    }

    fn verdict_csv(verdicts: &[Verdict]) -> String {
        sheet(verdicts, Format::Csv).csv().unwrap()
    }

    fn verdict_markdown(verdicts: &[Verdict]) -> String {
        sheet(verdicts, Format::Markdown).markdown()
    }

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
