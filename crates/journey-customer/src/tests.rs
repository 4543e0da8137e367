//! What the engine does, told as scripts: journeys in YAML, what happens to one customer, and the journal it makes.

mod script;

mod dead_letters;
mod delays;
mod delivery;
mod enroll;
mod entries;
mod exits_and_goals;
mod laws;
mod limits;
mod scenarios;
mod steps;
mod waits;
mod work;

use script::run;
