//! Published numbers beside ours, as the page shows them.

use super::tables::{Cell, Table, text};
use crate::claims::published::{Compared, Outcome};
use crate::suite::schema::Experiment;

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
            reason: "no text".into(),
            finding: "the floor moved".into(),
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
}
