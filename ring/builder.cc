// build(): the domains are split top down (Split), which fixes how many places of each row lie in each drive
// (0 or 1); moves that turn out unnecessary are undone (Exchanges); then drives that stay in a row stay at
// their position, and new ones take the vacant positions.
#include <algorithm>
#include <cmath>

#include "common/check.h"
#include "ring/carry_over.h"
#include "ring/exchanges.h"
#include "ring/limits.h"
#include "ring/mix.h"
#include "ring/places.h"
#include "ring/split.h"
#include "ring/tree.h"

namespace gabion::ring {
namespace {

// Shares times partitions this close to a whole number are that number.
constexpr double kTolerance = 1e-6;

Result<void> check_drives(const std::vector<Drive>& drives, unsigned width) {
  if (drives.size() > kDrivesMax)
    return Error(Errc::invalid, fmt::format("a ring has at most {} drives", kDrivesMax));
  std::size_t weighted = 0;
  for (std::size_t i = 0; i < drives.size(); ++i) {
    const Drive& drive = drives[i];
    if (i > 0 && drive.id == drives[i - 1].id) {
      return Error(Errc::invalid, fmt::format("drive {} is named twice", drive.id.to_hex()));
    }
    TRY_OK(check_drive(drive, drives.front().domain.size()));
    weighted += drive.weight > 0;
  }
  if (weighted < width) {
    return Error(
        Errc::invalid,
        fmt::format("a row of {} needs at least {} drives with weight, but there {} {}", width, width,
                    weighted == 1 ? "is" : "are", weighted == 0 ? "none" : std::to_string(weighted)));
  }
  return {};
}

// How many places each node is to have over all rows: its share, rounded so that the children of a node add
// up to it. Where rounding leaves a choice, the node that holds more already gets more, so that nothing moves
// for it.
std::vector<std::uint64_t> choose_targets(const Tree& tree, std::uint32_t partitions,
                                          const std::vector<std::uint64_t>& kept) {
  std::vector<std::uint64_t> targets(tree.size());
  targets[kRoot] = std::uint64_t{partitions} * tree.node(kRoot).most;
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const std::vector<NodeIndex>& children = tree.node(i).children;
    if (children.empty()) continue;
    struct Rest {
      bool holds_more = false;
      double fraction = 0;
      NodeIndex child = 0;
    };
    std::vector<Rest> rests;
    const std::vector<double> split = tree.split_share(i, static_cast<double>(targets[i]) / partitions);
    std::uint64_t left = targets[i];
    for (std::size_t c = 0; c < children.size(); ++c) {
      const double wish = split[c] * partitions;
      const double whole = std::floor(wish + kTolerance);
      targets[children[c]] = static_cast<std::uint64_t>(whole);
      left -= targets[children[c]];
      if (wish - whole <= kTolerance) continue;
      rests.push_back({kept[children[c]] > targets[children[c]], wish - whole, children[c]});
    }
    std::sort(rests.begin(), rests.end(), [](const Rest& a, const Rest& b) {
      return std::tuple(!a.holds_more, -a.fraction, a.child) <
             std::tuple(!b.holds_more, -b.fraction, b.child);
    });
    GABION_CHECK(left <= rests.size(), "shares do not add up");
    for (std::uint64_t r = 0; r < left; ++r) ++targets[rests[r].child];
  }
  return targets;
}

// Which drives are in each row, without order.
std::vector<DriveIndex> split_down(const Tree& tree, Places& places,
                                   const std::vector<std::uint64_t>& targets) {
  std::vector<DriveIndex> members;
  members.reserve(std::size_t{places.partitions()} * places.width());
  std::vector<std::vector<DriveIndex>> rows(places.partitions());
  std::vector<std::vector<std::uint8_t>> in_rows(tree.size());
  in_rows[kRoot].assign(places.partitions(), static_cast<std::uint8_t>(tree.node(kRoot).most));
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const Node& node = tree.node(i);
    if (node.children.empty()) {
      for (std::uint32_t row = 0; row < rows.size(); ++row) {
        if (in_rows[i][row] != 0) rows[row].push_back(node.drive);
      }
    } else {
      Split split(tree, places, i, in_rows[i], targets);
      split.run();
      for (std::size_t c = 0; c < node.children.size(); ++c) in_rows[node.children[c]] = split.column(c);
    }
    in_rows[i] = {};
  }
  for (const std::vector<DriveIndex>& row : rows) {
    GABION_CHECK(row.size() == places.width(), "a row has the wrong number of drives");
    members.insert(members.end(), row.begin(), row.end());
  }
  return members;
}

// Of `choices`, the drive whose domains the row so far has least, the widest level first: any first drives of
// a row are then well spread too, which small blocks rely on that have copies on only these.
std::size_t least_crowded(const Tree& tree, std::span<const DriveIndex> row,
                          const std::vector<DriveIndex>& choices, std::size_t partition) {
  auto score = [&](DriveIndex drive) {
    std::uint64_t score = 0;
    for (unsigned depth = 1; depth < tree.drive_depth(); ++depth) {
      std::uint64_t same = 0;
      for (const DriveIndex other : row) {
        same += other != kNoDrive && tree.ancestor(other, depth) == tree.ancestor(drive, depth);
      }
      score = score * (kWidthMax + 1) + same;
    }
    return score;
  };
  const std::size_t start = mix(partition << 8 | choices.size()) % choices.size();
  std::size_t best = start;
  std::uint64_t best_score = score(choices[best]);
  for (std::size_t step = 1; step < choices.size(); ++step) {
    const std::size_t i = (start + step) % choices.size();
    const std::uint64_t s = score(choices[i]);
    if (s >= best_score) continue;
    best = i;
    best_score = s;
  }
  return best;
}

// A drive that stays in a row stays at its position, because the position names the shard that it holds.
std::vector<DriveIndex> put_in_order(const Tree& tree, unsigned width,
                                     const std::vector<DriveIndex>& old_table,
                                     const std::vector<DriveIndex>& members) {
  std::vector<DriveIndex> table(members.size(), kNoDrive);
  for (std::size_t start = 0; start < table.size(); start += width) {
    const std::span<DriveIndex> row(&table[start], width);
    std::vector<DriveIndex> fresh(&members[start], &members[start] + width);
    for (unsigned i = 0; i < width; ++i) {
      const auto stays = std::find(fresh.begin(), fresh.end(), old_table[start + i]);
      if (stays == fresh.end()) continue;
      row[i] = *stays;
      fresh.erase(stays);
    }
    for (DriveIndex& place : row) {
      if (place != kNoDrive) continue;
      const std::size_t chosen = least_crowded(tree, row.first(&place - row.data()), fresh, start / width);
      place = fresh[chosen];
      fresh.erase(fresh.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
  }
  return table;
}

}  // namespace

Result<Ring> build(const Ring& previous, std::vector<Drive> drives, unsigned width, unsigned partition_bits) {
  TRY_OK(check_shape(width, partition_bits));
  if (previous.width() != 0 && partition_bits < previous.partition_bits()) {
    return Error(Errc::invalid, fmt::format("a ring of 2^{} partitions cannot shrink to 2^{}",
                                            previous.partition_bits(), partition_bits));
  }
  std::sort(drives.begin(), drives.end(), [](const Drive& a, const Drive& b) { return a.id < b.id; });
  TRY_OK(check_drives(drives, width));

  const Tree tree(drives, width);
  const std::uint32_t partitions = 1u << partition_bits;
  const std::vector<DriveIndex> old_table = carry_over(previous, drives, width, partition_bits);
  Places places(tree, partitions, width, old_table);
  const std::vector<std::uint64_t> targets = choose_targets(tree, partitions, places.kept_by_node());
  places.set_targets(targets);
  std::vector<DriveIndex> members = split_down(tree, places, targets);
  Exchanges(tree, partitions, width, old_table, members).run();
  std::vector<DriveIndex> table = put_in_order(tree, width, old_table, members);
  return Ring(previous.epoch() + 1, partition_bits, width, std::move(drives), std::move(table));
}

}  // namespace gabion::ring
