// StateMachine applies commands to a store, in the order of the log. What it does is a function of the state, the command and
// its index alone: no clock, no randomness, no I/O but the store's. Used by one thread at a time.
#pragma once

#include <span>

#include "metadata/transaction.h"

namespace gabion::metadata {

class StateMachine {
 public:
  // `store` must outlive it.
  static Result<std::unique_ptr<StateMachine>> load(KvStore& store);

  // The state is that of this cluster: invalid when it already is another's.
  Result<void> belong_to(const ClusterId& cluster);
  std::uint64_t applied() const { return tx_.totals().index; }
  // The log entry up to which everything is applied; it travels with the next commit().
  std::uint64_t entry() const { return tx_.totals().entry; }
  void set_entry(std::uint64_t entry) {
    tx_.totals().entry = entry;
    tx_.totals().entry_end = tx_.totals().index;
  }
  // How many commands of the next entry are applied already. A command that scans has the store write those before it, and
  // what is written may become durable before the entry is whole.
  std::size_t begun() const { return tx_.totals().index - tx_.totals().entry_end; }
  const Totals& totals() const { return tx_.totals(); }

  // Applies the command of the next index and gives the encoded CommandResult. commit() writes what was applied since the
  // last one, as one batch. After an error of either the state machine and its store are of no use any more.
  Result<std::string> apply(std::uint64_t index, std::string_view command);
  Result<void> commit();

 private:
  explicit StateMachine(KvStore& store) : tx_(store) {}
  mutable Transaction tx_;
  Command command_;
};

// Whether a command may enter the log: what applying it relies on. invalid or too_large otherwise.
Result<void> validate(const Command& command);

}  // namespace gabion::metadata
