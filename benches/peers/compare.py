"""Runs seqduel and the PyTorch twin alternately and prints the ratios of their speeds.

Every pair is one run of ours and one of the twin, directly after each other; a ratio is the median
over the pairs, its interval Student's t on the logarithms. Says seqduel/torch: above 1 we are faster.
"""

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

import twin

SHAPES = [  # width, layers, T, B, V
    (64, 1, 128, 32, 64),
    (128, 2, 256, 16, 96),
    (256, 2, 128, 32, 96),
    (256, 4, 512, 8, 256),
]
CONTEXTS = [16, 64, 256, 1024, 4096]
ATTENTION = [(32, 4, 128), (8, 4, 512), (2, 4, 2048), (2, 4, 4096)]  # B, H, T; head width 64
FIELDS = ["part", "model", "width", "layers", "seq_len", "batch", "vocab", "context", "threads",
          "pair", "ours_per_second", "torch_per_second", "ratio", "share_of_peak", "peak_flops"]
# Two-sided 97.5 % quantile of Student's t by degrees of freedom, then the normal one.
T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def rounds_of(step, seconds):
    """Median seconds of a step, over steps for about this long, after a warm-up."""
    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def run_json(command):
    """Runs one of our programs and returns the JSON it prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def measure(options, mode, model, width, layers, seq_len, batch, vocab, context=None):
    """One run of `seqduel measure`."""
    command = [options.binary, "measure", mode, "--model", model, "--width", str(width),
               "--layers", str(layers), "--heads", "4", "--seq-len", str(seq_len),
               "--batch", str(batch), "--vocab", str(vocab), "--threads", str(options.threads),
               "--seconds", str(options.seconds), "--format", "json", "--quiet"]
    return run_json(command + (["--context", str(context)] if context is not None else []))


def chosen(rows, numbers):
    """The rows with these numbers, from 1; all if there are none."""
    return [rows[int(n) - 1] for n in numbers.split(",")] if numbers else rows


def wanted(models, names):
    """The models of these names; all if there are none."""
    return [m for m in models if not names or m in names.split(",")]


def train_pairs(options):
    """The sixteen training steps."""
    for width, layers, seq_len, batch, vocab in chosen(SHAPES, options.shapes):
        for model in wanted(twin.MODELS, options.models):
            module = twin.build(model, vocab, width, layers, 4, seq_len)
            step = twin.TrainStep(module, vocab, batch, seq_len)

            def ours():
                found = measure(options, "train-step", model, width, layers, seq_len, batch, vocab)
                if found["parameters"] != twin.parameters(module):
                    sys.exit(f"{model}: {found['parameters']} parameters, but the twin has "
                             f"{twin.parameters(module)}")
                return found["tokens_per_second"], found

            yield ({"part": "train-step", "model": model, "width": width, "layers": layers,
                    "seq_len": seq_len, "batch": batch, "vocab": vocab},
                   ours, step, batch * seq_len)


def decode_pairs(options):
    """One token at B = 1, LSTM by cells and transformer with a cache."""
    for width in (128, 256):
        for context in chosen(CONTEXTS, options.contexts):
            for model in wanted(("lstm", "transformer"), options.models):
                module = twin.build(model, 96, width, 2, 4, context + 1).eval()
                decoder = module if model == "transformer" else twin.CellDecoder(module)
                step = twin.Decode(decoder, 96, 1, context)

                def ours():
                    found = measure(options, "decode", model, width, 2, context + 1, 1, 96, context)
                    return found["tokens_per_second"], found

                yield ({"part": "decode", "model": model, "width": width, "layers": 2, "batch": 1,
                        "vocab": 96, "context": context}, ours, step, 1)


def attention_pairs(options):
    """Attention alone, forward and backward."""
    for batch, heads, seq_len in chosen(ATTENTION, options.shapes):
        step = twin.Attention(batch, heads, seq_len, 64)
        command = [options.attention, str(batch), str(heads), str(seq_len), "64",
                   str(options.threads), str(options.seconds)]

        def ours():
            found = run_json(command)
            return batch * seq_len / found["step_seconds"], found

        yield ({"part": "attention", "model": "attention", "width": heads * 64,
                "seq_len": seq_len, "batch": batch}, ours, step, batch * seq_len)


PARTS = {"train-step": train_pairs, "decode": decode_pairs, "attention": attention_pairs}


def interval(ratios):
    """Median and 95 % interval of ratios, by Student's t on their logarithms."""
    middle = statistics.median(ratios)
    if len(ratios) < 2:
        return math.nan, middle, math.nan
    logs = [math.log(r) for r in ratios]
    t = T975[len(logs) - 2] if len(logs) - 2 < len(T975) else 1.96
    half = t * statistics.stdev(logs) / math.sqrt(len(logs))
    mean = statistics.mean(logs)
    return min(math.exp(mean - half), middle), middle, max(math.exp(mean + half), middle)


def geometric_mean(values):
    return math.exp(statistics.mean(math.log(v) for v in values))


def main():
    here = Path(__file__).resolve().parents[2]
    release = Path(os.environ.get("CARGO_TARGET_DIR", here / "target")) / "release"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(release / "seqduel"))
    parser.add_argument("--attention", default=str(release / "examples" / "attention"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--pairs", type=int, default=3, help="interleaved pairs [3]")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds each side of a pair [1]")
    parser.add_argument("--parts", default=",".join(PARTS), help="parts, comma-separated [all]")
    parser.add_argument("--models", default="", help="only these models, comma-separated [all]")
    parser.add_argument("--shapes", default="",
                        help="of train-step and attention, by their place in the list from 1 [all]")
    parser.add_argument("--contexts", default="",
                        help="of decode, by their place in the list from 1 [all]")
    parser.add_argument("--csv", default="peers.csv", help="every pair goes here [peers.csv]")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"PyTorch {torch.__version__}, {options.threads} threads, {options.pairs} pairs")

    medians = {}
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for part in options.parts.split(","):
            print(f"\n{part}: ratio [95 % interval], seqduel and torch per second, share of peak")
            for key, ours, step, tokens in PARTS[part](options):
                rows = []
                for pair in range(options.pairs):
                    rate, found = ours()
                    other = tokens / rounds_of(step, options.seconds)
                    rows.append({**key, "threads": options.threads, "pair": pair,
                                 "ours_per_second": rate, "torch_per_second": other,
                                 "ratio": rate / other,
                                 "share_of_peak": found.get("share_of_peak"),
                                 "peak_flops": found.get("peak_flops")})
                    writer.writerow(rows[-1])
                    file.flush()
                low, middle, high = interval([row["ratio"] for row in rows])
                medians[tuple(key.items())] = middle
                name = " ".join(f"{k}={v}" for k, v in key.items() if k not in ("part", "vocab"))
                mid = lambda field: statistics.median(row[field] for row in rows)
                share = f"{mid('share_of_peak'):.2f}" if found.get("share_of_peak") else ""
                print(f"{middle:6.2f} [{low:.2f}, {high:.2f}]  {mid('ours_per_second'):12.0f} "
                      f"{mid('torch_per_second'):12.0f}  {share:>4}  {name}", flush=True)

    training = {k: v for k, v in medians.items() if ("part", "train-step") in k}
    if training:
        print("\ngeometric means of the training steps")
        for model in twin.MODELS:
            cells = [v for k, v in training.items() if ("model", model) in k]
            if cells:
                print(f"{geometric_mean(cells):6.2f}  {model} ({len(cells)}, lowest {min(cells):.2f})")
        print(f"{geometric_mean(training.values()):6.2f}  all {len(training)}")


if __name__ == "__main__":
    main()
