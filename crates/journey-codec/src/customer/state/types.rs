//! The types that a customer's state is made of as messages.

use journey_customer::{
    Attempt, DeadLetter, EffectBody, EffectStatus, Instance, JourneyMemory, MessageBody, OutboxRow,
    PausedTurn, WatchedGoal, WorkBody,
};

use crate::wire::message::{kinds, message, shared};

shared!(Instance, OutboxRow, DeadLetter);

message! {
    Instance as "Instance" {
        1 => number,
        2 => journey,
        3 => version,
        4 => key,
        5 => entry,
        6 => entered_at,
        7 => step,
        8 => step_entered_at,
        9 => rest,
        10 => parked,
        11 => vars,
        12 => open_goals,
        13 => foreseen,
    }
}

message! {
    JourneyMemory as "JourneyMemory" {
        1 => newest,
        2 => outcome,
        3 => entries,
        4 => queue,
    }
}

message! {
    WatchedGoal as "WatchedGoal" {
        1 => instance,
        2 => journey,
        3 => version,
        4 => key,
        5 => entry,
        6 => goal,
        7 => until,
    }
}

message! {
    OutboxRow as "OutboxRow" {
        1 => effect,
        2 => birth,
        3 => created_at,
        4 => instance,
        5 => journey,
        6 => version,
        7 => step,
        8 => destination,
        9 => purpose,
        10 => send_by,
        11 => body,
        12 => attempt,
        13 => status,
        20 => attempts,
        21 => attempts_before_replay,
        22 => attempts_returned,
        23 => returned_in_a_row,
    }
}

message! {
    Attempt as "Attempt" {
        1 => number,
        2 => at,
        3 => worker,
        4 => failure,
    }
}

message! {
    DeadLetter as "DeadLetter" {
        1 => row,
        2 => since,
        3 => reason,
        4 => size_bytes,
    }
}

kinds! {
    EffectBody as "EffectBody" {
        newtypes {
            1 => Message,
            2 => Work,
        }
    }
}

message! {
    MessageBody as "MessageBody" {
        1 => content,
        2 => content_version,
        3 => rendered,
        4 => why,
        5 => failed_channels,
        6 => fallback,
        8 => locale,
    }
}

message! {
    WorkBody as "WorkBody" {
        1 => kind,
        2 => input,
        3 => due_at,
    }
}

kinds! {
    EffectStatus as "EffectStatus" {
        units {
            1 => Open,
        }
        structs {
            2 => Claimed as "Claimed" {
                1 => until,
            },
            3 => Retrying as "Retrying" {
                1 => retry_at,
                2 => reason,
            },
        }
    }
}

message! {
    PausedTurn as "PausedTurn" {
        1 => stamp,
        2 => round,
        3 => events,
        4 => instances,
    }
}
