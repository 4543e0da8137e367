//! Effects whose retry budget is used up.

use journey_customer::limits::DEAD_LETTERS_MAX;
use journey_customer::{Command, Outcome, Reply, SetAside};
use journey_types::TimeSpan;

use super::bed::{Bed, key};
use crate::core::Answer;
use crate::core::limits::DEAD_LETTERS_SIZE_BYTES_MAX;

const HOUR: TimeSpan = TimeSpan::from_hours(1);

fn with_budget(attempts_max: u32) -> Bed {
    Bed::with(|options| options.delivery.default.attempts_max = attempts_max).lead()
}

fn fail(bed: &mut Bed) {
    let hand_over = bed.hand_overs.pop().expect("handed over");
    let (reason, retry_at) = ("busy".to_owned(), bed.now);
    bed.settle(&hand_over, Outcome::FailedForNow { reason, retry_at });
    bed.commit_all();
}

#[test]
fn a_dead_letter_unblocks_its_channel_and_a_replay_is_handed_over_anew() {
    let mut bed = with_budget(2);
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.send("ann", "message_push", "2");
    bed.commit_all();
    let first = bed.hand_overs[0].row.effect;
    fail(&mut bed);
    bed.pass(TimeSpan::from_secs(2));
    bed.commit_all();
    assert_eq!(bed.hand_overs[0].row.effect, first, "it is tried again");
    fail(&mut bed);
    let ann = bed.state("ann");
    let letter = &ann.dead_letters[&first];
    assert_eq!((letter.row.attempt, letter.reason.as_str()), (2, "busy"));
    assert_eq!(letter.row.attempts[0].worker, "w1");
    let second = bed.hand_overs.pop().expect("the next of its channel");
    assert!(second.row.effect > first);
    bed.settle(&second, Outcome::Sent);
    bed.commit_all();
    let (birth, effect) = (ann.birth, first);
    let replayed = bed.submit(vec![(
        key("ann"),
        Command::ReplayDeadLetter { birth, effect },
    )]);
    bed.commit_all();
    assert!(matches!(
        bed.answers[&replayed][0],
        Answer::Done {
            reply: Reply::Replayed { .. },
            ..
        }
    ));
    let again = bed.hand_overs.pop().expect("handed over anew");
    assert_eq!((again.row.effect, again.row.attempt), (first, 3));
    bed.settle(&again, Outcome::Delivered);
    bed.commit_all();
    let ann = bed.state("ann");
    assert!(ann.dead_letters.is_empty() && ann.outbox.is_empty());
}

#[test]
fn handings_over_that_nobody_answers_use_the_budget_up() {
    let mut bed = with_budget(2);
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    for _ in 0..2 {
        bed.pass(HOUR);
        bed.commit_all();
    }
    let ann = bed.state("ann");
    let letter = ann
        .dead_letters
        .values()
        .next()
        .expect("two claims expired");
    let failures = letter.row.attempts.iter().map(|one| one.failure.as_deref());
    assert_eq!(
        failures.collect::<Vec<_>>(),
        [Some("no answer by its until"); 2]
    );
    assert_eq!(bed.hand_overs.len(), 2);
}

#[test]
fn without_room_for_dead_letters_the_queue_stands_still_visibly_and_loses_nothing() {
    let mut bed = with_budget(1);
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    bed.fill_dead_letters(DEAD_LETTERS_SIZE_BYTES_MAX);
    fail(&mut bed);
    let stopped = bed.core.status(bed.now).stopped_queues;
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0].destination.to_string(), "push");
    assert_eq!(bed.state("ann").outbox.len(), 1);
    bed.pass(TimeSpan::from_secs(29 * 60));
    assert!(bed.hand_overs.is_empty(), "it is tried as seldom as ever");
    bed.fill_dead_letters(0);
    assert!(bed.core.status(bed.now).stopped_queues.is_empty());
    bed.pass(HOUR);
    bed.commit_all();
    fail(&mut bed);
    assert_eq!(bed.state("ann").dead_letters.len(), 1);
}

#[test]
fn a_customer_with_as_many_dead_letters_as_may_lie_with_one_is_told_of() {
    let mut bed = with_budget(1);
    bed.subscribe(1, &["push"], 100);
    for n in 0..=DEAD_LETTERS_MAX {
        bed.send("ann", "message_push", &n.to_string());
        bed.commit_all();
        fail(&mut bed);
    }
    assert_eq!(bed.state("ann").dead_letters.len(), DEAD_LETTERS_MAX);
    let stopped = bed.core.status(bed.now).stopped_queues;
    assert_eq!(stopped.len(), 1);
    let customer = stopped[0].customer.as_ref().map(ToString::to_string);
    assert_eq!(customer.as_deref(), Some("ann"));
    let ann = bed.state("ann");
    let (birth, effect) = (ann.birth, *ann.dead_letters.keys().next().unwrap());
    let what = SetAside::DeadLetter(effect);
    bed.submit(vec![(key("ann"), Command::Discard { birth, what })]);
    bed.commit_all();
    assert!(bed.core.status(bed.now).stopped_queues.is_empty());
}

#[test]
fn a_worker_may_ask_for_a_later_retry_than_the_backoff_but_not_for_never() {
    let mut bed = with_budget(9);
    bed.subscribe(1, &["push"], 10);
    for (asked, least) in [
        (HOUR, HOUR),
        (TimeSpan::from_days(400), TimeSpan::from_days(1)),
    ] {
        bed.send("ann", "message_push", &asked.ms().to_string());
        bed.commit_all();
        let hand_over = bed.hand_overs.pop().expect("handed over");
        let (reason, retry_at) = ("busy".to_owned(), bed.now.plus(asked));
        bed.settle(&hand_over, Outcome::FailedForNow { reason, retry_at });
        bed.commit_all();
        bed.pass(TimeSpan::from_ms(least.ms() - 1));
        bed.commit_all();
        assert!(bed.hand_overs.is_empty());
        bed.pass(TimeSpan::from_ms(1));
        bed.commit_all();
        let hand_over = bed.hand_overs.pop().expect("at last");
        bed.settle(&hand_over, Outcome::Sent);
        bed.commit_all();
    }
}
