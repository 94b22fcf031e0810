//! Every rule on synthetic records, for its answers and for what none may give an answer from.

use super::testing::{Cell, around, timed, timed_series};
use super::*;

mod both_sides;
mod consistency;
mod learning;
mod modern;
mod recall;
mod retention;
mod second_text;
mod state;
mod text;
mod timing;
mod translate;
mod vanishing;

fn judged(id: &str, records: &[Record], margin: f64, looks: &[usize]) -> Verdict {
    let fixed = Fixed {
        claim: id.to_owned(),
        margin,
        looks: Looks::new(looks),
    };
    let verdict = judge(find(id).unwrap(), records, &fixed, ALPHA);
    well_formed(&verdict);
    verdict
}

/// What holds of every verdict, whatever the records.
fn well_formed(verdict: &Verdict) {
    let s = &verdict.sentence;
    assert!(
        s.ends_with('.') && !s.contains("  ") && !s.contains("NaN") && !s.contains(".."),
        "{s}"
    );
    assert!(s.chars().next().unwrap().is_uppercase(), "{s}");
    for bad in [" ,", "()", "{}", " .", "than .", "and ."] {
        assert!(!s.contains(bad), "{s}");
    }
    assert!(
        s.split_whitespace().count() <= 25,
        "{} words: {s}",
        s.split_whitespace().count()
    );
    assert_eq!(
        verdict.flips.is_some(),
        verdict.answer == Answer::Conditional,
        "{s}"
    );
    assert_eq!(
        verdict.open.is_some(),
        verdict.answer == Answer::Undecided,
        "{s}"
    );
    for e in &verdict.evidence {
        let i = e.effect;
        assert!(i.low <= i.estimate && i.estimate <= i.high && e.opposite <= e.margin);
        match e.answer {
            Answer::Supported => assert!(i.low > e.margin),
            Answer::Reversed => assert!(i.high < e.opposite),
            Answer::NoDifference => assert!(i.low >= e.opposite && i.high <= e.margin),
            Answer::Undecided => {}
            Answer::Conditional => panic!("a comparison is never conditional"),
        }
        assert!(
            e.void.is_empty() || e.answer == Answer::Undecided,
            "{}",
            e.void
        );
    }
    let json = serde_json::to_string(verdict).unwrap();
    let back: Verdict = serde_json::from_str(&json).unwrap();
    assert_eq!(&back.sentence, s);
}

#[test]
fn every_claim_is_undecided_without_records() {
    let fixed: Vec<Fixed> = CLAIMS
        .iter()
        .map(|claim| Fixed {
            claim: claim.id.to_owned(),
            margin: 0.1,
            looks: Looks::new(&[3]),
        })
        .collect();
    let verdicts = judge_all(&[], &fixed, ALPHA);
    assert_eq!(verdicts.len(), CLAIMS.len());
    for verdict in &verdicts {
        well_formed(verdict);
        assert_eq!(verdict.answer, Answer::Undecided);
        assert!(verdict.sentence.starts_with("There are no measurements"));
    }
    // Records that a rule can do nothing with are no reason to fail either.
    for claim in CLAIMS {
        let record = Record {
            experiment: claim.id.to_owned(),
            metric: claim.metric.to_owned(),
            model: "lstm".to_owned(),
            value: Some(1.0),
            ..Record::default()
        };
        let verdict = judged(claim.id, &[record], 0.1, &[3]);
        assert_eq!(verdict.answer, Answer::Undecided, "{}", claim.id);
    }
}

#[test]
fn a_claim_answers_alone_as_in_company() {
    let records = timing::decode();
    let fixed = |id: &str| Fixed {
        claim: id.to_owned(),
        margin: 0.1,
        looks: Looks::new(&[7]),
    };
    let alone = judge_all(&records, &[fixed("decode-cost")], ALPHA);
    let all: Vec<Fixed> = CLAIMS.iter().map(|claim| fixed(claim.id)).collect();
    let together = judge_all(&records, &all, ALPHA);
    assert!(together.contains(&alone[0]));
    assert_eq!(alone[0].answer, Answer::Supported);
}

#[test]
fn ids_are_unique_and_rows_are_complete() {
    let ids: BTreeSet<&str> = CLAIMS.iter().map(|claim| claim.id).collect();
    assert_eq!(ids.len(), CLAIMS.len());
    for claim in CLAIMS {
        assert!(
            claim.claim.ends_with('.') && claim.claim.split_whitespace().count() <= 25,
            "{}",
            claim.id
        );
        assert!(!claim.references.is_empty() && find(claim.id).is_some());
        assert!(["seeds", "launches"].contains(&claim.observations));
    }
}
