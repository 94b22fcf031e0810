//! Published numbers beside ours: as commands print them, and for the page.

use super::sheet::{Format, Frame, Sheet};
use super::table::{Cell, Column, Table, numeric, text};
use crate::claims::published::{Compared, Outcome};
use crate::experiment::schema::Experiment;

/// What a column prints of a row.
type Field = fn(&Compared) -> String;
const SOURCE: Field = |r| r.source.clone();
const TASK: Field = |r| r.task.clone();
const SETTINGS: Field = |r| r.settings.clone();
const PUBLISHED: Field = |r| r.published.clone();
const OURS: Field = Compared::ours_in_words;
const TOLERANCE: Field = |r| r.tolerance.clone();
const RESULT: Field = Compared::result;

/// Published numbers beside ours. Below the table for the terminal stands why a row did not run, or
/// what explains its difference.
pub fn sheet(rows: &[Compared], format: Format) -> Sheet<'static> {
    let columns: &[(&str, Field)] = match format {
        Format::Csv | Format::Json => &[
            ("id", |r| r.id.clone()),
            ("source", SOURCE),
            ("task", TASK),
            ("settings", SETTINGS),
            ("published", PUBLISHED),
            ("ours", |r| or_blank(r.ours)),
            ("low", |r| or_blank(r.interval.map(|i| i.low))),
            ("high", |r| or_blank(r.interval.map(|i| i.high))),
            ("n", |r| r.n.to_string()),
            ("tolerance", TOLERANCE),
            ("result", |r| r.outcome.name().to_owned()),
            ("null", |r| r.null.to_string()),
            ("reason", |r| r.reason.clone()),
            ("experiment", |r| r.experiment.clone()),
        ],
        Format::Table => &[
            ("row", |r| r.id.clone()),
            ("source", SOURCE),
            ("published", PUBLISHED),
            ("ours", OURS),
            ("tolerance", TOLERANCE),
            ("result", RESULT),
        ],
        Format::Markdown => &[
            ("source", SOURCE),
            ("task", TASK),
            ("settings", SETTINGS),
            ("published", PUBLISHED),
            ("ours", OURS),
            ("tolerance", TOLERANCE),
            ("result", RESULT),
        ],
    };
    let notes = rows.iter().flat_map(|row| {
        let said = [&row.reason, &row.finding]
            .into_iter()
            .filter(|note| !note.is_empty());
        said.map(|note| format!("{}: {note}\n", row.id))
    });
    Sheet {
        frame: Some(Frame {
            answer: columns.len() - 1,
            colors: &[],
            least: Vec::new(),
            width: 130,
            narrowest: 80,
            nothing: "no rows yet",
            notes: notes.collect(),
        }),
        ..Sheet::of(rows, columns)
    }
}

fn or_blank(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// The rows of one experiment.
pub fn of(rows: &[Compared], experiment: &Experiment) -> Vec<Compared> {
    let mine = rows.iter().filter(|row| row.experiment == experiment.id);
    mine.cloned().collect()
}

/// All rows in one table.
pub fn table(rows: &[Compared]) -> Table {
    let n = |r: &Compared| match r.n {
        0 => text(""),
        n => text(n.to_string()),
    };
    Table::of(
        rows,
        &[
            ("source", &|r| text(&r.source)),
            ("task", &|r| text(&r.task)),
            ("settings", &|r| text(&r.settings)),
            ("published", &|r| text(&r.published)),
            ("ours", &ours),
            ("tolerance", &|r| text(&r.tolerance)),
            ("n", &n),
            ("", &|r| text(r.result())),
        ],
    )
}

/// The rows of one experiment with the reasons behind them.
pub fn details(rows: &[Compared]) -> Table {
    let remarks = |r: &Compared| {
        let said = [&r.reason, &r.finding]
            .into_iter()
            .filter(|s| !s.is_empty());
        text(said.map(String::as_str).collect::<Vec<_>>().join("; "))
    };
    let columns: [Column<Compared>; 9] = [
        ("settings", &|r| text(&r.settings)),
        ("task", &|r| text(&r.task)),
        ("source", &|r| text(&r.source)),
        ("published", &|r| text(&r.published)),
        ("ours", &ours),
        ("tolerance and its reason", &|r| {
            text(format!("{}: {}", r.tolerance, r.why))
        }),
        ("how ours differs from the original", &|r| text(&r.scaled)),
        ("", &|r| text(r.result())),
        ("remarks", &remarks),
    ];
    Table {
        sortable: false,
        ..Table::of(rows, &columns)
    }
}

fn ours(row: &Compared) -> Cell {
    numeric(row.ours_in_words())
}

/// `12 of 14 agree by their intervals, 1 differs, 1 was not run; 3 null rows are not counted.`
pub fn summary(rows: &[Compared]) -> String {
    let (null, counted): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.null);
    let count = |outcome| counted.iter().filter(|row| row.outcome == outcome).count();
    let mut said = format!(
        "{} of {} agree by their intervals, within a tolerance fixed beforehand",
        count(Outcome::Agrees),
        counted.len()
    );
    for (outcome, one, several) in [
        (Outcome::Differs, "differs", "differ"),
        (Outcome::Undecided, "is undecided", "are undecided"),
        (Outcome::NotRun, "was not run", "were not run"),
    ] {
        match count(outcome) {
            0 => {}
            1 => said += &format!(", 1 {one}"),
            n => said += &format!(", {n} {several}"),
        }
    }
    match null.len() {
        0 => {}
        1 => {
            said += "; a null row, which a constant or memoryless answer would pass, is not counted"
        }
        n => {
            said += &format!(
                "; {n} null rows, which a constant or memoryless answer would pass, are not counted"
            );
        }
    }
    said + "."
}

/// The badge of an experiment: the first of `differs`, `undecided` and `agrees` that a row has.
pub fn answer(rows: &[Compared]) -> &'static str {
    let any = |outcome: &Outcome| rows.iter().any(|row| row.outcome == *outcome);
    let first = [Outcome::Differs, Outcome::Undecided, Outcome::Agrees];
    first
        .into_iter()
        .find(any)
        .unwrap_or(Outcome::NotRun)
        .name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::published::Statistic;
    use crate::report::sheet::Look;

    fn terminal(rows: &[Compared], look: Look) -> String {
        sheet(rows, Format::Table).table(look)
    }

    fn markdown(rows: &[Compared]) -> String {
        sheet(rows, Format::Markdown).markdown()
    }

    fn row(id: &str, outcome: Outcome) -> Compared {
        Compared {
            id: id.into(),
            source: "Somebody 2020".into(),
            task: "copy".into(),
            settings: "LSTM".into(),
            published: "0.02".into(),
            tolerance: "± 0.001".into(),
            why: "the last digit".into(),
            scaled: "fewer steps".into(),
            experiment: "published-x".into(),
            statistic: Statistic::Mean,
            ours: (outcome != Outcome::NotRun).then_some(0.0201),
            interval: None,
            mean: None,
            n: 1,
            outcome,
            null: false,
            reason: match outcome {
                Outcome::NotRun => "no text".into(),
                _ => String::new(),
            },
            finding: match outcome {
                Outcome::Differs => "the floor moved".into(),
                _ => String::new(),
            },
        }
    }

    #[test]
    fn summary_and_badge_count_every_outcome() {
        let rows = [
            row("a", Outcome::Agrees),
            row("b", Outcome::Agrees),
            row("c", Outcome::Differs),
            row("d", Outcome::NotRun),
        ];
        assert_eq!(
            summary(&rows),
            "2 of 4 agree by their intervals, within a tolerance fixed beforehand, 1 differs, \
             1 was not run."
        );
        let null = Compared {
            null: true,
            ..row("e", Outcome::Agrees)
        };
        assert_eq!(
            summary(&[
                row("a", Outcome::Agrees),
                row("b", Outcome::Undecided),
                null
            ]),
            "1 of 2 agree by their intervals, within a tolerance fixed beforehand, 1 is undecided; \
             a null row, which a constant or memoryless answer would pass, is not counted."
        );
        assert_eq!(answer(&rows), "differs");
        assert_eq!(answer(&rows[..2]), "agrees");
        assert_eq!(answer(&rows[3..]), "not run");
    }

    #[test]
    fn a_row_says_its_value_or_why_there_is_none() {
        let cells = |outcome| -> Vec<String> {
            let rows = details(&[row("a", outcome)]).rows.remove(0);
            rows.into_iter().map(|cell| cell.text).collect()
        };
        let differs = cells(Outcome::Differs);
        assert_eq!(differs[4], "0.0201");
        assert_eq!(differs[8], "the floor moved");
        let not_run = cells(Outcome::NotRun);
        assert_eq!((not_run[4].as_str(), not_run[8].as_str()), ("", "no text"));
    }

    #[test]
    fn the_terminal_shows_every_row_and_notes_below() {
        let rows = [row("a", Outcome::Agrees), row("d", Outcome::NotRun)];
        let look = Look {
            width: Some(90),
            color: false,
        };
        let said = terminal(&rows, look);
        assert!(
            said.lines().all(|line| line.chars().count() <= 90),
            "{said}"
        );
        let of = |id: &str| {
            said.lines()
                .find(|line| line.starts_with(&format!("│ {id} ")))
        };
        assert!(of("a").unwrap().contains("0.0201") && of("a").unwrap().contains("agrees"));
        assert!(of("d").unwrap().contains("not run"));
        assert!(said.ends_with("d: no text\n"), "{said}");
        // One that agrees has nothing to explain.
        assert!(!said.contains("a: "), "{said}");
    }

    #[test]
    fn csv_and_markdown_keep_their_columns() {
        let mut piped = row("a", Outcome::Differs);
        piped.task = "copy | say".into();
        let Sheet {
            header, rows: all, ..
        } = sheet(std::slice::from_ref(&piped), Format::Csv);
        assert_eq!(all[0].len(), header.len());
        assert_eq!(all[0][5], "0.0201");
        assert_eq!(all[0][10], "differs");
        let lines = markdown(&[piped]);
        assert!(lines.contains("copy \\| say") && lines.ends_with("| **differs** |\n"));
    }

    #[test]
    fn every_format_is_written_to_the_byte() {
        let mut differs = row("b", Outcome::Differs);
        differs.task = "copy | say, \"twice\"".into();
        let rows = [
            row("a", Outcome::Agrees),
            differs,
            row("d", Outcome::NotRun),
        ];
        let look = Look {
            width: None,
            color: true,
        };
        insta::assert_snapshot!(terminal(&rows, look), @r#"
        ┌─────┬───────────────┬───────────┬────────┬───────────┬─────────┐
        │ row ┆ source        ┆ published ┆ ours   ┆ tolerance ┆ result  │
        ╞═════╪═══════════════╪═══════════╪════════╪═══════════╪═════════╡
        │ a   ┆ Somebody 2020 ┆ 0.02      ┆ 0.0201 ┆ ± 0.001   ┆ agrees  │
        │ b   ┆ Somebody 2020 ┆ 0.02      ┆ 0.0201 ┆ ± 0.001   ┆ differs │
        │ d   ┆ Somebody 2020 ┆ 0.02      ┆        ┆ ± 0.001   ┆ not run │
        └─────┴───────────────┴───────────┴────────┴───────────┴─────────┘
        b: the floor moved
        d: no text
        "#);
        insta::assert_snapshot!(markdown(&rows), @r#"
        | source | task | settings | published | ours | tolerance | result |
        | --- | --- | --- | --- | --- | --- | --- |
        | Somebody 2020 | copy | LSTM | 0.02 | 0.0201 | ± 0.001 | **agrees** |
        | Somebody 2020 | copy \| say, "twice" | LSTM | 0.02 | 0.0201 | ± 0.001 | **differs** |
        | Somebody 2020 | copy | LSTM | 0.02 |  | ± 0.001 | **not run** |
        "#);
    }

    #[test]
    fn the_committed_table_follows_from_the_committed_comparisons() {
        let compared: Vec<Compared> =
            serde_json::from_str(include_str!("../../results/published/published.json")).unwrap();
        let written = sheet(&compared, Format::Csv).csv().unwrap();
        assert_eq!(
            written,
            include_str!("../../results/published/published.csv")
        );
    }
}
