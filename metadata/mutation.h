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
};

#ifdef GABION_MUTANTS
inline Mutation active_mutation = Mutation::none;
inline bool mutated(Mutation mutation) { return active_mutation == mutation; }
#else
constexpr bool mutated(Mutation) { return false; }
#endif

}  // namespace gabion::metadata
