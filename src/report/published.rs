//! Published numbers beside ours: for the terminal, as CSV and Markdown, and for the page.

use super::tables::{Cell, Table, text};
use super::terminal::Look;
use crate::claims::published::{Compared, Outcome};
use crate::experiment::schema::Experiment;
use comfy_table::{ContentArrangement, presets};

/// Columns of a table that goes to a file or a pipe.
const UNKNOWN_WIDTH: u16 = 130;

/// Header of the table of published numbers as CSV.
pub const HEADER: [&str; 13] = [
    "id",
    "source",
    "task",
    "settings",
    "published",
    "ours",
    "low",
    "high",
    "n",
    "tolerance",
    "result",
    "reason",
    "experiment",
];

/// Published numbers beside ours as rows under [`HEADER`].
pub fn rows(compared: &[Compared]) -> Vec<Vec<String>> {
    let number = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
    let row = |r: &Compared| {
        vec![
            r.id.clone(),
            r.source.clone(),
            r.task.clone(),
            r.settings.clone(),
            r.published.clone(),
            number(r.ours),
            number(r.interval.map(|i| i.low)),
            number(r.interval.map(|i| i.high)),
            r.n.to_string(),
            r.tolerance.clone(),
            r.outcome.name().to_owned(),
            r.reason.clone(),
            r.experiment.clone(),
        ]
    };
    compared.iter().map(row).collect()
}

/// Published numbers beside ours for the terminal; why a row did not run stands below the table.
pub fn terminal(rows: &[Compared], look: Look) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_header(["row", "source", "published", "ours", "tolerance", "result"])
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width.unwrap_or(UNKNOWN_WIDTH).max(80));
    for row in rows {
        table.add_row([
            row.id.as_str(),
            &row.source,
            &row.published,
            &row.ours_in_words(),
            &row.tolerance,
            row.outcome.name(),
        ]);
    }
    let table = table.to_string();
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    let noted = rows.iter().flat_map(|row| {
        let notes = [&row.reason, &row.finding];
        let said = notes.into_iter().filter(|note| !note.is_empty());
        said.map(|note| format!("{}: {note}\n", row.id))
    });
    lines.chain(noted).collect()
}

/// The same as Markdown.
pub fn markdown(rows: &[Compared]) -> String {
    let mut out = String::from(
        "| source | task | settings | published | ours | tolerance | result |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let cells = [
            &row.source,
            &row.task,
            &row.settings,
            &row.published,
            &row.ours_in_words(),
            &row.tolerance,
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        out += &format!("| {} | **{}** |\n", cells.join(" | "), row.outcome.name());
    }
    out
}

/// The rows of one experiment.
pub fn of(rows: &[Compared], experiment: &Experiment) -> Vec<Compared> {
    let mine = rows.iter().filter(|row| row.experiment == experiment.id);
    mine.cloned().collect()
}

/// All rows in one table.
pub fn table(rows: &[Compared]) -> Table {
    Table {
        header: vec![
            "source",
            "task",
            "settings",
            "published",
            "ours",
            "tolerance",
            "n",
            "",
        ],
        rows: rows.iter().map(line).collect(),
        sortable: true,
    }
}

fn line(row: &Compared) -> Vec<Cell> {
    vec![
        text(&row.source),
        text(&row.task),
        text(&row.settings),
        text(&row.published),
        ours(row),
        text(&row.tolerance),
        text(match row.n {
            0 => String::new(),
            n => n.to_string(),
        }),
        outcome(row),
    ]
}

/// The rows of one experiment with what stands behind them.
pub fn details(rows: &[Compared]) -> Table {
    let line = |row: &Compared| {
        vec![
            text(&row.settings),
            text(&row.task),
            text(&row.source),
            text(&row.published),
            ours(row),
            text(format!("{}: {}", row.tolerance, row.why)),
            text(&row.scaled),
            outcome(row),
            text(match row.outcome {
                Outcome::NotRun => &row.reason,
                _ => &row.finding,
            }),
        ]
    };
    Table {
        header: vec![
            "settings",
            "task",
            "source",
            "published",
            "ours",
            "tolerance and its reason",
            "how ours differs from the original",
            "",
            "remarks",
        ],
        rows: rows.iter().map(line).collect(),
        sortable: false,
    }
}

fn ours(row: &Compared) -> Cell {
    Cell {
        class: "number",
        key: row.ours.map(|ours| ours.to_string()),
        ..text(row.ours_in_words())
    }
}

fn outcome(row: &Compared) -> Cell {
    text(row.outcome.name())
}

/// `12 of 14 agree, 1 differs, 1 was not run.`
pub fn summary(rows: &[Compared]) -> String {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let [agree, differ, not_run] = [Outcome::Agrees, Outcome::Differs, Outcome::NotRun].map(count);
    let mut said = format!(
        "{agree} of {} agree within a tolerance fixed beforehand",
        rows.len()
    );
    if differ > 0 {
        let verb = if differ == 1 { "differs" } else { "differ" };
        said += &format!(", {differ} {verb}");
    }
    if not_run > 0 {
        let verb = if not_run == 1 { "was" } else { "were" };
        said += &format!(", {not_run} {verb} not run");
    }
    said + "."
}

/// The badge of an experiment: `differs` if a row does, `agrees` if one does and none differs.
pub fn answer(rows: &[Compared]) -> &'static str {
    let any = |outcome| rows.iter().any(|row| row.outcome == outcome);
    match () {
        () if any(Outcome::Differs) => Outcome::Differs.name(),
        () if any(Outcome::Agrees) => Outcome::Agrees.name(),
        () => Outcome::NotRun.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::published::Statistic;

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
            n: 1,
            outcome,
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
            "2 of 4 agree within a tolerance fixed beforehand, 1 differs, 1 was not run."
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
        let all = rows(std::slice::from_ref(&piped));
        assert_eq!(all[0].len(), HEADER.len());
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
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(HEADER).unwrap();
        for row in rows(&compared) {
            writer.write_record(row).unwrap();
        }
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(
            written,
            include_str!("../../results/published/published.csv")
        );
    }
}
