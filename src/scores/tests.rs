//! Held to sacreBLEU 2.6.0: twenty pairs with its counts and scores.

use super::*;
use serde_json::Value;

fn cases() -> (Vec<Value>, Value) {
    let all: Value = serde_json::from_str(include_str!("sacrebleu_cases.json")).unwrap();
    (
        all["cases"].as_array().unwrap().clone(),
        all["corpus"].clone(),
    )
}

fn pair(case: &Value) -> (&str, &str) {
    let text = |key: &str| case[key].as_str().unwrap();
    (text("hypothesis"), text("reference"))
}

#[track_caller]
fn assert_score(name: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= 5e-5,
        "{name}: {found} {expected}"
    );
}

fn assert_counts(name: &str, bleu: &Bleu, expected: &Value) {
    let counts = |key: &str| -> Vec<usize> {
        let all = expected[key].as_array().unwrap().iter();
        all.map(|n| n.as_u64().unwrap() as usize).collect()
    };
    assert_eq!(bleu.correct[..], counts("correct"), "{name}");
    assert_eq!(bleu.total[..], counts("total"), "{name}");
    assert_eq!(
        Value::from(bleu.translation_len),
        expected["hyp_len"],
        "{name}"
    );
    assert_eq!(
        Value::from(bleu.reference_len),
        expected["ref_len"],
        "{name}"
    );
}

#[test]
fn every_pair_has_the_counts_and_scores_of_sacrebleu() {
    let (cases, _) = cases();
    assert_eq!(cases.len(), 20);
    for case in &cases {
        let name = case["note"].as_str().unwrap();
        let (translation, reference) = pair(case);
        for (text, key) in [
            (translation, "hypothesis_13a"),
            (reference, "reference_13a"),
        ] {
            assert_eq!(
                tokenize_13a(text).join(" "),
                case[key].as_str().unwrap(),
                "{name}"
            );
        }
        let mut bleu = Bleu::default();
        bleu.add(translation, reference);
        assert_counts(name, &bleu, case);
        assert_score(name, bleu.score(true), &case["bleu_sentence"]);
        assert_score(name, bleu.score(false), &case["bleu_corpus_of_one"]);
        assert_score(name, bleu.brevity_penalty(), &case["bp"]);
        for (words, key) in [(0, "chrf2"), (2, "chrf2pp")] {
            let mut chrf = Chrf::new(words);
            chrf.add(translation, reference);
            assert_score(&format!("{name} {key}"), chrf.score(), &case[key]);
        }
    }
}

#[test]
fn the_corpus_has_its_counts_and_scores() {
    let (cases, corpus) = cases();
    for (name, cases) in [("all", &cases[..]), ("first_8", &cases[..8])] {
        let (mut bleu, mut chrf, mut plus) = (Bleu::default(), Chrf::new(0), Chrf::new(2));
        for (translation, reference) in cases.iter().map(pair) {
            bleu.add(translation, reference);
            chrf.add(translation, reference);
            plus.add(translation, reference);
        }
        let expected = &corpus[name];
        assert_counts(name, &bleu, expected);
        assert_score(name, bleu.score(false), &expected["bleu"]);
        assert_score(name, chrf.score(), &expected["chrf2"]);
        if !expected["chrf2pp"].is_null() {
            assert_score(name, plus.score(), &expected["chrf2pp"]);
        }
        let all = scores(cases.iter().map(pair)).unwrap();
        assert_eq!((all.bleu, all.chrf), (bleu.score(false), chrf.score()));
        let same = cases.iter().map(pair).filter(|(a, b)| a == b).count();
        assert_eq!(all.exact, same as f64 / cases.len() as f64);
    }
    assert_eq!(scores([]), None);
}
