//! `seqduel doctor`: the machine, its limits, where files go, and what may be wrong.

use super::{Format, Shared, output};
use crate::data::corpus;
use crate::measure::machine::Machine;
use crate::measure::roofline::{self, Roofline};
use kernels::simd;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// Look at the machine and say what may be wrong.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What was found. `machine` is what an output directory's manifest holds.
#[derive(Debug, Serialize)]
struct Findings {
    machine: Machine,
    roofline: Roofline,
    corpora: Vec<CorpusFound>,
    writable: bool,
    advice: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CorpusFound {
    name: &'static str,
    path: String,
    is_there: bool,
}

/// Looks and prints; exit code 1 if something must be mended before measuring.
pub fn run(_args: Args, shared: &Shared) -> anyhow::Result<ExitCode> {
    let findings = look(shared.thread_count());
    match shared.format {
        Format::Json => output::print_json(&findings)?,
        format => output::print_rows(format, &["what", "found"], &rows(&findings), &())?,
    }
    for advice in &findings.advice {
        tracing::warn!("{advice}");
    }
    Ok(ExitCode::from(u8::from(!findings.writable)))
}

fn look(threads: usize) -> Findings {
    let machine = Machine::detect();
    let roofline = roofline::probe(threads);
    let corpora = corpora();
    let writable = tempfile::tempfile_in(Path::new(".")).is_ok();
    let mut advice = Vec::new();
    if machine.build == "debug" {
        advice.push("this is a debug build: build with --release before measuring".to_string());
    }
    if !writable {
        advice.push("the current directory cannot be written to: give --out DIR".to_string());
    }
    if !corpora.iter().any(|corpus| corpus.is_there) {
        advice.push(
            "no corpus is cached: `seqduel corpus fetch NAME` gets one, or give --corpus FILE; \
             experiments on tasks need none"
                .to_string(),
        );
    }
    if machine.simd == "portable" && machine.architecture == "x86_64" {
        advice.push("no AVX2 in use: everything runs several times slower".to_string());
    }
    if machine.available_bytes < 2 << 30 {
        advice.push("less than 2 GiB of memory are free: large models will be refused".to_string());
    }
    advice.extend(simd::override_problem());
    Findings {
        machine,
        roofline,
        corpora,
        writable,
        advice,
    }
}

/// Every named corpus and its place in the cache; none where there is no place for a cache.
fn corpora() -> Vec<CorpusFound> {
    let found = corpus::CORPORA.iter().filter_map(|row| {
        let (path, is_there) = corpus::path(row.name).ok()?;
        Some(CorpusFound {
            name: row.name,
            path: path.display().to_string(),
            is_there,
        })
    });
    found.collect()
}

fn rows(findings: &Findings) -> Vec<Vec<String>> {
    let Findings {
        machine, roofline, ..
    } = findings;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let (memory, free) = (gib(machine.memory_bytes), gib(machine.available_bytes));
    let mut rows = Vec::new();
    let mut add = |what: &str, found: String| rows.push(vec![what.to_string(), found]);
    add("cpu", machine.cpu.clone());
    add("cores", machine.cores.to_string());
    add("memory", format!("{memory:.1} GiB, {free:.1} GiB free"));
    add(
        "system",
        format!("{}, {}", machine.os, machine.architecture),
    );
    add("vector instructions", machine.simd.clone());
    add("build", format!("{} {}", machine.version, machine.build));
    let rate = |flops: f64| format!("{:.1} GFLOP/s", flops / 1e9);
    let threads = format!("multiply-adds, {} threads", roofline.threads);
    add(&threads, rate(roofline.fma_flops));
    add("matrix product", rate(roofline.gemm_flops));
    for copy in &roofline.copy {
        let rate = format!("{:.1} GB/s", copy.bytes_per_second / 1e9);
        add(&format!("copy, {} KiB", copy.bytes >> 10), rate);
    }
    for corpus in &findings.corpora {
        let state = if corpus.is_there { "here" } else { "not here" };
        let found = format!("{state}: {}", corpus.path);
        add(&format!("corpus {}", corpus.name), found);
    }
    let writable = if findings.writable { "yes" } else { "no" };
    add("current directory writable", writable.into());
    rows
}
