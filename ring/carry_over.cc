#include "ring/carry_over.h"

#include <unordered_map>

#include "common/check.h"

namespace gabion::ring {

std::vector<DriveIndex> carry_over(const Ring& previous, const std::vector<Drive>& drives, unsigned width,
                                   unsigned bits) {
  std::vector<DriveIndex> table((std::size_t{1} << bits) * width, kNoDrive);
  if (previous.width() == 0) return table;
  GABION_CHECK(bits >= previous.partition_bits(), "a ring does not shrink");
  std::unordered_map<DriveId, DriveIndex> indexes;
  for (std::size_t i = 0; i < drives.size(); ++i) indexes[drives[i].id] = static_cast<DriveIndex>(i);
  std::vector<DriveIndex> now;
  for (const Drive& drive : previous.drives()) {
    const auto found = indexes.find(drive.id);
    now.push_back(found == indexes.end() ? kNoDrive : found->second);
  }
  for (std::uint32_t partition = 0; partition < 1u << bits; ++partition) {
    const std::span<const DriveIndex> row = previous.row(partition >> (bits - previous.partition_bits()));
    for (unsigned i = 0; i < std::min(width, previous.width()); ++i)
      table[std::size_t{partition} * width + i] = now[row[i]];
  }
  return table;
}

}  // namespace gabion::ring
