//! A checkpoint file holds a state dict as PyTorch would name and shape it.

use super::{STEPS, new_directory, session, settings, task};
use safetensors::tensor::{Dtype, SafeTensors};
use seqduel::models::{Model, of_one_sequence};
use seqduel::train::checkpoint;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

type Shapes = BTreeMap<String, Vec<usize>>;

/// Names and shapes of `torch.nn` modules of these sizes; `None` for a model that is written down
/// nowhere else. minGRU and minLSTM are named alike, without products with the state.
fn published(model: &str, vocab: usize, seq_len: usize) -> Option<Shapes> {
    let d = 48;
    let mut names = Shapes::new();
    let mut add = |name: String, shape: &[usize]| names.insert(name, shape.to_vec());
    add("embedding.weight".into(), &[vocab, d]);
    add("head.weight".into(), &[vocab, d]);
    add("head.bias".into(), &[vocab]);
    let (gates, hidden) = match model {
        "elman" => (1, true),
        "gru" => (3, true),
        "lstm" => (4, true),
        "mingru" => (2, false),
        "minlstm" => (3, false),
        "transformer" => (0, false),
        _ => return None,
    };
    for k in 0..2 {
        if model == "transformer" {
            let linears = [
                ("attention.qkv", 3 * d, d),
                ("attention.out", d, d),
                ("mlp.fc1", 4 * d, d),
                ("mlp.fc2", d, 4 * d),
            ];
            for (name, rows, columns) in linears {
                add(format!("blocks.{k}.{name}.weight"), &[rows, columns]);
                add(format!("blocks.{k}.{name}.bias"), &[rows]);
            }
            for name in ["norm1", "norm2"] {
                add(format!("blocks.{k}.{name}.weight"), &[d]);
                add(format!("blocks.{k}.{name}.bias"), &[d]);
            }
        } else {
            for side in ["ih", "hh"].into_iter().take(1 + usize::from(hidden)) {
                add(format!("rnn.weight_{side}_l{k}"), &[gates * d, d]);
                add(format!("rnn.bias_{side}_l{k}"), &[gates * d]);
            }
        }
    }
    if model == "transformer" {
        add("position.weight".into(), &[seq_len, d]);
        add("norm.weight".into(), &[d]);
        add("norm.bias".into(), &[d]);
    }
    Some(names)
}

/// Names and shapes of the parameters in memory.
fn of_parameters(model: &dyn Model) -> Shapes {
    let all = model.parameters().into_iter();
    all.map(|p| (p.name.clone(), p.shape.clone())).collect()
}

#[test]
fn a_checkpoint_is_a_pytorch_state_dict_in_safetensors() {
    for model in of_one_sequence().map(|row| row.name) {
        let directory = new_directory(&format!("names-{model}"));
        let file = directory.join(checkpoint::FILE);
        let mut unfinished = Vec::new();
        let trained = session(model, task, &settings(), Some(&directory), |step| {
            if step == 4 {
                unfinished = fs::read(&file).expect("step 4 was saved");
            }
            ControlFlow::Continue(())
        });
        let bytes = fs::read(&file).expect("the end was saved");
        let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
        let shapes: Shapes = tensors
            .iter()
            .map(|(name, view)| (name.to_string(), view.shape().to_vec()))
            .collect();
        let source = task();
        if let Some(expected) = published(model, source.spec().vocab, source.spec().seq_len) {
            assert_eq!(shapes, expected, "{model}");
        }
        assert!(tensors.iter().all(|(_, view)| view.dtype() == Dtype::F32));

        // Opening it gives the trained values back.
        let (opened, metadata) = checkpoint::load(&directory).expect("a checkpoint");
        assert_eq!(shapes, of_parameters(&*opened), "{model}");
        let values: Vec<Vec<u32>> = (opened.parameters().iter())
            .map(|p| p.values().into_iter().map(f32::to_bits).collect())
            .collect();
        assert_eq!(values, trained.parameters, "{model}");
        assert_eq!(metadata.position.step, STEPS, "{model}");

        // Until training ends, the moments of the optimiser stand beside the parameters.
        let tensors = SafeTensors::deserialize(&unfinished).expect("safetensors");
        for (name, shape) in &shapes {
            for name in [
                name.clone(),
                format!("optimizer.m.{name}"),
                format!("optimizer.v.{name}"),
            ] {
                let view = tensors.tensor(&name).expect("every tensor has its moments");
                assert_eq!(view.shape(), shape, "{model} {name}");
            }
        }
        assert_eq!(tensors.len(), 3 * shapes.len(), "{model}");
    }
}
