//! A program in a pseudo terminal: its keys and its screen.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use crate::wait::{Hopeless, wait_for};

/// A running program and the screen it has drawn. Dropping it kills the program.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    state: Arc<Mutex<State>>,
}

struct State {
    parser: vt100::Parser<Answers>,
    /// Everything written, for checks of what the screen does not show (titles, modes, OSC 52).
    raw: Vec<u8>,
    ended: bool,
}

/// What a terminal answers when a program asks where the cursor is or what kind of terminal it is.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _second: Option<u8>,
        parameters: &[&[u16]],
        command: char,
    ) {
        match (first, parameters, command) {
            (None, [[6]], 'n') => {
                let (row, column) = screen.cursor_position();
                let answer = format!("\x1b[{};{}R", row + 1, column + 1);
                self.0.extend_from_slice(answer.as_bytes());
            }
            (None, [[5]], 'n') => self.0.extend_from_slice(b"\x1b[0n"),
            (None, [] | [[0]], 'c') => self.0.extend_from_slice(b"\x1b[?62;22c"),
            _ => {}
        }
    }
}

/// How much raw output is kept.
const RAW_LIMIT: usize = 8 << 20;

impl Terminal {
    /// Starts `command` (program and arguments) on a terminal of `columns` by `rows`.
    ///
    /// The program sees `TERM=xterm-256color` and `environment`.
    ///
    /// # Errors
    /// When there is no pseudo terminal or the program cannot be started.
    pub fn start(
        command: &[String],
        environment: &[(&str, &str)],
        columns: u16,
        rows: u16,
    ) -> Result<Self> {
        let (program, arguments) = command.split_first().context("empty command")?;
        let pair = native_pty_system()
            .openpty(size(columns, rows))
            .map_err(|error| anyhow!("pseudo terminal: {error}"))?;
        let mut builder = CommandBuilder::new(program);
        builder.args(arguments);
        builder.env("TERM", "xterm-256color");
        builder.env("COLORTERM", "truecolor");
        for (name, value) in environment {
            builder.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(builder)
            .map_err(|error| anyhow!("start {program}: {error}"))?;
        // As long as we held the other end, its output would never end.
        drop(pair.slave);
        let master = pair.master;
        let keys = master
            .take_writer()
            .map_err(|error| anyhow!("keys: {error}"))?;
        let mut output = master
            .try_clone_reader()
            .map_err(|error| anyhow!("screen: {error}"))?;
        let state = Arc::new(Mutex::new(State {
            parser: vt100::Parser::new_with_callbacks(rows, columns, 0, Answers::default()),
            raw: Vec::new(),
            ended: false,
        }));
        let shared = Arc::clone(&state);
        let keys = Arc::new(Mutex::new(keys));
        let answering = Arc::clone(&keys);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                let mut state = lock(&shared);
                state.parser.process(&buffer[..count]);
                let answer = std::mem::take(&mut state.parser.callbacks_mut().0);
                if !answer.is_empty() {
                    let _ = lock(&answering).write_all(&answer);
                }
                if state.raw.len() < RAW_LIMIT {
                    state.raw.extend_from_slice(&buffer[..count]);
                }
            }
            lock(&shared).ended = true;
        });
        Ok(Self {
            child,
            master,
            keys,
            state,
        })
    }

    /// The text on the screen, one line per row, without blanks at line ends.
    pub fn screen(&self) -> String {
        let text = lock(&self.state).parser.screen().contents();
        text.lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Everything the program has written, control sequences included (at most the first 8 MiB).
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.state).raw.clone()
    }

    /// Whether the program has switched to the alternate screen.
    pub fn in_alternate_screen(&self) -> bool {
        lock(&self.state).parser.screen().alternate_screen()
    }

    /// Whether the cursor is hidden.
    pub fn cursor_hidden(&self) -> bool {
        lock(&self.state).parser.screen().hide_cursor()
    }

    /// Types text or sends control sequences, see [`keys`].
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        let mut keys = lock(&self.keys);
        keys.write_all(text.as_bytes())?;
        Ok(keys.flush()?)
    }

    /// Changes the size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&mut self, columns: u16, rows: u16) -> Result<()> {
        lock(&self.state)
            .parser
            .screen_mut()
            .set_size(rows, columns);
        self.master
            .resize(size(columns, rows))
            .map_err(|error| anyhow!("resize: {error}"))
    }

    /// Waits until the screen contains `text`.
    ///
    /// # Errors
    /// When time is up, with the screen.
    pub fn wait_text(&self, text: &str, within: Duration) -> Result<()> {
        self.wait_screen(&format!("{text:?} on the screen"), within, |screen| {
            screen.contains(text)
        })
    }

    /// Waits until the screen no longer contains `text`.
    ///
    /// # Errors
    /// When time is up, with the screen.
    pub fn wait_no_text(&self, text: &str, within: Duration) -> Result<()> {
        self.wait_screen(&format!("no {text:?} on the screen"), within, |screen| {
            !screen.contains(text)
        })
    }

    /// Waits until one line of the screen contains all of `words`.
    ///
    /// # Errors
    /// When time is up, with the screen.
    pub fn wait_line(&self, words: &[&str], within: Duration) -> Result<()> {
        self.wait_screen(&format!("a line with {words:?}"), within, |screen| {
            screen
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        })
    }

    /// Waits until the screen is as wanted.
    ///
    /// # Errors
    /// When time is up, with the screen.
    pub fn wait_screen(
        &self,
        what: &str,
        within: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        wait_for(what, within, || {
            let screen = self.screen();
            if wanted(&screen) {
                return Ok(Some(()));
            }
            if lock(&self.state).ended {
                let text = format!("the program has ended\n{}", frame(&screen));
                return Err(Hopeless(text).into());
            }
            bail!("\n{}", frame(&screen));
        })
    }

    /// The process id of the program.
    pub fn process_id(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Waits until the program ends by itself.
    ///
    /// # Errors
    /// When time is up, with the screen.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus> {
        let Self { child, state, .. } = self;
        let status = wait_for("the program to end", within, || {
            child.try_wait()?.map_or_else(
                || bail!("\n{}", frame(&lock(state).parser.screen().contents())),
                |status| Ok(Some(status)),
            )
        })?;
        // What it wrote last may still be on its way.
        wait_for("the end of its output", within, || {
            Ok(lock(state).ended.then_some(()))
        })?;
        Ok(status)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What keys send that are not characters.
pub mod keys {
    /// Enter.
    pub const ENTER: &str = "\r";
    /// Escape.
    pub const ESCAPE: &str = "\x1b";
    /// Tab.
    pub const TAB: &str = "\t";
    /// Backspace.
    pub const BACKSPACE: &str = "\x7f";
    /// Arrow up.
    pub const UP: &str = "\x1b[A";
    /// Arrow down.
    pub const DOWN: &str = "\x1b[B";
    /// Arrow right.
    pub const RIGHT: &str = "\x1b[C";
    /// Arrow left.
    pub const LEFT: &str = "\x1b[D";
    /// Control and a small letter.
    ///
    /// # Panics
    /// For anything but a to z.
    pub fn ctrl(letter: char) -> String {
        assert!(letter.is_ascii_lowercase(), "control key {letter:?}");
        char::from(letter as u8 - b'a' + 1).to_string()
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(screen: &str) -> String {
    let lines: Vec<String> = screen.lines().map(|line| format!("  | {line}")).collect();
    lines.join("\n")
}
