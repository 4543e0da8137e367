//! Facts: the numbers of their kinds and fields. A number once released keeps its meaning for ever.

use journey_customer::{
    ArmedTimer, Closing, Departure, Ending, Enrollment, Entrance, EventBody, FallbackScope, Feed,
    IngestMode, InstanceEntered, InstanceRef, MessageGranted, Outcome, QuarantinedCommand,
    RaisedEvent, Rest, SetAside, TimerKind, WorkEmitted, WorkKind,
};
use journey_types::Destination;

use crate::wire::field::Plain;
use crate::wire::message::{kinds, message, shared};
use crate::wire::{Fault, Wire, Writer};

// The frequent kinds have the numbers whose tag takes one byte.
kinds! {
    EventBody as "Fact" {
        units {
            23 => TurnResumed,
            30 => CustomerReleased,
        }
        newtypes {
            5 => InstanceEntered,
            7 => MessageGranted,
            27 => CommandQuarantined,
            24 => WorkEmitted,
        }
        structs {
            1 => EventAccepted as "EventAccepted" {
                1 => fingerprint,
                2 => event,
                3 => raised_by,
                4 => mode,
                5 => feeds,
            },
            2 => StepMoved as "StepMoved" {
                1 => instance,
                2 => from,
                3 => how,
                4 => to,
            },
            3 => Rested as "Rested" {
                1 => instance,
                2 => rest,
            },
            4 => TimerFired as "TimerFired" {
                1 => instance,
                2 => timer,
                3 => due_at,
            },
            6 => InstanceEnded as "InstanceEnded" {
                1 => instance,
                2 => entered_at,
                3 => left,
                4 => was_parked,
                5 => ending,
            },
            8 => EffectClaimed as "EffectClaimed" {
                1 => effect,
                2 => attempt,
                3 => until,
                4 => worker,
            },
            9 => EffectSettled as "EffectSettled" {
                1 => effect,
                2 => attempt,
                3 => outcome,
            },
            10 => TraitChanged as "TraitChanged" {
                1 => name,
                2 => value,
            },
            11 => VarChanged as "VarChanged" {
                1 => instance,
                2 => name,
                3 => value,
            },
            12 => GoalReached as "GoalReached" {
                1 => instance,
                2 => goal,
            },
            13 => MessageRefused as "MessageRefused" {
                1 => instance,
                2 => content,
                3 => reason,
            },
            14 => EntryRefused as "EntryRefused" {
                1 => journey,
                2 => version,
                3 => reason,
            },
            15 => BranchForeseen as "BranchForeseen" {
                1 => instance,
                2 => step,
                3 => branch_idx,
            },
            16 => CustomerBorn as "CustomerBorn" {
                1 => birth,
            },
            17 => LifecycleChanged as "LifecycleChanged" {
                1 => stage,
            },
            18 => EntryQueued as "EntryQueued" {
                1 => journey,
                2 => key,
                3 => entry,
                4 => n_dropped,
            },
            31 => EnrollmentAccepted as "EnrollmentAccepted" {
                1 => fingerprint,
                2 => journey,
            },
            19 => EntryDequeued as "EntryDequeued" {
                1 => journey,
                2 => key,
            },
            20 => InstanceParked as "InstanceParked" {
                1 => instance,
                2 => reason,
            },
            21 => EffectWithdrawn as "EffectWithdrawn" {
                1 => effect,
                2 => reason,
            },
            25 => TaskOverdue as "TaskOverdue" {
                1 => instance,
                2 => effect,
                3 => due_at,
                4 => escalated_to,
            },
            26 => EffectDeadLettered as "EffectDeadLettered" {
                1 => effect,
                2 => reason,
                3 => size_bytes,
            },
            28 => SetAsideClosed as "SetAsideClosed" {
                1 => what,
                2 => how,
                3 => size_bytes,
            },
            29 => CustomerParked as "CustomerParked" {
                1 => reason,
            },
            22 => TurnPaused as "TurnPaused" {
                1 => round,
                2 => events,
                3 => instances,
            },
        }
    }
}

message! {
    RaisedEvent as "RaisedEvent" {
        1 => depth,
        2 => event,
        3 => raised_by,
    }
}

message! {
    InstanceEntered as "InstanceEntered" {
        1 => instance,
        2 => journey,
        3 => version,
        4 => key,
        5 => step,
        6 => entry,
        7 => goals,
        8 => remembered_until,
    }
}

kinds! {
    Entrance as "Entrance" {
        newtypes {
            1 => Event,
            2 => Enrolled,
        }
    }
}

message! {
    Enrollment as "Enrollment" {
        1 => journey,
        2 => id,
        3 => input,
    }
}

message! {
    MessageGranted as "MessageGranted" {
        1 => instance,
        2 => journey,
        3 => version,
        4 => step,
        5 => channel,
        6 => content,
        7 => content_version,
        8 => rendered,
        9 => why,
        10 => purpose,
        11 => send_by,
        12 => failed_channels,
        13 => fallback,
        15 => locale,
    }
}

message! {
    WorkEmitted as "WorkEmitted" {
        1 => instance,
        2 => journey,
        3 => version,
        4 => step,
        5 => kind,
        6 => destination,
        7 => input,
        8 => purpose,
        9 => due_at,
        10 => send_by,
    }
}

kinds! {
    Destination as "Destination" {
        newtypes {
            1 => Channel,
            2 => Queue,
            3 => Connector,
        }
    }
}

message! {
    QuarantinedCommand as "QuarantinedCommand" {
        1 => kind,
        2 => event,
        3 => mode,
        4 => reason,
        5 => since,
        6 => size_bytes,
        7 => enrollment,
    }
}

kinds! {
    SetAside as "SetAside" {
        newtypes {
            1 => DeadLetter,
            2 => Command,
        }
    }
}

impl Plain for Closing {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(
            number,
            match self {
                Self::Replayed => 0,
                Self::Discarded => 1,
                Self::Expired => 2,
                Self::Settled => 3,
            },
        );
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        match wire.varint()? {
            0 => Ok(Self::Replayed),
            1 => Ok(Self::Discarded),
            2 => Ok(Self::Expired),
            3 => Ok(Self::Settled),
            other => Err(Fault::new(format!(
                "unknown end {other} of a thing set aside"
            ))),
        }
    }

    fn implied() -> Option<Self> {
        Some(Self::Replayed)
    }

    fn is_implied(&self) -> bool {
        *self == Self::Replayed
    }
}

message! {
    FallbackScope as "FallbackScope" {
        1 => key,
        2 => entry,
        3 => entered_at,
        4 => vars,
    }
}

shared!(FallbackScope, QuarantinedCommand, Enrollment);

message! {
    InstanceRef as "InstanceRef" {
        1 => number,
        2 => journey,
        3 => version,
    }
}

message! {
    Feed as "Feed" {
        1 => aggregate,
        2 => window_max,
        3 => amount_nanos,
    }
}

message! {
    Rest as "Rest" {
        1 => timers,
        2 => when_values,
        3 => awaited_effect,
    }
}

message! {
    ArmedTimer as "ArmedTimer" {
        1 => due_at,
        2 => kind,
    }
}

kinds! {
    TimerKind as "TimerKind" {
        units {
            1 => Delay,
            3 => StepTimeout,
            4 => Recheck,
            5 => Sla,
        }
        newtypes {
            2 => Branch,
        }
    }
}

kinds! {
    Departure as "Departure" {
        units {
            1 => Done,
            2 => Skipped,
            3 => TimedOut,
        }
        newtypes {
            4 => Branch,
            5 => Failed,
            6 => Refused,
        }
        structs {
            7 => AlreadyDue as "AlreadyDue" {
                1 => branch_idx,
                2 => due_at,
            },
        }
    }
}

kinds! {
    Ending as "Ending" {
        units {
            1 => Completed,
        }
        newtypes {
            2 => Goal,
            3 => Exited,
        }
    }
}

kinds! {
    Outcome as "Outcome" {
        units {
            1 => Sent,
            2 => Delivered,
        }
        structs {
            3 => FailedForGood as "FailedForGood" {
                1 => reason,
            },
            4 => FailedForNow as "FailedForNow" {
                1 => reason,
                2 => retry_at,
            },
            5 => Completed as "Completed" {
                1 => result,
            },
            6 => Returned as "Returned" {
                1 => retry_at,
            },
        }
    }
}

impl Plain for WorkKind {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(
            number,
            match self {
                Self::Call => 0,
                Self::Task => 1,
            },
        );
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        match wire.varint()? {
            0 => Ok(Self::Call),
            1 => Ok(Self::Task),
            other => Err(Fault::new(format!("unknown kind of work {other}"))),
        }
    }

    fn implied() -> Option<Self> {
        Some(Self::Call)
    }

    fn is_implied(&self) -> bool {
        *self == Self::Call
    }
}

impl Plain for IngestMode {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(
            number,
            match self {
                Self::Live => 0,
                Self::History => 1,
            },
        );
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        match wire.varint()? {
            0 => Ok(Self::Live),
            1 => Ok(Self::History),
            other => Err(Fault::new(format!("unknown ingest mode {other}"))),
        }
    }

    fn implied() -> Option<Self> {
        Some(Self::Live)
    }

    fn is_implied(&self) -> bool {
        *self == Self::Live
    }
}
