// The builder's last step: undoes moves that turn out unnecessary. A balanced, well spread table stays so
// when drives are exchanged along a cycle: in one row a gives its place to b, in another b to c, in a third c
// to a. Where a cycle puts back more old assignments than it takes away, something moved for nothing; when no
// such cycle is left, no table with the same counts per drive moves less. Internal to ring/.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ring/tree.h"

namespace gabion::ring {

// With more drives than this the search takes long, and a row has so many candidates that hardly a move is
// wasted.
inline constexpr std::size_t kDrivesSearched = 192;

class Exchanges {
 public:
  // Tables are partitions x width; all must outlive it.
  Exchanges(const Tree& tree, std::uint32_t partitions, unsigned width,
            const std::vector<DriveIndex>& old_table, std::vector<DriveIndex>& table);
  void run();
  // What a place of each drive (by position in drives()) is worth, in moves. Where nothing can be undone, an
  // exchange never moves less than the difference of the prices; which is how the fewest moves are proved to
  // be the fewest.
  std::vector<int> prices();
  const std::vector<DriveIndex>& drives() const { return drives_; }

 private:
  // How the number of moved places changes: an old assignment comes back (-1), nothing, or one more moves
  // (+1).
  static constexpr int kCosts = 3;
  // Positions in drives_, each of which gives a place to the next, the last to the first.
  using Cycle = std::vector<std::size_t>;

  bool may_waste_moves() const;
  // Collects, for each pair of drives and cost, rows in which the first may give its place to the second.
  // Rows in which nothing moved serve only as links of longer cycles.
  enum class Rows { changed, all };
  void collect(Rows which);
  void collect_row(std::uint32_t row);
  // One round of Bellman and Ford: whether any distance fell.
  bool relax(std::vector<int>& distances, std::vector<std::size_t>& from);
  std::optional<Cycle> find_cycle();
  bool follow(const Cycle& cycle);

  bool was_in(std::uint32_t row, DriveIndex drive) const;
  bool is_changed(std::uint32_t row) const;
  void count_row(std::uint32_t row);
  bool stays_spread(NodeIndex node, NodeIndex gives, NodeIndex takes) const;
  bool keeps_spread(DriveIndex gives, DriveIndex takes) const;
  std::optional<int> cost_of(std::uint32_t row, DriveIndex gives, DriveIndex takes) const;
  std::vector<std::uint32_t>& rows_of(std::size_t gives, std::size_t takes, int cost) {
    return rows_[(gives * drives_.size() + takes) * kCosts + static_cast<std::size_t>(cost + 1)];
  }
  std::optional<int> cheapest(std::size_t gives, std::size_t takes);

  const Tree& tree_;
  std::uint32_t partitions_;
  unsigned width_;
  const std::vector<DriveIndex>& old_table_;
  std::vector<DriveIndex>& table_;
  std::vector<std::uint8_t> counts_;  // by node, of the row looked at
  std::vector<DriveIndex> drives_;    // those with weight
  std::vector<std::vector<std::uint32_t>> rows_;
  std::size_t rows_most_ = 0;  // kept for one pair and cost
};

}  // namespace gabion::ring
