//! `translate`: phrases from arguments, a file and standard input; beams; pictures; refusals.

use crate::common::{file, path, place};
use crate::program::{json_of, seqduel, words};
use std::sync::OnceLock;

/// A model that has learnt a little of short phrases.
fn trained() -> &'static str {
    static TRAINED: OnceLock<String> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let out = path("translator");
        let train = format!(
            "train --model gru-encoder-decoder --task phrases:digits=2,composed=0 --width 32 --layers 1 \
             --batch 16 --steps 150 --lr 0.01 --warmup 10 --validate-every 0 --quiet --out {out}"
        );
        seqduel(&words(&train)).assert().success();
        out
    })
}

fn said(command: &mut assert_cmd::Command) -> String {
    let output = command.assert().success();
    String::from_utf8_lossy(&output.get_output().stdout).into_owned()
}

#[test]
fn phrases_are_translated_from_wherever_they_come() {
    let model = trained();
    let given = ["$5.20", "July 14, 1989", "half past three"];
    let line = |more: &[&str]| -> Vec<String> {
        let all = [&["translate", model, "--quiet"], more].concat();
        all.into_iter().map(String::from).collect()
    };
    let together = said(&mut seqduel(&line(&given)));
    assert_eq!(together.lines().count(), 3, "{together}");
    assert!(together.lines().all(|line| !line.is_empty()), "{together}");
    // It has learnt which kind is which by now.
    assert!(
        together.lines().next().unwrap().contains("dollar"),
        "{together}"
    );
    let lines = given.join("\n") + "\n\n";
    let from_file = file("phrases.txt", &lines);
    assert_eq!(said(&mut seqduel(&line(&["--file", &from_file]))), together);
    assert_eq!(said(seqduel(&line(&[])).write_stdin(lines)), together);
    let alone: String = given
        .iter()
        .map(|phrase| said(&mut seqduel(&line(&[phrase]))))
        .collect();
    assert_eq!(alone, together);
}

#[test]
fn beams_and_penalties_score_what_they_find() {
    let model = trained();
    let of = |more: &str| {
        let mut line = words(&format!("translate {model} --format json --quiet {more}"));
        line.push("September 23, 1871".into());
        json_of(&mut seqduel(&line))[0].clone()
    };
    let number = |row: &serde_json::Value, key: &str| row[key].as_f64().unwrap();
    for more in ["", "--beams 5"] {
        let plain = of(more);
        assert_eq!(plain["phrase"], "September 23, 1871");
        assert_eq!(number(&plain, "score"), number(&plain, "log_probability"));
        assert!(number(&plain, "log_probability") < 0.0, "{plain}");
    }
    let scored = of("--beams 5 --length-penalty 1 --penalty-form power");
    // The end counts too, unless the translation is as long as one can be.
    let words = scored["tokens"].as_array().unwrap().len() as f64;
    let ratio = number(&scored, "log_probability") / number(&scored, "score");
    assert!(
        (ratio - words).abs() < 1e-9 || (ratio - words - 1.0).abs() < 1e-9,
        "{scored}"
    );
}

#[test]
fn a_picture_shows_what_was_looked_at() {
    let model = trained();
    for name in ["seen.svg", "seen.png"] {
        let line = words(&format!(
            "translate {model} --quiet --attention {}",
            path(name)
        ));
        said(&mut seqduel(
            &[line, vec!["six red apples".into()]].concat(),
        ));
        let bytes = std::fs::read(place(name)).expect("the picture was written");
        let svg = String::from_utf8_lossy(&bytes);
        let right = match name.ends_with("svg") {
            true => svg.starts_with("<svg") && svg.contains(">apples<"),
            false => bytes.starts_with(b"\x89PNG"),
        };
        assert!(right, "{name}");
    }
}

#[test]
fn what_cannot_be_translated_is_refused() {
    let model = trained();
    let other = path("no-translator");
    let train = format!("train --model gru --task copy:delay=2 --steps 1 --quiet --out {other}");
    seqduel(&words(&train)).assert().success();
    for (line, expected) in [
        (
            format!("translate {other} one"),
            "was not trained on phrases",
        ),
        (format!("translate {model} --beams 0 one"), "--beams 0"),
        (
            format!("translate {model} --length-penalty -1 one"),
            "--length-penalty -1",
        ),
        (
            format!("translate {model} --penalty-form long --length-penalty 1 one"),
            "--penalty-form long",
        ),
        (format!("translate {model} --attention x.gif one"), "x.gif"),
        (
            format!("translate {model} --attention x.svg one two"),
            "draws one phrase",
        ),
        (
            format!("translate {model} --file {}", path("no-such-file")),
            "no-such-file",
        ),
    ] {
        let assert = seqduel(&words(&line)).assert().code(2);
        let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(message.contains(expected), "{line}: {message}");
    }
    seqduel(&["translate", model])
        .write_stdin("\n")
        .assert()
        .code(2);
}

#[test]
fn sentences_of_a_file_are_learnt_and_translated_without_it() {
    let nouns = [
        ["cat", "chat"],
        ["dog", "chien"],
        ["horse", "cheval"],
        ["garden", "jardin"],
    ];
    let mut text = String::new();
    for n in 0..300 {
        let [english, french] = nouns[n % 4];
        text += &format!("the {english} {n}\tle {french} {n}\twritten by {n}\n");
    }
    let pairs = file("pairs.tsv", &text);
    let out = path("pairs");
    let train = |steps: usize, out: &str| {
        words(&format!(
            "train --model gru-encoder-decoder --pairs {pairs} --width 32 --layers 1 --batch 16 --steps {steps} \
             --lr 0.01 --warmup 10 --validate-every 0 --quiet --out {out}"
        ))
    };
    seqduel(&train(400, &out)).assert().success();
    // The checkpoint alone knows the words.
    std::fs::remove_file(&pairs).unwrap();
    let mut line = words(&format!("translate {out} --quiet"));
    line.push("the horse".into());
    let translated = said(&mut seqduel(&line));
    assert!(translated.contains("cheval"), "{translated}");
    let again = path("pairs-again");
    let refused = seqduel(&words(&format!(
        "train --from {out} --steps 10 --out {again}"
    )))
    .assert()
    .code(2);
    let message = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(message.contains("pairs.tsv"), "{message}");
    std::fs::write(&pairs, text.replacen('\t', " ", 2)).unwrap();
    let refused = seqduel(&train(1, &again)).assert().code(2);
    let message = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(message.contains("line 1"), "{message}");
}
