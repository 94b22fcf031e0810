"""Seqduel and its peers as things that prepare a cell and say how long a step of it takes.

PyTorch and JAX each live in a process of their own (`worker.py`), so that what holds one of them to a
level of vector instructions is in its environment before it is loaded, and none sees another's threads.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import parts

HERE = Path(__file__).resolve().parent
LEVELS = ("portable", "portable-fma", "avx2", "avx512")
PEERS = ("torch", "jax", "candle")
# What holds PyTorch and JAX to AVX2 on a CPU that has more. JAX's own matrix products (YNNPACK) have no such switch: only the code that it compiles is held.
HOLD_TO_AVX2 = {
    "torch": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
              "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "jax": {"ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
}


class Skipped(Exception):
    """Why a peer is not measured."""


def run_json(command, environment=None):
    """Runs a program and returns the JSON it prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not there; README.md beside this script says how to build it")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout)


class Seqduel:
    """Our own programs, at the level asked for."""

    def __init__(self, options):
        self.options = options
        self.environment = {**os.environ, **({"SEQDUEL_SIMD": options.simd} if options.simd else {})}
        doctor = [options.binary, "doctor", "--format", "json"]
        free = {key: value for key, value in os.environ.items() if key != "SEQDUEL_SIMD"}
        best = run_json(doctor, free)["machine"]["simd"]
        machine = self.run(doctor)["machine"]
        if options.simd and machine["simd"] != options.simd:
            sys.exit(f"--simd {options.simd}: this build of seqduel on this CPU has no such level; it "
                     f"took {machine['simd']}")
        self.version = f"seqduel {machine['version']} at {machine['simd']}"
        self.machine = f"{machine['cpu']}, {machine['cores']} cores, {machine['architecture']} with {best}"

    def run(self, command):
        return run_json([str(part) for part in command], self.environment)

    def step(self, cell):
        """What one of our programs found of a cell; `step_seconds` is its median."""
        options, part = self.options, cell["part"]
        if part == "attention":
            return self.run([options.attention, cell["batch"], cell["heads"], cell["seq_len"], 64,
                             options.threads, options.seconds])
        if part == "extend":
            return self.run([options.extend, cell["width"], cell["seq_len"], options.threads,
                             cell["model"], options.seconds])
        command = [options.binary, "measure", part, "--model", cell["model"], "--heads", 4]
        for name in ("width", "layers", "seq_len", "batch", "vocab", "context"):
            if name in cell:
                command += [f"--{name.replace('_', '-')}", cell[name]]
        found = self.run(command + ["--threads", options.threads, "--seconds", options.seconds,
                                    "--format", "json", "--quiet"])
        return found | {"step_seconds": found["step_seconds"]["median"]}


class Python:
    """PyTorch or JAX, in a process that lives as long as the comparison."""

    def __init__(self, name, options):
        self.name, self.seconds = name, options.seconds
        environment = dict(os.environ)
        if name == "jax":
            environment["NPROC"] = str(options.threads)  # size of XLA's pool of threads
            if options.threads == 1:
                add_flag(environment, "--xla_cpu_multi_thread_eigen=false")
        if options.simd == "avx2":
            for key, value in HOLD_TO_AVX2[name].items():
                if key == "XLA_FLAGS":
                    add_flag(environment, value)
                else:
                    environment[key] = value
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), name, str(options.threads)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        hello = self.answer()
        if "skipped" in hello:
            raise Skipped(hello["skipped"])
        self.version = hello["version"]
        if name == "jax" and options.simd == "avx2":
            self.version += (", what it compiles at AVX2; its products (YNNPACK) take the CPU's best: "
                             "with more than AVX2 there, a ratio is a lower bound")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: its process ended; see above")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def has(self, cell):
        """Whether it has this cell of a part that it has."""
        return self.name == "torch" or cell["model"] not in parts.WITH_SOURCE

    def prepare(self, cell):
        """Builds the cell's step."""
        self.parameters = self.ask({"prepare": cell})["parameters"]

    def step(self):
        """Median seconds of the step that was prepared, and the model's number of parameters."""
        return self.ask({"seconds": self.seconds}) | {"parameters": self.parameters}


def add_flag(environment, flag):
    environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {flag}".strip()


class Candle:
    """candle, a program like ours: one process a run. Compiled for one level or the other."""

    def __init__(self, options):
        self.options = options
        folder = HERE / "candle" / "target"
        plain, wide = folder / "release/candle-peer", folder / "avx512/release/candle-peer"
        held = options.simd not in (None, "avx512")
        self.program = plain if held or not wide.exists() else wide
        if not self.program.exists():
            raise Skipped("not built, skipped: cargo build --release in benches/peers/candle")
        found = run_json([str(self.program), "version"])
        if options.simd == "avx2" and found["simd"] == "avx512":
            raise Skipped(f"{plain} was built with avx512, skipped: cargo build --release in "
                          "benches/peers/candle")
        self.version = f"candle {found['version']}, its products at {found['simd']}"

    def has(self, cell):
        return cell["model"] in ("lstm", "transformer")

    def prepare(self, cell):
        self.cell = cell

    def step(self):
        cell, options = self.cell, self.options
        sizes = [cell[name] for name in ("width", "layers", "seq_len", "batch", "vocab")]
        arguments = [cell["model"], *sizes, options.threads, options.seconds]
        return run_json([str(self.program), *map(str, arguments)])


def start(options):
    """The peers that are there, by name; prints the version of each, or why it is not."""
    found = {}
    if options.simd in ("portable", "portable-fma"):
        print("the peers are not held: they take the CPU's best instructions")
    for name in options.peers.split(","):
        try:
            found[name] = Candle(options) if name == "candle" else Python(name, options)
            print(found[name].version)
        except Skipped as why:
            print(f"{name}: {why}")
    return found
