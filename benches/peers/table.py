"""Ratios of speeds and their intervals, and the table that is printed."""

import math
import statistics

# Two-sided 97.5 % quantile of Student's t by degrees of freedom, then the normal one.
T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
COLUMN = 31


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


def print_head(part, peers):
    print(f"\n{part}: tokens per second of seqduel, its share of the peak; for each peer the ratio "
          "seqduel/peer [95 % interval], tokens per second of the peer")
    print(f"{'seqduel':>10} share  " + "".join(f"{peer:<{COLUMN}}" for peer in peers))


def print_row(name, rows, peers):
    """A line of a cell: `rows` are its pairs, one a peer; gives the median ratio by peer."""
    middle = lambda field, rows: statistics.median(row[field] for row in rows)
    share = rows[0]["share_of_peak"]
    share = f"{middle('share_of_peak', rows):.2f}" if share is not None else ""
    line, medians = f"{middle('ours_per_second', rows):>10.0f} {share:>5}  ", {}
    for peer in peers:
        own = [row for row in rows if row["peer"] == peer]
        if not own:
            line += f"{'-':<{COLUMN}}"
            continue
        low, medians[peer], high = interval([row["ratio"] for row in own])
        text = f"{medians[peer]:.2f} [{low:.2f}, {high:.2f}]"
        line += f"{text:<19}{middle('peer_per_second', own):>10.0f}  "
    print(line + name, flush=True)
    return medians


def print_means(part, medians, models):
    """Geometric means of `medians`, each (model, peer, ratio), by peer and model."""
    for peer in dict.fromkeys(peer for _, peer, _ in medians):
        own = [(model, ratio) for model, other, ratio in medians if other == peer]
        print(f"\ngeometric means, {part}, seqduel/{peer}")
        for model in models:
            cells = [ratio for other, ratio in own if other == model]
            if cells:
                print(f"{geometric_mean(cells):6.2f}  {model} ({len(cells)}, lowest {min(cells):.2f})")
        print(f"{geometric_mean([ratio for _, ratio in own]):6.2f}  all {len(own)}")
