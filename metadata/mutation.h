// Deliberate mistakes, for the proof that the tests notice them. Only the simulation's build of these sources has them.
#pragma once

namespace gabion::metadata {

enum class Mutation {
  none,
  skip_log_sync,            // a batch is acknowledged without a sync
  skip_applied_index,       // the applied index does not travel in the batch
  acknowledge_after_one,    // one replica's sync is enough
  stale_replica_wins,       // epochs are not looked at
  keep_failed_replica,      // a replica whose sync failed stays in
  truncate_log_early,       // the log goes before the state is flushed
  // of the Raft layer
  send_vote_early,          // a vote is told before it is durable
  forget_vote,              // a vote is never written down
  acknowledge_early,        // entries count as stored before they are
  refuse_lost,              // a command whose leader was deposed is refused, although it may yet be committed
  acknowledge_lost,         // it is acknowledged
  read_at_once,             // a leader answers reads without asking whether it still leads
  read_before_own_entry,    // a new leader answers reads before it knows what was committed
  cut_log_early,            // the Raft log goes before the state is durable
  apply_again,              // entries that the state has are applied again
};

#ifdef GABION_MUTANTS
inline Mutation active_mutation = Mutation::none;
inline bool mutated(Mutation mutation) { return active_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace gabion::metadata
