//! `sluice broker` as a process: it says where it is, answers, and ends in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A child that does not outlive the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_broker_tells_its_address_answers_there_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["broker", "--port", "0", "--log-level", "OFF", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut address = String::new();
    let stdout = process.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut address).unwrap();

    // ApiVersions, version 0; the answer carries the number 7 of the request.
    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream
        .write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255])
        .unwrap();
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[4..], [0, 0, 0, 7, 0, 0]);

    let pid = i32::try_from(process.0.id()).unwrap();
    let terminated = Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(terminated.success());
    assert!(process.0.wait().unwrap().success());
}
