// Reed-Solomon coding of k data and m parity shards (ISA-L, Cauchy matrix, every k of k+m suffice; with k = 1 parity
// shards are plain copies). Pure and thread-safe: a Codec is immutable. Shards are byte strings of one length; the codec
// never copies them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"

namespace gabion::erasure {

// A storage class's k+m. k in 1..32, m in 0..8.
struct Profile {
  unsigned data = 1;
  unsigned parity = 0;
  unsigned total() const { return data + parity; }
  friend bool operator==(const Profile&, const Profile&) = default;
};

// The profile that a number of drives gets unless configured: 1: 1+0, 2: 1+1, 3: 2+1, 4-5: 2+2, 6-10: 4+2, 11..: 8+3.
Profile default_profile(std::size_t drives);
// The same for the drives of several failure domains (nodes), each given by how many it has: the widest of those profiles
// whose blocks survive the loss of any one domain and, from three domains on, find room on the others afterwards.
Profile default_profile(std::span<const std::size_t> domains);
// How many of a block's `width` shards one domain has at the most, when they are spread as evenly as the drives allow;
// nullopt: there are fewer drives than shards.
std::optional<unsigned> most_in_one(std::span<const std::size_t> domains, unsigned width);
// "4+2"; invalid with a text that says what is allowed.
Result<Profile> parse_profile(std::string_view text);
std::string to_string(Profile profile);

class Codec {
 public:
  explicit Codec(Profile profile);
  Profile profile() const { return profile_; }

  // Computes parity from all k data shards. data.size() == k, parity.size() == m, all of one length.
  void encode(std::span<const ByteView> data, std::span<const MutableBytes> parity) const;

  // One shard that is wanted back: its index in 0..k+m-1 and where it goes.
  struct Wanted {
    unsigned index = 0;
    MutableBytes into;
  };
  // Rebuilds shards from any k present ones. `present` pairs an index with its bytes; exactly k distinct indexes, none
  // of them wanted. invalid otherwise.
  struct Present {
    unsigned index = 0;
    ByteView bytes;
  };
  Result<void> reconstruct(std::span<const Present> present, std::span<const Wanted> wanted) const;

 private:
  Profile profile_;
  std::vector<std::uint8_t> matrix_;         // (k+m) x k
  std::vector<std::uint8_t> encode_tables_;  // ISA-L's expansion of the parity rows
};

}  // namespace gabion::erasure
