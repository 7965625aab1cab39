//! Tells a release's events: to a person at a terminal, to a log, or to a program.

use drawgate_schemas::{Event, Outcome, ReleaseRequest, StatusEvent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

use crate::options::Format;
use crate::printer::{self, Screen};
use crate::system::SystemError;
use crate::view::{self, Detail, Layout, Line, Mark, ViewState};

/// Tells the events of a release as they come.
pub(crate) struct Narrator {
    format: Format,
    screen: Screen,
    state: ViewState,
    bar: Option<ProgressBar>,
}

impl Narrator {
    /// Makes a narrator that suits what stderr is.
    pub(crate) fn new(format: Format) -> Self {
        let screen = Screen::of_stderr();
        let bar = (screen.live && format == Format::Text).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            // A template that cannot be read leaves the library's own style: only the looks differ.
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            format,
            screen,
            state: ViewState::default(),
            bar,
        }
    }

    /// Tells who asked for what.
    pub(crate) fn header(&self, request: &ReleaseRequest) {
        if self.format == Format::Text {
            self.say(&view::header(request, self.layout().width));
        }
    }

    /// Tells one event. The last event also goes to stdout.
    pub(crate) fn event(&mut self, event: &StatusEvent) -> Result<(), SystemError> {
        if self.format == Format::Json {
            let line = serde_json::to_string(event).map_err(|error| SystemError::Stdout(error.into()))?;
            return printer::live(&line);
        }
        let detail = if self.bar.is_some() {
            Detail::Brief
        } else {
            Detail::Every
        };
        for line in view::lines(&self.state, event, detail) {
            self.say(&self.layout().line(&line, event.at));
        }
        self.state.apply(event);
        self.tick();
        if self.state.ended.is_some() {
            self.end(event)
        } else {
            Ok(())
        }
    }

    /// Tells an end that the worker's ledger states without an event for it.
    pub(crate) fn bare_end(&mut self, outcome: Outcome) -> Result<(), SystemError> {
        self.close();
        match self.format {
            Format::Text => printer::live(&outcome.to_string()),
            Format::Json => Ok(()),
        }
    }

    fn end(&mut self, event: &StatusEvent) -> Result<(), SystemError> {
        self.close();
        let (table, hint) = match &event.event {
            Event::Ended(ended) => (
                ended.receipt.as_ref().map(view::receipt).unwrap_or_default(),
                ended.hint.clone(),
            ),
            Event::Rejected { rejection, .. } => (
                Vec::new(),
                view::rejection_hint(rejection.code).map(str::to_owned),
            ),
            _ => (Vec::new(), None),
        };
        for row in table {
            self.say(&row);
        }
        if let Some(line) = view::final_line(event) {
            printer::live(&line)?;
        }
        if let Some(hint) = hint {
            self.say(&self.layout().plain(&format!("hint: {hint}")));
        }
        Ok(())
    }

    /// Tells something about the following itself, not about the release.
    pub(crate) fn note(&self, text: &str) {
        let layout = self.layout();
        self.say(&layout.line(&Line::new(Mark::Note, text), Timestamp::now()));
    }

    /// Redraws the live part of the screen.
    pub(crate) fn tick(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(view::bar(&self.state, Timestamp::now(), printer::columns()).join("\n"));
            bar.tick();
        }
    }

    /// Removes the live part of the screen.
    pub(crate) fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn layout(&self) -> Layout {
        Layout {
            width: self.screen.live.then(printer::columns),
            times: !self.screen.live,
            colour: self.screen.colour,
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| printer::narrate(text)),
            None => printer::narrate(text),
        }
    }
}
