// One step of the builder: given how many places of each row lie in a domain, decides how many of them lie in
// each of its children. Every child gets exactly its target over all rows, and in each row its mean rounded
// down or up, so the result is balanced and well spread; such a split exists for every node (the rows' counts
// differ by one at most), and it is reached by moving places along the shortest paths of exchanges, the free
// ones first. Internal to ring/.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ring/places.h"
#include "ring/tree.h"

namespace gabion::ring {

class Split {
 public:
  // `in_rows`: places of the node in each row. `targets`: by node, over all rows. All must outlive the Split.
  Split(const Tree& tree, Places& places, NodeIndex node, const std::vector<std::uint8_t>& in_rows,
        const std::vector<std::uint64_t>& targets);
  void run();
  // Places of the child in each row.
  std::vector<std::uint8_t> column(std::size_t child) const;

 private:
  struct Child {
    NodeIndex node = 0;
    std::uint8_t low = 0;  // bounds of its places in one row
    std::uint8_t high = 0;
    std::int64_t surplus = 0;  // places it has, over all rows, less its target
  };
  enum class Cost { free, any };
  // An exchange: in `row`, a place goes from the child before to this one.
  struct Arc {
    std::size_t from = 0;
    std::uint32_t row = 0;
  };

  void start_from_kept();
  void settle_rows();
  void drop_from(std::uint32_t row);
  void add_to(std::uint32_t row);
  void exchange_directly();
  bool exchange_in(std::uint32_t row);
  void exchange_by_paths();
  std::optional<std::size_t> find_path(Cost cost, std::vector<std::optional<Arc>>& arrived) const;

  std::uint8_t& count(std::uint32_t row, std::size_t child) {
    return counts_[row * children_.size() + child];
  }
  std::uint8_t count(std::uint32_t row, std::size_t child) const {
    return counts_[row * children_.size() + child];
  }
  bool can_take(std::uint32_t row, std::size_t child) const {
    return count(row, child) < children_[child].high;
  }
  bool can_give(std::uint32_t row, std::size_t child, Cost cost) const;
  void take(std::uint32_t row, std::size_t child);
  void give(std::uint32_t row, std::size_t child);
  std::uint32_t shuffled(std::uint32_t row) const;

  Places& places_;
  const std::vector<std::uint8_t>& in_rows_;
  std::vector<Child> children_;
  std::vector<std::uint8_t> counts_;  // rows x children
};

}  // namespace gabion::ring
