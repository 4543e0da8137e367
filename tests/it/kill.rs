//! Placeholder until the runs on real data are written below.
