//! The terminal itself: taking it, giving it back whole on every way out, and writing to its clipboard.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType as Region, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// Most bytes put on a clipboard; several terminals drop larger OSC 52 sequences.
const CLIPBOARD_CAP: usize = 74_994;

/// Whether the terminal is ours, so that a panic anywhere gives it back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The screen. Dropping it gives the terminal back.
pub(crate) struct Screen {
    terminal: Terminal<Quiet>,
}

impl Screen {
    /// Takes the terminal; a panic from now on gives it back before its message is printed.
    pub(crate) fn take() -> io::Result<Self> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            hook(info);
        }));
        enter()?;
        match blank() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws a frame; only cells that changed are written.
    pub(crate) fn draw(&mut self, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(view).map(|_| ())
    }

    /// Gives the terminal back for a while (an editor, a suspension).
    pub(crate) fn leave(&self) {
        give_back();
    }

    /// Takes it again and draws all of it with the next frame.
    pub(crate) fn retake(&mut self) -> io::Result<()> {
        enter()?;
        self.redraw()
    }

    /// Draws all of it with the next frame.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        self.terminal = blank()?;
        Ok(())
    }

    /// Puts a text on the clipboard of the terminal, over SSH too. Returns the bytes copied.
    pub(crate) fn copy(&self, text: &str, tmux: bool) -> io::Result<usize> {
        let sequence = osc52(text, tmux)?;
        let mut out = io::stdout();
        out.write_all(sequence.as_bytes())?;
        out.flush()?;
        Ok(text.len())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// A cleared screen and a terminal that knows it is clear. `Terminal::clear` asks the terminal for its
/// cursor, and the answer would go to the reader of keys.
fn blank() -> io::Result<Terminal<Quiet>> {
    execute!(io::stdout(), Clear(ClearType::All))?;
    Terminal::new(Quiet {
        inner: CrosstermBackend::new(io::stdout()),
        cursor_hidden: None,
    })
}

/// A backend that writes nothing when nothing changed. The one below ends each frame with a reset of all
/// styles and hides the cursor again and again, which on an idle screen is all that goes over the line.
struct Quiet {
    inner: CrosstermBackend<Stdout>,
    cursor_hidden: Option<bool>,
}

impl Backend for Quiet {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_hidden == Some(true) {
            return Ok(());
        }
        self.cursor_hidden = Some(true);
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor_hidden = Some(false);
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        Backend::clear(&mut self.inner)
    }

    fn clear_region(&mut self, region: Region) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )
}

fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // The terminal may be gone already (SIGHUP); there is nothing left to do about a failure here.
    let _ = execute!(
        io::stdout(),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// The OSC 52 sequence; tmux gets it plain (for its own buffer) and passed through (for the terminal
/// outside).
fn osc52(text: &str, tmux: bool) -> io::Result<String> {
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    if encoded.len() > CLIPBOARD_CAP {
        let error = format!("too large to copy: {} bytes", text.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
    }
    let plain = format!("\u{1b}]52;c;{encoded}\u{7}");
    if tmux {
        return Ok(format!("{plain}\u{1b}Ptmux;\u{1b}{plain}\u{1b}\\"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_sequence_is_osc_52() {
        assert_eq!(osc52("hi", false).unwrap(), "\u{1b}]52;c;aGk=\u{7}");
        assert!(
            osc52("hi", true)
                .unwrap()
                .contains("\u{1b}Ptmux;\u{1b}\u{1b}]52;c;aGk=\u{7}\u{1b}\\")
        );
        assert!(osc52(&"x".repeat(80_000), false).is_err());
    }
}
