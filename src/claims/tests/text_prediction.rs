//! The claim on real text.

use super::judged;
use crate::claims::Answer;
use crate::claims::testing::text;

#[test]
fn next_word_has_four_answers() {
    let supported = judged(
        "next-word",
        &text(3, 0.003, |m, _| if m == "gru" { 1.9 } else { 2.1 }),
        0.05,
    );
    assert_eq!(supported.answer, Answer::Supported);
    for words in [
        "Every model predicts held-out text better than a Kneser-Ney n-gram of their size by more than 0.05 bits per character: it saves from 0.",
        "At equal tokens the GRU beats the transformer by 0.",
        "At equal seconds the GRU beats the transformer by 0.",
        "Bits per character without learning: unigram frequencies 4.400, the n-gram of the models' size 2.500 and the n-gram of any size 2.000.",
    ] {
        assert!(supported.sentence.contains(words), "{words}");
    }
    let refuted = judged(
        "next-word",
        &text(3, 0.003, |m, _| if m == "transformer" { 2.7 } else { 2.9 }),
        0.05,
    );
    assert_eq!(refuted.answer, Answer::Refuted);
    assert!(refuted.sentence.starts_with("No model predicts held-out text better than a Kneser-Ney n-gram of their size by 0.05 bits per character: the best difference is −0.20"));
    assert!(
        refuted
            .sentence
            .contains("At equal tokens the transformer beats the ")
    );
    let conditional = judged(
        "next-word",
        &text(3, 0.003, |m, equal| match (m, equal) {
            ("elman", _) => 2.8,
            ("transformer", "seconds") => 2.6,
            _ => 2.0,
        }),
        0.05,
    );
    assert_eq!(conditional.answer, Answer::Conditional);
    assert_eq!(
        conditional.flips.as_deref(),
        Some(
            "at equal tokens the n-gram is beaten by the LSTM, the GRU and the transformer, not by the \
             Elman RNN; at equal seconds the n-gram is beaten by the LSTM and the GRU, not by the Elman \
             RNN and the transformer"
        )
    );
    let inconclusive = judged("next-word", &text(3, 0.1, |_, _| 2.42), 0.05);
    assert_eq!(inconclusive.answer, Answer::Inconclusive);
    assert!(inconclusive.more_seeds.is_some());
    assert!(inconclusive.sentence.contains("cannot be told apart"));
}

#[test]
fn next_word_without_its_baseline_is_no_verdict() {
    let mut records = text(3, 0.003, |_, _| 2.0);
    records.retain(|r| r.model != "kneser-ney");
    let verdict = judged("next-word", &records, 0.05);
    assert_eq!(verdict.answer, Answer::Inconclusive);
    assert!(verdict.sentence.contains(
        "Not compared (there is no Kneser-Ney baseline): kneser-ney − elman, equal tokens;"
    ));
}
