//! Models that see both sides of a position: what they see, and what they must not.

use crate::models::config;
use kernels::{Slot, Tape, values};
use seqduel::models::{self, Input, MODELS, Model, ModelError, Shape};

const V: usize = 11;

/// Every such model, of two layers.
fn both_sided() -> Vec<Box<dyn Model>> {
    let rows = MODELS.iter().filter(|row| row.sees_both);
    let all: Vec<_> = rows
        .map(|row| models::build(&config(row.name), 2).unwrap())
        .collect();
    assert_eq!(all.len(), 2);
    all
}

fn logits(model: &dyn Model, tokens: &[u32]) -> Vec<f32> {
    let shape = Shape {
        batch: 1,
        seq_len: tokens.len(),
    };
    values(&model.forward(&Input::tokens(tokens.to_vec(), shape), Tape::Off))
}

#[test]
fn every_position_sees_every_other() {
    for model in both_sided() {
        let tokens = [1, 2, 3, 4, 5, 6, 7];
        let before = logits(&*model, &tokens);
        for moved in 0..tokens.len() {
            let mut other = tokens;
            other[moved] = 9;
            let after = logits(&*model, &other);
            for at in 0..tokens.len() {
                let row = at * V..(at + 1) * V;
                assert_ne!(
                    before[row.clone()],
                    after[row],
                    "{} {moved} {at}",
                    model.config().model
                );
            }
        }
    }
}

/// Token 4 stands behind the mask and nowhere else: what is said there cannot depend on its embedding.
#[test]
fn a_masked_position_never_sees_its_own_token() {
    for model in both_sided() {
        let (mask, gap) = (V as u32 - 1, 3);
        let tokens = vec![1, 2, 3, mask, 5, 6, 7];
        let shape = Shape {
            batch: 1,
            seq_len: tokens.len(),
        };
        let said = model.forward(&Input::tokens(tokens.clone(), shape), Tape::on());
        let mut counts = vec![0.0; tokens.len()];
        counts[gap] = 1.0;
        let mut targets = vec![0; tokens.len()];
        targets[gap] = 4;
        let mut gradients = kernels::backward(kernels::cross_entropy(said, &targets, &counts));
        let parameters = model.parameters();
        let embedding = parameters
            .iter()
            .find(|p| p.name == "embedding.weight")
            .unwrap();
        let gradient = Slot::of(&embedding.tensor).take(&mut gradients);
        let width = model.config().width;
        let of = |token: u32| &gradient[token as usize * width..][..width];
        assert!(of(4).iter().all(|&g| g == 0.0), "{}", model.config().model);
        for seen in [1, 2, 3, mask, 5, 6, 7] {
            assert!(
                of(seen).iter().any(|&g| g != 0.0),
                "{} {seen}",
                model.config().model
            );
        }
    }
}

#[test]
fn they_cannot_go_on_token_by_token() {
    for model in both_sided() {
        let mut decoder = model.decoder();
        let (mut state, mut said) = (decoder.start(1, None), Vec::new());
        let refused = decoder.extend(&[1], &mut state, &mut said).unwrap_err();
        assert!(matches!(refused, ModelError::Impossible { .. }));
        assert!(refused.to_string().contains("fill"), "{refused}");
    }
}

#[test]
fn a_sequence_alone_has_what_it_has_in_a_batch() {
    for model in both_sided() {
        let [a, b]: [Vec<u32>; 2] = [vec![1, 5, 2, 8], vec![3, 0, 7, 7]];
        let shape = Shape {
            batch: 2,
            seq_len: 4,
        };
        let together = Input::tokens([a.clone(), b.clone()].concat(), shape);
        let together = values(&model.forward(&together, Tape::Off));
        assert_eq!(
            together,
            [logits(&*model, &a), logits(&*model, &b)].concat()
        );
    }
}
