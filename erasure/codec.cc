#include "erasure/codec.h"

#include <fmt/format.h>
#include <isa-l.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "common/check.h"

namespace gabion::erasure {
namespace {

constexpr unsigned kShardsMax = 40;
// ISA-L takes a shard's length as an int.
constexpr std::size_t kShardBytesMax = 1u << 30;
// ISA-L expands each coefficient to a table of this size.
constexpr std::size_t kTableBytes = 32;

// ISA-L takes pointers to bytes it does not write as pointers to mutable ones.
unsigned char* as_source(ByteView bytes) {
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
}
unsigned char* as_target(MutableBytes bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// targets = rows x sources, where `rows` has one row of coefficients for each target.
void multiply(unsigned sources, unsigned targets, std::size_t length, std::uint8_t* tables,
              std::array<unsigned char*, kShardsMax>& from, std::array<unsigned char*, kShardsMax>& to) {
  ec_encode_data(static_cast<int>(length), static_cast<int>(sources), static_cast<int>(targets), tables,
                 from.data(), to.data());
}

Error invalid(std::string text) { return Error(Errc::invalid, "reconstruct: " + std::move(text)); }

// Checks indexes and lengths; `data` and `total` are those of the profile.
Result<void> check_input(Profile profile, std::span<const Codec::Present> present,
                         std::span<const Codec::Wanted> wanted) {
  if (present.size() != profile.data) {
    return invalid(fmt::format("{} shards given, {} needed", present.size(), profile.data));
  }
  const std::size_t length = present.front().bytes.size();
  if (length > kShardBytesMax) return invalid("the shards are too long");
  std::array<bool, kShardsMax> seen{};
  auto check_one = [&](unsigned index, std::size_t size) -> Result<void> {
    if (index >= profile.total())
      return invalid(fmt::format("there is no shard {} in {}", index, to_string(profile)));
    if (std::exchange(seen[index], true)) return invalid(fmt::format("shard {} is named twice", index));
    if (size != length) return invalid("the shards differ in length");
    return {};
  };
  for (const auto& shard : present) TRY_OK(check_one(shard.index, shard.bytes.size()));
  for (const auto& shard : wanted) TRY_OK(check_one(shard.index, shard.into.size()));
  return {};
}

}  // namespace

Codec::Codec(Profile profile) : profile_(profile) {
  GABION_CHECK(profile.data >= 1 && profile.data <= 32 && profile.parity <= 8, "no such profile");
  const unsigned k = profile.data;
  matrix_.resize(std::size_t{profile.total()} * k);
  gf_gen_cauchy1_matrix(matrix_.data(), static_cast<int>(profile.total()), static_cast<int>(k));
  // With one data shard, plain copies: each can then be read as it is.
  if (k == 1) std::fill(matrix_.begin(), matrix_.end(), std::uint8_t{1});
  encode_tables_.resize(kTableBytes * k * profile.parity);
  if (profile.parity > 0) {
    ec_init_tables(static_cast<int>(k), static_cast<int>(profile.parity), &matrix_[std::size_t{k} * k],
                   encode_tables_.data());
  }
}

void Codec::encode(std::span<const ByteView> data, std::span<const MutableBytes> parity) const {
  GABION_CHECK(data.size() == profile_.data && parity.size() == profile_.parity,
               "the wrong number of shards");
  const std::size_t length = data.front().size();
  GABION_CHECK(length <= kShardBytesMax, "the shards are too long");
  std::array<unsigned char*, kShardsMax> from{}, to{};
  for (std::size_t i = 0; i < data.size(); ++i) {
    GABION_CHECK(data[i].size() == length, "the shards differ in length");
    from[i] = as_source(data[i]);
  }
  for (std::size_t i = 0; i < parity.size(); ++i) {
    GABION_CHECK(parity[i].size() == length, "the shards differ in length");
    to[i] = as_target(parity[i]);
  }
  if (profile_.parity == 0 || length == 0) return;
  // ISA-L only reads the tables.
  multiply(profile_.data, profile_.parity, length, const_cast<std::uint8_t*>(encode_tables_.data()), from,
           to);
}

Result<void> Codec::reconstruct(std::span<const Present> present, std::span<const Wanted> wanted) const {
  TRY_OK(check_input(profile_, present, wanted));
  const unsigned k = profile_.data;
  const std::size_t length = present.front().bytes.size();
  if (wanted.empty() || length == 0) return {};

  // The rows of the present shards, inverted, give the data shards; a row of the matrix times that gives any
  // shard.
  std::vector<std::uint8_t> rows(std::size_t{k} * k), inverse(rows.size());
  std::array<unsigned char*, kShardsMax> from{}, to{};
  for (unsigned i = 0; i < k; ++i) {
    std::memcpy(&rows[std::size_t{i} * k], &matrix_[std::size_t{present[i].index} * k], k);
    from[i] = as_source(present[i].bytes);
  }
  GABION_CHECK(gf_invert_matrix(rows.data(), inverse.data(), static_cast<int>(k)) == 0,
               "any k rows of a Cauchy matrix are independent");
  std::vector<std::uint8_t> coefficients(wanted.size() * k);
  for (std::size_t w = 0; w < wanted.size(); ++w) {
    const std::uint8_t* row = &matrix_[std::size_t{wanted[w].index} * k];
    for (unsigned column = 0; column < k; ++column) {
      std::uint8_t sum = 0;
      for (unsigned i = 0; i < k; ++i) sum ^= gf_mul(row[i], inverse[std::size_t{i} * k + column]);
      coefficients[w * k + column] = sum;
    }
    to[w] = as_target(wanted[w].into);
  }
  std::vector<std::uint8_t> tables(kTableBytes * coefficients.size());
  ec_init_tables(static_cast<int>(k), static_cast<int>(wanted.size()), coefficients.data(), tables.data());
  multiply(k, static_cast<unsigned>(wanted.size()), length, tables.data(), from, to);
  return {};
}

}  // namespace gabion::erasure
