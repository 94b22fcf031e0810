# Everything CI runs.
check:
    .ci/run

# The main job in under a minute.
smoke:
    cargo run --release -- reproduce --profile smoke

# Criterion benchmarks: operations, training steps, decoding.
bench:
    cargo bench

# The committed reference run; needs a quiet machine.
reference:
    cargo run --release -- reproduce --profile quick --out results/reference
