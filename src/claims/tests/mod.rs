//! Every rule on synthetic records, for each of its four answers and with its words.

use super::testing::{text, timed};
use super::*;
use timing::{LENGTHS, MODES, speed};

mod adding;
mod context;
mod context_limit;
mod decode;
mod distance;
mod graph;
mod quadratic;
mod retention;
mod scan;
mod state;
mod text_prediction;
mod timing;
mod vanishing;

const ALPHA: f64 = 0.05;

fn judged(id: &str, records: &[Record], margin: f64) -> Verdict {
    let verdict = judge(find(id).unwrap(), records, margin, ALPHA);
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
    assert!(
        !s.contains(" ,") && !s.contains("()") && !s.contains("{}") && !s.contains(" ."),
        "{s}"
    );
    assert_eq!(
        verdict.flips.is_some(),
        verdict.answer == Answer::Conditional,
        "{s}"
    );
    assert!(
        verdict.more_seeds.is_none() || verdict.answer == Answer::Inconclusive,
        "{s}"
    );
    for e in &verdict.evidence {
        let i = e.effect;
        assert!(i.low <= i.estimate && i.estimate <= i.high && i.level >= 1.0 - ALPHA && i.n >= 2);
        match e.answer {
            Answer::Supported => assert!(i.low > e.margin),
            Answer::Refuted => assert!(i.high < e.margin),
            Answer::Inconclusive => {}
            Answer::Conditional => panic!("a comparison is never conditional"),
        }
    }
    // What is written for the report can be read back (numbers to their last digit but one).
    let json = serde_json::to_string(verdict).unwrap();
    let back: Verdict = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&back.sentence, back.evidence.len()),
        (s, verdict.evidence.len())
    );
}

#[test]
fn every_claim_is_inconclusive_without_records() {
    let margins: Vec<(&str, f64)> = CLAIMS.iter().map(|c| (c.id, 0.1)).collect();
    let verdicts = judge_all(&[], &margins, ALPHA);
    assert_eq!(verdicts.len(), CLAIMS.len());
    for verdict in &verdicts {
        well_formed(verdict);
        assert_eq!(verdict.answer, Answer::Inconclusive);
        assert_eq!(
            verdict.sentence,
            format!("There are no measurements of `{}` yet.", verdict.claim)
        );
    }
    assert!(judge_all(&[], &[("unheard-of", 0.1)], ALPHA).is_empty());
    let stray = Record {
        experiment: "speed-long".to_owned(),
        ..Record::default()
    };
    well_formed(&judge_all(&[stray], &[("speed-long", 1.1)], ALPHA)[0]);
}

#[test]
fn more_claims_in_the_report_widen_every_interval() {
    let mut records = text(3, 0.02, |_, _| 2.3);
    let alone = judge_all(&records, &[("next-word", 0.05)], ALPHA);
    records.extend(timed(
        "speed-long",
        &MODES,
        &LENGTHS,
        &[2],
        0.3,
        speed(|_, _| 1.1),
    ));
    let together = judge_all(&records, &[("next-word", 0.05), ("speed-long", 1.1)], ALPHA);
    assert_eq!(together[0].claim, "speed-long");
    let pairs = together[1].evidence.iter().zip(&alone[0].evidence);
    for (wide, narrow) in pairs.filter(|(wide, _)| wide.deciding) {
        assert!(
            wide.effect.level > narrow.effect.level
                && wide.effect.half_width() > narrow.effect.half_width()
        );
    }
}

#[test]
fn where_nothing_is_true_few_reports_claim_anything() {
    // Effects exactly on their margins: any decision is false, and at most 5 % of reports may make one.
    let mut random = crate::stats::random::SplitMix64::new(44);
    let reports = 400;
    let wrong = (0..reports).filter(|_| {
        let mut records = text(3, 0.0, |_, _| 2.45);
        let lone = |r: &Record| !["kneser-ney", "unigram"].contains(&r.model.as_str());
        for record in records.iter_mut().filter(|r| lone(r)) {
            record.value = record.value.map(|v| v + 0.02 * random.normal());
        }
        let verdict = judge(find("next-word").unwrap(), &records, 0.05, ALPHA);
        verdict
            .evidence
            .iter()
            .any(|e| e.deciding && e.answer != Answer::Inconclusive)
    });
    let rate = wrong.count() as f64 / reports as f64;
    assert!(rate <= 0.08, "{rate}");
}

#[test]
fn the_catalogue_is_complete() {
    for (index, claim) in CLAIMS.iter().enumerate() {
        assert!(
            claim.claim.ends_with('.') && claim.expected.ends_with('.') && claim.why.ends_with('.')
        );
        assert!(!claim.references.is_empty() && !claim.metric.is_empty());
        for reference in claim.references {
            assert!(
                reference
                    .split([' ', ','])
                    .any(|w| w.len() == 4 && w.parse::<u16>().is_ok()),
                "{reference}"
            );
        }
        assert!(CLAIMS[..index].iter().all(|other| other.id != claim.id));
        assert!(["seeds", "repeats"].contains(&claim.observations));
    }
}
