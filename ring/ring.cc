#include "ring/ring.h"

#include <bit>
#include <cmath>

#include "common/check.h"
#include "common/crc.h"
#include "ring/limits.h"

namespace gabion::ring {
namespace {

// The encoded form, all integers little-endian:
//   magic "GBNRING1" (the last byte is the version), length u64 of everything before the CRC, epoch u64,
//   partition_bits u8, width u8, levels u8, reserved u8 (0), drives u32,
//   each drive: id 16 bytes, weight f64, each level: length u8 and the name,
//   the table: partitions x width drive indexes u16,
//   CRC32C u32 of all before.
constexpr std::string_view kMagic = "GBNRING1";
constexpr std::size_t kHeaderBytes = 8 + 8 + 8 + 4 + 4;
constexpr std::size_t kCrcBytes = 4;

template <class Int>
void append(std::string& out, Int value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

Error corrupt(std::string_view what) { return Error(Errc::corrupt, fmt::format("ring: {}", what)); }

// Takes fields off the front of the encoded form; every one is checked against what is left.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  Result<std::string_view> bytes(std::size_t count) {
    if (count > left_.size()) return corrupt("ends early");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  template <class Int>
  Result<Int> integer() {
    TRY(const std::string_view raw, bytes(sizeof(Int)));
    return load_le<Int>(raw.data());
  }
  std::size_t left() const { return left_.size(); }

 private:
  std::string_view left_;
};

Result<Drive> read_drive(Reader& reader, unsigned levels) {
  Drive drive;
  TRY(const std::string_view id, reader.bytes(16));
  drive.id = *DriveId::from_raw(id);
  TRY(const auto weight, reader.integer<std::uint64_t>());
  drive.weight = std::bit_cast<double>(weight);
  for (unsigned level = 0; level < levels; ++level) {
    TRY(const auto length, reader.integer<std::uint8_t>());
    TRY(const std::string_view name, reader.bytes(length));
    drive.domain.emplace_back(name);
  }
  TRY_OK(check_drive(drive, levels));
  return drive;
}

Result<std::vector<Drive>> read_drives(Reader& reader, unsigned levels, std::uint32_t count) {
  std::vector<Drive> drives;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(Drive drive, read_drive(reader, levels));
    if (i > 0 && !(drives.back().id < drive.id)) return corrupt("drives are not in the order of their ids");
    drives.push_back(std::move(drive));
  }
  return drives;
}

Result<std::vector<DriveIndex>> read_table(Reader& reader, std::size_t rows, unsigned width,
                                           std::size_t drives) {
  if (reader.left() != rows * width * sizeof(DriveIndex)) return corrupt("the table has the wrong size");
  TRY(const std::string_view raw, reader.bytes(rows * width * sizeof(DriveIndex)));
  std::vector<DriveIndex> table(rows * width);
  if (!table.empty()) std::memcpy(table.data(), raw.data(), raw.size());
  std::vector<std::size_t> last_row(drives, rows);
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i] >= drives) return corrupt("a row names a drive that is not listed");
    if (std::exchange(last_row[table[i]], i / width) == i / width)
      return corrupt("a row names a drive twice");
  }
  return table;
}

}  // namespace

Result<void> check_shape(unsigned width, unsigned partition_bits) {
  if (width < 1 || width > kWidthMax) {
    return Error(Errc::invalid, fmt::format("a row has 1 to {} drives, not {}", kWidthMax, width));
  }
  if (partition_bits > kPartitionBitsMax) {
    return Error(Errc::invalid, fmt::format("a ring has at most 2^{} partitions, not 2^{}", kPartitionBitsMax,
                                            partition_bits));
  }
  return {};
}

Result<void> check_drive(const Drive& drive, std::size_t levels) {
  if (!std::isfinite(drive.weight) || drive.weight < 0) {
    return Error(Errc::invalid,
                 fmt::format("the weight of drive {} is not a number from 0 up", drive.id.to_hex()));
  }
  if (drive.domain.size() != levels || levels > kLevelsMax) {
    return Error(Errc::invalid,
                 fmt::format("all drives name the same failure domain levels, at most {}; drive {} has {}",
                             kLevelsMax, drive.id.to_hex(), drive.domain.size()));
  }
  for (const std::string& name : drive.domain) {
    if (name.size() > kNameBytesMax) {
      return Error(Errc::invalid, fmt::format("a failure domain's name has at most {} bytes", kNameBytesMax));
    }
  }
  return {};
}

Ring::Ring(std::uint64_t epoch, unsigned partition_bits, unsigned width, std::vector<Drive> drives,
           std::vector<DriveIndex> table)
    : epoch_(epoch),
      partition_bits_(partition_bits),
      width_(width),
      drives_(std::move(drives)),
      table_(std::move(table)) {
  GABION_CHECK(table_.size() == std::size_t{partitions()} * width_, "a ring's table has the wrong size");
}

std::uint32_t Ring::partition_of(const BlockId& block) const {
  // Shifting by 64 is undefined, so a ring of one partition is a case of its own.
  if (partition_bits_ == 0) return 0;
  return static_cast<std::uint32_t>(load_be64(block.bytes.data()) >> (64 - partition_bits_));
}

std::span<const DriveIndex> Ring::row(std::uint32_t partition) const {
  GABION_CHECK(partition < partitions(), "no such partition");
  return std::span(table_).subspan(std::size_t{partition} * width_, width_);
}

std::string Ring::encode() const {
  std::string out(kMagic);
  append<std::uint64_t>(out, 0);
  append(out, epoch_);
  append(out, static_cast<std::uint8_t>(partition_bits_));
  append(out, static_cast<std::uint8_t>(width_));
  append(out, static_cast<std::uint8_t>(drives_.empty() ? 0 : drives_.front().domain.size()));
  append<std::uint8_t>(out, 0);
  append(out, static_cast<std::uint32_t>(drives_.size()));
  for (const Drive& drive : drives_) {
    out += drive.id.raw();
    append(out, std::bit_cast<std::uint64_t>(drive.weight));
    for (const std::string& name : drive.domain) {
      append(out, static_cast<std::uint8_t>(name.size()));
      out += name;
    }
  }
  out.append(reinterpret_cast<const char*>(table_.data()), table_.size() * sizeof(DriveIndex));
  store_le<std::uint64_t>(out.data() + kMagic.size(), out.size());
  append(out, crc32c(0, as_bytes(out)));
  return out;
}

Result<Ring> Ring::decode(std::string_view encoded) {
  if (encoded.size() < kHeaderBytes + kCrcBytes) return corrupt("ends early");
  const std::string_view body = encoded.substr(0, encoded.size() - kCrcBytes);
  if (body.substr(0, 7) != kMagic.substr(0, 7)) return corrupt("is not one");
  if (body[7] != kMagic[7]) return Error(Errc::invalid, "ring: written by a newer version");
  if (load_le<std::uint64_t>(body.data() + kMagic.size()) != body.size())
    return corrupt("has the wrong length");
  if (load_le<std::uint32_t>(body.data() + body.size()) != crc32c(0, as_bytes(body)))
    return corrupt("checksum does not match");

  Reader reader(body.substr(kMagic.size() + 8));
  TRY(const auto epoch, reader.integer<std::uint64_t>());
  TRY(const unsigned partition_bits, reader.integer<std::uint8_t>());
  TRY(const unsigned width, reader.integer<std::uint8_t>());
  TRY(const unsigned levels, reader.integer<std::uint8_t>());
  TRY(const unsigned reserved, reader.integer<std::uint8_t>());
  TRY(const auto count, reader.integer<std::uint32_t>());
  // The empty ring of epoch 0 has rows of no drives.
  if (width != 0 || partition_bits != 0) TRY_OK(check_shape(width, partition_bits));
  if (count == 0 && levels != 0) return corrupt("it has levels but no drives");
  if (levels > kLevelsMax || count > kDrivesMax || reserved != 0) return corrupt("a field is out of bounds");
  TRY(std::vector<Drive> drives, read_drives(reader, levels, count));
  TRY(std::vector<DriveIndex> table,
      read_table(reader, std::size_t{1} << partition_bits, width, drives.size()));
  return Ring(epoch, partition_bits, width, std::move(drives), std::move(table));
}

}  // namespace gabion::ring
