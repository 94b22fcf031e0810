use super::super::testing::*;
use super::super::values;
use super::*;

#[test]
fn equals_a_product_with_one_hot_rows() {
    for (batch, seq_len, vocab, d) in [(1, 1, 1, 1), (3, 1, 2, 5), (1, 9, 7, 3), (4, 33, 300, 17)] {
        let n = batch * seq_len;
        let tokens: Vec<u32> = noise(n, 9)
            .iter()
            .map(|x| ((x + 1.0) / 2.0 * vocab as f32) as u32 % vocab as u32)
            .collect();
        let (e, p) = (noise_matrix(vocab, d, 1), noise_matrix(seq_len + 2, d, 2));
        let one_hot = |columns: usize, hot: &dyn Fn(usize) -> usize| {
            let mut x = vec![0.0; n * columns];
            (0..n).for_each(|i| x[i * columns + hot(i)] = 1.0);
            matrix(x, n, columns).put_tape(Tape::on())
        };
        let by_token = one_hot(vocab, &|i| tokens[i] as usize).matmul(e.clone());
        let by_position = one_hot(seq_len + 2, &|i| i % seq_len).matmul(p.clone());
        let plain = values(&by_token);
        let sum = by_token + by_position;
        let sum_values = values(&sum);
        let (_, want) = gradients(weighed(sum, 4), &[&e, &p]);
        for (level, got) in at_every_level(|| {
            let plain = values(&embedding(&tokens, &e, Tape::Off));
            let y = embedding_at_positions(&tokens, &e, &p, seq_len, Tape::on());
            let mut out = vec![plain, values(&y)];
            out.extend(gradients(weighed(y, 4), &[&e, &p]).1);
            out
        }) {
            let name = format!("{batch} {seq_len} {vocab} {d} {level:?}");
            assert_eq!(got[0], plain, "{name}");
            assert_eq!(got[1], sum_values, "{name}");
            assert_close(&name, &got[2], &want[0], 1e-6);
            assert_close(&name, &got[3], &want[1], 1e-6);
        }
    }
}

#[test]
fn a_scale_multiplies_the_table_and_not_the_positions() {
    let (batch, seq_len, vocab, d) = (3, 9, 7, 19);
    let tokens: Vec<u32> = (0..batch * seq_len)
        .map(|i| (i * i % vocab) as u32)
        .collect();
    let numbers = noise(batch * seq_len * vocab, 3);
    let (e, p) = (noise_matrix(vocab, d, 1), noise_matrix(seq_len, d, 2));
    let scaled = matrix(values(&e).iter().map(|x| 2.5 * x).collect(), vocab, d);
    for input in [Input::Tokens(&tokens), Input::Values(&numbers)] {
        let y = embedding_at_positions(input, &scaled, &p, seq_len, Tape::on());
        let want = values(&y);
        let (_, gradient) = gradients(weighed(y, 4), &[&scaled, &p]);
        for (level, got) in at_every_level(|| {
            let y = scaled_embedding(input, &e, 2.5, Some((&p, seq_len)), Tape::on());
            let mut out = vec![values(&y)];
            out.extend(gradients(weighed(y, 4), &[&e, &p]).1);
            out
        }) {
            let name = format!("{level:?}");
            assert_close(&name, &got[0], &want, 1e-6);
            let de: Vec<f32> = gradient[0].iter().map(|x| 2.5 * x).collect();
            assert_close(&name, &got[1], &de, 1e-6);
            assert_close(&name, &got[2], &gradient[1], 1e-6);
        }
    }
}

#[test]
fn numbers_are_projected_as_by_dfdx_and_a_token_is_one_of_them() {
    for (batch, seq_len, features, d) in [(1, 1, 1, 1), (3, 1, 2, 5), (1, 9, 3, 7), (5, 67, 3, 17)]
    {
        let n = batch * seq_len;
        let x = noise(n * features, 3);
        let (e, p) = (noise_matrix(features, d, 1), noise_matrix(seq_len, d, 2));
        let mut one_hot = vec![0.0; n * seq_len];
        (0..n).for_each(|i| one_hot[i * seq_len + i % seq_len] = 1.0);
        let at = matrix(one_hot, n, seq_len)
            .put_tape(Tape::on())
            .matmul(p.clone());
        let product = matrix(x.clone(), n, features)
            .put_tape(Tape::on())
            .matmul(e.clone());
        let (plain, sum) = (values(&product), product + at);
        let sum_values = values(&sum);
        let (_, want) = gradients(weighed(sum, 4), &[&e, &p]);
        for (level, got) in at_every_level(|| {
            let plain = values(&embedding(Input::Values(&x), &e, Tape::Off));
            let y = embedding_at_positions(Input::Values(&x), &e, &p, seq_len, Tape::on());
            let mut out = vec![plain, values(&y)];
            out.extend(gradients(weighed(y, 4), &[&e, &p]).1);
            out
        }) {
            let name = format!("{batch} {seq_len} {features} {d} {level:?}");
            assert_close(&name, &got[0], &plain, 1e-6);
            assert_close(&name, &got[1], &sum_values, 1e-6);
            assert_close(&name, &got[2], &want[0], 2e-6);
            assert_close(&name, &got[3], &want[1], 1e-6);
        }
        // The gradient of the table, against differences of the formula in f64.
        let weights = noise(n * d, 4);
        let loss = |e: &[f64]| -> f64 {
            let y = |i: usize, j: usize| -> f64 {
                let features = 0..features;
                features
                    .clone()
                    .map(|f| f64::from(x[i * features.end + f]) * e[f * d + j])
                    .sum()
            };
            (0..n * d)
                .map(|k| f64::from(weights[k]) * y(k / d, k % d))
                .sum()
        };
        let y = embedding(Input::Values(&x), &e, Tape::on());
        let (_, got) = gradients(weighed(y, 4), &[&e]);
        assert_close(
            "differences",
            &got[0],
            &finite_differences(&values(&e), loss),
            1e-5,
        );
    }
    let e = noise_matrix(3, 5, 1);
    let by_number = embedding(Input::Values(&[0.0, 1.0, 0.0]), &e, Tape::Off);
    assert_eq!(
        values(&by_number),
        values(&embedding(&vec![1], &e, Tape::Off))
    );
}

#[test]
#[should_panic(expected = "7 numbers are no rows of 3")]
fn half_a_row_is_refused() {
    embedding(Input::Values(&[0.0; 7]), &noise_matrix(3, 2, 1), Tape::Off);
}

#[test]
#[should_panic(expected = "token 5 is not below the vocabulary of 5")]
fn a_token_outside_the_vocabulary_is_refused() {
    embedding(&vec![0, 5], &noise_matrix(5, 2, 1), Tape::Off);
}
