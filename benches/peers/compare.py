"""Runs seqduel and its peers alternately and prints the ratios of their speeds.

Every pair is one run of ours and one of each peer, directly after each other; a ratio is the median
over the pairs, its interval Student's t on the logarithms. Says seqduel/peer: above 1 we are faster.
"""

import argparse
import csv
import os
import sys
from pathlib import Path

import parts
import peers
import table

FIELDS = ["part", "model", "width", "layers", "seq_len", "batch", "vocab", "context", "threads", "simd",
          "pair", "peer", "ours_per_second", "peer_per_second", "ratio", "share_of_peak", "peak_flops"]


def names(known):
    """A parser of comma-separated names, each of which must be known."""
    def parse(text):
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"`{name}` is none of {', '.join(known)}")
        return text
    return parse


def arguments():
    root = Path(__file__).resolve().parents[2]
    release = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")) / "release"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(release / "seqduel"))
    parser.add_argument("--attention", default=str(release / "examples" / "attention"))
    parser.add_argument("--extend", default=str(release / "examples" / "extend"))
    parser.add_argument("--simd", choices=peers.LEVELS,
                        help="vector instructions of ours; avx2 holds the peers to it too "
                             "[nothing forced]")
    parser.add_argument("--peers", type=names(peers.PEERS), default=",".join(peers.PEERS),
                        help="peers, comma-separated [all that are there]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--pairs", type=int, default=3, help="interleaved pairs [3]")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds each side of a pair [1]")
    parser.add_argument("--parts", type=names(parts.PARTS), default=",".join(parts.PARTS),
                        help="parts, comma-separated [all]")
    parser.add_argument("--models", default="", help="only these models, comma-separated [all]")
    parser.add_argument("--shapes", default="", help="of train-step, attention and extend (its widths), "
                                                     "by their place in the list from 1 [all]")
    parser.add_argument("--contexts", default="",
                        help="of decode, by their place in the list from 1 [all]")
    parser.add_argument("--csv", default="peers.csv", help="every pair goes here [peers.csv]")
    return parser.parse_args()


def prepared(cell, there):
    """The peers that have this cell, ready to run it."""
    ready = {}
    for name, peer in there.items():
        if name in parts.PARTS[cell["part"]][1] and peer.has(cell):
            peer.prepare(cell)
            ready[name] = peer
    return ready


def pairs(cell, ours, there, options):
    """Runs ours and each peer in turn; a row a pair and peer."""
    ready, tokens = prepared(cell, there), parts.tokens_per_step(cell)
    for pair in range(options.pairs if ready else 0):
        found = ours.step(cell)
        for name, peer in ready.items():
            other = peer.step()
            counts = found.get("parameters"), other["parameters"]
            if None not in counts and counts[0] != counts[1]:
                sys.exit(f"{cell['model']}: {counts[0]} parameters, but {name} has {counts[1]}")
            row = {field: cell[field] for field in FIELDS if field in cell}
            yield {**row, "threads": options.threads, "simd": options.simd, "pair": pair, "peer": name,
                   "ours_per_second": tokens / found["step_seconds"],
                   "peer_per_second": tokens / other["step_seconds"],
                   "ratio": other["step_seconds"] / found["step_seconds"],
                   "share_of_peak": found.get("share_of_peak"), "peak_flops": found.get("peak_flops")}


def main():
    options = arguments()
    ours = peers.Seqduel(options)
    print(f"{ours.machine}\n{ours.version}")
    there = peers.start(options)
    if not there:
        sys.exit("none of the peers is there")
    print(f"{options.threads} threads, {options.pairs} pairs")

    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for part in options.parts.split(","):
            columns = [name for name in there if name in parts.PARTS[part][1]]
            if not columns:
                print(f"\n{part}: no peer that is there has it, skipped")
                continue
            table.print_head(part, columns)
            medians = []
            for cell in parts.cells(part, options):
                rows = []
                for row in pairs(cell, ours, there, options):
                    rows.append(row)
                    writer.writerow(row)
                    file.flush()
                if rows:
                    found = table.print_row(parts.name(cell), rows, columns)
                    medians += [(cell["model"], peer, ratio) for peer, ratio in found.items()]
            table.print_means(part, medians, parts.MODELS + parts.WITH_SOURCE)


if __name__ == "__main__":
    main()
