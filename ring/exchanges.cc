#include "ring/exchanges.h"

#include <algorithm>

#include "ring/carry_over.h"

namespace gabion::ring {
namespace {

constexpr std::size_t kRowsRemembered = 6'000'000;
constexpr std::size_t kPairsLookedAt = 20'000'000;
// Every search ends with less moved; the bound only guards the time that a build may take.
// One move in so many may be for nothing before it is worth a search.
constexpr std::uint64_t kWasteTolerated = 100;
constexpr int kSearchesMost = 100;
constexpr std::size_t kNowhere = ~std::size_t{0};

// The drives of a circle in `from`, which leads from each drive to the one before it, in the order of giving.
std::optional<std::vector<std::size_t>> circle_in(const std::vector<std::size_t>& from) {
  std::vector<std::size_t> seen_from(from.size(), kNowhere);
  for (std::size_t start = 0; start < from.size(); ++start) {
    std::size_t at = start;
    for (; at != kNowhere && seen_from[at] == kNowhere; at = from[at]) seen_from[at] = start;
    if (at == kNowhere || seen_from[at] != start) continue;
    std::vector<std::size_t> circle{at};
    for (std::size_t i = from[at]; i != at; i = from[i]) circle.push_back(i);
    std::reverse(circle.begin(), circle.end());
    return circle;
  }
  return std::nullopt;
}

}  // namespace

Exchanges::Exchanges(const Tree& tree, std::uint32_t partitions, unsigned width,
                     const std::vector<DriveIndex>& old_table, std::vector<DriveIndex>& table)
    : tree_(tree),
      partitions_(partitions),
      width_(width),
      old_table_(old_table),
      table_(table),
      counts_(tree.size()) {
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    if (tree.node(i).children.empty()) drives_.push_back(tree.node(i).drive);
  }
}

void Exchanges::run() {
  if (drives_.size() > kDrivesSearched) return;
  // Most of what can be undone takes only rows that changed, which are few.
  for (const Rows rows : {Rows::changed, Rows::all}) {
    for (int search = 0; search < kSearchesMost; ++search) {
      if (!may_waste_moves()) return;
      collect(rows);
      bool progress = false;
      while (auto cycle = find_cycle()) {
        while (follow(*cycle)) progress = true;
      }
      if (!progress) break;
    }
  }
}

bool Exchanges::was_in(std::uint32_t row, DriveIndex drive) const {
  const DriveIndex* places = &old_table_[std::size_t{row} * width_];
  return std::find(places, places + width_, drive) != places + width_;
}

bool Exchanges::is_changed(std::uint32_t row) const {
  for (unsigned i = 0; i < width_; ++i) {
    if (!was_in(row, table_[std::size_t{row} * width_ + i])) return true;
  }
  return false;
}

// What drives have more than they had must have moved; what moved beyond that may have done so for nothing.
bool Exchanges::may_waste_moves() const {
  std::vector<std::int64_t> gained(tree_.size());
  for (const DriveIndex drive : old_table_) {
    if (drive != kNoDrive && tree_.has(drive)) --gained[tree_.leaf(drive)];
  }
  for (const DriveIndex drive : table_) ++gained[tree_.leaf(drive)];
  std::uint64_t needed = 0;
  for (const std::int64_t count : gained)
    needed += static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  std::uint64_t moved = 0;
  for (std::size_t i = 0; i < table_.size(); ++i)
    moved += !was_in(static_cast<std::uint32_t>(i / width_), table_[i]);
  return moved - needed > needed / kWasteTolerated;
}

// What the row holds of each node.
void Exchanges::count_row(std::uint32_t row) {
  std::fill(counts_.begin(), counts_.end(), std::uint8_t{0});
  for (unsigned i = 0; i < width_; ++i) {
    const DriveIndex drive = table_[std::size_t{row} * width_ + i];
    for (unsigned depth = 0; depth <= tree_.drive_depth(); ++depth) ++counts_[tree_.ancestor(drive, depth)];
  }
}

// Whether no child of the node is crowded once `gives` has a place less and `takes` one more.
bool Exchanges::stays_spread(NodeIndex node, NodeIndex gives, NodeIndex takes) const {
  unsigned places = counts_[node];
  if (gives == kRoot) ++places;
  if (takes == kRoot) --places;
  const unsigned level = tree_.level(node, places);
  for (const NodeIndex child : tree_.node(node).children) {
    const unsigned count = counts_[child] + (child == takes ? 1u : 0u) - (child == gives ? 1u : 0u);
    if (count > level) return false;
  }
  return true;
}

// From the drives up to where their paths meet, the domains on the paths change; none may become crowded.
bool Exchanges::keeps_spread(DriveIndex gives, DriveIndex takes) const {
  for (unsigned depth = tree_.drive_depth(); depth-- > 0;) {
    const NodeIndex from = tree_.ancestor(gives, depth);
    const NodeIndex to = tree_.ancestor(takes, depth);
    const NodeIndex giving = tree_.ancestor(gives, depth + 1);
    const NodeIndex taking = tree_.ancestor(takes, depth + 1);
    if (from == to) return stays_spread(from, giving, taking);
    if (!stays_spread(from, giving, kRoot) || !stays_spread(to, kRoot, taking)) return false;
  }
  return true;
}

// Of the row that was counted last.
std::optional<int> Exchanges::cost_of(std::uint32_t row, DriveIndex gives, DriveIndex takes) const {
  if (counts_[tree_.leaf(gives)] == 0 || counts_[tree_.leaf(takes)] != 0) return std::nullopt;
  if (!keeps_spread(gives, takes)) return std::nullopt;
  return (was_in(row, gives) ? 1 : 0) - (was_in(row, takes) ? 1 : 0);
}

void Exchanges::collect(Rows which) {
  rows_.resize(drives_.size() * drives_.size() * kCosts);
  rows_most_ = std::max<std::size_t>(kRowsRemembered / rows_.size(), 8);
  for (auto& rows : rows_) rows.clear();
  // Of a large table a part of the rows in which nothing moved is enough: they all offer nearly the same.
  const std::size_t stride = 1 + std::size_t{partitions_} * width_ * drives_.size() / kPairsLookedAt;
  for (std::uint32_t row = 0; row < partitions_; ++row) {
    if (is_changed(row) || (which == Rows::all && row % stride == 0)) collect_row(row);
  }
}

void Exchanges::collect_row(std::uint32_t row) {
  count_row(row);
  for (std::size_t gives = 0; gives < drives_.size(); ++gives) {
    if (counts_[tree_.leaf(drives_[gives])] == 0) continue;
    for (std::size_t takes = 0; takes < drives_.size(); ++takes) {
      const auto cost = cost_of(row, drives_[gives], drives_[takes]);
      if (!cost) continue;
      auto& rows = rows_of(gives, takes, *cost);
      if (rows.size() < rows_most_) rows.push_back(row);
    }
  }
}

std::optional<int> Exchanges::cheapest(std::size_t gives, std::size_t takes) {
  for (const int cost : {-1, 0, 1}) {
    if (!rows_of(gives, takes, cost).empty()) return cost;
  }
  return std::nullopt;
}

bool Exchanges::relax(std::vector<int>& distances, std::vector<std::size_t>& from) {
  bool changed = false;
  for (std::size_t a = 0; a < drives_.size(); ++a) {
    for (std::size_t b = 0; b < drives_.size(); ++b) {
      const std::optional<int> cost = cheapest(a, b);
      if (!cost || distances[a] + *cost >= distances[b]) continue;
      distances[b] = distances[a] + *cost;
      from[b] = a;
      changed = true;
    }
  }
  return changed;
}

std::vector<int> Exchanges::prices() {
  collect(Rows::all);
  std::vector<int> distances(drives_.size(), 0);
  std::vector<std::size_t> from(drives_.size(), kNowhere);
  for (std::size_t round = 0; round < drives_.size(); ++round) {
    if (!relax(distances, from)) break;
  }
  return distances;
}

// A cycle of negative cost, by Bellman and Ford from all drives at once. Such a cycle is there as soon as the
// ways back from a drive run in a circle, which takes few rounds; without one, distances come to rest.
std::optional<Exchanges::Cycle> Exchanges::find_cycle() {
  std::vector<int> distances(drives_.size(), 0);
  std::vector<std::size_t> from(drives_.size(), kNowhere);
  while (relax(distances, from)) {
    if (auto cycle = circle_in(from)) return cycle;
  }
  return std::nullopt;
}

// Makes the exchanges of the cycle, each in a row of its own. False, and nothing done, when a row that was
// collected no longer serves; it is then forgotten.
bool Exchanges::follow(const Cycle& cycle) {
  std::vector<std::uint32_t> rows;
  int total = 0;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const std::size_t gives = cycle[i];
    const std::size_t takes = cycle[(i + 1) % cycle.size()];
    const auto cost = cheapest(gives, takes);
    if (!cost) return false;
    auto& candidates = rows_of(gives, takes, *cost);
    const std::uint32_t row = candidates.back();
    count_row(row);
    if (cost_of(row, drives_[gives], drives_[takes]) != *cost ||
        std::find(rows.begin(), rows.end(), row) != rows.end()) {
      candidates.pop_back();
      return false;
    }
    total += *cost;
    rows.push_back(row);
  }
  if (total >= 0) return false;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    const DriveIndex gives = drives_[cycle[i]];
    DriveIndex* places = &table_[std::size_t{rows[i]} * width_];
    *std::find(places, places + width_, gives) = drives_[cycle[(i + 1) % cycle.size()]];
  }
  return true;
}

}  // namespace gabion::ring
