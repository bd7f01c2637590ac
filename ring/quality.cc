#include <algorithm>
#include <cmath>
#include <numeric>

#include "ring/carry_over.h"
#include "ring/exchanges.h"
#include "ring/ring.h"
#include "ring/tree.h"

namespace gabion::ring {
namespace {

constexpr double kTolerance = 1e-6;

// Places of every node in one row; drives without weight are in no node.
std::vector<unsigned> count_row(const Tree& tree, std::span<const DriveIndex> row) {
  std::vector<unsigned> counts(tree.size());
  for (const DriveIndex drive : row) {
    if (drive != kNoDrive && tree.has(drive)) ++counts[tree.leaf(drive)];
  }
  for (std::size_t i = counts.size(); i-- > 1;)
    counts[tree.node(static_cast<NodeIndex>(i)).parent] += counts[i];
  return counts;
}

bool is_crowded(const Tree& tree, const std::vector<unsigned>& counts) {
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    if (counts[i] < 2) continue;
    const unsigned level = tree.level(i, counts[i]);
    for (const NodeIndex child : tree.node(i).children) {
      if (counts[child] > level) return true;
    }
  }
  return false;
}

// The most of `counts` under `node` that a well spread row can keep.
unsigned keepable(const Tree& tree, const std::vector<unsigned>& counts, NodeIndex index) {
  const Node& node = tree.node(index);
  unsigned below = node.children.empty() ? counts[index] : 0;
  for (const NodeIndex child : node.children) {
    if (counts[child] > 0) below += keepable(tree, counts, child);
  }
  return std::min(below, node.most);
}

// A drive's places over all rows, rounded both ways.
struct Wish {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

std::vector<Wish> wishes_of(const Tree& tree, std::uint32_t partitions) {
  std::vector<Wish> wishes;
  for (const double share : tree.shares()) {
    const double wish = share * partitions;
    wishes.push_back({static_cast<std::uint64_t>(std::floor(wish + kTolerance)),
                      static_cast<std::uint64_t>(std::ceil(wish - kTolerance))});
  }
  return wishes;
}

std::span<const DriveIndex> row_of(const std::vector<DriveIndex>& table, const Ring& ring,
                                   std::uint32_t partition) {
  return std::span(table).subspan(std::size_t{partition} * ring.width(), ring.width());
}

std::uint64_t count_moved(const std::vector<DriveIndex>& old_table, const Ring& after) {
  std::uint64_t moved = 0;
  for (std::uint32_t partition = 0; partition < after.partitions(); ++partition) {
    const std::span<const DriveIndex> old_row = row_of(old_table, after, partition);
    for (const DriveIndex drive : after.row(partition)) {
      moved += std::find(old_row.begin(), old_row.end(), drive) == old_row.end();
    }
  }
  return moved;
}

std::uint64_t lacking_or_refilled(const Tree& tree, const std::vector<Wish>& wishes,
                                  const std::vector<DriveIndex>& old_table, const Ring& after) {
  std::vector<std::uint64_t> held(tree.size());
  std::uint64_t keepable_places = 0;
  for (std::uint32_t partition = 0; partition < after.partitions(); ++partition) {
    const std::vector<unsigned> counts = count_row(tree, row_of(old_table, after, partition));
    for (std::size_t i = 0; i < counts.size(); ++i) held[i] += counts[i];
    keepable_places += keepable(tree, counts, kRoot);
  }
  std::uint64_t lacking = 0;
  std::uint64_t within_wishes = 0;
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    if (!tree.node(i).children.empty()) continue;
    lacking += wishes[i].low - std::min(wishes[i].low, held[i]);
    within_wishes += std::min(held[i], wishes[i].high);
  }
  const std::uint64_t all = std::uint64_t{after.partitions()} * after.width();
  return std::max(lacking, all - std::min(keepable_places, within_wishes));
}

constexpr int kImpossible = 1 << 28;

// The least that 0, 1, .. places in a node can cost, when no domain is crowded and each drive costs what
// `costs` says, by node.
std::vector<int> cheapest_places(const Tree& tree, NodeIndex index, const std::vector<int>& costs) {
  const Node& node = tree.node(index);
  if (node.children.empty()) return {0, costs[index]};
  std::vector<std::vector<int>> below;
  for (const NodeIndex child : node.children) below.push_back(cheapest_places(tree, child, costs));
  std::vector<int> cheapest(node.most + 1, kImpossible);
  cheapest[0] = 0;
  // How many places a child may take depends on how many the node has, so each such level is a problem of its
  // own.
  for (unsigned places = 1; places <= node.most;) {
    const unsigned level = tree.level(index, places);
    std::vector<int> sums(node.most + 1, kImpossible);
    sums[0] = 0;
    for (const std::vector<int>& child : below) {
      for (unsigned have = node.most; have > 0; --have) {
        const unsigned most = std::min({level, have, static_cast<unsigned>(child.size()) - 1});
        for (unsigned take = 1; take <= most; ++take)
          sums[have] = std::min(sums[have], sums[have - take] + child[take]);
      }
    }
    for (; places <= node.most && tree.level(index, places) == level; ++places)
      cheapest[places] = sums[places];
  }
  return cheapest;
}

std::uint64_t priced(const Tree& tree, const std::vector<Wish>& wishes,
                     const std::vector<DriveIndex>& old_table, const Ring& after) {
  std::vector<DriveIndex> table;
  for (std::uint32_t p = 0; p < after.partitions(); ++p)
    table.insert(table.end(), after.row(p).begin(), after.row(p).end());
  Exchanges exchanges(tree, after.partitions(), after.width(), old_table, table);
  const std::vector<DriveIndex>& drives = exchanges.drives();
  if (drives.size() > kDrivesSearched) return 0;
  const std::vector<int> prices = exchanges.prices();

  std::int64_t bound = 0;
  std::vector<int> costs(tree.size());
  for (std::uint32_t partition = 0; partition < after.partitions(); ++partition) {
    const std::span<const DriveIndex> old_row = row_of(old_table, after, partition);
    for (std::size_t i = 0; i < drives.size(); ++i) {
      const bool fresh = std::find(old_row.begin(), old_row.end(), drives[i]) == old_row.end();
      costs[tree.leaf(drives[i])] = (fresh ? 1 : 0) - prices[i];
    }
    bound += cheapest_places(tree, kRoot, costs)[after.width()];
  }
  for (std::size_t i = 0; i < drives.size(); ++i) {
    const Wish& wish = wishes[tree.leaf(drives[i])];
    bound += prices[i] * static_cast<std::int64_t>(prices[i] > 0 ? wish.low : wish.high);
  }
  return static_cast<std::uint64_t>(std::max<std::int64_t>(bound, 0));
}

}  // namespace

Quality quality(const Ring& ring) {
  Quality quality;
  if (ring.width() == 0) return quality;
  const Tree tree(ring.drives(), ring.width());
  const std::vector<double> shares = tree.shares();
  std::vector<std::uint64_t> places(ring.drives().size());
  for (std::uint32_t partition = 0; partition < ring.partitions(); ++partition) {
    quality.crowded_rows += is_crowded(tree, count_row(tree, ring.row(partition)));
    for (const DriveIndex drive : ring.row(partition)) ++places[drive];
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    const auto drive = static_cast<DriveIndex>(i);
    const double wish = tree.has(drive) ? shares[tree.leaf(drive)] * ring.partitions() : 0;
    // A drive without weight that still holds places deviates by all of them.
    const double base = wish > 0 ? wish : static_cast<double>(std::max<std::uint64_t>(places[i], 1));
    quality.imbalance = std::max(quality.imbalance, std::abs(static_cast<double>(places[i]) - wish) / base);
  }
  return quality;
}

// The minimum is the largest of three lower bounds, each of which holds for every ring over the drives of
// `after` that is well spread and gives each drive its wish, rounded down or up:
//   lacking:  what drives lack, summed over those that do: the wish rounded down less what they hold in
//   `before`; refilled: what rows lack that keep as much of `before` as a well spread row can, and of no
//   drive, over all rows,
//             more than its wish rounded up;
//   priced:   linear programming duality. For any price of a place of each drive, the moves of a ring are at
//   least what
//             each row alone costs at the least (1 for a new drive, less the drive's price), plus all wishes
//             paid. The prices are those that `after` suggests; any others would give a bound that holds,
//             only a weaker one.
Movement movement(const Ring& before, const Ring& after) {
  Movement movement;
  if (after.width() == 0) return movement;
  const Tree tree(after.drives(), after.width());
  const std::vector<DriveIndex> old_table =
      carry_over(before, after.drives(), after.width(), after.partition_bits());
  movement.moved = count_moved(old_table, after);
  const std::vector<Wish> wishes = wishes_of(tree, after.partitions());
  movement.minimum = lacking_or_refilled(tree, wishes, old_table, after);
  if (movement.minimum < movement.moved) {
    movement.minimum = std::max(movement.minimum, priced(tree, wishes, old_table, after));
  }
  return movement;
}

}  // namespace gabion::ring
