//! A launch: one run of timings in a process of its own, which is this program started again.
//!
//! The process is told the run's `config.toml` and writes its records to stdout, what it says to
//! stderr. Its stdin is open for as long as the program that started it lives: it ends with that.

use super::session::{Failure, Session};
use super::throughput::{Launched, Throughput};
use super::work::{Run, Work};
use crate::record::Record;
use crate::results::output::{CONFIG, csv_of, records_of};
use anyhow::{Context, bail};
use serde::Deserialize;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// The subcommand that serves a launch.
pub const SUBCOMMAND: &str = "launch";
/// A disturbed launch is made again so often at most.
const AGAIN: usize = 2;
/// Time between two looks at whether the process has ended.
const LOOK: Duration = Duration::from_millis(5);
/// After a signal to all processes of a terminal, this one may learn of it a little later.
const GRACE: Duration = Duration::from_millis(200);
/// What begins the line in which a launch complains that it was disturbed.
const DISTURBED: &str = "disturbed: ";
/// Lines of a process that ended badly, from its end, that the reason quotes.
const LAST_WORDS: usize = 3;

/// Carries out a launch, again where something else took processor time meanwhile; what remains
/// disturbed is recorded so.
pub(super) fn carry_out(
    work: &Throughput,
    run: &Run,
    session: &mut Session,
) -> Result<Vec<Record>, Failure> {
    let mut tries = 0;
    loop {
        let launched = match session.program {
            Some(program) => start(program, run, session)?,
            None => work.measure(run, &mut |done| session.advance(done))?,
        };
        for line in &launched.lines {
            session.log(line)?;
        }
        let Some(complaint) = launched.complaint else {
            return Ok(launched.records);
        };
        let again = tries < AGAIN;
        let then = if again {
            "it is timed again"
        } else {
            "it is marked"
        };
        let told = format!("{complaint} ({then})");
        session.log(&told)?;
        if !again {
            session.progress.say(&format!("{}: {told}", run.id));
            return Ok(launched.records);
        }
        tries += 1;
    }
}

/// Starts the program again for this run, and reads what it found.
fn start(program: &Path, run: &Run, session: &mut Session) -> Result<Launched, Failure> {
    let failed = |problem: String| Failure::Failed(problem);
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .arg(session.directory.join(CONFIG))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map(Process)
        .map_err(|error| {
            failed(format!(
                "cannot start {} for a timing: {error}; run the same command again, with the program \
                 where it was",
                program.display()
            ))
        })?;
    let pid = child.0.id();
    session.log(&format!("process {pid}"))?;
    let (status, out, said) = child.wait(&|| session.interrupted());
    let said = String::from_utf8_lossy(&said).into_owned();
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let Some(status) = status.filter(|_| !session.interrupted()) else {
        return Err(Failure::Interrupted);
    };
    if !status.success() {
        for line in &lines {
            session.log(line)?;
        }
        return Err(failed(ended_badly(pid, status, &lines)));
    }
    let records = records_of(&out, &session.directory.join("the output of its process"));
    let records = records.map_err(|error| failed(error.to_string()))?;
    let whole = !records.is_empty() && records.iter().all(|record| record.run == run.id);
    if !whole {
        let count = records.len();
        let problem = format!("process {pid} gave {count} records, not those of this run alone");
        return Err(failed(problem));
    }
    let (complaints, lines) = lines.into_iter().partition(|l| l.starts_with(DISTURBED));
    let complaints: Vec<String> = complaints;
    Ok(Launched {
        records,
        lines,
        complaint: complaints.into_iter().next(),
    })
}

/// Why a process gave nothing, with its last words.
fn ended_badly(pid: u32, status: ExitStatus, lines: &[String]) -> String {
    let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
    let words = match last {
        [] => "it said nothing".to_owned(),
        last => format!("its last words: {}", last.join(" / ")),
    };
    let remedy = match status.code() {
        Some(_) => "run the same command again to time it again",
        // Killed by a signal: systems that run out of memory do so.
        None => {
            "if it was not you who killed it, the memory may have run out: end other programs, and \
             run the same command again"
        }
    };
    format!("its process {pid} ended with {status}; {words}; {remedy}")
}

/// A process that does not outlive its handle.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or is of no use any more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Waits for its end, or for an interruption, which ends it and gives no status; with all that it
    /// wrote to stdout and stderr.
    fn wait(&mut self, interrupted: &dyn Fn() -> bool) -> (Option<ExitStatus>, Vec<u8>, Vec<u8>) {
        fn read(pipe: Option<impl Read>) -> Vec<u8> {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                // What cannot be read is missing from the records, which is noticed there.
                let _ = pipe.read_to_end(&mut bytes);
            }
            bytes
        }
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        thread::scope(|scope| {
            let [out, err]: [ScopedJoinHandle<Vec<u8>>; 2] =
                [scope.spawn(|| read(out)), scope.spawn(|| read(err))];
            let status = loop {
                if interrupted() {
                    let _ = self.0.kill();
                    let _ = self.0.wait();
                    break None;
                }
                match self.0.try_wait() {
                    Ok(Some(status)) => break Some(status),
                    Ok(None) => thread::sleep(LOOK),
                    Err(_) => break self.0.wait().ok(),
                }
            };
            if status.is_some_and(|status| status.code().is_none()) && !interrupted() {
                thread::sleep(GRACE);
            }
            let bytes = |reader: ScopedJoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
            (status, bytes(out), bytes(err))
        })
    }
}

/// What of `config.toml` a launch needs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    run: String,
    experiment: String,
    profile: String,
    work: Timing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timing {
    throughput: Throughput,
}

/// Serves a launch in a process of its own: measures what the file of a run's configuration says,
/// writes the records to stdout as CSV and what there is to say to stderr.
///
/// # Errors
/// If the file is not the configuration of a launch, or what it says cannot be measured.
pub fn serve(config: &Path) -> anyhow::Result<()> {
    end_with_stdin();
    let text = std::fs::read_to_string(config)
        .with_context(|| format!("cannot read {}", config.display()))?;
    let read = toml::from_str(&text);
    let Config {
        run,
        experiment,
        profile,
        work: Timing { throughput: work },
    } = read.with_context(|| {
        let path = config.display();
        format!("{path} is not the configuration of a run of timings; give one that is")
    })?;
    let sizes = [
        work.batch,
        work.seq_len,
        work.models.len(),
        work.threads.len(),
    ];
    if sizes.contains(&0) {
        bail!("{}: a size of 0 cannot be timed", config.display());
    }
    let record = work.record(&run, &experiment, &profile);
    let run = Run::new(record, Work::Throughput(work.clone()));
    let launched = work.measure(&run, &mut |_| {})?;
    for line in launched.lines.iter().chain(&launched.complaint) {
        eprintln!("{line}");
    }
    let records = csv_of(&launched.records)?;
    std::io::stdout().write_all(&records)?;
    Ok(())
}

/// Ends this process when stdin ends: whoever started it is gone, and nobody reads what it finds.
fn end_with_stdin() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1)
    });
}
