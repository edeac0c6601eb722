//! The loop: waits for keys, signals, news and the clock; lets `update` change the model; does its effects;
//! draws.
//!
//! Draws only after something happened, at most 60 times a second. The channel of news is bounded and
//! drained before each frame, so a slow terminal never has more than one frame waiting.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt;
use sluice_protocol::ConnectorName;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::actions::{Executor, Request};
use crate::conn::client::Client;
use crate::conn::{self, Feed, Pacing, now, shown};
use crate::contexts::Contexts;
use crate::editor;
use crate::effect::Effect;
use crate::keys::Key;
use crate::message::Message;
use crate::model::Model;
use crate::model::cluster::Link;
use crate::model::demo::Demo;
use crate::model::dialog::EditSession;
use crate::model::news::Update;
use crate::model::secrets::PasswordKeys;
use crate::terminal::Screen;
use crate::text::Text;
use crate::theme::Theme;
use crate::update::{apply_update, settle, update};
use crate::view::view;

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(16);
/// News waiting to be read.
const CHANNEL: usize = 256;
/// News read before keys and signals are looked at again.
const BATCH: usize = 256;

/// What the environment of the process sets for the terminal; read in `main` alone.
#[derive(Clone, Debug)]
pub(crate) struct TerminalSettings {
    /// Command of the editor, with arguments.
    pub(crate) editor: String,
    /// Whether it runs inside tmux, which passes on OSC 52 only in a wrapper.
    pub(crate) tmux: bool,
    /// Whether `NO_COLOR` is set.
    pub(crate) no_color: bool,
    /// Where commands typed are remembered.
    pub(crate) history: Option<PathBuf>,
}

/// The demo behind the terminal: what it shows, and how its agents are killed and started.
pub(crate) struct DemoControls {
    /// As it is at the beginning.
    pub(crate) shown: Demo,
    /// Asks for an agent to be killed, or started if one was.
    pub(crate) toggle: mpsc::Sender<()>,
    /// How many agents run.
    pub(crate) running: watch::Receiver<usize>,
}

/// Signals that end, suspend or wake the terminal.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    stop: Signal,
    resume: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            resume: signal(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }
}

/// What woke the loop.
enum Wakeup {
    Input(Option<io::Result<Event>>),
    News(Option<Message>),
    Clock,
    End,
    Suspend,
    Resumed,
    Frame,
}

/// A connection to one cluster.
struct Connection {
    client: Client,
    executor: Executor,
    pacing: watch::Sender<Pacing>,
    source: AbortHandle,
}

/// The terminal program with all it holds.
pub(crate) struct Runtime {
    model: Model,
    contexts: Contexts,
    settings: TerminalSettings,
    screen: Screen,
    input: Option<EventStream>,
    sender: mpsc::Sender<Message>,
    news: mpsc::Receiver<Message>,
    connection: Option<Connection>,
    theme: Theme,
    edited: Option<Instant>,
    toggle_agent: Option<mpsc::Sender<()>>,
}

/// Runs the terminal until the user leaves or the terminal goes away.
pub(crate) async fn run(
    contexts: Contexts,
    settings: TerminalSettings,
    demo: Option<DemoControls>,
) -> io::Result<()> {
    let summaries = contexts
        .all
        .iter()
        .map(crate::contexts::Context::summary)
        .collect();
    let model = Model::new(summaries, contexts.current, contexts.readonly, now());
    let (sender, news) = mpsc::channel(CHANNEL);
    let mut signals = Signals::new()?;
    let screen = Screen::take()?;
    let mut runtime = Runtime {
        model,
        contexts,
        settings,
        screen,
        input: None,
        sender,
        news,
        connection: None,
        theme: Theme::Default,
        edited: None,
        toggle_agent: None,
    };
    if let Some(demo) = demo {
        runtime.model.session.demo = Some(demo.shown);
        runtime.toggle_agent = Some(demo.toggle);
        tokio::spawn(pass_on_agents(demo.running, runtime.sender.clone()));
    }
    let (width, height) = crossterm::terminal::size()?;
    runtime.model.session.width = width;
    runtime.model.session.height = height;
    if let Some(path) = &runtime.settings.history {
        runtime.model.session.history = editor::read_history(path);
    }
    let context = runtime.model.session.context;
    runtime.connect(context, 0);
    runtime.input = Some(EventStream::new());
    runtime.turn(&mut signals).await
}

impl Runtime {
    async fn turn(&mut self, signals: &mut Signals) -> io::Result<()> {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_frame = Instant::now() - FRAME;
        let mut frame_due = true;
        while !self.model.session.quitting {
            let next_frame = last_frame + FRAME;
            let wakeup = {
                let Some(input) = &mut self.input else {
                    return Ok(());
                };
                tokio::select! {
                    biased;
                    _ = signals.hangup.recv() => Wakeup::End,
                    _ = signals.terminate.recv() => Wakeup::End,
                    _ = signals.interrupt.recv() => {
                        // ctrl-c in the editor reaches us too; it was not meant for us.
                        if self.edited.is_some_and(|at| at.elapsed() < Duration::from_millis(500)) {
                            Wakeup::Frame
                        } else {
                            Wakeup::End
                        }
                    }
                    _ = signals.stop.recv() => {
                        // So does the ctrl-z of an editor, which has stopped us already.
                        if self.edited.is_some_and(|at| at.elapsed() < Duration::from_millis(500)) {
                            Wakeup::Frame
                        } else {
                            Wakeup::Suspend
                        }
                    }
                    _ = signals.resume.recv() => Wakeup::Resumed,
                    event = input.next() => Wakeup::Input(event),
                    () = tokio::time::sleep_until(next_frame), if frame_due => Wakeup::Frame,
                    news = self.news.recv() => Wakeup::News(news),
                    _ = clock.tick() => Wakeup::Clock,
                }
            };
            match wakeup {
                Wakeup::End => break,
                // The terminal is gone: the window was closed, the connection broke.
                Wakeup::Input(None | Some(Err(_))) => break,
                Wakeup::Input(Some(Ok(event))) => frame_due |= self.input(event).await?,
                Wakeup::News(None) => break,
                Wakeup::News(Some(message)) => {
                    self.apply(message).await?;
                    for _ in 0..BATCH {
                        match self.news.try_recv() {
                            Ok(message) => self.apply(message).await?,
                            Err(_) => break,
                        }
                    }
                    frame_due = true;
                }
                Wakeup::Clock => {
                    self.apply(Message::Now(now())).await?;
                    frame_due = true;
                }
                Wakeup::Suspend => {
                    self.suspend()?;
                    frame_due = true;
                }
                Wakeup::Resumed => {
                    self.screen.retake()?;
                    frame_due = true;
                }
                Wakeup::Frame => {
                    self.frame()?;
                    last_frame = Instant::now();
                    frame_due = false;
                }
            }
        }
        Ok(())
    }

    /// One thing typed, pasted or resized; true when a frame is due.
    async fn input(&mut self, event: Event) -> io::Result<bool> {
        let message = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                Message::Key(Key::from_event(key))
            }
            Event::Paste(text) => Message::Paste(text),
            Event::Resize(width, height) => Message::Resize(width, height),
            _ => return Ok(false),
        };
        self.apply(message).await?;
        Ok(true)
    }

    async fn apply(&mut self, message: Message) -> io::Result<()> {
        let mut effects = update(&mut self.model, Message::Now(now()));
        if !matches!(message, Message::Now(_)) {
            effects.extend(update(&mut self.model, message));
        }
        for effect in effects {
            // Editing comes back with a message of its own, and that may have effects.
            let mut answer = self.perform(effect).await?;
            while let Some(message) = answer.take() {
                for effect in update(&mut self.model, message) {
                    answer = Box::pin(self.perform(effect)).await?;
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> io::Result<()> {
        settle(&mut self.model);
        let (model, theme) = (&self.model, self.theme);
        self.screen.draw(|frame| view(model, theme, frame))
    }

    /// Does one effect. What takes time runs beside the loop and answers by message.
    async fn perform(&mut self, effect: Effect) -> io::Result<Option<Message>> {
        match effect {
            Effect::Act {
                id,
                connector,
                verb,
                failed_tasks,
                all_tasks,
            } => {
                if let Some(connection) = &self.connection {
                    let request = Request {
                        connector: connector.as_str().to_owned(),
                        verb,
                        failed_tasks,
                        all_tasks,
                    };
                    connection.executor.start(id, request, self.sender.clone());
                }
            }
            Effect::Abort => {
                if let Some(connection) = &mut self.connection {
                    connection.executor.abort();
                }
            }
            Effect::ToggleAgent => {
                if let Some(toggle) = &self.toggle_agent {
                    // One that is still under way is enough.
                    let _ = toggle.try_send(());
                }
            }
            Effect::Refresh => self.pace(|pacing| pacing.refreshes += 1),
            Effect::Pace(fast) => self.pace(|pacing| pacing.fast = fast),
            Effect::LoadConfig(connector) => self.ask(|client| async move {
                let loaded = load_config(&client, &connector).await;
                Message::ConfigLoaded(connector, loaded)
            }),
            Effect::LoadPasswords { connector, class } => self.ask(|client| async move {
                let passwords = client.password_keys(&class).await.unwrap_or_default();
                Message::PasswordsLoaded(connector, passwords)
            }),
            Effect::LoadOffsets(connector) => self.ask(|client| async move {
                let offsets = match client.offsets(&connector).await {
                    Ok(offsets) => Ok(offset_lines(&offsets)),
                    Err(error) => Err(shown(&error)),
                };
                Message::OffsetsLoaded(connector, offsets)
            }),
            Effect::Validate { session, config } => self.ask(|client| async move {
                let infos = client
                    .validate(&config)
                    .await
                    .map(Box::new)
                    .map_err(|e| shown(&e));
                Message::Validated(session, infos)
            }),
            Effect::Edit(session) => return self.edit(session).await.map(Some),
            Effect::KeepDraft(connector, text) => {
                let name = connector.as_ref().map(ConnectorName::as_str);
                let kept = match self.drafts() {
                    Some(folder) => editor::keep_draft(&folder, name, &text)
                        .map(|path| Text::line(&path.display().to_string()))
                        .map_err(|error| Text::line(&error.to_string())),
                    None => Err(Text::from("there is no home folder")),
                };
                return Ok(Some(Message::DraftKept(connector, kept)));
            }
            Effect::DropDraft(connector) => {
                if let Some(folder) = self.drafts() {
                    let name = connector.as_ref().map(ConnectorName::as_str);
                    editor::drop_draft(&folder, name);
                }
            }
            Effect::Copy(text) => {
                let copied = self
                    .screen
                    .copy(&text, self.settings.tmux)
                    .map_err(|error| Text::line(&error.to_string()));
                return Ok(Some(Message::Copied(copied)));
            }
            Effect::Connect { context, epoch } => self.connect(context, epoch),
            Effect::Redraw => self.screen.redraw()?,
            Effect::Remember(line) => {
                if let Some(path) = &self.settings.history {
                    editor::remember(path, &line);
                }
            }
        }
        Ok(None)
    }

    /// Folder for copies of texts that were not written, beside the history.
    fn drafts(&self) -> Option<PathBuf> {
        let history = self.settings.history.as_ref()?;
        Some(history.parent()?.join("drafts"))
    }

    fn pace(&self, change: impl FnOnce(&mut Pacing)) {
        if let Some(connection) = &self.connection {
            connection.pacing.send_modify(change);
        }
    }

    /// Runs a question to the cluster beside the loop.
    fn ask<F>(&self, question: impl FnOnce(Client) -> F)
    where
        F: Future<Output = Message> + Send + 'static,
    {
        if let Some(connection) = &self.connection {
            let answer = question(connection.client.clone());
            let sender = self.sender.clone();
            tokio::spawn(async move {
                // A closed channel means that the terminal has ended.
                let _ = sender.send(answer.await).await;
            });
        }
    }

    /// Connects to a context; the connection before is dropped.
    fn connect(&mut self, place: usize, epoch: u64) {
        if let Some(old) = self.connection.take() {
            old.source.abort();
        }
        let Some(context) = self.contexts.all.get(place) else {
            return;
        };
        self.theme = Theme::choose(context.skin.as_deref(), self.settings.no_color);
        let client = match Client::new(context) {
            Ok(client) => client,
            Err(error) => {
                let link = Link::Down {
                    error: shown(&error),
                    since: now(),
                    attempt: 1,
                };
                return apply_update(&mut self.model, Update::Rest(link));
            }
        };
        apply_update(&mut self.model, Update::Rest(Link::Connecting));
        let (pacing, listener) = watch::channel(Pacing::default());
        let source = conn::open(context, client.clone(), &pacing);
        let feed = Feed::new(epoch, self.sender.clone());
        let task = tokio::spawn(source.run(feed, listener));
        self.connection = Some(Connection {
            executor: Executor::new(client.clone()),
            client,
            pacing,
            source: task.abort_handle(),
        });
    }

    /// Gives the terminal to the editor. Nothing is read from it meanwhile; news wait in their channel.
    async fn edit(&mut self, session: Box<EditSession>) -> io::Result<Message> {
        self.input = None;
        self.screen.leave();
        let edited = editor::edit(&self.settings.editor, &session.text).await;
        self.screen.retake()?;
        self.input = Some(EventStream::new());
        self.edited = Some(Instant::now());
        let (width, height) = crossterm::terminal::size()?;
        self.model.session.width = width;
        self.model.session.height = height;
        Ok(Message::EditorClosed(
            session,
            edited.map_err(|error| Text::line(&error.to_string())),
        ))
    }

    /// SIGTSTP from outside: gives the terminal back, stops, and takes it again when continued.
    fn suspend(&mut self) -> io::Result<()> {
        self.screen.leave();
        signal_hook::low_level::emulate_default_handler(libc::SIGTSTP)?;
        self.screen.retake()
    }
}

/// Passes on how many agents of the demo run.
async fn pass_on_agents(mut running: watch::Receiver<usize>, sender: mpsc::Sender<Message>) {
    while running.changed().await.is_ok() {
        let count = *running.borrow_and_update();
        if sender.send(Message::AgentsRun(count)).await.is_err() {
            return;
        }
    }
}

/// The stored configuration and which of its keys are passwords. A server without the endpoint for
/// definitions (before 3.2), or a plugin it can't load, leaves that to the names.
async fn load_config(
    client: &Client,
    connector: &ConnectorName,
) -> Result<(sluice_protocol::ConfigMap, PasswordKeys), Text> {
    let config = client
        .config(connector)
        .await
        .map_err(|error| shown(&error))?;
    let passwords = match config.text("connector.class") {
        Some(class) => client.password_keys(class).await.unwrap_or_default(),
        None => PasswordKeys::new(),
    };
    Ok((config, passwords))
}

fn offset_lines(offsets: &sluice_protocol::rest::ConnectorOffsets) -> Vec<(Text, Text)> {
    let json = |object: &Option<sluice_protocol::JsonObject>| {
        let text = object
            .as_ref()
            .and_then(|object| serde_json::to_string(object).ok())
            .unwrap_or_else(|| "null".to_owned());
        Text::line(&text)
    };
    offsets
        .offsets
        .iter()
        .map(|entry| (json(&entry.partition), json(&entry.offset)))
        .collect()
}
