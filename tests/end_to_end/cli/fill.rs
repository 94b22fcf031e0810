//! `fill`: gaps in a text.

use crate::common::{path, text};
use crate::program::{json_of, seqduel, words};

#[test]
fn gaps_are_filled_by_models_of_both_sides_and_by_no_others() {
    for model in ["bert", "bilstm"] {
        let out = path(&format!("gaps-{model}"));
        let train = format!(
            "train --model {model} --corpus {} --masked --seq-len 16 --width 16 --heads 2 --layers 1 --batch 8 \
             --steps 30 --lr 0.01 --quiet --out {out}",
            text()
        );
        seqduel(&words(&train)).assert().success();
        let mut line = words(&format!("fill {out} --top 3 --format json --quiet"));
        line.push("the [MASK] [MASK]he".into());
        let found = json_of(&mut seqduel(&line));
        assert_eq!(found["tokens"].as_array().unwrap().len(), "the * *he".len());
        let rows = found["candidates"].as_array().unwrap();
        assert_eq!(rows.len(), 6, "{rows:?}");
        assert!(rows.iter().all(|row| row["token"] != "[MASK]"));
        let likelier = |a: usize, b: usize| {
            assert!(rows[a]["probability"].as_f64() >= rows[b]["probability"].as_f64());
        };
        likelier(0, 1);
        likelier(3, 5);
        assert_eq!(
            [&rows[0]["at"], &rows[3]["at"]],
            ["the ".len(), "the * ".len()]
        );
        // All at once, or one by one: so many tokens, none of them a gap.
        for passes in [1, 3, 50] {
            let line = format!(
                "generate {out} --prompt the --tokens 8 --passes {passes} --format json --quiet"
            );
            let made = json_of(&mut seqduel(&words(&line)));
            assert_eq!(made["tokens"].as_array().unwrap().len(), 8);
            assert_eq!(made["text"].as_str().unwrap().chars().count(), 8);
        }
        for refused in [
            format!("generate {out} --prompt the --passes 0"),
            format!("predict {out} --prompt the"),
            format!("fill {out} nothing-hidden"),
        ] {
            seqduel(&words(&refused)).assert().code(2);
        }
    }
    let next = path("no-gaps");
    let train = format!(
        "train --model bert --corpus {} --steps 1 --out {next}",
        text()
    );
    let assert = seqduel(&words(&train)).assert().code(2);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("--masked"), "{message}");
}
