#include "ring/split.h"

#include <deque>

#include "common/check.h"
#include "ring/mix.h"

namespace gabion::ring {
Split::Split(const Tree& tree, Places& places, NodeIndex node, const std::vector<std::uint8_t>& in_rows,
             const std::vector<std::uint64_t>& targets)
    : places_(places), in_rows_(in_rows) {
  const std::uint64_t rows = places.partitions();
  for (const NodeIndex child : tree.node(node).children) {
    children_.push_back({.node = child,
                         .low = static_cast<std::uint8_t>(targets[child] / rows),
                         .high = static_cast<std::uint8_t>((targets[child] + rows - 1) / rows),
                         .surplus = -static_cast<std::int64_t>(targets[child])});
  }
  counts_.assign(rows * children_.size(), 0);
}

void Split::run() {
  start_from_kept();
  settle_rows();
  exchange_directly();
  exchange_by_paths();
}

std::vector<std::uint8_t> Split::column(std::size_t child) const {
  std::vector<std::uint8_t> column(places_.partitions());
  for (std::uint32_t row = 0; row < column.size(); ++row) column[row] = count(row, child);
  return column;
}

// A child that has new places in the row gives one of these up for nothing; so does one with a place of a
// drive that keeps more than it is to have.
bool Split::can_give(std::uint32_t row, std::size_t child, Cost cost) const {
  const Child& c = children_[child];
  if (count(row, child) <= c.low) return false;
  return cost == Cost::any || count(row, child) > places_.kept(row, c.node) ||
         places_.has_surplus(row, c.node);
}

void Split::give(std::uint32_t row, std::size_t child) {
  Child& c = children_[child];
  if (count(row, child) == places_.kept(row, c.node)) places_.release(row, c.node);
  --count(row, child);
  --c.surplus;
}

void Split::take(std::uint32_t row, std::size_t child) {
  Child& c = children_[child];
  ++count(row, child);
  ++c.surplus;
  places_.restore(row, c.node);
}

// Rows are visited in an order that is not theirs, so that what moves is strewn over the table.
std::uint32_t Split::shuffled(std::uint32_t row) const {
  return (row * 0x9e3779b1u + children_.front().node * 0x85ebca6bu) & (places_.partitions() - 1);
}

void Split::start_from_kept() {
  for (std::uint32_t row = 0; row < places_.partitions(); ++row) {
    for (std::size_t i = 0; i < children_.size(); ++i) {
      Child& c = children_[i];
      unsigned kept = places_.kept(row, c.node);
      for (; kept > c.high; --kept) places_.release(row, c.node);
      count(row, i) = static_cast<std::uint8_t>(std::max<unsigned>(kept, c.low));
      c.surplus += count(row, i);
    }
  }
}

void Split::settle_rows() {
  std::vector<unsigned> sums(places_.partitions());
  for (std::uint32_t row = 0; row < sums.size(); ++row) {
    for (std::size_t i = 0; i < children_.size(); ++i) sums[row] += count(row, i);
    for (; sums[row] > in_rows_[row]; --sums[row]) drop_from(row);
  }
  for (std::uint32_t i = 0; i < sums.size(); ++i) {
    const std::uint32_t row = shuffled(i);
    for (; sums[row] < in_rows_[row]; ++sums[row]) add_to(row);
  }
}

void Split::drop_from(std::uint32_t row) {
  std::optional<std::size_t> best;
  bool best_free = false;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (!can_give(row, i, Cost::any)) continue;
    const bool free = can_give(row, i, Cost::free);
    if (best && best_free && !free) continue;
    if (!best || free != best_free || children_[i].surplus > children_[*best].surplus) best = i;
    best_free = free;
  }
  GABION_CHECK(best.has_value(), "a row has too many places, and no domain can give one");
  give(row, *best);
}

void Split::add_to(std::uint32_t row) {
  std::optional<std::size_t> best;
  std::uint64_t best_tie = 0;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (!can_take(row, i)) continue;
    if (best && children_[i].surplus > children_[*best].surplus) continue;
    const std::uint64_t tie = mix(std::uint64_t{row} << 32 | children_[i].node);
    if (best && children_[i].surplus == children_[*best].surplus && tie > best_tie) continue;
    best = i;
    best_tie = tie;
  }
  GABION_CHECK(best.has_value(), "a row has a place to fill, and no domain can take it");
  take(row, *best);
}

// One exchange a row and round: drives that come together would otherwise land in the same rows.
void Split::exchange_directly() {
  for (bool progress = true; progress;) {
    progress = false;
    for (std::uint32_t i = 0; i < places_.partitions(); ++i) progress |= exchange_in(shuffled(i));
  }
}

bool Split::exchange_in(std::uint32_t row) {
  std::optional<std::size_t> giver, taker;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const std::int64_t surplus = children_[i].surplus;
    if (surplus > 0 && (!giver || surplus > children_[*giver].surplus) && can_give(row, i, Cost::free))
      giver = i;
    if (surplus < 0 && (!taker || surplus < children_[*taker].surplus) && can_take(row, i)) taker = i;
  }
  if (!giver || !taker) return false;
  give(row, *giver);
  take(row, *taker);
  return true;
}

// What is left needs a detour over children that only pass places on, or costs a move more than the count
// says.
void Split::exchange_by_paths() {
  std::vector<std::optional<Arc>> arrived;
  for (const Cost cost : {Cost::free, Cost::any}) {
    while (auto end = find_path(cost, arrived)) {
      for (std::size_t at = *end; arrived[at]; at = arrived[at]->from) {
        give(arrived[at]->row, arrived[at]->from);
        take(arrived[at]->row, at);
      }
    }
  }
  for (const Child& child : children_) GABION_CHECK(child.surplus == 0, "no path leads to a balanced table");
}

// Breadth first from all children with a surplus to one that lacks places. `arrived` says how each was
// reached.
std::optional<std::size_t> Split::find_path(Cost cost, std::vector<std::optional<Arc>>& arrived) const {
  arrived.assign(children_.size(), std::nullopt);
  std::deque<std::size_t> reached;
  std::vector<std::size_t> unreached;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (children_[i].surplus > 0) {
      reached.push_back(i);
    } else {
      unreached.push_back(i);
    }
  }
  for (; !reached.empty(); reached.pop_front()) {
    const std::size_t from = reached.front();
    for (std::uint32_t i = 0; i < places_.partitions() && !unreached.empty(); ++i) {
      const std::uint32_t row = shuffled(i);
      if (!can_give(row, from, cost)) continue;
      for (std::size_t u = 0; u < unreached.size();) {
        const std::size_t to = unreached[u];
        if (!can_take(row, to)) {
          ++u;
          continue;
        }
        arrived[to] = Arc{.from = from, .row = row};
        if (children_[to].surplus < 0) return to;
        reached.push_back(to);
        unreached[u] = unreached.back();
        unreached.pop_back();
      }
    }
  }
  return std::nullopt;
}

}  // namespace gabion::ring
