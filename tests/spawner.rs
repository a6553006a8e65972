//! Children of the daemon: how they are born, what they see, and that none outlives it.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use exstreamd::system::spawner::{Child, Connect, Launch, Spawner};
use tokio::io::AsyncReadExt;

const EXSTREAMD: &str = env!("CARGO_BIN_EXE_exstreamd");

fn shell(script: &str) -> Launch {
    Launch::reading(Path::new("/bin/sh"), vec!["-c".into(), script.into()])
}

async fn output(child: &mut Child) -> String {
    let mut text = String::new();
    let mut stdout = child.take_stdout().unwrap();
    stdout.read_to_string(&mut text).await.unwrap();
    text
}

/// Waits (bounded) until no process `id` is left, not even a zombie.
async fn gone(id: &str) -> bool {
    for _ in 0..500 {
        if !Path::new("/proc").join(id).exists() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_child_sees_a_short_environment_and_leads_its_own_group() {
    let spawner = Spawner::start(EXSTREAMD).unwrap();
    let script = "env; echo GROUP=$(ps -o pgid= -p $$ | tr -d ' ') SELF=$$ AT=$(pwd)";
    let mut child = spawner.spawn(shell(script)).await.unwrap();
    let id = child.id().unwrap();
    let text = output(&mut child).await;
    assert!(child.wait().await.unwrap().success());
    assert!(
        text.contains(&format!("GROUP={id} SELF={id} AT=/\n")),
        "{text}"
    );
    assert!(
        text.contains("LANG=C\n") && text.contains("PATH="),
        "{text}"
    );
    // Cargo sets this one for every test: it stands for the secrets that must stay here.
    assert!(
        std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !text.contains("CARGO"),
        "{text}"
    );
}

#[tokio::test]
async fn niceness_and_the_out_of_memory_score_are_passed_on() {
    let spawner = Spawner::start(EXSTREAMD).unwrap();
    let launch = Launch {
        nice: 7,
        ..shell("nice; cat /proc/self/oom_score_adj; ulimit -c")
    };
    let mut child = spawner.spawn(launch).await.unwrap();
    let text = output(&mut child).await;
    let own: i32 = Command::new("nice").output().map_or(0, |out| {
        String::from_utf8_lossy(&out.stdout)
            .trim()
            .parse()
            .unwrap_or(0)
    });
    let expected = format!("{}\n500\n0\n", (own + 7).min(19));
    assert_eq!(text, expected);
}

#[tokio::test]
async fn dropping_a_child_kills_its_whole_group_and_leaves_no_zombie() {
    let spawner = Spawner::start(EXSTREAMD).unwrap();
    let mut child = spawner
        .spawn(shell("sleep 1000 & echo $$ $!; wait"))
        .await
        .unwrap();
    let mut stdout = child.take_stdout().unwrap();
    let mut text = String::new();
    while !text.ends_with('\n') {
        text.push(char::from(stdout.read_u8().await.unwrap()));
    }
    drop(child);
    for id in text.split_whitespace() {
        // The grandchild is reaped by process 1, which some containers do not have.
        assert!(gone(id).await || is_zombie(id), "{id} is still there");
    }
    let leader = text.split_whitespace().next().unwrap();
    assert!(gone(leader).await, "{leader} was not reaped");
}

fn is_zombie(id: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let spawner = Spawner::start(EXSTREAMD).unwrap();
    let (runtime, asker) = (tokio::runtime::Handle::current(), spawner.clone());
    let launch = Launch {
        stdin: Connect::Pipe,
        ..shell("read x; echo still here")
    };
    let mut child = tokio::task::spawn_blocking(move || {
        std::thread::spawn(move || runtime.block_on(asker.spawn(launch)).unwrap())
            .join()
            .unwrap()
    })
    .await
    .unwrap();
    drop(child.take_stdin());
    assert_eq!(output(&mut child).await, "still here\n");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let spawner = Spawner::start(EXSTREAMD).unwrap();
    let launch = Launch::reading(Path::new("/nonexistent/ffmpeg"), Vec::new());
    let mut child = spawner.spawn(launch).await.unwrap();
    let mut stderr = child.take_stderr().unwrap();
    let line = stderr.next().await.unwrap();
    assert!(
        line.contains("starting /nonexistent/ffmpeg: No such file"),
        "{line}"
    );
    assert_eq!(child.wait().await.unwrap().code(), Some(127));
}

#[test]
fn a_killed_daemon_takes_its_children_with_it() {
    // The shell stands for the daemon: it starts a child through our binary and is killed without a word.
    let script = "\"$0\" launch --parent $$ -- sleep 1000 & echo $!; sleep 0.3; kill -9 $$";
    let output = Command::new("/bin/sh")
        .args(["-c", script, EXSTREAMD])
        .output()
        .unwrap();
    let id = String::from_utf8(output.stdout).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let id = id.trim();
    assert!(runtime.block_on(gone(id)) || is_zombie(id), "{id} survived");
}

#[test]
fn a_child_whose_daemon_died_before_it_asked_does_not_start() {
    let output = Command::new(EXSTREAMD)
        .args(["launch", "--parent", "999999999", "--", "echo", "started"])
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(127), &b""[..])
    );
}
