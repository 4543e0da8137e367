//! Intents: what steps ask of the arbiter, and what its rulings do.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_model::{Content, LocaleFit, MessageAwait};
use journey_types::{Channel, ContentVersion, Value};

use super::{Position, Subject, Turn};
use crate::arbiter::{self, Intent, IntentOrigin, Round, Ruling};
use crate::event::{Departure, EventBody, MessageGranted};
use crate::limits::RENDERED_SIZE_BYTES_MAX;
use crate::size;
use crate::state::FallbackScope;
use crate::step::message;

impl<'a> Turn<'a> {
    /// Hands an intent to the next round of the arbiter.
    pub(crate) fn intend(&mut self, intent: Intent<'a>) {
        self.intents.push(intent);
    }

    /// How many raised events led to what is being done.
    pub(crate) const fn depth(&self) -> u8 {
        self.depth
    }

    /// One round of the arbiter over all open intents; the rulings are carried out in order of instance number.
    pub(super) fn arbitrate(&mut self) {
        let mut intents = std::mem::take(&mut self.intents);
        intents.retain(|intent| self.still_stands(intent));
        if intents.is_empty() {
            return;
        }
        intents.sort_by_key(|intent| intent.instance.number);
        let rulings = arbiter::rule(&Round {
            state: &self.state,
            catalog: self.context.catalog,
            intents: &intents,
        });
        for (intent, ruling) in intents.into_iter().zip(rulings) {
            self.depth = intent.depth;
            if self.budget.is_spent() && intent.holds_its_instance() {
                self.intents.push(intent);
            } else {
                self.carry_out_ruling(&intent, ruling);
            }
        }
    }

    /// An instance that ended or moved in the meantime asks for nothing any more.
    fn still_stands(&self, intent: &Intent<'a>) -> bool {
        let instance = self.state.instances.get(&intent.instance.number);
        let stands_there = instance.is_some_and(|instance| instance.step == intent.step.id);
        stands_there || !intent.holds_its_instance()
    }

    fn carry_out_ruling(&mut self, intent: &Intent<'a>, ruling: Ruling) {
        match ruling {
            Ruling::Grant { channel, why, rest } => match self.render(intent, &channel) {
                Ok((variant, rendered)) => {
                    let why = match variant.why {
                        Some(locale) => format!("{why}; {locale}"),
                        None => why,
                    };
                    let granted = Granted {
                        channel,
                        why,
                        version: variant.version,
                        locale: variant.locale,
                        rendered,
                        has_fallback: !rest.is_empty(),
                    };
                    self.grant(intent, granted);
                }
                Err(reason) => {
                    let reason = format!("render_failed: {reason}");
                    self.refuse(intent, &reason);
                    message::fail_to_render(self, intent, reason);
                }
            },
            Ruling::Refuse(reason) => {
                self.refuse(intent, reason);
                message::be_refused(self, intent, reason);
            }
        }
    }

    fn refuse(&mut self, intent: &Intent<'a>, reason: &str) {
        self.record(EventBody::MessageRefused {
            instance: intent.instance.clone(),
            content: intent.message.content.clone(),
            reason: reason.to_owned(),
        });
    }

    fn grant(&mut self, intent: &Intent<'a>, granted: Granted) {
        let fallback = granted.has_fallback.then(|| Arc::clone(&intent.scope));
        let position = match intent.origin {
            IntentOrigin::Step => self.position(intent.instance.number),
            IntentOrigin::Fallback { of } => message::awaiting(self, of),
        };
        // A step that goes on with the grant has no time by which the message must be out.
        let send_by = match intent.message.awaits {
            MessageAwait::Granted => None,
            MessageAwait::Sent | MessageAwait::Delivered => {
                position.as_ref().and_then(Position::times_out_at)
            }
        };
        let effect = self.record(EventBody::MessageGranted(Box::new(MessageGranted {
            instance: intent.instance.number,
            journey: intent.instance.journey.clone(),
            version: intent.instance.version,
            step: intent.step.id.clone(),
            channel: granted.channel,
            content: intent.message.content.clone(),
            content_version: granted.version,
            locale: granted.locale,
            rendered: granted.rendered,
            why: granted.why,
            purpose: intent.plan.purpose.clone(),
            send_by,
            failed_channels: intent.failed_channels.clone(),
            fallback,
        })));
        let Some(position) = position else {
            return;
        };
        match intent.message.awaits {
            MessageAwait::Granted => self.go(&position, Departure::Done, position.step.next),
            MessageAwait::Sent | MessageAwait::Delivered => {
                self.rest(&position, Vec::new(), Some(effect));
            }
        }
    }

    fn render(
        &self,
        intent: &Intent<'a>,
        channel: &Channel,
    ) -> Result<(ChosenVariant, BTreeMap<String, String>), String> {
        let contents = &self.context.catalog.contents;
        let content: Option<&Arc<Content>> = contents.get(&intent.message.content);
        let content = content.ok_or("the content is not there")?;
        let scope: &FallbackScope = &intent.scope;
        let subject = Subject::of_fallback(scope, &intent.step.id, intent.plan);
        let (rendered, _) = self.read(subject, |scope| content.render(channel, scope));
        let rendered = rendered.map_err(|error| error.reason)?;
        let size_bytes = size::of_texts(&rendered);
        if size_bytes > RENDERED_SIZE_BYTES_MAX {
            return Err(format!(
                "it takes {size_bytes} bytes, at most {RENDERED_SIZE_BYTES_MAX} are allowed"
            ));
        }
        let locale = self.state.traits.get("locale").and_then(Value::as_text);
        let choice = content.choose(channel, locale);
        let choice = choice.filter(|choice| choice.fit != LocaleFit::Only);
        let chosen = ChosenVariant {
            version: content.version,
            locale: choice.and_then(|choice| choice.variant.locale.clone()),
            why: choice.map(|choice| match &choice.variant.locale {
                Some(locale) => format!("locale {locale} is {}", choice.fit),
                None => format!("locale is {}", choice.fit),
            }),
        };
        Ok((chosen, rendered))
    }
}

/// Which variant of the content is sent.
struct ChosenVariant {
    version: ContentVersion,
    locale: Option<String>,
    /// Why it is that one, where there is a choice.
    why: Option<String>,
}

/// A grant with what was rendered for it.
struct Granted {
    channel: Channel,
    why: String,
    version: ContentVersion,
    locale: Option<String>,
    rendered: BTreeMap<String, String>,
    has_fallback: bool,
}
