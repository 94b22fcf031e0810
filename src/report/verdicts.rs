//! Verdicts in words: a table of them in every format, or one on a line.

use super::sheet::{Format, Frame, Sheet};
use crate::claims::{self, Answer, Verdict};
use crate::experiment::embedded;

/// ANSI codes of the answers: green, red, blue, yellow, grey.
const COLORS: [(&str, &str); 5] = [
    ("supported", "32"),
    ("reversed", "31"),
    ("no difference", "34"),
    ("conditional", "33"),
    ("undecided", "90"),
];

/// Every answer, in the order of a legend.
pub const ANSWERS: [Answer; 5] = [
    Answer::Supported,
    Answer::Reversed,
    Answer::NoDifference,
    Answer::Conditional,
    Answer::Undecided,
];
/// A column of a table of verdicts.
type Column = (&'static str, fn(&Verdict) -> String);

/// The word for an answer.
pub fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Supported => "supported",
        Answer::Reversed => "reversed",
        Answer::NoDifference => "no difference",
        Answer::Conditional => "conditional",
        Answer::Undecided => "undecided",
    }
}

/// The mark of an answer, so that it can be told without its colour.
pub fn sign(answer: &str) -> &'static str {
    match answer {
        "supported" | "agrees" => "\u{25cf}",
        "reversed" | "differs" => "\u{25bc}",
        "no difference" => "\u{25a0}",
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
                ("open", |v| v.open.clone().unwrap_or_default()),
                ("scope", |v| v.scope.clone()),
                ("survives", |v| v.survives.to_string()),
            ],
        );
    }
    if format == Format::Markdown {
        let says = |v: &Verdict| claims::find(&v.claim).map_or("", |c| c.claim).to_owned();
        let columns: [Column; 5] = [
            ("claim", claim),
            ("it says", says),
            ("answer", answer),
            ("because", sentence),
            ("scope", |v| v.scope.clone()),
        ];
        return Sheet {
            frame: Some(Frame {
                answer: 2,
                colors: &COLORS,
                least: Vec::new(),
                width: 100,
                narrowest: 60,
                nothing: "no verdicts yet",
                notes: String::new(),
            }),
            ..Sheet::of(verdicts, &columns)
        };
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

/// What the table says: the sentence, of an open case what would decide it, and whether the reference run
/// answers alike.
fn sentence(verdict: &Verdict) -> String {
    let mut all = verdict.sentence.clone();
    if let Some(open) = &verdict.open {
        all += &format!(" Why: {open}.");
    }
    if let Some(beside) = beside(verdict) {
        all += &format!(" [{beside}]");
    }
    all
}

/// The verdict beside that of the reference run, if that judged the claim.
pub fn beside(verdict: &Verdict) -> Option<String> {
    let mut reference = embedded::reference().iter();
    let mine = reference.find(|r| r.claim == verdict.claim)?;
    Some(mine.beside(verdict, answer))
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
            open: (answer == Answer::Undecided).then(|| "all planned looks are taken".into()),
            scope: "5 seeds".into(),
            survives: false,
            cells: Vec::new(),
            evidence: Vec::new(),
        };
        vec![
            verdict(
                "old-claims",
                Answer::Conditional,
                "At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast.",
            ),
            verdict(
                "new-claims",
                Answer::Undecided,
                "The gap of 0.02 bits is within its interval, \"so | far\".",
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
        │ old-claims ┆ conditional  ┆ At T = 512 the transformer trains 1.9  │
        │            ┆              ┆ times as fast as the LSTM, at T = 4096 │
        │            ┆              ┆ half as fast.                          │
        │ new-claims ┆ undecided    ┆ The gap of 0.02 bits is within its     │
        │            ┆              ┆ interval, "so | far". Why: all planned │
        │            ┆              ┆ looks are taken.                       │
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
    fn csv_reads_back_and_markdown_keeps_its_columns() {
        let csv = verdict_csv(&verdicts());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(
            &rows[1][2],
            "The gap of 0.02 bits is within its interval, \"so | far\"."
        );
        assert_eq!(&rows[1][4], "all planned looks are taken");
        let markdown = verdict_markdown(&verdicts());
        assert!(markdown.contains("| new-claims |  | **undecided** | The gap"));
        assert!(markdown.contains("so \\| far"));
    }

    #[test]
    fn csv_and_markdown_are_written_to_the_byte() {
        insta::assert_snapshot!(verdict_csv(&verdicts()), @r#"
        claim,answer,sentence,flips,open,scope,survives
        old-claims,conditional,"At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast.",,,5 seeds,false
        new-claims,undecided,"The gap of 0.02 bits is within its interval, ""so | far"".",,all planned looks are taken,5 seeds,false
        "#);
        insta::assert_snapshot!(verdict_markdown(&verdicts()), @r#"
        | claim | it says | answer | because | scope |
        | --- | --- | --- | --- | --- |
        | old-claims |  | **conditional** | At T = 512 the transformer trains 1.9 times as fast as the LSTM, at T = 4096 half as fast. | 5 seeds |
        | new-claims |  | **undecided** | The gap of 0.02 bits is within its interval, "so \| far". Why: all planned looks are taken. | 5 seeds |
        "#);
        assert_eq!(
            verdict_csv(&[]),
            "claim,answer,sentence,flips,open,scope,survives\n"
        );
        assert_eq!(
            verdict_markdown(&[]),
            "| claim | it says | answer | because | scope |\n| --- | --- | --- | --- | --- |\n"
        );
        let look = Look {
            width: None,
            color: true,
        };
        assert_eq!(verdict_table(&[], look), "no verdicts yet\n");
    }
}
