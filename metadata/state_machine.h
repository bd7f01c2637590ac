// StateMachine applies commands to a store, in the order of the log. What it does is a function of the state, the command and
// its index alone: no clock, no randomness, no I/O but the store's. Used by one thread at a time.
#pragma once

#include <optional>

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
  // What the group owns, as of the last command applied: another object after each split. Who reads from the store goes by the
  // one that was published with it, and reads again when another was published meanwhile.
  const std::shared_ptr<const GroupRange>& range() const { return tx_.range(); }
  // The split that applying `command` next would carry out; nullopt for all other commands, and when it was carried out already
  // or will be refused. Before that split is applied, the state as it is has to be copied: see become_child().
  Result<std::optional<SplitRange>> split_due(std::string_view command);

  // Applies the command of the next index and gives the encoded CommandResult. commit() writes what was applied since the
  // last one, as one batch. After an error of either the state machine and its store are of no use any more.
  Result<std::string> apply(std::uint64_t index, std::string_view command);
  Result<void> commit();

 private:
  explicit StateMachine(KvStore& store) : tx_(store) {}
  mutable Transaction tx_;
  Command command_;
};

// Turns a copy of the parent's state, with all that was applied before the split, into the first state of the group that is split
// off: its log begins behind `entry`. Durable with the next flush(). Does nothing to a state that is the child's already.
// Errc::invalid when the copy is not one that this split can divide.
Result<void> become_child(KvStore& store, const SplitRange& split, std::uint64_t entry);

// Whether a command may enter the log: what applying it relies on. invalid or too_large otherwise.
Result<void> validate(const Command& command);

}  // namespace gabion::metadata
