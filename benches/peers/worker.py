"""A peer in a process of its own: `python worker.py torch|jax THREADS`, driven by `peers.py`.

Reads a line of JSON a request and answers each with one: `{"prepare": cell}` builds the step of a cell,
`{"seconds": s}` times it. The first line it writes is the peer's version.
"""

import json
import statistics
import sys
import time


def load(name, threads):
    """The peer's twin and its version. The number of threads of JAX is in the environment."""
    if name == "torch":
        import torch

        import twin

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        capability = torch.backends.cpu.get_cpu_capability()
        return twin, f"PyTorch {torch.__version__}, ATen at {capability}"
    import jax

    import jax_twin

    jax.config.update("jax_platforms", "cpu")
    return jax_twin, f"JAX {jax.__version__}"


def median_seconds(step, seconds):
    """Median seconds of a step, over steps for about this long, after a warm-up."""
    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    answer = lambda found: print(json.dumps(found), flush=True)
    try:
        twin, version = load(name, threads)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return answer({"skipped": "not installed, skipped"})
    answer({"version": version})
    step = None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            step = None  # the cell before goes first
            step, parameters = twin.prepare(request["prepare"])
            answer({"parameters": parameters})
        else:
            answer({"step_seconds": median_seconds(step, request["seconds"])})


if __name__ == "__main__":
    main()
